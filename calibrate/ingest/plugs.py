"""What plugs and house meters export: Home Assistant, Shelly, Tapo and Kasa."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from calibrate.errors import BadFile
from calibrate.ingest import opened
from calibrate.ingest.feed import POWER, UNITS, Found, Options, counter, power, unit_of
from calibrate.ingest.long import Long
from calibrate.ingest.sheet import Row, figure, instant, rows
from calibrate.ingest.stamps import MISSING, documents, empty, lines
from calibrate.probe import Domain
from calibrate.quantity import J_PER_WH, finite_number

_ENERGY = " energy"


def _cover(options: Options) -> Callable[[str], Domain]:
    """Return what makes a domain of a column: watts, or joules where its name ends so."""
    scope = options.scope or "node"
    return lambda name: (counter if name.endswith(_ENERGY) else power)(name, scope, "wall")


# ---- Home Assistant ----


def home_assistant(paths: Sequence[Path], options: Options) -> Found:
    """Home Assistant's history as CSV, or its statistics as import_statistics exports them.

    The former is ``entity_id,state,last_changed`` in UTC, without a unit. The latter has the unit,
    and each hour's mean, or the sum at its end: ``statistic_id,unit,start,min,max,mean,sum,state``
    in the home's zone. Sources: home-assistant/frontend, ha-panel-history.ts;
    klausj1/homeassistant-statistics, docs.
    """
    long = Long()
    for path in paths:
        delimiter, header = _header(path)
        (_statistics if "statistic_id" in header else _history)(path, delimiter, long, options)
    if not long:
        raise BadFile(paths[0], "it has no state or statistic of power or energy")
    return Found([long.feed(options.name or "wall", _cover(options))])


def _header(path: Path) -> tuple[str, str]:
    with opened.text(path) as stream:
        header = stream.readline()
    return max(",\t;", key=header.count), header


def _history(path: Path, delimiter: str, long: Long, options: Options) -> None:
    for row in rows(path, options, ("entity_id", "state", "last_changed"), delimiter):
        if row["state"] in {"unavailable", "unknown"}:
            continue
        value, at_ns = figure(row, "state", options), instant(row, "last_changed", options)
        if value is not None and at_ns is not None:
            unit = unit_of(options, row["entity_id"], value)
            ending = "" if unit in POWER else _ENERGY
            long.put(at_ns, row["entity_id"] + ending, value * UNITS[unit])


_HOUR_NS = 3_600_000_000_000


def _statistics(path: Path, delimiter: str, long: Long, options: Options) -> None:
    """Put means of power at the middle of their hours, and sums of energy at their ends."""
    for row in rows(path, options, ("statistic_id", "unit", "start"), delimiter):
        unit, name = row["unit"].strip(), row["statistic_id"]
        if unit not in UNITS:
            continue
        column = "mean" if unit in POWER else "sum"
        value = figure(row, column, options) if column in row else None
        if value is None:
            continue
        try:
            local = datetime.strptime(row["start"].strip(), "%d.%m.%Y %H:%M")
            row["start"] = local.isoformat()
        except ValueError:
            pass  # another of its formats, or no time, which is told next
        at_ns = instant(row, "start", options)
        if at_ns is not None and unit in POWER:
            long.put(at_ns + _HOUR_NS // 2, name, value * UNITS[unit])
        elif at_ns is not None:
            long.put(at_ns + _HOUR_NS, name + _ENERGY, value * UNITS[unit])


# ---- Shelly ----


_GEN1 = re.compile(r"Active energy Wh ?(?:\((\w+)\))?")
_GEN2 = re.compile(r"(?:([abc])_)?total_act_energy")
_SHELLY = (
    "A row's time is taken for the beginning of its interval, which Shelly's documents leave open."
)


def shelly(paths: Sequence[Path], options: Options) -> Found:
    """Energy logs of Shelly's meters: watt-hours of each interval, by phase or channel.

    Gen1 is ``em_data.csv`` (``Date/time UTC,Active energy Wh (A),...``, ten minutes a row), later
    ones ``emdata/0/data.csv`` and ``em1data/0/data.csv`` (``timestamp,a_total_act_energy,...``, a
    minute a row). Energy that was returned is left out. Sources: shelly-api-docs.shelly.cloud,
    gen1 /emeter/{index}/em_data.csv, gen2 EMData and EM1Data.
    """
    found: dict[str, list[tuple[int, float]]] = {}
    for path in paths:
        for begin_ns, phase, joules in _intervals(path, options):
            found.setdefault(phase, []).append((begin_ns, joules))
    long = Long()
    if len(found) > 1:
        by_phase = [dict(points) for points in found.values()]
        shared = sorted(set.intersection(*(set(each) for each in by_phase)))
        found["total"] = [(at_ns, sum(each[at_ns] for each in by_phase)) for at_ns in shared]
    for phase, points in found.items():
        _cumulate(sorted(points), f"{phase}{_ENERGY}", long, options)
    if not long:
        raise BadFile(paths[0], "it has not two rows of active energy")
    return Found([long.feed(options.name or "wall", _cover(options))], notes=[_SHELLY])


def _intervals(path: Path, options: Options) -> Iterator[tuple[int, str, float]]:
    """Yield beginning, phase and joules of each interval."""
    with opened.text(path) as stream:
        first = stream.readline().startswith("Date/time UTC")
    time, form = ("Date/time UTC", _GEN1) if first else ("timestamp", _GEN2)
    for row in rows(path, options, (time,)):
        begin_ns = _beginning(row, time, options)
        for column in row:
            phase = form.fullmatch(column)
            wh = figure(row, column, options) if phase and begin_ns is not None else None
            if phase and begin_ns is not None and wh is not None:
                if wh < 0:
                    options.reject(",".join(row.values()), f"{column} is below zero")
                    continue
                yield begin_ns, (phase[1] or "node").lower(), wh * J_PER_WH


def _beginning(row: Row, time: str, options: Options) -> int | None:
    """Return the instant of a row; Gen1's column says that it is in UTC."""
    if time != "timestamp" and "+" not in row[time]:
        row[time] = f"{row[time].strip()}+00:00"
    return instant(row, time, options)


