"""Measurements that were published with a paper or a project, as their folders are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from calibrate.errors import BadFile
from calibrate.ingest import powerapi
from calibrate.ingest.feed import Chunk, Feed, Found, Options, Window, epoch_ns, power, slug
from calibrate.ingest.long import pivot
from calibrate.ingest.opened import LINE_BYTES, bare, binary, whole_json
from calibrate.ingest.sheet import Row, figure, instant, rows
from calibrate.ingest.wattmeters import KWOLLECT, kwollect_table
from calibrate.probe import Domain

_PARIS = "Europe/Paris"
#: Rest before a benchmark that is taken as a run of its own, and what is left out at its ends, s.
_SETTLE_S = 5.0


def _zoned(options: Options, zone: str) -> Options:
    """Return options with the zone that a publication uses, unless another is named."""
    return replace(options, zone=options.zone or zone)


# ---- Jay, Ostapenco et al., CCGrid 2023 ----


def ccgrid2023(paths: Sequence[Path], options: Options) -> Found:
    """Folders of vladostp/an-experimental-comparison-of-software-based-power-meters.

    Each holds ``experiments.json`` and, for every tool, what the node's wattmeter and its BMC said
    meanwhile. Benchmarks are runs, and so are the rests before them. Times are of Lyon.
    """
    options = _zoned(options, _PARIS)
    feeds: dict[str, list[Chunk]] = {}
    domains: dict[str, tuple[Domain, ...]] = {}
    windows: list[Window] = []
    left: list[str] = []
    cpu = host = "not known"
    for folder in paths:
        told = _json(folder / "experiments.json")
        host = told["jobs"]["bench"]["host"]
        cpu = next((x["data"] for x in told["cpu"] if x["field"] == "Model name:"), cpu)
        for experiment in told["experiments"]:
            tool = experiment["name"].lower()
            for name, (covers, chunk) in _tool(folder, tool, options):
                feeds.setdefault(name, []).append(chunk)
                domains[name] = covers
            if tool not in feeds:
                left.append(_LEFT.format(experiment["name"], folder.name))
            else:
                windows += _benchmarks(experiment, ("wall", "bmc", tool), options)
    if not windows:
        raise BadFile(paths[0], "it holds none of the tools that are known here")
    return Found(
        [
            Feed(name, domains[name], sorted(chunks, key=lambda c: int(c.at_ns[0])))
            for name, chunks in feeds.items()
        ],
        sorted(windows, key=lambda w: w.begin_ns),
        machine=host,
        cpu=cpu,
        notes=("Jay, Ostapenco et al.: An experimental comparison of software-based power meters, "
            "CCGrid 2023.",
            "Each tool ran in turn, with the wattmeter and the BMC of the node beside it.", *left),
    )  # fmt: skip


_LEFT = "{} in {} was left out: its files are not there, or are none that are read here."
#: Columns of EnergyScope, watts of RAPL, and what they cover.
_ENERGYSCOPE = {"data.data.etotal(W)": "machine", "data.data.ecpu(W)": "package",
                "data.data.edram(W)": "dram"}  # fmt: skip


def _energyscope(path: Path, options: Options) -> tuple[tuple[Domain, ...], Chunk]:
    """Return EnergyScope's watts: packages with DRAM, and each of them where it is told."""
    at_ns: list[int] = []
    names: list[str] = []
    values: list[float] = []
    for row in rows(path, options, ("timestamp",)):
        at = instant(row, "timestamp", options)
        for column in _ENERGYSCOPE.keys() & row.keys():
            watts = figure(row, column, options)
            if at is not None and watts is not None:
                at_ns.append(at)
                names.append(_ENERGYSCOPE[column])
                values.append(watts)
    if not at_ns:
        raise BadFile(path, "it has no power of EnergyScope's")
    covers = tuple(power(name, name, "rapl-power") for name in sorted(set(names)))
    return covers, pivot(at_ns, names, values)


def _json(path: Path) -> Any:
    if not path.exists():
        raise BadFile(path, "there is no such file; name the folder that holds it")
    return whole_json(path)


def _tool(
    folder: Path, tool: str, options: Options
) -> Iterator[tuple[str, tuple[tuple[Domain, ...], Chunk]]]:
    """Yield the feeds of one tool's turn."""
    meters = _first(folder, f"kwollect-*_{tool}.csv*")
    if meters is None:
        return
    table = kwollect_table(meters, options)
    for metric, name in KWOLLECT.items():
        if metric in table:
            at_ns, watts = zip(*table[metric], strict=True)
            yield name, ((power("node", "node", name),), pivot(at_ns, ["node"] * len(at_ns), watts))
    if tool == "powerapi" and (file := _first(folder, "powerapi_powerapi.csv*")):
        yield tool, powerapi.table(file, options)
    if tool == "energyscope" and (file := _first(folder, "energyscope_energyscope.csv*")):
        yield tool, _energyscope(file, options)
    if tool == "scaphandre" and (file := _first(folder, "scaphandre-host_scaphandre.csv*")):
        yield tool, _scaphandre(folder, file, options)


