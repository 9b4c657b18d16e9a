"""What trackers write that measure runs whole: CodeCarbon, pyJoules, carbontracker, Zeus."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from calibrate.errors import BadFile
from calibrate.ingest import opened
from calibrate.ingest.feed import Feed, Found, Options, Window, counter, epoch_ns, power, slug
from calibrate.ingest.long import Long, pivot
from calibrate.ingest.sheet import Row, figure, instant, rows
from calibrate.probe import Domain
from calibrate.quantity import J_PER_KWH, finite_number

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Measured:
    """A run that a tracker measured whole: joules by domain."""

    begin_ns: int
    end_ns: int
    what: str
    joules: Mapping[str, float]


def runs(
    library: str,
    options: Options,
    measured: Sequence[Measured],
    domains: Mapping[str, Domain],
    facts: Mapping[str, str],
    path: Path,
    step_ns: int = 0,
) -> Found:
    """Return runs as a probe's counters that stand still between them.

    A domain without a figure in a run is not there in that run: what it used is not known. Where
    runs overlap by no more than `step_ns`, the step of their time stamps, the later one is moved to
    the end of the other; where by more, they ran at once, and the later one is left out.

    Raises
    ------
    BadFile : there is none.
    """
    if not measured:
        raise BadFile(path, "it holds no measurement")
    sums = dict.fromkeys(domains, 0.0)
    long: list[tuple[int, str, float]] = []
    windows = []
    last = 0
    for each in sorted(measured, key=lambda each: each.begin_ns):
        early_ns = max(last - each.begin_ns, 0)
        if early_ns > step_ns:
            continue
        begin_ns, end_ns = each.begin_ns + early_ns, each.end_ns + early_ns
        for key, joules in each.joules.items():
            long += [(begin_ns, key, sums[key]), (end_ns, key, sums[key] + joules)]
            sums[key] += joules
        lacking = domains.keys() - each.joules.keys()
        columns = tuple(each.joules) if lacking else None
        windows.append(Window(slug(each.what), begin_ns, end_ns, columns=columns))
        last = end_ns
    at_ns, names, values = zip(*long, strict=True)
    chunks = [pivot(at_ns, names, values)]
    feed = Feed(options.name or library, tuple(domains.values()), chunks, facts, library)
    left = len(measured) - len(windows)
    notes = [f"{left} measurements overlap others and were left out."] if left else []
    return Found([feed], windows, notes=notes)


# ---- CodeCarbon ----


def codecarbon(paths: Sequence[Path], options: Options) -> Found:
    """``emissions.csv`` of releases 1 to 3: a row a run, kWh; its time stamp is the end, local.

    ``energy`` is the total, ``energy_consumed``.

    Rows of one ``run_id`` are looks at one run from its beginning (`flush`), and the longest
    counts; in a file of tasks (``task_name``) each row is one of its own. Releases before 2 know
    the total alone. Source: ``EmissionsData`` and ``FileOutput`` of 1.0.0, 1.2.0, 2.0.0, 2.3.4 and
    3.3.2.
    """
    measured: dict[str, Measured] = {}
    domains: dict[str, Domain] = {}
    facts: dict[str, str] = {}
    for path in paths:
        for number_, row in enumerate(rows(path, options, _CODECARBON)):
            run = _codecarbon_run(row, options)
            if run is None:
                options.reject(",".join(row.values()), "a run without a time or an energy")
                continue
            key = "" if "task_name" in row else row.get("run_id", "")
            key = key or f"{path} {number_}"
            if key not in measured or measured[key].begin_ns - measured[key].end_ns > (
                run.begin_ns - run.end_ns
            ):
                measured[key] = run
            for name in run.joules:
                domains[name] = _codecarbon_domain(name, row.get("tracking_mode", ""))
            version = row.get("codecarbon_version", "")
            facts |= {"release": version} if version else {}
    every = list(measured.values())
    domains |= _codecarbon_total(domains)
    return runs("codecarbon", options, every, domains, facts, paths[0], _SECOND_NS)


_CODECARBON = ("timestamp", "duration", "energy_consumed")


def _codecarbon_run(row: Row, options: Options) -> Measured | None:
    energies = _codecarbon_j(row, options)
    seconds, end_ns = figure(row, "duration", options), instant(row, "timestamp", options)
    if not energies or not seconds or seconds < 0 or end_ns is None:
        return None
    what = row.get("task_name") or row.get("project_name", "")
    return Measured(end_ns - round(seconds * 1e9), end_ns, what, energies)


def _codecarbon_j(row: Row, options: Options) -> dict[str, float]:
    """Return joules by domain; no energy of no GPU is none, and not zero."""
    names = {"cpu": "cpu_energy", "gpu": "gpu_energy", "ram": "ram_energy"}
    if row.get("gpu_count", "1").strip() in {"", "0", "0.0"}:
        del names["gpu"]
    there = {n: figure(row, c, options) for n, c in names.items() if c in row}
    found = {name: kwh * J_PER_KWH for name, kwh in there.items() if kwh is not None}
    total = figure(row, "energy_consumed", options)
    if total is not None and len(found) != 1:
        found["energy"] = total * J_PER_KWH
    return found


def _codecarbon_domain(name: str, mode: str) -> Domain:
    """Return the domain; the file does not say whether RAPL or a model made the CPU's figure."""
    scope = {"cpu": "package", "gpu": "gpu", "ram": "dram", "energy": "system"}[name]
    scope = "process" if mode == "process" and name == "ram" else scope
    if name == "gpu":
        return counter(name, scope, "nvml")
    return counter(name, scope, "model", "modelled")


