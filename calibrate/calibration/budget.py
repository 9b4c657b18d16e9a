"""What the uncertainty of a corrected reading is made of: a budget after the GUM.

It is for one new run of a workload that was not measured. Everything is relative.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from calibrate.calibration.reading import NextRun, readings
from calibrate.comparison import PairedRun
from calibrate.stats import BudgetRow as Part
from calibrate.stats import budget, monte_carlo
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
    """The budget of one corrected reading.

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


def reading_budget(
    run: NextRun,
    form: float,
    rows: Sequence[PairedRun],
    resolution_j: float,
    choice: float = 0.0,
) -> UncertaintyBudget | None:
    """Return the budget of one corrected reading, or None where no source shows.

    Parameters
    ----------
    run : the uncertainty of one new run.
    form : relative standard uncertainty of the fitted form.
    rows : the runs it was fitted on, all with a ratio.
    resolution_j : step of the probe's counters, J.
    choice : relative standard uncertainty by the choice of the form.
    """
    parts = _parts(run, form, rows, resolution_j)
    if choice:
        parts.append(Part("choice of the form", choice))
    if not any(part.u > 0 for part in parts):
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
        left_out=(DRIFT,) if run.reference else (NO_CERTIFICATE, DRIFT),
    )


def _parts(run: NextRun, form: float, rows: Sequence[PairedRun], resolution_j: float) -> list[Part]:
    """Return the sources: what the runs show, then what readings leave open beyond that."""
    parts = [
        Part(
            "between workloads",
            math.hypot(run.workloads, form),
            df=float(run.workloads_df),
        )
    ]
    if run.runs_df:
        parts.append(Part("repeatability", run.runs, df=float(run.runs_df)))
    if run.correlation:
        parts.append(Part("correlation of the runs", run.correlation, df=run.correlation_df))
    each = readings(rows, resolution_j)
    together = math.hypot(*each.values())
    parts += [
        Part(name, u * run.readings / together if together else 0.0) for name, u in each.items()
    ]
    if run.reference:
        parts.append(Part("accuracy of the reference", run.reference))
    return parts