def _first(folder: Path, pattern: str) -> Path | None:
    return next(iter(sorted(folder.glob(pattern))), None)


def _scaphandre(folder: Path, host: Path, options: Options) -> tuple[tuple[Domain, ...], Chunk]:
    """Return Scaphandre's host (packages), its RAM, and the sum at their common instants."""
    found = {"host": _watts(host, options)}
    ram = _first(folder, "scaphandre-host-ram_scaphandre.csv*")
    if ram:
        found["ram"] = _watts(ram, options)
        both = found["host"].keys() & found["ram"].keys()
        found["machine"] = {at: found["host"][at] + found["ram"][at] for at in both}
    scopes = {"host": "package", "ram": "dram", "machine": "machine"}
    covers = tuple(power(name, scopes[name], "rapl-power") for name in found)
    long = [(at, name, watts) for name, each in found.items() for at, watts in each.items()]
    at_ns, names, values = zip(*long, strict=True)
    return covers, pivot(at_ns, names, values)


def _watts(path: Path, options: Options) -> dict[int, float]:
    """Return watts by instant, already converted from microwatts as published."""
    return {
        at: watts
        for row in rows(path, options, ("timestamp", "value"))
        if (watts := figure(row, "value", options)) is not None
        and (at := instant(row, "timestamp", options)) is not None
    }


def _benchmarks(
    experiment: Mapping[str, Any], probes: tuple[str, ...], options: Options
) -> Iterator[Window]:
    """Yield the runs of one tool's turn: every benchmark, and the rest before it."""
    for bench in experiment["benchmarks"]:
        begin, end = (epoch_ns(bench[key], options) for key in ("start_time", "end_time"))
        rest_s = float(bench.get("sleep_before") or 0.0) - 2 * _SETTLE_S
        if rest_s > _SETTLE_S:
            last = begin - round(_SETTLE_S * 1e9)
            yield Window("idle", last - round(rest_s * 1e9), last, probes)
        threads = bench.get("threads") or 0
        name = slug(bench["name"]) + (f"-{threads}" if threads else "")
        yield Window(name, begin, end, probes)


# ---- Alt et al., ICPE 2024 ----


def icpe2024(paths: Sequence[Path], options: Options) -> Found:
    """Folders of lukalt/icpe-2024-rapl-validation: ``config.json`` and a folder a workload.

    The DAQ samples 1000 times a second and has no time stamps; it and RAPL are taken to have begun
    together. The files have no date: each workload stands at an hour of its own of 1970.
    """
    feeds: dict[str, list[Chunk]] = {"daq": [], "rapl": []}
    windows: list[Window] = []
    notes: list[str] = []
    config: dict[str, Any] = {}
    for folder in paths:
        config = _json(folder / "config.json")
        for place in sorted(each for each in folder.iterdir() if each.is_dir()):
            for daq_file in sorted(place.glob("*.csv*")):
                stem = bare(daq_file)
                perf_file = _first(place, f"{stem}_perf.txt*")
                if perf_file is None:
                    if not stem.endswith("_meta"):
                        notes.append(f"{daq_file.name} has no RAPL beside it and was left out.")
                    continue
                base_ns = (len(windows) + 1) * 3_600_000_000_000
                daq = _daq(daq_file, config, base_ns, options)
                rapl = _perf(perf_file, base_ns, options)
                begin = max(int(daq.at_ns[0]), int(rapl.at_ns[0])) + 1_000_000_000
                end = min(int(daq.at_ns[-1]), int(rapl.at_ns[-1])) - 1_000_000_000
                feeds["daq"].append(daq)
                feeds["rapl"].append(rapl)
                windows.append(Window(slug(place.name), begin, end))
    if not windows:
        raise BadFile(paths[0], "it holds no workload with a DAQ file and its RAPL samples")
    if any("dram" in chunk.values for chunk in feeds["daq"]):
        names = ", ".join(map(str, config["riser_names"]))
        notes.append(f"The riser cards ({names}) do not say a socket, and are added up as dram.")
    covers = {
        "daq": lambda name: power(name, name, "wall"),
        "rapl": lambda name: Domain(name, name, "counter", "measured", "rapl"),
    }
    return Found(
        [
            Feed(
                name,
                tuple(covers[name](d) for d in sorted({d for c in chunks for d in c.values})),
                chunks,
            )
            for name, chunks in feeds.items()
        ],
        windows,
        machine=f"{config.get('architecture', 'not known')}, "
        f"{config.get('memory_population', 'memory not known')}",
        notes=("Alt et al., ICPE 2024: DRAM by RAPL beside riser cards; no sample has a date.",
            *notes),
    )  # fmt: skip


