"""Logs of management controllers: resources of Redfish, pages and tables of ipmitool."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from calibrate.errors import CrosswattError
from calibrate.ingest.feed import Found, Options, counter, epoch_ns, power
from calibrate.ingest.long import Long
from calibrate.ingest.stamps import MISSING, documents, empty, lines
from calibrate.probe import Domain
from calibrate.probe.wall.boards import DCMI_OFF, DCMI_WATTS, resource_figures
from calibrate.quantity import J_PER_KWH, finite_number

_ENERGY = " energy"


def _cover(options: Options) -> Callable[[str], Domain]:
    scope = options.scope or "node"
    return lambda name: (counter if name.endswith(_ENERGY) else power)(name, scope, "bmc")


# ---- Redfish ----


def redfish(paths: Sequence[Path], options: Options) -> Found:
    """Resources of Redfish as JSON, with times before them or in them.

    Power, EnvironmentMetrics, a Sensor of power or energy, and MetricReport, which has the time of
    each figure. A Sensor has its ReadingTime; the others have one where ``Timestamp`` or
    ``timestamp`` was added. Source: DMTF DSP0268.
    """
    long = Long()
    for path in paths:
        for before_ns, told in documents(path, options):
            try:
                for time, name, value in _figures(told):
                    at_ns = epoch_ns(str(time), options) if time else before_ns
                    if at_ns is None:
                        raise ValueError(MISSING)
                    long.put(at_ns, name, value)
            except (ValueError, TypeError, AttributeError, LookupError) as error:
                options.reject(str(told)[:200], str(error))
    if not long:
        raise empty(paths[0], "resource of Redfish's with power or energy")
    return Found([long.feed(options.name or "bmc", _cover(options))])


def _figures(told: Mapping[str, Any]) -> Iterator[tuple[Any, str, float]]:
    """Yield time (None where the resource has none), column, and watts or joules."""
    time = told.get("Timestamp") or told.get("timestamp")
    if "MetricValues" in told:
        yield from _report(told["MetricValues"], time)
    elif "ReadingUnits" in told or "ReadingType" in told:
        yield from _sensor(told, told.get("ReadingTime") or time)
    else:
        figures = resource_figures(told)
        yield time, "node", figures.watts
        if figures.joules is not None:
            yield time, f"node{_ENERGY}", figures.joules


#: ReadingType of a Sensor, or the end of a MetricProperty -> joules or watts in one of its unit.
_TYPES = {"Power": ("", 1.0), "EnergyJoules": (_ENERGY, 1.0), "EnergykWh": (_ENERGY, J_PER_KWH)}
_PROPERTIES = {
    "PowerConsumedWatts": "Power",
    "PowerWatts/Reading": "Power",
    "EnergyJoules/Reading": "EnergyJoules",
    "EnergykWh/Reading": "EnergykWh",
}


def _sensor(told: Mapping[str, Any], time: Any) -> Iterator[tuple[Any, str, float]]:
    if told.get("ReadingType") in _TYPES and told.get("Reading") is not None:
        ending, unit = _TYPES[told["ReadingType"]]
        name = str(told.get("Id") or told.get("Name") or "node")
        yield time, name + ending, finite_number(told["Reading"], name) * unit


def _report(values: Sequence[Mapping[str, Any]], time: Any) -> Iterator[tuple[Any, str, float]]:
    """Yield the figures of a MetricReport that are of power or energy; others are no error."""
    for each in values:
        place = str(each.get("MetricProperty", ""))
        kind = next((k for end, k in _PROPERTIES.items() if place.endswith(end)), None)
        if kind is not None:
            ending, unit = _TYPES[kind]
            value = finite_number(each["MetricValue"], place) * unit
            yield each.get("Timestamp") or time, f"{_chassis(place)}{ending}", value


def _chassis(place: str) -> str:
    """Return a short name of what a property is of: its path between Chassis and the property."""
    found = re.search(r"/(?:Chassis|Systems)/([^/]+)/(?:[^/]*#/)?(?:[^/\d][^/]*/)?(\d+)?", place)
    return "-".join(part for part in found.groups() if part) if found else "node"


# ---- IPMI ----


def ipmi(paths: Sequence[Path], options: Options) -> Found:
    """Pages of ``ipmitool dcmi power reading``, or lines in watts of its ``sensor`` or ``sdr``.

    A page without a time before it has the controller's own, in no zone; where that is a date of
    figures alone, its order is unknown, and it is not taken. Source: ipmitool 1.8.18 and 1.8.19.
    """
    long = Long()
    for path in paths:
        for line, at_ns, name, watts in _readings(path, options):
            if at_ns is None:
                options.reject(line, MISSING)
            else:
                long.put(at_ns, name, watts)
    if not long:
        raise empty(paths[0], "power reading of ipmitool's")
    if options.scope is None and long.names != ["node"]:
        raise CrosswattError(
            f"{paths[0]} does not say what its sensors cover ({', '.join(long.names)}). Say it: "
            "--scope node, if each is a power of the whole machine."
        )
    return Found([long.feed(options.name or "bmc", _cover(options))])


_NEVER_SET = "the controller's clock was never set ({}), and " + MISSING
_Reading = tuple[str, int | None, str, float]


def _readings(path: Path, options: Options) -> Iterator[_Reading]:
    """Yield line, instant, sensor and watts; of a page once it has ended."""
    page: _Reading | None = None
    for before_ns, line in lines(path, options):
        if found := DCMI_WATTS.search(line):
            if page:
                yield page
            page = (line, before_ns, "node", finite_number(found[1], "the power"))
        elif DCMI_OFF.search(line):
            if page:
                options.reject(page[0], f"the controller says of it: {line.strip()}")
            page = None
        elif page and page[1] is None and (told := re.search(r"IPMI timestamp:\s*(.+)", line)):
            try:
                page = (page[0], _own_time(told[1], options), *page[2:])
            except ValueError:
                options.reject(page[0], _NEVER_SET.format(told[1].strip()))
                page = None
        elif row := _sensor_row(line):
            yield line, before_ns, *row
    if page:
        yield page


def _own_time(text: str, options: Options) -> int | None:
    """Return the controller's time, as ``Tue Nov 24 09:46:03 2015``; None for another form."""
    try:
        local = datetime.strptime(text.strip(), "%a %b %d %H:%M:%S %Y")
    except ValueError:
        return None
    return epoch_ns(local.isoformat(), options)


def _sensor_row(line: str) -> tuple[str, float] | None:
    """Return name and watts of a line of ``sensor``, ``sdr`` or ``sdr elist``."""
    cells = [cell.strip() for cell in line.split("|")]
    if len(cells) < 3 or not cells[0]:
        return None
    told = f"{cells[1]} {cells[2]}" if cells[2] == "Watts" else f"{cells[1]} | {cells[-1]}"
    found = re.search(r"(?:^|\| )(\d+(?:\.\d+)?) Watts(?: \||$)", told)
    return (cells[0], finite_number(found[1], cells[0])) if found else None
