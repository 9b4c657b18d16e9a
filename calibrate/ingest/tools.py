"""What meters write: CodeCarbon, PowerAPI, Scaphandre, pyJoules, perf stat, and others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calibrate.errors import BadFile
from calibrate.ingest import opened
from calibrate.ingest.feed import Chunk, Feed, Found, Options, Window, epoch_ns, pivot, power
from calibrate.ingest.published import kwollect_table, powerapi_table, slug
from calibrate.ingest.sheet import figure, instant, rows
from calibrate.meters import number, ptd
from calibrate.probe import Domain

J_PER_KWH = 3.6e6
#: Where the times of a file count from when it has no date: an hour into 1970.
_NO_DATE_NS = 3_600_000_000_000

Long = list[tuple[int, str, float]]
Measured = list[tuple[int, int, str, dict[str, float]]]


def codecarbon(paths: Sequence[Path], options: Options) -> Found:
    """``emissions.csv`` of releases 1 to 3: a row a run, kWh; its time stamp is the end, local."""
    measured: Measured = []
    domains: dict[str, Domain] = {}
    facts: dict[str, str] = {}
    for path in paths:
        for row in rows(path, options, ("timestamp", "duration", "energy_consumed")):
            energies = _codecarbon_j(row, options)
            seconds, end = figure(row, "duration", options), instant(row, "timestamp", options)
            if not energies or not seconds or seconds < 0 or end is None:
                options.reject(",".join(row.values()), "a run without a time or an energy")
                continue
            measured.append(
                (end - round(seconds * 1e9), end, row.get("project_name", ""), energies)
            )
            mode = row.get("tracking_mode", "")
            for name in energies:
                domains[name] = _codecarbon_domain(name, mode)
            version = row.get("codecarbon_version", "")
            facts |= {"release": version} if version else {}
    return _measured(options.name or "codecarbon", measured, domains, facts, paths)


def _codecarbon_j(row: Mapping[str, str], options: Options) -> dict[str, float]:
    names = {"cpu": "cpu_energy", "gpu": "gpu_energy", "ram": "ram_energy"}
    there = {n: figure(dict(row), c, options) for n, c in names.items() if c in row}
    found = {name: kwh * J_PER_KWH for name, kwh in there.items() if kwh is not None}
    if found:
        return found
    total = figure(dict(row), "energy_consumed", options)
    return {} if total is None else {"energy": total * J_PER_KWH}


def _codecarbon_domain(name: str, mode: str) -> Domain:
    """Return the domain; the file does not say whether RAPL or a model made the CPU's figure."""
    scope = {"cpu": "package", "gpu": "gpu", "ram": "dram", "energy": "system"}[name]
    scope = "process" if mode == "process" and name == "ram" else scope
    if name == "gpu":
        return Domain(name, scope, "counter", "measured", "nvml")
    return Domain(name, scope, "counter", "modelled", "model")


def pyjoules(paths: Sequence[Path], options: Options) -> Found:
    """CSV of pyJoules: a row a sample, microjoules; GPUs in millijoules, as in release 0.5.1."""
    measured: Measured = []
    domains: dict[str, Domain] = {}
    for path in paths:
        for row in rows(path, options, ("timestamp", "tag", "duration"), ";"):
            energies = {}
            for column in row.keys() - {"timestamp", "tag", "duration"}:
                value = figure(row, column, options)
                kind, _, place = column.rpartition("_")
                gpu = kind == "nvidia_gpu"
                scope = f"gpu-{place}" if gpu else f"{kind}-{place}"
                if value is None or (not gpu and kind not in {"package", "dram", "core", "uncore"}):
                    continue
                energies[column] = value * (1e-3 if gpu else 1e-6)
                family = "nvml" if gpu else "rapl"
                domains[column] = Domain(column, scope, "counter", "measured", family)
            begin, seconds = instant(row, "timestamp", options), figure(row, "duration", options)
            if energies and seconds and seconds > 0 and begin is not None:
                measured.append((begin, begin + round(seconds * 1e9), row["tag"], energies))
    return _measured(options.name or "pyjoules", measured, domains, {}, paths)


