"""What to multiply a probe by, how sure that is, and where it holds.

One factor for each column, on the scale of ln(probe/reference); where a factor leaves too much, an
offset in watts; where that does too, a factor for all loads but idleness. The uncertainty is for a
workload that was not among those measured, and each measured workload is held out once to show what
is left. A probe that none of these mends is ``not calibratable``, and says why.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from calibrate.compare import Comparison, Pair, Row
from calibrate.diagnose import CONSTANT_POWER, Diagnosis
from calibrate.stats.agreement import Correction as Fitted
from calibrate.stats.agreement import correction
from calibrate.stats.estimate import log_ratio, t_estimate
from calibrate.store import Document, Saved
from calibrate.uncertainty import UncertaintyBudget, factor_budget

#: Largest error that may be left in a workload held out, for a factor to count as a correction.
HELD_OUT_LIMIT = 0.05
IDLE = "idle"

Verdict = Literal["factor", "offset", "not needed", "not calibratable"]


class Range(Document):
    """Where a correction was seen to hold."""

    watts: tuple[float, float]
    seconds: tuple[float, float]
    workloads: tuple[str, ...]


class Correction(Document):
    """The correction of one column of one probe.

    ``factor`` is an estimate as in `calibrate.stats.estimate`; ``relative_u`` its relative
    standard uncertainty on a new workload, and ``budget`` what that is made of. ``offset_w``, for
    the verdict ``offset``, is an estimate of the watts to subtract, also for a new workload.
    ``held_out`` is the relative error left in each workload by the correction fitted on the others.
    """

    probe: str
    release: str
    mode: str
    column: str
    scope: str
    verdict: Verdict
    reason: str
    factor: dict[str, Any] | None = None
    relative_u: float | None = None
    budget: UncertaintyBudget | None = None
    offset_w: dict[str, Any] | None = None
    held_out: dict[str, float] | None = None
    valid: Range | None = None

    @property
    def worst_held_out(self) -> float | None:
        """Largest error left in a held-out workload, without its sign."""
        return (
            max((abs(e) for e in self.held_out.values()), default=None) if self.held_out else None
        )


class Calibration(Saved):
    """All corrections of a campaign."""

    kind: Literal["calibration"] = "calibration"
    simulated: bool
    machine: str
    reference: str
    corrections: tuple[Correction, ...]


def calibrate(comparison: Comparison, diagnoses: dict[tuple[str, str], Diagnosis]) -> Calibration:
    """Fit a correction to every pair; `diagnoses` is by (probe, column)."""
    return Calibration(
        simulated=comparison.simulated,
        machine=comparison.machine,
        reference=comparison.reference,
        corrections=tuple(
            _correct(comparison, pair, diagnoses[pair.probe, pair.column])
            for pair in comparison.pairs
        ),
    )


def _correct(comparison: Comparison, pair: Pair, diagnosis: Diagnosis) -> Correction:
    facts = comparison.probes[pair.probe].facts
    about = {
        "probe": pair.probe,
        "release": facts.get("release", ""),
        "mode": facts.get("mode", ""),
        "column": pair.column,
        "scope": pair.scope,
    }
    rows = pair.usable
    if not rows:
        reason = "no run has a positive energy on both sides"
        return Correction(**about, verdict="not calibratable", reason=reason)
    fitted, why_not = _fit(about, rows, pair.resolution_j)
    unusable = len(pair.rows) - len(rows)
    if _too_coarse(fitted):
        shifted = _offset(fitted, rows)
        if not (shifted is None or _too_coarse(shifted) or unusable):
            return shifted
        # A meter may see itself: at idle its own work is a good part of the load. A factor can
        # still hold for everything but idleness, and then says from how many watts.
        loaded, _ = _fit(about, [r for r in rows if r.workload != IDLE], pair.resolution_j)
        if loaded.worst_held_out is not None and not _too_coarse(loaded):
            error = (fitted.held_out or {}).get(IDLE, 0.0)
            verdict, reason = _verdict(loaded, diagnosis, unusable, None)
            reason += f"; not at idle, where {abs(error):.0%} is left"
            return loaded.model_copy(update={"verdict": verdict, "reason": reason})
    verdict, reason = _verdict(fitted, diagnosis, unusable, why_not)
    return fitted.model_copy(update={"verdict": verdict, "reason": reason})


def _fit(
    about: dict[str, str], rows: list[Row], resolution_j: float
) -> tuple[Correction, str | None]:
    """Return one factor for some runs, and why no workload could be held out, if none could."""
    d = log_ratio([row.probe_j for row in rows], [row.reference_j for row in rows])
    found = correction(d, [row.workload for row in rows])
    powers = [row.reference_j / row.seconds for row in rows]
    budget = factor_budget(rows, resolution_j)
    factor, relative = _with(found, budget)
    fitted = Correction(
        **about,
        verdict="factor",
        reason="",
        factor=factor,
        relative_u=relative,
        budget=budget,
        held_out=found.held_out,
        valid=Range(
            watts=(min(powers), max(powers)),
            seconds=(min(row.seconds for row in rows), max(row.seconds for row in rows)),
            workloads=tuple(sorted({row.workload for row in rows})),
        ),
    )
    return fitted, found.why_not


def _with(found: Fitted, budget: UncertaintyBudget | None) -> tuple[dict[str, Any], float | None]:
    """Return factor and relative uncertainty with all of the budget in them.

    What the runs cannot show widens the interval about as much as the uncertainty; its t quantile
    stays that of the workloads.
    """
    factor = found.factor.as_dict()
    if budget is None or not found.relative_u or factor["low"] is None:
        return factor, found.relative_u
    wider = budget.u / found.relative_u
    value = factor["value"]
    factor["u"] = value * budget.u
    for end in ("low", "high"):
        factor[end] = value * (factor[end] / value) ** wider
    return factor, budget.u


def _offset(about: Correction, rows: list[Row]) -> Correction | None:
    """Return the correction by a constant power, or None with too few workloads to hold one out.

    The offset of a workload is its mean of (probe - reference)/seconds; that of a new workload is
    uncertain by their spread about the mean, t on workloads.
    """
    names = sorted({row.workload for row in rows})
    if len(names) < 3:
        return None
    watts = [
        [(row.probe_j - row.reference_j) / row.seconds for row in rows if row.workload == name]
        for name in names
    ]
    means = np.array([float(np.mean(each)) for each in watts])
    k = means.size
    found = t_estimate(
        float(means.mean()),
        float(means.std(ddof=1)) * math.sqrt(1 + 1 / k),
        k - 1,
        level=0.95,
        method="mean of workload means; t on workloads, for a new workload",
        n_runs=len(rows),
        n_clusters=k,
    )
    others = (means.sum() - means) / (k - 1)
    left = {
        name: float(
            np.mean(
                [
                    (row.probe_j - other * row.seconds) / row.reference_j - 1
                    for row in rows
                    if row.workload == name
                ]
            )
        )
        for name, other in zip(names, others, strict=True)
    }
    made = about.model_copy(
        update={
            "verdict": "offset",
            "factor": None,
            "relative_u": None,
            "budget": None,
            "held_out": left,
        }
    )
    reason = f"a workload held out is within {made.worst_held_out or 0.0:.2%} of the reference"
    return made.model_copy(update={"offset_w": found.as_dict(), "reason": reason})


def _too_coarse(fitted: Correction) -> bool:
    return fitted.worst_held_out is not None and fitted.worst_held_out > HELD_OUT_LIMIT


def _verdict(
    fitted: Correction, diagnosis: Diagnosis, unusable: int, why_not: str | None
) -> tuple[Verdict, str]:
    """Return the verdict on a factor and its reason."""
    if diagnosis.name == CONSTANT_POWER:
        return "not calibratable", "it reports the same power whatever the load"
    if unusable:
        return "not calibratable", f"{unusable} runs have an energy of zero or below"
    worst = fitted.worst_held_out
    if worst is None:
        return "not calibratable", why_not or "no workload can be held out"
    if worst > HELD_OUT_LIMIT:
        return (
            "not calibratable",
            f"a factor leaves an error of {worst:.0%} in a workload held out",
        )
    factor = fitted.factor or {}
    if factor.get("low") is not None and factor["low"] <= 1 <= factor["high"] and worst <= 0.01:
        return "not needed", "the factor does not differ from 1 by more than its uncertainty"
    return "factor", f"a workload held out is within {worst:.2%} of the reference"
