"""Analysers and wattmeters: logs of SPEC's PTDaemon, tables of Grid'5000's kwollect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from calibrate.errors import BadFile
from calibrate.ingest import opened
from calibrate.ingest.feed import Found, Options, Window, epoch_ns, power, slug
from calibrate.ingest.long import Long
from calibrate.ingest.sheet import figure, instant, rows
from calibrate.probe import Domain
from calibrate.probe.wall.ptd import parse

KWOLLECT = {"wattmetre_power_watt": "wall", "bmc_node_power_watt": "bmc"}


def kwollect(paths: Sequence[Path], options: Options) -> Found:
    """Tables of Grid'5000's kwollect: the wattmeter and the BMC of a node, watts."""
    found: dict[str, Long] = {}
    for path in paths:
        for metric, points in kwollect_table(path, options).items():
            long = found.setdefault(KWOLLECT.get(metric, slug(metric)), Long())
            for at_ns, watts in points:
                long.put(at_ns, "node", watts)
    if not found:
        raise BadFile(paths[0], "it has no metric of power")
    return Found([long.feed(name, _node(name)) for name, long in found.items()])


def _node(family: str) -> Callable[[str], Domain]:
    return lambda name: power(name, "node", family)


def kwollect_table(path: Path, options: Options) -> dict[str, list[tuple[int, float]]]:
    """Return (instant, watts) by metric, of a table as kwollect's interface gives it."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in rows(path, options, ("timestamp", "metric_id", "value")):
        value, at = figure(row, "value", options), instant(row, "timestamp", options)
        if value is not None and at is not None and "power" in row["metric_id"]:
            found.setdefault(row["metric_id"], []).append((at, value))
    return found


def ptdaemon(paths: Sequence[Path], options: Options) -> Found:
    """Logs of SPEC's PTDaemon: watts by the director's clock; marks are runs."""
    long = Long()
    marks: list[tuple[str, int]] = []
    for path in paths:
        with opened.text(path, options.seen) as stream:
            for text in stream:
                try:
                    line = parse(text)
                    at_ns = epoch_ns(line.at.isoformat(), options)
                except ValueError as error:
                    options.reject(text, str(error))
                    continue
                long.put(at_ns, "node", line.watts)
                marks.append((line.mark, at_ns))
    if not long:
        raise BadFile(paths[0], "it has no line of PTDaemon's")
    return Found([long.feed(options.name or "wall", _node("wall"))], [*_stretches(marks)])


def _stretches(marks: Sequence[tuple[str, int]]) -> Iterator[Window]:
    """Yield the stretches with one mark, where there are marks at all."""
    begin = 0
    for place in range(1, len(marks) + 1):
        if place == len(marks) or marks[place][0] != marks[begin][0]:
            name = marks[begin][0]
            if name and name.lower() != "notset" and place - begin > 2:
                yield Window(slug(name), marks[begin][1], marks[place - 1][1])
            begin = place
