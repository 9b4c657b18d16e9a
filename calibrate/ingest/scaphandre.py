"""Scaphandre: its JSON exporter, and what Prometheus keeps of its endpoint.

Microwatts and microjoules. Its host is packages with DRAM, or psys where RAPL has that: the files
do not say which. Source: scaphandre 1.0, src/exporters/json.rs and mod.rs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from calibrate.ingest.documents import each
from calibrate.ingest.feed import Found, Options, counter, epoch_ns, power
from calibrate.ingest.long import Long
from calibrate.ingest.opened import text
from calibrate.ingest.prometheus import Sample, is_answer, samples
from calibrate.ingest.stamps import empty
from calibrate.probe import Domain
from calibrate.quantity import finite_number

_PARTS = {"dram", "core", "uncore"}
_PROCESS, _ENERGY = "process ", " energy"
_PROCESSES = "scaph_process_power_consumption_microwatts"
#: An extract that names no more processes than this was asked for them.
_MOST_PROCESSES = 32


def scaphandre(paths: Sequence[Path], options: Options) -> Found:
    """Records of the JSON exporter, answers of Prometheus, or pages of metrics."""
    long, processes = Long(), Long()
    for path in paths:
        if _is_exporter(path):
            _records(path, long, options)
    extracts = [path for path in paths if not _is_exporter(path)]
    for sample in samples(extracts, options):
        name = _column(sample)
        if name is None:
            continue
        try:
            value = finite_number(sample.text, sample.metric) / 1e6
            (processes if name.startswith(_PROCESS) else long).put(sample.at_ns, name, value)
        except ValueError as error:
            options.reject(f"{sample.metric} {sample.text}", str(error))
    return _found(paths, long, processes, options)


def _found(paths: Sequence[Path], long: Long, processes: Long, options: Options) -> Found:
    """Return the probes: the machine, and processes where few were asked for."""
    probe = options.name or "scaphandre"
    feeds = [long.feed(probe, lambda name: _domain(name, options))] if long else []
    notes = []
    if 0 < len(processes.names) <= _MOST_PROCESSES:
        feeds.append(processes.feed(f"{probe}-processes", lambda name: _domain(name, options)))
    elif processes:
        notes.append(
            f"{len(processes.names)} processes were left out; an extract of at most "
            f"{_MOST_PROCESSES} has them as columns."
        )
    if not feeds:
        raise empty(paths[0], "record or metric of Scaphandre's")
    return Found(feeds, notes=notes)


def _is_exporter(path: Path) -> bool:
    with text(path) as stream:
        head = stream.read(200).lstrip()
    return head[:1] in {"{", "["} and not is_answer(path)


def _records(path: Path, long: Long, options: Options) -> None:
    """Put the records of the JSON exporter; those without sockets are before any difference."""
    for record in each(path, options):
        try:
            if record["sockets"] and record["host"]:
                at_ns = epoch_ns(str(record["host"]["timestamp"]), options)
                watts = {name: finite_number(uw, name) / 1e6 for name, uw in _consumptions(record)}
                for name, value in watts.items():
                    long.put(at_ns, name, value)
        except (KeyError, TypeError, ValueError) as error:
            why = f"no record of Scaphandre's JSON exporter ({type(error).__name__}: {error})"
            options.reject(str(record)[:200], why)


def _consumptions(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield microwatts by column."""
    yield "host", record["host"]["consumption"]
    for socket in record["sockets"]:
        yield f"package-{socket['id']}", socket["consumption"]
        for part in socket["domains"]:
            if part["name"] in _PARTS:
                yield f"{part['name']}-{socket['id']}", part["consumption"]


def _column(sample: Sample) -> str | None:
    """Return the column of a metric; None for what is no power or energy."""
    labels = sample.labels
    energy = _ENERGY if sample.metric.endswith("_energy_microjoules") else ""
    socket = labels.get("socket_id", "")
    match sample.metric:
        case "scaph_host_power_microwatts" | "scaph_host_energy_microjoules":
            return f"host{energy}"
        case "scaph_socket_power_microwatts" | "scaph_socket_energy_microjoules":
            return f"package-{socket}{energy}" if socket.isdecimal() else None
        case "scaph_domain_power_microwatts" | "scaph_domain_energy_microjoules":
            known = labels.get("domain_name") in _PARTS and socket.isdecimal()
            return f"{labels['domain_name']}-{socket}{energy}" if known else None
        case name if name == _PROCESSES:
            return f"{_PROCESS}{labels.get('exe', '')} {labels.get('pid', '')}".strip()
        case _:
            return None


def _domain(name: str, options: Options) -> Domain:
    """Return the domain of a column; a process's share is a model."""
    if name.startswith(_PROCESS):
        return power(name, "process", "rapl-power", "modelled")
    place = name.removesuffix(_ENERGY)
    scope = options.scope or "machine" if place == "host" else place
    if name.endswith(_ENERGY):
        return counter(name, scope, "rapl")
    return power(name, scope, "rapl-power")