def _measured(
    name: str,
    measured: Measured,
    domains: Mapping[str, Domain],
    facts: Mapping[str, str],
    paths: Sequence[Path],
) -> Found:
    """Return runs that a tracker measured whole, as counters that stand still between them."""
    if not measured:
        raise BadFile(paths[0], "it holds no measurement")
    sums = dict.fromkeys(domains, 0.0)
    long: Long = []
    windows = []
    last = 0
    for begin, end, what, energies in sorted(measured, key=lambda each: each[0]):
        if begin < last:  # trackers that ran at the same time: the later one cannot be told apart
            continue
        for key, joules in energies.items():
            long += [(begin, key, sums[key]), (end, key, sums[key] + joules)]
            sums[key] += joules
        windows.append(Window(slug(what), begin, end))
        last = end + 1
    at_ns, names, values = zip(*long, strict=True)
    feed = Feed(name, tuple(domains.values()), [pivot(at_ns, names, values)], facts)
    left = len(measured) - len(windows)
    notes = [f"{left} measurements overlap others and were left out."] if left else []
    return Found([feed], windows, notes=notes)


def powerapi(paths: Sequence[Path], options: Options) -> Found:
    """Power reports of PowerAPI as CSV; ``rapl`` and ``global`` are pseudo-targets."""
    tables = [powerapi_table(path, options) for path in paths]
    covers = {domain.name: domain for table, _ in tables for domain in table}
    chunks = sorted((chunk for _, chunk in tables), key=lambda chunk: int(chunk.at_ns[0]))
    return Found([Feed(options.name or "powerapi", tuple(covers.values()), chunks)])


def kwollect(paths: Sequence[Path], options: Options) -> Found:
    """Tables of Grid'5000's kwollect: the wattmeter and the BMC of a node, watts."""
    names = {"wattmetre_power_watt": "wall", "bmc_node_power_watt": "bmc"}
    found: dict[str, Long] = {}
    for path in paths:
        for metric, points in kwollect_table(path, options).items():
            name = names.get(metric, slug(metric))
            found.setdefault(name, []).extend((at, "node", watts) for at, watts in points)
    if not found:
        raise BadFile(paths[0], "it has no metric of power")
    return Found([_feed(name, long, power("node", "node", name)) for name, long in found.items()])


def scaphandre(paths: Sequence[Path], options: Options) -> Found:
    """JSON of Scaphandre's exporter: microwatts; its host is packages with DRAM, or psys."""
    long: Long = []
    scopes: dict[str, str] = {}
    for path in paths:
        for record in _records(path):
            at = round(number(record["host"]["timestamp"], "timestamp") * 1e9)
            values = {"host": (options.scope or "machine", record["host"]["consumption"])}
            for socket in record["sockets"]:
                place = f"package-{socket['id']}"
                values[place] = (place, socket["consumption"])
                for part in socket["domains"]:
                    if part["name"] in {"dram", "core", "uncore"}:
                        key = f"{part['name']}-{socket['id']}"
                        values[key] = (key, part["consumption"])
            for name, (scope, microwatts) in values.items():
                scopes[name] = scope
                long.append((at, name, number(microwatts, name) / 1e6))
    if not long:
        raise BadFile(paths[0], "it has no record of Scaphandre's")
    covers = [power(name, scope, "rapl-power") for name, scope in scopes.items()]
    return Found([_feed(options.name or "scaphandre", long, *covers)])


