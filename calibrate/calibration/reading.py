"""How far one corrected reading may be from the truth: one new run of a new workload.

What the runs show is their scatter about the fitted form. Two mean squares are in it: that of the
means of workloads, and that of runs of one workload. A new run differs by both, and by the error of
the form itself; the sum has degrees of freedom by Welch and Satterthwaite (JCGM 100, G.4.1). Means
of workloads cannot scatter less than the runs in them let them: a form that is chosen among several
may follow them by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibrate.comparison import PairedRun
from calibrate.quantity import u_of_step
from calibrate.stats import MAX_LOG, Vector, encode, t_quantile
from calibrate.store import Document

LEVEL = 0.95


@dataclass(frozen=True)
class Expanded:
    """Relative standard uncertainty ``u`` of a reading, its coverage factor ``k`` and ``df``."""

    u: float
    k: float
    df: float | None

    @property
    def reach(self) -> float:
        """Half-width of the interval of ln(reading)."""
        return self.k * self.u

    @property
    def relative(self) -> float | None:
        """Expanded uncertainty U: the reading may be off by a factor of 1 + U either way."""
        return math.expm1(self.reach) if self.reach < MAX_LOG else None


class NextRun(Document):
    """Relative standard uncertainties of one new run of a new workload, but that of the form.

    ``workloads``: scatter of the means of workloads about the form, with ``workloads_df`` degrees
    of freedom. ``runs``: by how much more a single run scatters than the mean of the runs of a
    workload, with ``runs_df``; zero where none was repeated. ``readings``: what the readings leave
    open beyond what that scatter already shows (JCGM 100, 4.3.10). ``reference``: its accuracy.
    """

    workloads: float
    workloads_df: int
    runs: float
    runs_df: int | None
    readings: float = 0.0
    reference: float = 0.0

    def expanded(self, form: float) -> Expanded:
        """Return the uncertainty of a reading where the form itself has that one.

        Parameters
        ----------
        form : relative standard uncertainty of the fitted form, of the same degrees of freedom as
            the scatter of workloads.
        """
        means, runs = self.workloads**2 + form**2, self.runs**2
        variance = means + runs + self.readings**2 + self.reference**2
        free = means**2 / self.workloads_df + (runs**2 / self.runs_df if self.runs_df else 0.0)
        df = variance**2 / free if free > 0 else math.inf
        k = t_quantile((1 + LEVEL) / 2, df)
        return Expanded(math.sqrt(variance), k, df if math.isfinite(df) else None)


def next_run(
    left: Vector,
    workload: Sequence[str],
    parameters: int,
    rows: Sequence[PairedRun],
    resolution_j: float,
    u_reference: float | None,
) -> NextRun | None:
    """Return the uncertainty of one new run, or None where too few workloads can show it.

    Parameters
    ----------
    left : what the form leaves of each run, relative, shape (n,).
    workload : label a run, n of them.
    parameters : how many numbers were fitted.
    rows : the runs, n of them.
    resolution_j : step of the probe's counters, J.
    u_reference : relative standard uncertainty of the reference's gain; None where it states none.
    """
    labels, code = encode(workload, left.size)
    k, n = len(labels), left.size
    if k <= parameters:
        return None
    sizes = np.bincount(code)
    means = np.bincount(code, weights=left) / sizes
    workloads = float(means @ means) / (k - parameters)
    runs = float(((left - means[code]) ** 2).sum()) / (n - k) if n > k else 0.0
    within = float(np.mean(1 / sizes))
    workloads = max(workloads, runs * within)
    runs *= 1 - within
    known = sum(each**2 for each in readings(rows, resolution_j).values())
    return NextRun(
        workloads=math.sqrt(workloads),
        workloads_df=k - parameters,
        runs=math.sqrt(runs),
        runs_df=n - k if n > k else None,
        readings=math.sqrt(max(known - workloads - runs, 0.0)),
        reference=u_reference or 0.0,
    )


def readings(rows: Sequence[PairedRun], resolution_j: float) -> dict[str, float]:
    """Return the relative standard uncertainties of the readings of one run, by source."""
    step_j = u_of_step(resolution_j)
    window_j = [math.sqrt(max(row.u_probe_j**2 - step_j**2, 0.0)) for row in rows]
    sources = {
        "reading of the reference": [row.u_reference_j / row.reference_j for row in rows],
        "resolution": [step_j / row.probe_j for row in rows],
        "window of the probe": [j / row.probe_j for j, row in zip(window_j, rows, strict=True)],
    }
    return {name: float(np.sqrt(np.mean(np.square(us)))) for name, us in sources.items()}
