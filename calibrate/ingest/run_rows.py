"""Tables with a run per row: when it began, how long it took, and what it used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calibrate.errors import BadFile
from calibrate.ingest.feed import POWER, UNITS, Feed, Found, Options, Window, slug
from calibrate.ingest.long import pivot
from calibrate.ingest.sheet import Row, figure, instant, rows

if TYPE_CHECKING:
    from calibrate.ingest.mapping import Mapping_, Run

#: ns in one of each unit of a duration.
DURATIONS_NS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9, "min": 60e9, "h": 3600e9}


@dataclass(frozen=True)
class RunRow:
    """One row: its window, ns since 1970, and joules by place in the mapping."""

    window: Window
    joules: dict[int, float]


def run_rows(paths: Sequence[Path], mapping: Mapping_, run: Run, options: Options) -> Found:
    """Return tables with a run per row, as a mapping says what their columns are.

    A figure that is missing is none: the probe was not there in that run.

    Raises
    ------
    BadFile : a column is missing, or there is no run.
    """
    needed = [mapping.time.column, *(value.column for value in mapping.value)]
    needed += [name for name in (run.label, run.end, run.duration) if name]
    every = (row for path in paths for row in rows(path, options, list(dict.fromkeys(needed))))
    told = (_run(row, mapping, run, options) for row in every)
    found = _in_turn([each for each in told if each is not None], options)
    if not found:
        raise BadFile(paths[0], "it has no run with a time, a length and an energy")
    feeds, there = [], {}
    for probe in dict.fromkeys(value.probe for value in mapping.value):
        mine = [n for n, value in enumerate(mapping.value) if value.probe == probe]
        has = [each for each in found if all(n in each.joules for n in mine)]
        there[probe] = {id(each) for each in has}
        if has:
            feeds.append(_feed(probe, mine, has, mapping, options))
    windows = []
    for each in found:
        probes = tuple(probe for probe, those in there.items() if id(each) in those)
        name, begin, end = each.window.workload, each.window.begin_ns, each.window.end_ns
        windows.append(Window(name, begin, end, probes))
    return Found(feeds, windows)


def _run(row: Row, mapping: Mapping_, run: Run, options: Options) -> RunRow | None:
    """Return a row's run; None where it is none, and kept aside."""
    at_ns = instant(row, mapping.time.column, options)
    if at_ns is None:
        return None
    if run.end is not None:
        begin_ns, end_ns = at_ns, instant(row, run.end, options)
    else:
        length = figure(row, run.duration or "", options)
        length_ns = None if length is None else round(length * DURATIONS_NS[run.duration_unit])
        begin_ns = at_ns - (length_ns or 0) if run.time_is == "end" else at_ns
        end_ns = None if length_ns is None else begin_ns + length_ns
    if end_ns is None or end_ns <= begin_ns:
        options.reject(",".join(row.values()), "a run without a length")
        return None
    joules = {}
    for number, value in enumerate(mapping.value):
        told = figure(row, value.column, options)
        if told is not None and all(row.get(key) == cell for key, cell in value.where.items()):
            seconds = (end_ns - begin_ns) / 1e9 if value.unit in POWER else 1.0
            joules[number] = told * UNITS[value.unit] * seconds
    if not joules:
        options.reject(",".join(row.values()), "a run without an energy")
        return None
    return RunRow(Window(slug(row[run.label]) if run.label else "run", begin_ns, end_ns), joules)


def _in_turn(found: Sequence[RunRow], options: Options) -> list[RunRow]:
    """Return runs in order of time, without those that begin before the one before has ended."""
    kept: list[RunRow] = []
    for each in sorted(found, key=lambda each: each.window.begin_ns):
        if kept and each.window.begin_ns < kept[-1].window.end_ns:
            options.reject(each.window.workload, "a run that began before the one before had ended")
        else:
            kept.append(each)
    return kept


def _feed(
    probe: str, mine: Sequence[int], found: Sequence[RunRow], mapping: Mapping_, options: Options
) -> Feed:
    """Return a probe as counters that stand still between its runs."""
    long: list[tuple[int, str, float]] = []
    domains = {n: mapping.value[n].domain() for n in mine}
    sums = dict.fromkeys(mine, 0.0)
    for each in found:
        for n in mine:
            name = domains[n].name
            long.append((each.window.begin_ns, name, sums[n]))
            sums[n] += each.joules[n]
            long.append((each.window.end_ns, name, sums[n]))
    at_ns, names, values = zip(*long, strict=True)
    facts = {"mapping": Path(options.mapping or "").name}
    return Feed(probe, tuple(domains.values()), [pivot(at_ns, names, values)], facts)