def _records(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the records of an array, or of one document a line; those without sockets are empty."""
    with opened.text(path) as stream:
        text = stream.read()
    try:
        try:
            records = json.loads(text)
        except ValueError:
            closed = text.rstrip().rstrip(",")
            records = json.loads(closed + "]") if closed.startswith("[") else [
                json.loads(line) for line in text.splitlines() if line.strip()
            ]  # fmt: skip
        for record in records:
            if record["sockets"] and record["host"]:
                yield record
    except (ValueError, KeyError, TypeError) as error:
        raise BadFile(path, f"it is no output of Scaphandre's JSON exporter ({error})") from None


def perf_stat(paths: Sequence[Path], options: Options) -> Found:
    """``perf stat -I -x,``: seconds since its start and joules of the interval; it has no date."""
    scopes = {"energy-pkg": "package", "energy-ram": "dram", "energy-psys": "psys",
              "energy-cores": "core", "energy-gpu": "uncore"}  # fmt: skip
    sums: dict[str, float] = {}
    long: Long = []
    for path in paths:
        with opened.text(path) as stream:
            for line in stream:
                cells = [cell.strip() for cell in line.split(",")]
                if len(cells) < 4 or line.startswith("#"):
                    continue
                socket = cells.pop(1)[1:] if re.fullmatch(r"S\d+(-D\d+)?", cells[1]) else ""
                if socket:
                    cells.pop(1)  # how many CPUs
                at_s, value, unit, event = cells[:4]
                scope = scopes.get(event.strip("/").rpartition("/")[2])
                if scope is None or value.startswith("<"):
                    continue
                if unit != "Joules":
                    options.reject(line, f"{event} is in {unit!r} and not in joules")
                    continue
                name = f"{scope}-{socket}" if socket and scope != "psys" else scope
                sums[name] = sums.get(name, 0.0) + number(value, event)
                long.append((_NO_DATE_NS + round(float(at_s) * 1e9), name, sums[name]))
    if not long:
        raise BadFile(paths[0], "it has no RAPL event of perf stat's")
    covers = [_counter(name, name) for name in sums]
    return Found([_feed(options.name or "perf-stat", long, *covers)], notes=[_UNDATED])


_UNDATED = "The file has no date; it stands an hour into 1970."


def energibridge(paths: Sequence[Path], options: Options) -> Found:
    """CSV of EnergiBridge: registers of the first package, joules that wrap."""
    scopes = {"PACKAGE_ENERGY (J)": "package-0", "PACAKGE_ENERGY (J)": "package-0",
              "CPU_ENERGY (J)": "package-0", "DRAM_ENERGY (J)": "dram-0",
              "PP0_ENERGY (J)": "core-0", "PP1_ENERGY (J)": "uncore-0"}  # fmt: skip
    long: Long = []
    for path in paths:
        for row in rows(path, options, ("Delta", "Time")):
            time_ms = figure(row, "Time", options)
            if time_ms is None:
                continue
            at = round(time_ms) * 1_000_000
            for column, scope in scopes.items():
                value = figure(row, column, options) if column in row else None
                if value is not None:
                    long.append((at, scope, value))
    if not long:
        raise BadFile(paths[0], "it has no column of energy")
    covers = [_counter(scope, scope) for scope in dict.fromkeys(name for _, name, _ in long)]
    return Found([_feed(options.name or "energibridge", long, *covers)])


def alumet(paths: Sequence[Path], options: Options) -> Found:
    """CSV of Alumet's agent: RAPL's joules since the last line of the same part."""
    parts = {"package": "package", "pp0": "core", "pp1": "uncore", "dram": "dram"}
    sums: dict[str, float] = {}
    long: Long = []
    for path in paths:
        with opened.text(path) as stream:
            delimiter = stream.readline().removeprefix("metric")[:1] or ";"
        for row in rows(path, options, ("metric", "timestamp", "value", "domain"), delimiter):
            if not row["metric"].startswith("rapl_consumed_energy"):
                continue
            value, place = figure(row, "value", options), row["resource_id"]
            if row["domain"] == "platform":
                name = "psys"
            elif row["domain"] in parts and place.isdigit():
                name = f"{parts[row['domain']]}-{place}"
            else:
                continue
            at = instant(row, "timestamp", options)
            if value is not None and at is not None:
                sums[name] = sums.get(name, 0.0) + value
                long.append((at, name, sums[name]))
    if not long:
        raise BadFile(paths[0], "it has no metric rapl_consumed_energy")
    return Found([_feed(options.name or "alumet", long, *(_counter(n, n) for n in sums))])


def ptdaemon(paths: Sequence[Path], options: Options) -> Found:
    """Logs of SPEC's PTDaemon: watts by the director's clock; marks are runs."""
    long: Long = []
    marks: list[tuple[str, int]] = []
    for path in paths:
        with opened.text(path) as stream:
            for text in stream:
                try:
                    line = ptd.parse(text)
                except ValueError as error:
                    options.reject(text, str(error))
                    continue
                at = epoch_ns(line.at.isoformat(), options)
                long.append((at, "node", line.watts))
                marks.append((line.mark, at))
    if not long:
        raise BadFile(paths[0], "it has no line of PTDaemon's")
    feed = _feed(options.name or "wall", long, power("node", "node", "wall"))
    return Found([feed], list(_stretches(marks)))


def _stretches(marks: Sequence[tuple[str, int]]) -> Iterator[Window]:
    """Yield the stretches with one mark, where there are marks at all."""
    begin = 0
    for place in range(1, len(marks) + 1):
        if place == len(marks) or marks[place][0] != marks[begin][0]:
            name = marks[begin][0]
            if name and name.lower() != "notset" and place - begin > 2:
                yield Window(slug(name), marks[begin][1], marks[place - 1][1])
            begin = place


def nvidia_smi(paths: Sequence[Path], options: Options) -> Found:
    """``nvidia-smi --query-gpu=timestamp,index,power.draw --format=csv``: watts of each GPU."""
    long: Long = []
    for path in paths:
        with opened.text(path) as stream:
            header = [name.strip() for name in stream.readline().split(",")]
        column = next((name for name in header if name.startswith("power.draw")), None)
        if column is None:
            raise BadFile(path, f"it has no column power.draw (its columns: {', '.join(header)})")
        for row in rows(path, options, ("timestamp", column)):
            cells = {key: value.strip() for key, value in row.items()}
            cells[column] = cells[column].removesuffix("W").strip()
            watts = figure(cells, column, options)
            cells["timestamp"] = cells["timestamp"].replace("/", "-")
            at = instant(cells, "timestamp", options)
            if watts is not None and at is not None:
                long.append((at, f"gpu-{cells.get('index', '0')}", watts))
    if not long:
        raise BadFile(paths[0], "it has no power of a GPU")
    names = dict.fromkeys(name for _, name, _ in long)
    covers = [power(name, name, "nvml-average") for name in names]
    return Found([_feed(options.name or "nvidia-smi", long, *covers)])


def home_assistant(paths: Sequence[Path], options: Options) -> Found:
    """Home Assistant's history as CSV: entity_id, state, last_changed; it has no unit."""
    from calibrate.ingest.feed import UNITS, unit_of

    long: Long = []
    for path in paths:
        for row in rows(path, options, ("entity_id", "state", "last_changed")):
            if row["state"] in {"unavailable", "unknown"}:
                continue
            value, at = figure(row, "state", options), instant(row, "last_changed", options)
            if value is not None and at is not None:
                scale = UNITS[unit_of(options, row["entity_id"], value)]
                long.append((at, row["entity_id"], value * scale))
    if not long:
        raise BadFile(paths[0], "it has no state that is a number")
    names = dict.fromkeys(name for _, name, _ in long)
    covers = [power(name, options.scope or "node", "wall") for name in names]
    return Found([_feed(options.name or "wall", long, *covers)])


def _counter(name: str, scope: str) -> Domain:
    return Domain(name, scope, "counter", "measured", "rapl-psys" if scope == "psys" else "rapl")


def _feed(name: str, long: Long, *covers: Domain) -> Feed:
    """Return a feed of a long table."""
    at_ns, names, values = zip(*long, strict=True)
    chunk: Chunk = pivot(np.array(at_ns, dtype=np.int64), names, values)
    return Feed(name, covers, [chunk])


FORMATS: dict[str, Callable[[Sequence[Path], Options], Found]] = {
    "codecarbon": codecarbon,
    "pyjoules": pyjoules,
    "powerapi": powerapi,
    "scaphandre": scaphandre,
    "kwollect": kwollect,
    "perf-stat": perf_stat,
    "energibridge": energibridge,
    "alumet": alumet,
    "ptd": ptdaemon,
    "nvidia-smi": nvidia_smi,
    "home-assistant": home_assistant,
}
