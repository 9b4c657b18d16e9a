"""The figure that a gate judges: the mean of ln(ratio), or its change, with its uncertainty.

The workloads of a policy are the same ones every time, so that how they differ among each other is
no uncertainty of their mean; it would hide a change. What is uncertain is the scatter of runs about
their workload, what a session has in common, the gain of the reference, and, where a change is
judged, the campaign before it. The interval is an expanded uncertainty U at 95 % with degrees of
freedom by Welch and Satterthwaite (JCGM 100, G.4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.comparison import PairedRun
from calibrate.gate.policy import Accepted
from calibrate.stats import BudgetRow, Vector, budget, encode

Labels = NDArray[np.intp]

LEVEL = 0.95
RUNS, SESSIONS, REFERENCE, BEFORE = "runs", "sessions", "the reference", "the campaign accepted"


@dataclass(frozen=True)
class Scatter:
    """How runs scatter about the mean of their workload, relative.

    Parameters
    ----------
    u : standard uncertainty of one run; ``df`` its degrees of freedom, None where it is what the
        readings themselves leave open.
    session_u : standard deviation between sessions beyond that, with ``session_df``; None where
        the runs show one session only.
    """

    u: float
    df: float | None
    session_u: float | None = None
    session_df: float | None = None


@dataclass(frozen=True)
class Figure:
    """A mean of ln(ratio / expected) over workloads.

    Parameters
    ----------
    value : the mean.
    reach : expanded uncertainty U, 95 %; None where the runs give none.
    rows : the sources of uncertainty.
    largest : the source with the largest share; empty where no source shows.
    by_workload : the mean of each workload, with its expanded uncertainty, so wide that all of
        them together hold at 95 % (Bonferroni).
    scatter : of the runs; None where there is one run only.
    sessions : how many sessions the uncertainty accounts for; 1 where the runs are from one, or
        where no workload was run in two of them.
    """

    value: float
    reach: float | None
    rows: tuple[BudgetRow, ...]
    largest: str
    by_workload: dict[str, tuple[float, float]]
    scatter: Scatter | None
    sessions: int


def make_figure(
    rows: Sequence[PairedRun],
    session_of: Mapping[str, int],
    expected: Mapping[str, float],
    u_reference: float,
    accepted: Accepted | None,
) -> Figure:
    """Return the figure of a column.

    Parameters
    ----------
    rows : runs that have a ratio, all of a workload in `expected`.
    session_of : session by run.
    expected : ratio by workload.
    u_reference : relative standard uncertainty of the reference's gain; 0 where it cancels.
    accepted : the campaign that a change is judged against; None for a ratio of its own.
    """
    d = np.array([math.log((row.ratio or 1.0) / expected[row.workload]) for row in rows])
    labels, code = encode([row.workload for row in rows], d.size)
    sessions = encode([str(session_of.get(row.run, 0)) for row in rows], d.size)[1]
    counts = np.bincount(code)
    means = np.bincount(code, weights=d) / counts
    value = float(means.mean())
    scatter = scatter_of(rows, d, code, sessions)
    if scatter is None:
        return Figure(value, None, (), "", {}, None, 1)
    weights = 1 / (counts[code] * len(labels))
    parts = _parts(scatter, weights, sessions)
    if u_reference:
        parts.append(BudgetRow(REFERENCE, u_reference))
    if accepted is not None:
        parts += _before(accepted, labels)
    reach, largest = _expanded(parts, LEVEL)
    common = [part for part in parts if part.name not in (RUNS, BEFORE)]
    level = 1 - (1 - LEVEL) / len(labels)
    by_workload = {
        label: (
            float(mean),
            _expanded([*_own(scatter, int(n), accepted, label), *common], level)[0],
        )
        for label, mean, n in zip(labels, means, counts, strict=True)
    }
    seen = 1 if scatter.session_df is None else int(scatter.session_df) + 1
    return Figure(value, reach, tuple(parts), largest, by_workload, scatter, seen)


def _own(scatter: Scatter, runs: int, accepted: Accepted | None, label: str) -> list[BudgetRow]:
    """Return what the mean of one workload is uncertain by, alone."""
    then = [each.runs for each in accepted.workload if each.name == label] if accepted else []
    return [
        BudgetRow(RUNS, scatter.u / math.sqrt(runs), df=scatter.df),
        *(BudgetRow(BEFORE, accepted.u / math.sqrt(n), df=accepted.df) for n in then if accepted),
    ]


def scatter_of(
    rows: Sequence[PairedRun], d: Vector, code: Labels, session: Labels
) -> Scatter | None:
    """Return how runs scatter, or None where there is one run only.

    Where no workload was repeated, the scatter of the workloads stands for it: it is the larger.
    The runs cannot be better than their readings: a scatter below what the steps and the ends of
    the windows leave open is chance. The component of sessions is that of an analysis of variance.

    Parameters
    ----------
    rows, d : the runs, and ln(ratio / expected) of each, shape (n,).
    code, session : the number of the workload, and of the session, of each, shape (n,).
    """
    n, k = d.size, int(code.max()) + 1
    if n < 2:
        return None
    repeated = n > k
    df = n - k if repeated else n - 1
    left = (
        d - (np.bincount(code, weights=d) / np.bincount(code))[code] if repeated else d - d.mean()
    )
    m = _crossed(code, session) if repeated else 1
    session_u = None
    if 1 < m <= df:
        sizes = np.bincount(session)
        level = np.bincount(session, weights=left) / sizes
        between = float((sizes * level**2).sum()) / (m - 1)
        left, df = left - level[session], df - (m - 1)
        each = (n - float((sizes**2).sum()) / n) / (m - 1)
        session_u = math.sqrt(max(between - float(left @ left) / df, 0.0) / each)
    within = float(left @ left) / df
    readings = float(np.mean([_reading(row) for row in rows]))
    return Scatter(
        u=math.sqrt(max(within, readings)),
        df=None if readings > within else df,
        session_u=session_u,
        session_df=None if session_u is None else m - 1,
    )


def _reading(row: PairedRun) -> float:
    """Return the relative variance that the readings of a run leave open."""
    probe, reference = row.u_probe_j / row.probe_j, row.u_reference_j / row.reference_j
    return probe**2 + reference**2


def _crossed(code: Labels, session: Labels) -> int:
    """Return the number of sessions; 1 where no workload was run in two of them."""
    pairs = {(int(c), int(s)) for c, s in zip(code, session, strict=True)}
    shared = len(pairs) > len({c for c, _ in pairs})
    return int(session.max()) + 1 if shared else 1


def _parts(scatter: Scatter, weights: Vector, session: Labels) -> list[BudgetRow]:
    """Return what a weighted mean of runs is uncertain by: the runs, and the sessions."""
    parts = [BudgetRow(RUNS, scatter.u * math.sqrt(float(weights @ weights)), df=scatter.df)]
    if scatter.session_u:
        share = np.bincount(session, weights=weights)
        u = scatter.session_u * math.sqrt(float(share @ share))
        parts.append(BudgetRow(SESSIONS, u, df=scatter.session_df))
    return parts


def _before(accepted: Accepted, labels: Sequence[str]) -> list[BudgetRow]:
    """Return what the mean of the accepted campaign is uncertain by, over the same workloads."""
    counts = [each.runs for each in accepted.workload if each.name in labels]
    u = accepted.u * math.sqrt(sum(1 / n for n in counts)) / max(len(counts), 1)
    return [
        BudgetRow(BEFORE, u, df=accepted.df),
        BudgetRow(f"{SESSIONS} of {BEFORE}", accepted.session_u, df=accepted.session_df),
    ]


def _expanded(parts: Sequence[BudgetRow], level: float) -> tuple[float, str]:
    """Return the expanded uncertainty of independent sources, and the name of the largest."""
    if not any(part.u for part in parts):
        return 0.0, ""  # runs that are all the same, of meters without a step
    found = budget(0.0, parts, level=level)
    return found.expanded_u, max(found.shares, key=lambda name: found.shares[name])
