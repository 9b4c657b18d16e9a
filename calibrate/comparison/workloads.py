"""A comparison by workload: what each workload did, and how far each column is off in it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from calibrate.comparison.pairs import Comparison, Pair, PairedRun
from calibrate.energy import phase_kind
from calibrate.stats import LimitsOfAgreement, limits_of_differences
from calibrate.store import Campaign, Run


@dataclass(frozen=True)
class Rate:
    """Mean work per second of a kind of phase, in `unit` per second."""

    phase: str
    unit: str
    per_s: float


@dataclass(frozen=True)
class WorkloadSummary:
    """What the finished runs of a workload did.

    Parameters
    ----------
    seconds : shortest and longest run, s.
    watts : lowest and highest mean power by the reference, W; None where it has none.
    rates : work per second of every kind of phase that counts work.
    results : what the workload returned: the mean of finite numbers, else the distinct texts;
        empty where neither is known.
    """

    workload: str
    runs: int
    seconds: tuple[float, float]
    watts: tuple[float, float] | None
    rates: tuple[Rate, ...]
    results: dict[str, float | tuple[str, ...]]


@dataclass(frozen=True)
class WorkloadDifference:
    """How far one column is off in one workload.

    Parameters
    ----------
    ratio : geometric mean of probe over reference; None where no run has a ratio.
    difference_w : mean of probe minus reference, W.
    """

    workload: str
    ratio: float | None
    difference_w: float


@dataclass(frozen=True)
class ColumnDifferences:
    """How far one column is off, workload by workload.

    Parameters
    ----------
    limits_w : limits of agreement of probe minus reference in single runs, W.
    """

    probe: str
    column: str
    workloads: dict[str, WorkloadDifference]
    limits_w: LimitsOfAgreement


def widest_pair(pairs: Iterable[Pair]) -> Pair | None:
    """Return the headline pair whose reference covers the most: most runs, then most energy."""
    main = [pair for pair in pairs if pair.headline and pair.rows]
    return max(main, key=lambda p: (len(p.rows), sum(r.reference_j for r in p.rows)), default=None)


def summarize_workloads(campaign: Campaign, comparison: Comparison) -> tuple[WorkloadSummary, ...]:
    """Return what every workload of a comparison did, over its finished runs."""
    widest = widest_pair(comparison.pairs)
    watts: dict[str, list[float]] = {}
    for row in widest.rows if widest else ():
        watts.setdefault(row.workload, []).append(row.reference_j / row.seconds)
    return tuple(
        _summary(name, campaign.runs, watts.get(name, [])) for name in comparison.workloads
    )


def _summary(name: str, every: Iterable[Run], watts: Sequence[float]) -> WorkloadSummary:
    runs = [r for r in every if r.record.workload == name and r.record.exit_code == 0]
    seconds = [run.record.seconds for run in runs]
    return WorkloadSummary(
        workload=name,
        runs=len(runs),
        seconds=(min(seconds), max(seconds)),
        watts=(min(watts), max(watts)) if watts else None,
        rates=tuple(_rates(runs)),
        results=_results(runs),
    )


def _rates(runs: Sequence[Run]) -> list[Rate]:
    rates: dict[tuple[str, str], list[float]] = {}
    for run in runs:
        for phase in run.record.phases:
            seconds = (phase.end_ns - phase.begin_ns) / 1e9
            if phase.work is not None and phase.unit and seconds > 0:
                key = phase_kind(phase.name), phase.unit
                rates.setdefault(key, []).append(phase.work / seconds)
    return [Rate(name, unit, sum(v) / len(v)) for (name, unit), v in rates.items()]


def _results(runs: Sequence[Run]) -> dict[str, float | tuple[str, ...]]:
    values: dict[str, list[object]] = {}
    for run in runs:
        for key, value in run.record.result.items():
            values.setdefault(key, []).append(value)
    return {key: _mean(each) for key, each in values.items()}


def _mean(values: Sequence[object]) -> float | tuple[str, ...]:
    numbers = [v for v in values if isinstance(v, int | float) and math.isfinite(v)]
    if numbers:
        return sum(numbers) / len(numbers)
    return tuple(dict.fromkeys(v for v in values if isinstance(v, str)))


def differences(pair: Pair) -> ColumnDifferences:
    """Return how far a column with at least one run is off in each of its workloads.

    The limits are of differences in watts (Bland & Altman, Stat Methods Med Res 8 (1999) 135), for
    meters that are off by watts and not by a share.
    """
    by_workload: dict[str, list[PairedRun]] = {}
    for row in pair.rows:
        by_workload.setdefault(row.workload, []).append(row)
    watts = [_difference_w(row) for row in pair.rows]
    return ColumnDifferences(
        pair.probe,
        pair.column,
        {
            name: WorkloadDifference(
                name, _mean_ratio(rows), float(np.mean([_difference_w(row) for row in rows]))
            )
            for name, rows in by_workload.items()
        },
        limits_of_differences(watts, [row.workload for row in pair.rows]),
    )


def _difference_w(row: PairedRun) -> float:
    return (row.probe_j - row.reference_j) / row.seconds


def _mean_ratio(rows: Sequence[PairedRun]) -> float | None:
    ratios = [row.ratio for row in rows if row.ratio is not None]
    return float(np.exp(np.mean(np.log(ratios)))) if ratios else None