def _codecarbon_total(domains: Mapping[str, Domain]) -> dict[str, Domain]:
    """Return the total with what it is made of, where the file has both."""
    parts = tuple(name for name in domains if name != "energy")
    if "energy" not in domains or not parts:
        return {}
    scopes = {domains[name].scope for name in parts}
    scope = "process" if "process" in scopes else "system" if "gpu" in scopes else "machine"
    return {"energy": replace(domains["energy"], scope=scope, sum_of=parts)}


# ---- pyJoules ----


def pyjoules(paths: Sequence[Path], options: Options) -> Found:
    """CSV of pyJoules: a row a sample, microjoules; GPUs in millijoules, as in release 0.5.1."""
    measured: list[Measured] = []
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
                domains[column] = counter(column, scope, "nvml" if gpu else "rapl")
            begin, seconds = instant(row, "timestamp", options), figure(row, "duration", options)
            if energies and seconds and seconds > 0 and begin is not None:
                end = begin + round(seconds * 1e9)
                measured.append(Measured(begin, end, row["tag"], energies))
    return runs("pyjoules", options, measured, domains, {}, paths[0])


# ---- carbontracker ----


@dataclass(frozen=True)
class Consumption:
    """An "Actual consumption" of carbontracker's output log.

    Parameters
    ----------
    at : when it was written, local and without a zone; empty where the log does not say.
    what : of which epochs.
    seconds : whole ones, as carbontracker writes them.
    kwh : kWh as they are written, the factor for a data centre's overhead included.
    """

    at: str
    what: str
    seconds: int
    kwh: str


#: Releases 1.x and 2.x. The time stands before a newline, which is the message's first character.
_CONSUMPTION = re.compile(
    r"(?:^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) - CarbonTracker:[ \t]*\n)?"
    r"Actual consumption(?: for)?([^:\n]{0,200}):\s{0,9}\n\s{0,20}"
    r"Time:\s{0,9}(\d{1,9}):(\d\d):(\d\d)\s{0,9}\n\s{0,20}"
    r"Energy:\s{0,9}([0-9.eE+-]{1,40})\s{0,9}kWh",
    re.MULTILINE,
)


def consumptions(text: str) -> Iterator[Consumption]:
    """Yield what an output log of carbontracker says was used; predictions are left out."""
    for at, what, h, m, s, kwh in _CONSUMPTION.findall(text):
        yield Consumption(at, what.strip(), int(h) * 3600 + int(m) * 60 + int(s), kwh)


_FINISHED = "Name a finished tracker's file that ends with _carbontracker_output.log."
_PUE = (
    "carbontracker multiplies by the overhead of a data centre (1.58 in 2.4.7), and that is in its "
    "figures."
)