def _cumulate(points: Sequence[tuple[int, float]], name: str, long: Long, options: Options) -> None:
    """Put a counter that stands still where there are no rows; the usual step is an interval."""
    steps = Counter(b - a for (a, _), (b, _) in pairwise(points) if b > a)
    if not steps:
        return
    period_ns = steps.most_common(1)[0][0]
    end_ns = -1
    for begin_ns, joules in points:
        if begin_ns < end_ns:
            options.reject(f"{begin_ns} {joules:g} J", f"{name}: an interval over the one before")
            continue
        long.add(begin_ns, name, 0.0)
        long.add(begin_ns + period_ns, name, joules)
        end_ns = begin_ns + period_ns


# ---- Tapo, Kasa ----


def tapo(paths: Sequence[Path], options: Options) -> Found:
    """``kasa energy`` or ``kasa --json energy`` of python-kasa, with times before its lines.

    Watts, in text ``Power: 12.3 W``, in JSON ``power_mw``, or ``power`` of old plugs; ``total_wh``
    counts. What Tapo gives as ``total`` begins anew each day, and is left out. Source: python-kasa
    0.12, kasa/cli/usage.py and emeterstatus.py.
    """
    long = Long()
    for path in paths:
        with opened.text(path) as stream:
            as_json = '"power' in stream.read(4000)
        for at_ns, text, told in _json(path, options) if as_json else _text(path, options):
            try:
                if at_ns is None:
                    raise ValueError(MISSING)
                for name, value in told:
                    long.put(at_ns, name, value)
            except ValueError as error:
                options.reject(text, str(error))
    if not long:
        raise empty(paths[0], "energy of python-kasa's")
    return Found([long.feed(options.name or "wall", _cover(options))])


_Told = Iterator[tuple[int | None, str, Iterator[tuple[str, float]]]]


def _json(path: Path, options: Options) -> _Told:
    for at_ns, document in documents(path, options):
        yield at_ns, str(document)[:200], _status(document)


def _status(told: Mapping[str, object]) -> Iterator[tuple[str, float]]:
    if "power_mw" in told:
        yield "node", finite_number(told["power_mw"], "power_mw") / 1e3
    elif "power" in told:
        yield "node", finite_number(told["power"], "power")
    if "total_wh" in told:
        yield f"node{_ENERGY}", finite_number(told["total_wh"], "total_wh") * J_PER_WH


def _text(path: Path, options: Options) -> _Told:
    for at_ns, line in lines(path, options):
        found = re.fullmatch(r"\s*Power: (\S+) W", line)
        if found:
            yield at_ns, line, (("node", finite_number(text, "Power")) for text in found.groups())
