"""What to multiply a probe by, how sure that is, and where it holds.

Four forms are tried on each column: one factor, an offset in watts, both, and a factor for each
range of load. The uncertainty is for a workload that was not among those measured, and each
measured workload is held out once to show what is left: that chooses the simplest form that is
about as good as any. Where none will do, a factor for all loads but idleness is tried; a probe that
this does not mend either is ``not calibratable``, and says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Literal

from calibrate.calibration.budget import UncertaintyBudget, factor_budget
from calibrate.comparison import Comparison, Pair, PairedRun
from calibrate.diagnosis import CONSTANT_POWER, NO_ENERGY, STRAY, Diagnosis
from calibrate.stats import (
    MAX_LOG,
    Estimate,
    Vector,
    conformal,
    correction,
    fit_by_load,
    fit_gain_offset,
    fit_offset,
    log_ratio,
)
from calibrate.stats import MeanCorrection as Fitted
from calibrate.store import Document, Saved

#: Largest error that may be left in a workload held out, for a factor to count as a correction.
HELD_OUT_LIMIT = 0.05
#: A form is preferred to a simpler one if it leaves less than this share of what that leaves; what
#: is left below `FINE` is good enough.
BETTER, FINE = 0.5, 0.01
#: How long a calibration is taken to hold where nothing changed: as long as a meter's, a year.
VALID_DAYS = 365
IDLE = "idle"

CorrectionVerdict = Literal[
    "factor", "offset", "gain and offset", "by load", "not needed", "not calibratable"
]


class Range(Document):
    """Where a correction was seen to hold."""

    watts: tuple[float, float]
    seconds: tuple[float, float]
    workloads: tuple[str, ...]


class CorrectionLine(Document):
    """probe = gain * reference + offset; see `calibrate.stats.forms.GainOffset`."""

    gain: Estimate
    offset_w: Estimate
    covariance: tuple[tuple[float, float], tuple[float, float]]
    scatter: float
    df: int


class Band(Document):
    """The factor of one range of load: where the probe reports less than ``below_w``."""

    below_w: float | None
    factor: Estimate
    relative_u: float | None


class FactorInterval(Document):
    """A factor and limits between which it lies at ``level``; ``method`` says how it was made."""

    value: float
    low: float
    high: float
    level: float
    method: str


class Correction(Document):
    """The correction of one column of one probe.

    ``relative_u`` is the relative standard uncertainty of ``factor`` on a new workload, and
    ``budget`` what that is made of. ``offset_w``, for
    the verdict ``offset``, is an estimate of the watts to subtract, also for a new workload;
    ``line`` belongs to ``gain and offset``, ``bands`` to ``by load``. ``distribution_free`` is an
    interval of the factor for a new workload that assumes no distribution; its level is what the
    number of workloads allows. ``held_out`` is the relative error left in each workload by the
    correction fitted on the others.
    """

    probe: str
    release: str
    mode: str
    column: str
    scope: str
    verdict: CorrectionVerdict
    reason: str
    factor: Estimate | None = None
    relative_u: float | None = None
    budget: UncertaintyBudget | None = None
    distribution_free: FactorInterval | None = None
    offset_w: Estimate | None = None
    line: CorrectionLine | None = None
    bands: tuple[Band, ...] = ()
    held_out: dict[str, float] | None = None
    valid: Range | None = None

    @property
    def worst_held_out(self) -> float | None:
        """Largest error left in a held-out workload, without its sign."""
        return (
            max((abs(e) for e in self.held_out.values()), default=None) if self.held_out else None
        )


class Calibration(Saved):
    """All corrections of a campaign. ``made`` and ``expires`` are dates, as in ISO 8601.

    It holds for the machine, the releases and the loads that it names, and no longer than until it
    expires; a change of kernel, driver or firmware ends it earlier (`crosswatt diff` shows that).
    """

    kind: Literal["calibration"] = "calibration"
    simulated: bool
    machine: str
    made: str = ""
    expires: str = ""
    reference: str
    corrections: tuple[Correction, ...]


def fit_calibration(
    comparison: Comparison, diagnoses: dict[tuple[str, str], Diagnosis], made: date | None = None
) -> Calibration:
    """Fit a correction to every pair; `diagnoses` is by (probe, column), `made` when it was run."""
    return Calibration(
        simulated=comparison.simulated,
        machine=comparison.machine,
        made=made.isoformat() if made else "",
        expires=(made + timedelta(days=VALID_DAYS)).isoformat() if made else "",
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
        "scope": pair.scopes,
    }
    rows = pair.usable
    if not rows:
        reason = "no run has a positive energy on both sides"
        return Correction(**about, verdict="not calibratable", reason=reason)
    factor, why_not = _fit(about, rows, pair)
    unusable = len(pair.rows) - len(rows)
    odd = unusable or diagnosis.name in {STRAY, NO_ENERGY}
    candidates = [factor] if odd else [factor, *_others(factor, rows)]
    chosen = _choose(candidates)
    if chosen is not factor:
        return chosen
    if _too_coarse(factor) and not odd:
        # A meter may see itself: at idle its own work is a good part of the load. A factor can
        # still hold for everything but idleness, and then says from how many watts.
        loaded, _ = _fit(about, [r for r in rows if r.workload != IDLE], pair)
        if loaded.worst_held_out is not None and not _too_coarse(loaded):
            error = (factor.held_out or {}).get(IDLE, 0.0)
            verdict, reason = _verdict(loaded, diagnosis, unusable, None)
            reason += f"; not at idle, where {abs(error):.0%} is left"
            return loaded.model_copy(update={"verdict": verdict, "reason": reason})
    verdict, reason = _verdict(factor, diagnosis, unusable, why_not, tried=len(candidates))
    return factor.model_copy(update={"verdict": verdict, "reason": reason})


def _choose(candidates: Sequence[Correction]) -> Correction:
    """Return the simplest form that is about as good as any; the first where none will do."""
    best = candidates[0]
    for form in candidates[1:]:
        left, less = best.worst_held_out, form.worst_held_out
        if left is None or less is None or _too_coarse(form) or _may_be_nothing(form):
            continue
        if _too_coarse(best) or (left > FINE and less < BETTER * left):
            best = form
    return best


def _may_be_nothing(form: Correction) -> bool:
    """Tell whether what an offset subtracts does not differ from zero by its uncertainty."""
    watts = form.offset_w
    return watts is not None and watts.covers(0.0)


def _others(about: Correction, rows: Sequence[PairedRun]) -> Iterator[Correction]:
    """Yield the corrections of the forms beyond one factor, the simplest first."""
    blank = {"factor": None, "relative_u": None, "budget": None, "distribution_free": None}
    powers = (
        [row.probe_j / row.seconds for row in rows],
        [row.reference_j / row.seconds for row in rows],
        [row.workload for row in rows],
    )
    for form in (_offset, _line, _bands):
        try:
            made = about.model_copy(update=blank | form(*powers))
        except ValueError:
            continue  # too few workloads, or too alike, for this form
        worst = made.worst_held_out or 0.0
        reason = f"a workload held out is within {worst:.2%} of the reference"
        yield made.model_copy(update={"reason": reason})


def _offset(probe_w: list[float], reference_w: list[float], workload: list[str]) -> dict[str, Any]:
    """Return the fields of an offset."""
    found = fit_offset(probe_w, reference_w, workload)
    return {
        "verdict": "offset",
        "held_out": found.held_out,
        "offset_w": found.offset_w,
    }


def _line(probe_w: list[float], reference_w: list[float], workload: list[str]) -> dict[str, Any]:
    """Return the fields of a gain with an offset."""
    found = fit_gain_offset(probe_w, reference_w, workload)
    line = CorrectionLine(
        gain=found.gain,
        offset_w=found.offset_w,
        covariance=found.covariance,
        scatter=found.scatter,
        df=found.df,
    )
    return {"verdict": "gain and offset", "held_out": found.held_out, "line": line}


def _bands(probe_w: list[float], reference_w: list[float], workload: list[str]) -> dict[str, Any]:
    """Return the fields of a factor for each range of load."""
    found = fit_by_load(probe_w, reference_w, workload)
    bands = tuple(
        Band(below_w=end, factor=each.factor, relative_u=each.relative_u)
        for end, each in zip((*found.below_w, None), found.factors, strict=True)
    )
    return {"verdict": "by load", "held_out": found.held_out, "bands": bands}


def _fit(about: dict[str, str], rows: list[PairedRun], pair: Pair) -> tuple[Correction, str | None]:
    """Return one factor for some runs, and why no workload could be held out, if none could."""
    d = log_ratio([row.probe_j for row in rows], [row.reference_j for row in rows])
    found = correction(d, [row.workload for row in rows])
    powers = [row.reference_j / row.seconds for row in rows]
    budget = factor_budget(rows, pair.resolution_j, pair.u_reference)
    factor, relative = _with(found, budget)
    fitted = Correction(
        **about,
        verdict="factor",
        reason="",
        factor=factor,
        relative_u=relative,
        budget=budget,
        distribution_free=_distribution_free(d, [row.workload for row in rows]),
        held_out=found.held_out,
        valid=Range(
            watts=(min(powers), max(powers)),
            seconds=(min(row.seconds for row in rows), max(row.seconds for row in rows)),
            workloads=tuple(sorted({row.workload for row in rows})),
        ),
    )
    return fitted, found.why_not


def _distribution_free(d: Vector, workload: Sequence[str]) -> FactorInterval | None:
    """Return the factor's interval by jackknife+, at 95 % or what the workloads allow."""
    k = len(set(workload))
    if k < 2:
        return None
    found = conformal(-d, workload, min(0.95, k / (k + 1) - 1e-9))
    if found.low is None or found.high is None or max(abs(found.low), abs(found.high)) > MAX_LOG:
        return None
    return FactorInterval(
        value=math.exp(found.value),
        low=math.exp(found.low),
        high=math.exp(found.high),
        level=round(found.level, 3),
        method=found.method,
    )


