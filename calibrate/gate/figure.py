"""The figure that a gate judges: the mean of ln(ratio), or its change, with its uncertainty.

The workloads of a policy are the same ones every time, so that how they differ among each other is
no uncertainty of their mean; it would hide a change. What is uncertain is the scatter of runs about
their workload, what a session has in common, the gain of the reference, and, where a change is
judged, the campaign before it. The interval is an expanded uncertainty U at 95 % with degrees of
freedom by Welch and Satterthwaite (JCGM 100, G.4).

Workloads count alike where their readings are known to 1 % or better, and less where they are not:
a run that is short for a meter says little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calibrate.comparison import PairedRun
from calibrate.gate.policy import Accepted
from calibrate.gate.scatter import (
    SESSIONS,
    Scatter,
    expected_variance,
    reading_variance,
    scatter_of,
)
from calibrate.stats import BudgetRow, Vector, budget, encode

LEVEL = 0.95
REFERENCE, BEFORE, CALIBRATION = "the reference", "the campaign accepted", "the calibration"
_SESSIONS_BEFORE = f"{SESSIONS} of {BEFORE}"


@dataclass(frozen=True)
class WorkloadFigure:
    """The mean of ln(ratio / expected) of one workload.

    Parameters
    ----------
    value : the mean.
    u : its standard uncertainty by runs and readings, with `df` degrees of freedom.
    reach : expanded uncertainty, so wide that those of all workloads together hold at 95 %
        (Bonferroni).
    """

    value: float
    u: float
    df: float | None
    reach: float


@dataclass(frozen=True)
class Figure:
    """A mean of ln(ratio / expected) over workloads.

    Parameters
    ----------
    value : the mean.
    reach : expanded uncertainty U, 95 %; None where the runs give none.
    parts : the sources of uncertainty.
    largest : the source with the largest share; empty where no source shows.
    by_workload : the same of each workload.
    sessions : how many sessions the uncertainty accounts for; 1 where the runs are from one, or
        where no workload was run in two of them.
    """

    value: float
    reach: float | None
    parts: tuple[BudgetRow, ...]
    largest: str
    by_workload: dict[str, WorkloadFigure]
    sessions: int


def make_figure(
    rows: Sequence[PairedRun],
    session_of: Mapping[str, int],
    expected: Mapping[str, float],
    u_reference: float,
    accepted: Accepted | None,
    u_calibration: float = 0.0,
) -> Figure:
    """Return the figure of a column.

    Parameters
    ----------
    rows : runs that have a ratio, all of a workload in `expected`.
    session_of : session by run.
    expected : ratio by workload.
    u_reference : relative standard uncertainty of the reference's gain; 0 where it cancels.
    accepted : the campaign that a change is judged against; None for a ratio of its own.
    u_calibration : relative standard uncertainty of the correction of the readings.
    """
    d = np.array([math.log((row.ratio or 1.0) / expected[row.workload]) for row in rows])
    labels, code = encode([row.workload for row in rows], d.size)
    session = encode([str(session_of.get(row.run, 0)) for row in rows], d.size)[1]
    readings, counts = reading_variance(rows), np.bincount(code)
    weights = 1 / expected_variance(readings, code)
    weights /= weights.sum()
    of_runs = (weights / counts)[code]
    value = float(of_runs @ d)
    scatter = scatter_of(readings, d, code, session)
    if scatter is None:
        return Figure(value, None, (), "", {}, 1)
    common = scatter.sessions_part(of_runs)
    if u_reference:
        common.append(BudgetRow(REFERENCE, u_reference))
    if u_calibration:
        common.append(BudgetRow(CALIBRATION, u_calibration))
    if accepted is not None and accepted.session_u:
        common.append(BudgetRow(_SESSIONS_BEFORE, accepted.session_u, df=accepted.session_df))
    parts = [
        scatter.part(of_runs),
        *_before(accepted, dict(zip(labels, weights.tolist(), strict=True))),
        *common,
    ]
    reach, largest = _expanded(parts, LEVEL)
    level = 1 - (1 - LEVEL) / len(labels)
    by_workload = {
        label: _of_workload(
            d, (code == i) / counts[i], scatter, [*_before(accepted, {label: 1.0}), *common], level
        )
        for i, label in enumerate(labels)
    }
    return Figure(value, reach, tuple(parts), largest, by_workload, 1 + (scatter.sessions_df or 0))


def _of_workload(
    d: Vector, weights: Vector, scatter: Scatter, more: Sequence[BudgetRow], level: float
) -> WorkloadFigure:
    """Return the figure of one workload: `weights` are those of its runs, zero for all others."""
    own = scatter.part(weights)
    reach, _ = _expanded([own, *more], level)
    return WorkloadFigure(float(weights @ d), own.u, own.df, reach)


def _before(accepted: Accepted | None, weights: Mapping[str, float]) -> list[BudgetRow]:
    """Return what a weighted mean of workloads of the accepted campaign is uncertain by."""
    if accepted is None:
        return []
    us = [each.u * weights.get(each.name, 0.0) for each in accepted.workload]
    return [BudgetRow(BEFORE, math.hypot(*us), df=accepted.df)]


def _expanded(parts: Sequence[BudgetRow], level: float) -> tuple[float, str]:
    """Return the expanded uncertainty of independent sources, and the name of the largest."""
    if not any(part.u for part in parts):
        return 0.0, ""  # runs that are all the same, of meters without a step
    found = budget(0.0, parts, level=level)
    return found.expanded_u, max(found.shares, key=lambda name: found.shares[name])
