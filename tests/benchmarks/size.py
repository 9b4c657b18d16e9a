"""Readings, imports, reports and repeated analyses by size, at n and 4 n, and how they grow.

python tests/benchmarks/size.py [PART ...] [--scale SHARE]

PART is any of ``readings imports report again``; all by default. Prints one line for each figure:
at n, at 4 n, the ratio of both, and the goal at 4 n. Each figure is of a process of its own, as a
user starts it: CPU seconds of user and system, wall seconds of imports and repeated analyses, for
which the machine must be idle, and the largest resident size.
``--scale 0.1`` takes a tenth of everything, for a quick look.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from calibrate import store
from calibrate.probe import Domain
from calibrate.store import (
    CampaignRecord,
    Job,
    MachineRecord,
    ProbesRecord,
    ProbeState,
    RunRecord,
    SourceRecord,
)

SECOND = 1_000_000_000
MACHINE = MachineRecord(
    simulated=True, label="simulated machine: made for size.py", cpu="none", cpus=2, kernel="0",
    memory_bytes=1, virtual="no", governor="none", microcode="none", boot_id="none",
)  # fmt: skip
LOADS = {"idle": 20.0, "gemm": 60.0, "square": 40.0, "copy": 50.0}
#: Sizes at 4 n, and how often they grow from n.
READINGS, RUNS, PROBES, TIMES = 8_000_000, 10_000, 200, 4
MAPPING = """
[time]
column = "begin"
unit = "iso"

[run]
label = "load"
end = "end"

[[value]]
column = "joules"
unit = "J"
kind = "run"
scope = "node"
probe = "wall"
"""


class Used(NamedTuple):
    """What a process took."""

    cpu_s: float
    wall_s: float
    peak_mib: float


@dataclass(frozen=True)
class Figure:
    """A line of the table; ``goal`` is for 4 n."""

    name: str
    unit: str
    small: float
    large: float
    goal: float

    def __str__(self) -> str:
        ratio = self.large / self.small if self.small else float("nan")
        verdict = "" if self.large <= self.goal else "  above the goal"
        return (
            f"{self.name:<52} {self.unit:<6} {self.small:>9.2f} {self.large:>9.2f} "
            f"{ratio:>6.2f} {self.goal:>7g}{verdict}"
        )


def crosswatt(*arguments: object) -> Used:
    """Run a command and return what it took."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "calibrate", *map(str, arguments)], stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} ended with {process.returncode}")
    seconds = time.monotonic() - began
    return Used(used.ru_utime + used.ru_stime, seconds, used.ru_maxrss / 1024)


def campaign(folder: Path, probes: int, readings: int, repeats: int) -> Path:
    """Write a campaign of four loads as `crosswatt run` leaves it: `readings` per probe and run."""
    names = ["truth", *(f"meter-{number}" for number in range(1, probes))]
    folder.mkdir()
    jobs = tuple(
        Job(folder=f"{number:03d}-{load}", number=number, workload=load, repeat=repeat)
        for number, (repeat, load) in enumerate(
            ((repeat, load) for repeat in range(1, repeats + 1) for load in LOADS), 1
        )
    )
    record = CampaignRecord(
        created="2026-01-01T00:00:00+00:00", crosswatt="0", seed=1, machine=MACHINE, jobs=jobs,
        plan={"title": "by size", "workload": [{"name": load} for load in LOADS]},
        sources=tuple(SourceRecord(name=name, adapter="-", python="-") for name in names),
    )  # fmt: skip
    store.save(folder / store.CAMPAIGN, record)
    states = dict.fromkeys(names, ProbeState(status="ok"))
    store.save(folder / store.PROBES, ProbesRecord(probes=states))
    rng = np.random.default_rng(1)
    for job in jobs:
        place = folder / job.folder
        place.mkdir()
        begin, end = 100 * SECOND, 110 * SECOND
        for number, name in enumerate(names):
            factor = 1 + 0.001 * number
            log(place / f"{name}.jsonl", name, LOADS[job.workload] * factor, readings, rng)
        run = RunRecord(
            number=job.number, workload=job.workload, repeat=job.repeat, exit_code=0,
            recording_ns=begin - SECOND, begin_ns=begin, end_ns=end, stopped_ns=end + SECOND,
            epoch_ns=0, probes=states,
        )  # fmt: skip
        store.save(place / store.RUN, run)
    return folder