def _with(found: Fitted, budget: UncertaintyBudget | None) -> tuple[Estimate, float | None]:
    """Return factor and relative uncertainty with all of the budget in them.

    What the runs cannot show widens the interval about as much as the uncertainty; its t quantile
    stays that of the workloads.
    """
    factor = found.factor
    if budget is None or not found.relative_u or factor.low is None or factor.high is None:
        return factor, found.relative_u
    wider, value = budget.u / found.relative_u, factor.value
    low, high = (value * (end / value) ** wider for end in (factor.low, factor.high))
    return replace(factor, u=value * budget.u, low=low, high=high), budget.u


def _too_coarse(fitted: Correction) -> bool:
    return fitted.worst_held_out is not None and fitted.worst_held_out > HELD_OUT_LIMIT


def _verdict(
    fitted: Correction,
    diagnosis: Diagnosis,
    unusable: int,
    why_not: str | None,
    tried: int = 1,
) -> tuple[CorrectionVerdict, str]:
    """Return the verdict on a factor and its reason."""
    if diagnosis.name == CONSTANT_POWER:
        return "not calibratable", "it reports the same power whatever the load"
    if diagnosis.name in {STRAY, NO_ENERGY}:
        return "not calibratable", f"{diagnosis.name}: find out why, and measure again"
    if unusable:
        return "not calibratable", f"{unusable} runs have an energy of zero or below"
    worst = fitted.worst_held_out
    if worst is None:
        return "not calibratable", why_not or "no workload can be held out"
    if worst > HELD_OUT_LIMIT:
        return (
            "not calibratable",
            f"a factor leaves an error of {worst:.0%} in a workload held out"
            + (", and no other form is within the limit" if tried > 1 else ""),
        )
    if fitted.factor and fitted.factor.covers(1.0) and worst <= 0.01:
        return "not needed", "the factor does not differ from 1 by more than its uncertainty"
    return "factor", f"a workload held out is within {worst:.2%} of the reference"
