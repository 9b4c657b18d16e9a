"""How long the statistics take, beside what others need for the same.

    python tests/benchmarks/statistics_speed.py

Each line: task, seconds here, seconds of the other way in the same process, and their ratio. Times
differ from machine to machine; the ratio hardly does. Memory is what the comparison allocates at
its peak (tracemalloc).
"""

from __future__ import annotations

import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import bootstrap as scipy_bootstrap

from calibrate.comparison import compare
from calibrate.diagnosis import Runs, diagnose
from calibrate.probe.contract import Domain
from calibrate.stats import (
    Vector,
    bootstrap,
    deming,
    fleet,
    least_squares,
    mean_of,
    mixed,
    passing_bablok,
)
from calibrate.store import (
    Campaign,
    CampaignRecord,
    MachineRecord,
    ProbeLog,
    ProbeState,
    Run,
    RunRecord,
    SourceRecord,
)
from calibrate.store.readings import Readings

RNG = np.random.default_rng(0)
PROBES, INTERVALS, RUNS = 6, 1_000_000, 25


def seconds(task: Callable[[], object], repeats: int = 3) -> float:
    """Return the shortest of some times."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return min(times)


def campaign() -> Campaign:
    """Return a campaign of six probes and the truth, a million readings each over 25 runs."""
    names = ["truth", *(f"probe-{i}" for i in range(PROBES))]
    states = {name: ProbeState(status="ok") for name in names}
    at = np.arange(INTERVALS // RUNS) * 10_000_000
    runs = []
    for number in range(RUNS):
        logs = {}
        for name in names:
            family = "truth" if name == "truth" else "rapl"
            basis = "truth" if name == "truth" else "measured"
            domain = Domain("package-0", "package-0", "counter", basis, family)  # type: ignore[arg-type]
            value = np.cumsum(RNG.uniform(0.4, 0.6, at.size)) * RNG.normal(1, 0.01)
            readings = Readings(at.copy(), at + 30_000, {"package-0": value})
            logs[name] = ProbeLog(name, {"package-0": domain}, readings=readings)
        record = RunRecord(
            number=number,
            workload=f"load-{number % 5}",
            repeat=1 + number // 5,
            exit_code=0,
            recording_ns=0,
            begin_ns=50_000_000,
            end_ns=int(at[-1]) - 50_000_000,
            stopped_ns=int(at[-1]),
            epoch_ns=0,
            probes=states,
        )
        runs.append(Run(Path(f"{number}"), record, logs))
    machine = MachineRecord(
        simulated=True, label="made up", cpu="none", cpus=2, kernel="0", memory_bytes=1,
        virtual="no", governor="none", microcode="none", boot_id="none",
    )  # fmt: skip
    planned = CampaignRecord(
        created="2026-01-01", crosswatt="0", plan={}, seed=0, machine=machine, jobs=(),
        sources=tuple(SourceRecord(name=name, adapter="-", python="-") for name in names),
    )  # fmt: skip
    return Campaign(Path(), planned, {}, tuple(runs))


def all_pairs(x: Vector, y: Vector) -> float:
    """Return the median absolute slope the plain way."""
    i, j = np.triu_indices(x.size, 1)
    return float(np.median(np.abs((y[i] - y[j]) / (x[i] - x[j]))))


def main() -> None:
    """Print the table."""
    table = Table("task", "here", "other", "how many times faster", box=None)

    def row(task: str, here: float, other: float | None = None, what: str = "") -> None:
        beside = "" if other is None else f"{other:.3g} s  {what}"
        times = "" if other is None else f"{other / here:.3g}"
        table.add_row(task, f"{here:.3g} s", beside, times)

    made = campaign()
    tracemalloc.start()
    compare(made)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    held = sum(
        log.readings.before_ns.nbytes + log.readings.after_ns.nbytes
        + sum(column.nbytes for column in log.readings.values.values())
        for run in made.runs for log in run.logs.values()
    ) / 2**20  # fmt: skip
    row(
        f"{PROBES} probes x {INTERVALS:.0e} intervals to comparison "
        f"({held:.0f} MiB of readings + {peak:.0f} MiB)",
        seconds(lambda: compare(made)),
    )
    nodes = RNG.normal(0, 0.02, (10_000, 100))
    row("fleet of 10000 nodes x 100 runs", seconds(lambda: fleet(nodes)))

    x = RNG.uniform(1, 100, 10_000)
    y = 1.1 * x + RNG.normal(0, 2, 10_000)
    one = seconds(lambda: passing_bablok(x, y))
    row("Passing-Bablok, n = 10000", one, seconds(lambda: all_pairs(x, y), 1), "all pairs")
    rows = np.stack([x, np.ones_like(x)], axis=1)
    row(
        "BCa of a mean, n = B = 10000",
        seconds(lambda: bootstrap(rows, mean_of)),
        seconds(
            lambda: scipy_bootstrap((x,), np.mean, n_resamples=10_000, batch=100, method="BCa"), 1
        ),
        "scipy.stats.bootstrap",
    )

    def one_by_one() -> None:
        for k in range(200):
            keep = np.arange(x.size) != k
            least_squares(x[keep], y[keep])

    row(
        "Deming with jackknife, n = 10000",
        seconds(lambda: deming(x, y)),
        seconds(one_by_one, 1) * x.size / 200,
        "a fit a point left out (extrapolated from 200)",
    )
    workload = [f"load-{i % 5}" for i in range(75)]
    true = RNG.uniform(50, 5000, 75)
    runs = Runs(0.001 * true * RNG.normal(1, 0.02, 75), true, np.tile([5.0, 20, 60], 25), workload)
    row("diagnosis of a probe, 75 runs", seconds(lambda: diagnose(runs)))
    effect = {name: RNG.normal() for name in workload}
    d = np.array([effect[name] for name in workload]) + RNG.normal(0, 0.3, 75)
    ours = seconds(lambda: mixed(d, {"mean": np.ones(75)}, {"workload": workload}))
    row("mixed model, 75 runs", ours, _statsmodels(d, workload), "statsmodels, one search")
    console = Console(width=150)
    console.print(table)


def _statsmodels(d: Vector, workload: list[str]) -> float:
    from statsmodels.regression.mixed_linear_model import MixedLM

    def fit() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            MixedLM(d, np.ones((d.size, 1)), groups=np.array(workload)).fit(reml=True)

    return seconds(fit)


if __name__ == "__main__":
    main()