def log(path: Path, name: str, watts: float, count: int, rng: np.random.Generator) -> None:
    """Write a probe's file of a run of 10 s: a counter in steps of 1 uJ, read with jitter."""
    domain = Domain(
        "package-0", "package-0", "counter", "truth" if name == "truth" else "measured",
        "truth" if name == "truth" else "rapl", resolution_j=1e-6,
    )  # fmt: skip
    step_ns = 12 * SECOND // count
    before = 99 * SECOND - step_ns + np.arange(count + 2) * step_ns
    before += rng.integers(0, max(step_ns // 10, 2), count + 2)
    took = 9_000 + rng.exponential(min(15_000, step_ns / 4), count + 2).astype(np.int64)
    noise = rng.normal(0, 1e-3 * watts * step_ns / SECOND, count + 2).cumsum()
    joules = np.maximum.accumulate(np.round((watts * before / SECOND + noise) * 1e6)) / 1e6
    documents = [
        {"doc": "probe", "schema": 1, "name": name, "period_s": step_ns / SECOND,
         "domains": [asdict(domain)], "facts": {}},
        {"doc": "begin", "before_ns": 100 * SECOND, "after_ns": 100 * SECOND},
        {"doc": "end", "before_ns": 110 * SECOND, "after_ns": 110 * SECOND},
        {"doc": "stop", "status": "ok", "reason": "", "fix": "", "readings": count + 2,
         "missed": 0, "rejected": 0, "cpu_s": 0.01, "at_ns": 111 * SECOND},
    ]  # fmt: skip
    lines = [json.dumps(document) + "\n" for document in documents]
    with path.open("w") as file:
        file.writelines(lines[:2])
        rows = zip(before.tolist(), (before + took).tolist(), joules.tolist(), strict=True)
        file.writelines(
            json.dumps(
                {"doc": "reading", "before_ns": start, "after_ns": stop,
                 "values": {"package-0": value}}
            ) + "\n"
            for start, stop, value in rows
        )  # fmt: skip
        file.writelines(lines[2:])
    if hasattr(store, "pack"):  # not in releases that this is compared with
        store.pack(path)


def stored(folder: Path, pattern: str = "*") -> tuple[int, float]:
    """Return how many files a folder has, and their MB."""
    files = [path for path in folder.rglob(pattern) if path.is_file()]
    return len(files), sum(path.stat().st_size for path in files) / 1e6


def readings(place: Path, scale: float) -> Iterator[Figure]:
    """Analyse many readings, of two probes in runs of 50,000 each."""
    took, size = [], []
    for readings in (READINGS // TIMES, READINGS):
        count = max(int(readings * scale), 8_000)
        repeats = max(count // (50_000 * 2 * len(LOADS)), 2)
        folder = campaign(
            place / f"readings-{readings}", 2, count // (2 * repeats * len(LOADS)), repeats
        )
        size.append(stored(folder, "*.jsonl")[1])
        took.append(crosswatt("analyze", folder))
    name = f"{READINGS / 1e6 * scale:g}e6 readings"
    yield Figure(f"{name}: files", "MB", size[0], size[1], 100)
    yield Figure(f"{name}: analyze, CPU", "s", took[0].cpu_s, took[1].cpu_s, 4)
    yield Figure(f"{name}: analyze, peak memory", "MiB", took[0].peak_mib, took[1].peak_mib, 500)


def imports(place: Path, scale: float) -> Iterator[Figure]:
    """Import a table with a run in each row."""
    took, files = [], []
    for runs in (RUNS // TIMES, RUNS):
        count = int(runs * scale)
        table, mapping, out = place / f"{runs}.csv", place / "map.toml", place / f"out-{runs}"
        mapping.write_text(MAPPING)
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("begin", "end", "load", "joules"))
            for number in range(count):
                start = np.datetime64("2026-01-01T00:00:00") + np.timedelta64(20 * number, "s")
                load = list(LOADS)[number % len(LOADS)]
                writer.writerow((f"{start}Z", f"{start + 10}Z", load, 10 * LOADS[load]))
        took.append(crosswatt("import", "csv", table, "--mapping", mapping, "--out", out))
        files.append(float(stored(out)[0]))
    name = f"{int(RUNS * scale):,} imported runs"
    yield Figure(f"{name}: import", "s", took[0].wall_s, took[1].wall_s, 10)
    yield Figure(f"{name}: import, CPU", "s", took[0].cpu_s, took[1].cpu_s, 10)
    yield Figure(f"{name}: files", "", files[0], files[1], 100)


def report(place: Path, scale: float) -> Iterator[Figure]:
    """Write the report of many probes."""
    took = []
    for probes in (PROBES // TIMES, PROBES):
        folder = campaign(place / f"probes-{probes}", max(int(probes * scale), 2), 24, 2)
        took.append(crosswatt("report", folder))
    name = f"{int(PROBES * scale)} probes"
    yield Figure(f"{name}: report, CPU", "s", took[0].cpu_s, took[1].cpu_s, 5)


def again(place: Path, scale: float) -> Iterator[Figure]:
    """Analyse a folder a second time: half a million readings."""
    took = []
    for count in (500_000 // TIMES, 500_000):
        repeats = max(int(count * scale) // 40_000, 1)
        folder = campaign(place / f"again-{count}", 2, 5_000, repeats)
        crosswatt("analyze", folder)
        took.append(crosswatt("analyze", folder).wall_s)
    yield Figure("analyze of an unchanged folder", "s", took[0], took[1], 1)


PARTS: dict[str, Callable[[Path, float], Iterator[Figure]]] = {
    "readings": readings, "imports": imports, "report": report, "again": again,
}  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}")
    parser.add_argument("--scale", type=float, default=1.0, metavar="SHARE")
    chosen = parser.parse_args()
    if unknown := {*chosen.parts} - {*PARTS}:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    print(f"{'':<52} {'unit':<6} {'n':>9} {'4 n':>9} {'ratio':>6} {'goal':>7}")
    for name in chosen.parts or PARTS:
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as place:
            for figure in PARTS[name](Path(place), chosen.scale):
                print(figure, flush=True)


if __name__ == "__main__":
    main()
