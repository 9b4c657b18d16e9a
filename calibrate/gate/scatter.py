"""How runs scatter about the mean of their workload: readings, runs and sessions.

Everything is relative. What the readings leave open, by their steps and the ends of their windows,
is known of each run; it is large where a run is short for a meter. Such runs are expected to
scatter more, in that proportion; by how much all scatter is estimated from all workloads together,
and what sessions add by an analysis of variance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.comparison import PairedRun
from calibrate.stats import BudgetRow, Vector

Labels = NDArray[np.intp]
RUNS, READINGS, SESSIONS = "runs", "readings", "sessions"


#: Readings that are known better than this, relative, are all as good.
_EVEN = 0.01


@dataclass(frozen=True, eq=False)
class Scatter:
    """The scatter of the runs of a campaign.

    Parameters
    ----------
    readings : variance that the readings of each run leave open, shape (n,).
    runs : variance of each run about its workload, shape (n,), with ``df`` degrees of freedom.
    session : number of the session of each run, shape (n,).
    sessions : variance between sessions, with ``sessions_df``; None where one session only shows.
    """

    readings: Vector
    runs: Vector
    df: float
    session: Labels
    sessions: float = 0.0
    sessions_df: int | None = None

    def part(self, weights: Vector) -> BudgetRow:
        """Return what a weighted mean of runs is uncertain by, without sessions.

        Runs are no better than their readings: a scatter below what these leave open is chance.

        Parameters
        ----------
        weights : of each run, shape (n,).
        """
        runs, readings = (float(weights**2 @ each) for each in (self.runs, self.readings))
        if readings > runs:
            return BudgetRow(READINGS, math.sqrt(readings))
        return BudgetRow(RUNS, math.sqrt(runs), df=self.df)

    def sessions_part(self, weights: Vector) -> list[BudgetRow]:
        """Return what sessions add to a weighted mean of runs."""
        if self.sessions_df is None:
            return []
        share = np.bincount(self.session, weights=weights)
        u = math.sqrt(self.sessions * float(share @ share))
        return [BudgetRow(SESSIONS, u, df=float(self.sessions_df))]


def expected_variance(readings: Vector, code: Labels) -> Vector:
    """Return in which proportion the runs of each workload are expected to scatter, shape (k,).

    It is the same for all workloads whose readings are known to 1 % or better.

    Parameters
    ----------
    readings : variance that the readings of each run leave open, shape (n,).
    code : the number of the workload of each, shape (n,).
    """
    of_workload: Vector = np.bincount(code, weights=readings) / np.bincount(code)
    return _EVEN**2 + of_workload


def reading_variance(rows: Sequence[PairedRun]) -> Vector:
    """Return the relative variance that the readings of each run leave open, shape (n,)."""
    return np.array(
        [
            (row.u_probe_j / row.probe_j) ** 2 + (row.u_reference_j / row.reference_j) ** 2
            for row in rows
        ]
    )


def scatter_of(readings: Vector, d: Vector, code: Labels, session: Labels) -> Scatter | None:
    """Return how runs scatter, or None where there is one run only.

    Where no workload was repeated, the scatter of the workloads stands for it: it is the larger.

    Parameters
    ----------
    readings : see `Scatter`.
    d : ln(ratio / expected) of each run, shape (n,).
    code, session : the number of the workload, and of the session, of each, shape (n,).
    """
    n, k = d.size, int(code.max()) + 1
    if n < 2:
        return None
    repeated = n > k
    means = np.bincount(code, weights=d) / np.bincount(code)
    left, df = (d - means[code], n - k) if repeated else (d - d.mean(), n - 1)
    expected = expected_variance(readings, code)[code]
    m = _crossed(code, session) if repeated else 1
    between, each = 0.0, 1.0
    if 1 < m <= df:
        sizes = np.bincount(session, weights=1 / expected)
        level = np.bincount(session, weights=left / expected) / sizes
        between = float(sizes @ level**2) / (m - 1)
        each = float(sizes.sum() - sizes @ sizes / sizes.sum()) / (m - 1)
        left, df = left - level[session], df - (m - 1)
    else:
        m = 1
    within = float((left**2 / expected).sum()) / df
    return Scatter(
        readings=readings,
        runs=within * expected,
        df=float(df),
        session=session,
        sessions=max(between - within, 0.0) / each,
        sessions_df=m - 1 if m > 1 else None,
    )


def _crossed(code: Labels, session: Labels) -> int:
    """Return the number of sessions; 1 where no workload was run in two of them."""
    pairs = {(int(c), int(s)) for c, s in zip(code, session, strict=True)}
    shared = len(pairs) > len({c for c, _ in pairs})
    return int(session.max()) + 1 if shared else 1
