"""What the uncertainty of a factor is made of: a budget after the GUM.

The factor is for a workload that was not measured. Everything is relative, on ln(factor).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from calibrate.comparison import PairedRun
from calibrate.quantity import u_of_step
from calibrate.stats import BudgetRow as Part
from calibrate.stats import budget, components, log_ratio, monte_carlo
from calibrate.store import Document

#: What no campaign can show of itself; whoever knows it adds it.
NO_CERTIFICATE = "error of the reference itself (it states no accuracy)"
DRIFT = "drift since the campaign (crosswatt drift)"
#: Trials that are enough to see whether first order will do.
_TRIALS = 200_000


class Contribution(Document):
    """One source: relative standard uncertainty, degrees of freedom, share of the variance."""

    name: str
    u: float
    df: float | None
    share: float


class UncertaintyBudget(Document):
    """The budget of a factor.

    ``u`` is the combined relative standard uncertainty, ``expanded_u`` its half-width at 95 % with
    ``df`` effective degrees of freedom. ``confirmed``: propagating the distributions (JCGM 101)
    gives the same interval to one digit; None where that was not settled.
    """

    u: float
    expanded_u: float
    df: float | None
    parts: tuple[Contribution, ...]
    confirmed: bool | None
    left_out: tuple[str, ...] = (NO_CERTIFICATE, DRIFT)


def factor_budget(
    rows: Sequence[PairedRun], resolution_j: float, u_reference: float | None = None
) -> UncertaintyBudget | None:
    """Return the budget of a factor, or None with one workload, which cannot show how they differ.

    Parameters
    ----------
    rows : the runs it was fitted on, all with a ratio.
    resolution_j : step of the probe's counters, J.
    u_reference : relative standard uncertainty of the reference's gain; None where it states none.
    """
    parts = _parts(rows, resolution_j, u_reference)
    if parts is None or not any(part.u > 0 for part in parts):
        return None
    found = budget(0.0, parts, n_runs=len(rows))
    return UncertaintyBudget(
        u=float(found.total.u or 0.0),
        expanded_u=found.expanded_u,
        df=found.df,
        parts=tuple(
            Contribution(name=p.name, u=p.u, df=p.df, share=found.shares[p.name]) for p in parts
        ),
        confirmed=monte_carlo(found, digits=1, max_trials=_TRIALS).confirms,
        left_out=(DRIFT,) if u_reference is not None else (NO_CERTIFICATE, DRIFT),
    )


def _parts(
    rows: Sequence[PairedRun], resolution_j: float, u_reference: float | None
) -> list[Part] | None:
    """Return the sources: what the runs show, then what readings cannot show."""
    d = log_ratio([row.probe_j for row in rows], [row.reference_j for row in rows])
    c = components(d, [row.workload for row in rows])
    if c.k < 2 or c.variance_of_means is None:
        return None
    between = c.variance_of_means if c.between_sd is None else c.between_sd**2
    # The mean of workload means has both in it; what is not between workloads is repeatability.
    new = between * (1 + 1 / c.k)
    repeats = max(between + c.variance_of_means / c.k - new, 0.0)
    parts = [Part("between workloads", math.sqrt(new), df=c.k - 1.0)]
    if c.n > c.k:
        parts.append(Part("repeatability", math.sqrt(repeats), df=float(c.n - c.k)))
    step_j = u_of_step(resolution_j)
    parts += [
        # The ends of all windows may err alike, so that a mean of many runs is no better.
        Part("reading of the reference", _mean([r.u_reference_j / r.reference_j for r in rows])),
        Part("resolution", _mean_of([step_j / r.probe_j for r in rows])),
        Part(
            "window of the probe",
            _mean([math.sqrt(max(r.u_probe_j**2 - step_j**2, 0)) / r.probe_j for r in rows]),
        ),
    ]
    if u_reference:
        parts.append(Part("accuracy of the reference", u_reference))
    return parts


def _mean(relative: Sequence[float]) -> float:
    """Return the standard uncertainty of a mean of readings that err alike."""
    return float(np.mean(relative))


def _mean_of(relative: Sequence[float]) -> float:
    """Return the standard uncertainty of a mean of readings that err each by itself."""
    return float(np.sqrt(np.sum(np.square(relative)))) / len(relative)
