"""Power over time of the columns that were compared, one run of each workload."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.comparison.pairs import Comparison, Pair
from calibrate.energy import (
    Column,
    columns_by_scope,
    counter_curve,
    native_columns,
    power_curve,
    probe_columns,
)
from calibrate.store import Campaign, ProbeLog, Run

Values = NDArray[np.float64]


@dataclass(frozen=True)
class PowerTrace:
    """Power of one column of a probe in one run.

    Parameters
    ----------
    probe, column : of the probe.
    edges_s : instants between which each value is the mean, from the start of the window, s,
        shape (n + 1,).
    watts : mean power of each step, W, shape (n,); NaN where the readings give none.
    """

    probe: str
    column: str
    edges_s: Values
    watts: Values

    @property
    def middle_s(self) -> Values:
        """The middle of every step, s, shape (n,)."""
        middle: Values = (self.edges_s[1:] + self.edges_s[:-1]) / 2
        return middle


@dataclass(frozen=True)
class RunPower:
    """Power over time in one run.

    Parameters
    ----------
    workload, run : the workload, and the folder of the run.
    before_s, seconds, after_s : length of the rest before the window, of the window, and of the
        rest after it, s.
    reference : traces of the reference, one for each scope that a probe is compared in.
    probes : trace of the headline column of every other probe.
    """

    workload: str
    run: str
    before_s: float
    seconds: float
    after_s: float
    reference: tuple[PowerTrace, ...]
    probes: tuple[PowerTrace, ...]


def power_traces(campaign: Campaign, comparison: Comparison) -> tuple[RunPower, ...]:
    """Return power over time, for every workload in the run of median length.

    Parameters
    ----------
    campaign : with its readings.
    comparison : of that campaign.
    """
    return tuple(
        _run_power(_run_of_median_length(campaign, workload), comparison)
        for workload in comparison.workloads
    )


def _run_of_median_length(campaign: Campaign, workload: str) -> Run:
    runs = [
        run
        for run in campaign.runs
        if run.record.workload == workload and run.record.exit_code == 0
    ]
    runs.sort(key=lambda run: run.record.seconds)
    return runs[len(runs) // 2]


def _run_power(run: Run, comparison: Comparison) -> RunPower:
    record = run.record
    main = [pair for pair in comparison.pairs if pair.headline]
    return RunPower(
        workload=record.workload,
        run=run.folder.name,
        before_s=(record.begin_ns - record.recording_ns) / 1e9,
        seconds=record.seconds,
        after_s=(record.stopped_ns - record.end_ns) / 1e9,
        reference=tuple(_reference_traces(run, comparison.reference, main)),
        probes=tuple(_probe_traces(run, main)),
    )


def _reference_traces(run: Run, reference: str, main: list[Pair]) -> Iterator[PowerTrace]:
    log = run.logs.get(reference)
    if log is None:
        return
    by_scope = columns_by_scope(probe_columns(log.domains.values()))
    drawn = set()
    for pair in main:
        column = by_scope.get(pair.reference_scope)
        # On a machine of one socket, package and package-0 are the same column.
        if column and column.parts not in drawn:
            drawn.add(column.parts)
            yield _trace(run, reference, log, column)


def _probe_traces(run: Run, main: list[Pair]) -> Iterator[PowerTrace]:
    for pair in main:
        log = run.logs.get(pair.probe)
        column = _column(log, pair) if log else None
        if log and column:
            yield _trace(run, pair.probe, log, column)


def _column(log: ProbeLog, pair: Pair) -> Column | None:
    shown = native_columns(log.domains.values())
    return next((column for column in shown if column.name == pair.column), None)


def _trace(run: Run, probe: str, log: ProbeLog, column: Column) -> PowerTrace:
    """Return the power of a column; that of a tracker ends with its window."""
    middle, watts = power_curve(log, column, max(0.1, run.record.seconds / 80))
    if not watts.size:
        return PowerTrace(probe, column.name, np.zeros(1), watts)
    start = float(counter_curve(log, log.domains[column.parts[0]]).at_ns[0]) / 1e9
    edges = [start]
    for each in middle:
        edges.append(2 * float(each) - edges[-1])
    good = np.isfinite(watts) & (watts >= 0)
    if log.window_ns and log.domains[column.parts[0]].kind == "window":
        good &= middle <= log.window_ns[1] / 1e9
    last = int(np.flatnonzero(good)[-1]) + 1 if good.any() else 0
    kept = np.where(good, watts, np.nan)[:last]
    return PowerTrace(
        probe, column.name, np.array(edges[: last + 1]) - run.record.begin_ns / 1e9, kept
    )