def carbontracker(paths: Sequence[Path], options: Options) -> Found:
    """``*_carbontracker_output.log``: kWh of all epochs so far, a log a tracker.

    Its last "Actual consumption" holds those before. What is between epochs is not in its time, so
    that the beginning may be earlier. Source: loggerutil.py and tracker.py of 1.2.5 and 2.4.7.
    """
    measured: list[Measured] = []
    found: set[str] = set()
    for path in paths:
        text = opened.whole(path, options.seen)
        said = list(consumptions(text))
        if not said:
            options.reject(path.name, "it has no actual consumption")
            continue
        last = said[-1]
        if not last.at or last.seconds == 0:
            options.reject(path.name, "a consumption without a time before it, or of no second")
            continue
        end_ns = epoch_ns(last.at, options)
        joules = {"energy": finite_number(last.kwh, "Energy") * J_PER_KWH}
        begin_ns = end_ns - last.seconds * _SECOND_NS
        measured.append(Measured(begin_ns, end_ns, last.what, joules))
        found |= {each.lower() for each in re.findall(r"\b(\w{1,40}) with device\(s\)", text)}
    if not measured:
        raise BadFile(paths[0], "it has no actual consumption of a second and more", fix=_FINISHED)
    domains = {"energy": _carbontracker_domain(found, options)}
    made = runs("carbontracker", options, measured, domains, {}, paths[0], _SECOND_NS)
    return Found(made.feeds, made.windows, notes=[*made.notes, _PUE])


def _carbontracker_domain(components: set[str], options: Options) -> Domain:
    """Return what the log says was found; a processor's power may be a fraction of its TDP."""
    if components == {"gpu"}:
        return counter("energy", options.scope or "gpu", "nvml")
    scope = "machine" if components == {"cpu"} else "system"
    return counter("energy", options.scope or scope, "model", "modelled")


# ---- Zeus ----


def zeus(paths: Sequence[Path], options: Options) -> Found:
    """Zeus's logs: `ZeusMonitor`'s windows, joules of GPUs; `PowerMonitor`'s samples up to 0.11.

    The former is ``start_time,window_name,elapsed_time,gpu0_energy,...``; windows within others
    are left out. The latter has no header: seconds since 1970 and the watts of each GPU, taken in
    the order of their indices. Source: zeus/monitor/energy.py of 0.16.0, power.py of 0.11.0.
    """
    logs = [path for path in paths if not _is_samples(path)]
    samples = [path for path in paths if _is_samples(path)]
    if logs and samples:
        raise BadFile(samples[0], "it is a power log, and others are logs of windows",
                      fix="Import them one after the other.")  # fmt: skip
    return _zeus_power(samples, options) if samples else _zeus_windows(logs, options)


_GPU = re.compile(r"gpu(\d+)_energy")


def _zeus_windows(paths: Sequence[Path], options: Options) -> Found:
    measured: list[Measured] = []
    domains: dict[str, Domain] = {}
    for path in paths:
        for row in rows(path, options, ("start_time", "window_name", "elapsed_time")):
            begin = instant(row, "start_time", options)
            seconds = figure(row, "elapsed_time", options)
            gpus = {f"gpu-{found[1]}": c for c in row if (found := _GPU.fullmatch(c))}
            told = {name: figure(row, column, options) for name, column in gpus.items()}
            joules = {name: each for name, each in told.items() if each is not None}
            if begin is None or not seconds or seconds < 0 or not joules:
                options.reject(",".join(row.values()), "a window without a time or an energy")
                continue
            domains |= {name: counter(name, name, "nvml") for name in joules}
            end = begin + round(seconds * 1e9)
            measured.append(Measured(begin, end, row["window_name"], joules))
    return runs("zeus", options, measured, domains, {}, paths[0])


def _is_samples(path: Path) -> bool:
    with opened.text(path) as stream:
        return re.match(r"\d+\.\d+(,\d+(\.\d+)?)+\s*$", stream.readline()) is not None


def _zeus_power(paths: Sequence[Path], options: Options) -> Found:
    long = Long()
    for path in paths:
        with opened.text(path, options.seen) as stream:
            for line in stream:
                at, *watts = line.strip().split(",")
                try:
                    at_ns = epoch_ns(at, options)
                    for place, text in enumerate(watts):
                        long.put(at_ns, f"gpu-{place}", finite_number(text, "power"))
                except ValueError as error:
                    options.reject(line, str(error))
    if not long:
        raise BadFile(paths[0], "it holds no sample")
    return Found([long.feed(options.name or "zeus", _gpu_power)])


def _gpu_power(name: str) -> Domain:
    return power(name, name, "nvml-instant")