def _daq(path: Path, config: Mapping[str, Any], base_ns: int, options: Options) -> Chunk:
    """Return watts of the DIMMs by socket: voltage times the drop over the shunt, over rails."""
    with binary(path, line_bytes=LINE_BYTES) as stream:
        try:
            volts = np.loadtxt(stream, delimiter=",", ndmin=2)
        except ValueError as error:
            raise BadFile(path, f"it is no table of voltages ({error})") from None
    watts: dict[str, Any] = {}
    for rail in config["channels"]:
        place = _dimms(config, rail["riser"])
        amps = volts[:, rail["voltage_drop_channel"]] / rail["gain"] / rail["csr_resistance"]
        each = volts[:, rail["voltage_channel"]] * rail["voltage_gain"] * amps
        watts[place] = watts.get(place, 0.0) + each
    return Chunk(base_ns + np.arange(len(volts), dtype=np.int64) * 1_000_000, watts)


def _dimms(config: Mapping[str, Any], riser: int) -> str:
    """Return what a riser card carries: a socket's memory where its name says so, or some of it."""
    socket = config["riser_names"][riser].rpartition(" ")[2]
    if not socket.isdecimal() and len(config.get("sockets", ())) == 1:
        socket = str(config["sockets"][0])
    return f"dram-{socket}" if socket.isdecimal() else "dram"


def _perf(path: Path, base_ns: int, options: Options) -> Chunk:
    """Return RAPL's joules as counters; a row is a sample: socket, domain, energy."""
    parts = {"package": "package", "ram": "dram", "dram": "dram"}
    at_ns, names, values = [], [], []
    sums: dict[str, float] = {}
    for row in rows(path, options, ("#timestamp", "socket", "domain", "energy"), until="###"):
        joules, at_s = figure(row, "energy", options), figure(row, "#timestamp", options)
        part = parts.get(row["domain"])
        if joules is None or at_s is None or part is None:
            continue
        name = f"{part}-{row['socket'].removeprefix('N')}"
        sums[name] = sums.get(name, 0.0) + joules
        at_ns.append(base_ns + round(at_s * 1e9))
        names.append(name)
        values.append(sums[name])
    if not names:
        raise BadFile(path, "it has no sample of RAPL")
    return pivot(at_ns, names, values)


# ---- CodeCarbon's load profile ----


def codecarbon_load(paths: Sequence[Path], options: Options) -> Found:
    """CSV files of mlco2/codecarbon, ``compare_cpu_load_and_RAPL-*``: one row a level of load.

    RAPL and the estimate are in kWh, the plug in whole watt-hours. A time stamp is taken as the end
    of its level.
    """
    files = [f for p in paths for f in (sorted(p.rglob("*.csv*")) if p.is_dir() else [p])]
    windows: list[Window] = []
    notes: list[str] = []
    at_ns: list[int] = []
    columns: dict[str, list[float]] = {"tapo": [], "rapl": [], "codecarbon": []}
    cpus = set()
    levels = [row for file in files for row in rows(file, options, _LEVEL)]
    sums = dict.fromkeys(columns, 0.0)
    for row in sorted(levels, key=lambda each: float(each["timestamp"])):
        end = epoch_ns(row["timestamp"], options)
        begin = end - round(float(row["duration"]) * 1e9)
        joules = _level_j(row, options)
        if joules is None or (at_ns and begin <= at_ns[-1]):
            options.reject(",".join(row.values()), "a level without energies, or over another one")
            continue
        for name, energy in joules.items():
            columns[name] += [sums[name], sums[name] + energy]
            sums[name] += energy
        at_ns += [begin, end]
        name = slug(f"{row['load_type']} {float(row['cores_used']):g} at {row['cpu_load']}")
        windows.append(Window(name, begin, end, result={"cpu_load": float(row["cpu_load"])}))
        cpus.add(row["cpu_name"])
    if not windows:
        raise BadFile(files[0] if files else paths[0], "it holds no level of load")
    at = np.array(at_ns, dtype=np.int64)
    covers = {
        "tapo": Domain("node", "node", "counter", "measured", "wall", 3600.0),
        "rapl": Domain("package", "package", "counter", "measured", "rapl"),
        "codecarbon": Domain("cpu", "package", "counter", "modelled", "model"),
    }
    feeds = []
    for name, values in columns.items():
        there = [Chunk(at, {covers[name].name: np.array(values)})]
        if sums[name] == 0.0:
            notes.append(f"{name} is 0 in every level: it was not there, and is unavailable.")
            there = []
        feeds.append(Feed(name, (covers[name],), there))
    cpu = ", ".join(sorted(cpus))
    return Found(feeds, windows, cpu=cpu, machine=cpu, notes=notes)


_LEVEL = ("timestamp", "duration", "load_type", "cores_used", "cpu_load", "cpu_name",
          "rapl_energy", "estimated_energy", "tapo_energy")  # fmt: skip


def _level_j(row: Row, options: Options) -> dict[str, float] | None:
    """Return the joules of one level by probe."""
    units = {"tapo": ("tapo_energy", 3600.0), "rapl": ("rapl_energy", 3.6e6),
             "codecarbon": ("estimated_energy", 3.6e6)}  # fmt: skip
    found = {}
    for name, (column, unit_j) in units.items():
        value = figure(row, column, options)
        if value is None:
            return None
        found[name] = value * unit_j
    return found
