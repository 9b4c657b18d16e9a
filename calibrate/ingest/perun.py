"""perun's exports: its JSON, and its CSV.

Rounds hold the samples of each sensor, seconds since the round began: watts, which perun makes of
RAPL's counters. Source: perun 1.0.0, io/json.py, io/pandas.py, processing.py, data_model/data.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calibrate.errors import BadFile
from calibrate.ingest import opened
from calibrate.ingest.feed import Found, Options, Window, epoch_ns, power, slug
from calibrate.ingest.long import Long
from calibrate.ingest.opened import binary
from calibrate.ingest.sheet import figure, rows
from calibrate.probe import Domain
from calibrate.quantity import finite_number

#: Where rounds of a file without a date stand: an hour into 1970.
_NO_DATE_NS = 3_600_000_000_000
_BETWEEN_NS = 60_000_000_000
_ROUNDS = (
    "perun keeps the time of its start, and none of its rounds: these stand one after the other, "
    "a minute apart."
)
_HDF5 = b"\x89HDF\r\n\x1a\n"
_EXPORT = "Make JSON of it: perun export FILE FOLDER json."
_SENSOR = re.compile(r"(?:cpu|ram)_(\d+)_.*|CUDA:(\d+)_POWER")
_COLUMNS = ("run id", "hostname", "device_group", "sensor", "unit", "magnitude", "timestep",
            "value")  # fmt: skip
_SCOPES = {"cpu": "package", "ram": "dram", "gpu": "gpu"}


@dataclass
class Round:
    """One round: what ran, when perun was started (empty where it is not told), and samples."""

    what: str
    begun: str
    samples: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def perun(paths: Sequence[Path], options: Options) -> Found:
    """Exports of perun as JSON or CSV; its HDF5 is refused, and perun itself makes JSON of it."""
    rounds: list[Round] = []
    for path in paths:
        with binary(path) as stream:
            head = stream.read(64)
        if head.startswith(_HDF5):
            raise BadFile(path, "it is perun's HDF5, which is not read here", fix=_EXPORT)
        rounds += _table(path, options) if head.startswith(b",") else _tree(path, options)
    long, windows = Long(), []
    last_ns = 0
    for each in sorted(rounds, key=lambda each: each.begun):
        begin_ns = epoch_ns(each.begun, options) if each.begun else _NO_DATE_NS
        begin_ns = max(begin_ns, last_ns + _BETWEEN_NS if last_ns else begin_ns)
        instants = [begin_ns + round(s * 1e9) for x in each.samples.values() for s, _ in x]
        if not instants or max(instants) == min(instants):
            continue
        for name, points in each.samples.items():
            for at_s, watts in points:
                long.put(begin_ns + round(at_s * 1e9), name, watts)
        last_ns = max(instants)
        windows.append(Window(slug(each.what), min(instants), last_ns))
    if not windows:
        raise BadFile(paths[0], "it holds no round with samples of power")
    return Found([long.feed(options.name or "perun", _domain)], windows, notes=[_ROUNDS])


def _domain(name: str) -> Domain:
    return power(name, name, "nvml-average" if name.startswith("gpu") else "rapl-power")


def _column(group: str, sensor: str, unit: str) -> str | None:
    """Return the column of a sensor; None for what is no power of a known part."""
    found = _SENSOR.fullmatch(sensor)
    if unit != "W" or found is None or group not in _SCOPES:
        return None
    return f"{_SCOPES[group]}-{int(found[1] or found[2])}"


def _table(path: Path, options: Options) -> list[Round]:
    """Return the rounds of a CSV, which names neither the program nor the date."""
    found: dict[str, Round] = {}
    hosts = set()
    for row in rows(path, options, _COLUMNS):
        name = _column(row["device_group"], row["sensor"], row["unit"])
        if name is None:
            continue
        at_s, value, scale = (figure(row, c, options) for c in ("timestep", "value", "magnitude"))
        if at_s is not None and value is not None and scale is not None and at_s >= 0:
            hosts.add(row["hostname"])
            samples = found.setdefault(row["run id"], Round("measured", "")).samples
            samples.setdefault(name, []).append((at_s, value * scale))
    _one_host(path, hosts)
    return list(found.values())


def _tree(path: Path, options: Options) -> list[Round]:
    """Return the rounds of a JSON, of all the times that the program was run."""
    text = opened.whole(path, options.seen)
    try:
        app = json.loads(text)
        return [
            Round(app["id"], several["metadata"]["execution_dt"], _samples(path, run, options))
            for several in _nodes(app)
            for run in _nodes(several)
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"it is no JSON of perun's ({type(error).__name__}: {error})"[:300]
        raise BadFile(path, why) from None


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the nodes within a node; release 1.0.0 puts them into a list of one."""
    inner = node["nodes"]
    yield from (inner[0] if isinstance(inner, list) else inner).values()


def _samples(
    path: Path, run: Mapping[str, Any], options: Options
) -> dict[str, list[tuple[float, float]]]:
    hosts = list(_nodes(run))
    _one_host(path, {host["id"] for host in hosts})
    found: dict[str, list[tuple[float, float]]] = {}
    for sensor in (each for host in hosts for group in _nodes(host) for each in _nodes(group)):
        raw = sensor.get("raw_data")
        if raw is None:
            continue
        name = _column(sensor["deviceType"], sensor["id"], raw["v_md"]["unit"])
        if name is None:
            continue
        for at_s, value in zip(raw["timesteps"], raw["values"], strict=True):
            try:
                watts = finite_number(value, sensor["id"]) * float(raw["v_md"]["mag"])
                found.setdefault(name, []).append((finite_number(at_s, "timestep"), watts))
            except ValueError as error:
                options.reject(f"{sensor['id']} {at_s} {value}", str(error))
    return found


def _one_host(path: Path, hosts: set[str]) -> None:
    if len(hosts) > 1:
        raise BadFile(path, f"perun ran on {len(hosts)} hosts; a campaign is of one machine")
