"""What to multiply a probe by, how sure that is, and where it holds.

First version: one factor for each column, on the scale of ln(probe/reference). Its uncertainty is
for a workload that was not among those measured, and each measured workload is held out once to
show what is left. A probe that no factor mends is ``not calibratable``, and says why.
"""

from __future__ import annotations

from typing import Any, Literal

from calibrate.compare import Comparison, Pair, Row
from calibrate.diagnose import CONSTANT_POWER, Diagnosis
from calibrate.stats.agreement import correction
from calibrate.stats.estimate import log_ratio
from calibrate.store import Document, Saved

#: Largest error that may be left in a workload held out, for a factor to count as a correction.
HELD_OUT_LIMIT = 0.05
IDLE = "idle"

Verdict = Literal["factor", "not needed", "not calibratable"]


class Range(Document):
    """Where a correction was seen to hold."""

    watts: tuple[float, float]
    seconds: tuple[float, float]
    workloads: tuple[str, ...]


class Correction(Document):
    """The correction of one column of one probe.

    ``factor`` is an estimate as in `calibrate.stats.estimate`; ``relative_u`` its relative
    standard uncertainty on a new workload. ``held_out`` is the relative error left in each
    workload by the factor fitted on the others.
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
    fitted, why_not = _fit(about, rows)
    unusable = len(pair.rows) - len(rows)
    if _too_coarse(fitted):
        # A meter may see itself: at idle its own work is a good part of the load. A factor can
        # still hold for everything but idleness, and then says from how many watts.
        loaded, _ = _fit(about, [row for row in rows if row.workload != IDLE])
        if loaded.worst_held_out is not None and not _too_coarse(loaded):
            error = (fitted.held_out or {}).get(IDLE, 0.0)
            verdict, reason = _verdict(loaded, diagnosis, unusable, None)
            reason += f"; not at idle, where {abs(error):.0%} is left"
            return loaded.model_copy(update={"verdict": verdict, "reason": reason})
    verdict, reason = _verdict(fitted, diagnosis, unusable, why_not)
    return fitted.model_copy(update={"verdict": verdict, "reason": reason})


def _fit(about: dict[str, str], rows: list[Row]) -> tuple[Correction, str | None]:
    """Return one factor for some runs, and why no workload could be held out, if none could."""
    d = log_ratio([row.probe_j for row in rows], [row.reference_j for row in rows])
    found = correction(d, [row.workload for row in rows])
    powers = [row.reference_j / row.seconds for row in rows]
    fitted = Correction(
        **about,
        verdict="factor",
        reason="",
        factor=found.factor.as_dict(),
        relative_u=found.relative_u,
        held_out=found.held_out,
        valid=Range(
            watts=(min(powers), max(powers)),
            seconds=(min(row.seconds for row in rows), max(row.seconds for row in rows)),
            workloads=tuple(sorted({row.workload for row in rows})),
        ),
    )
    return fitted, found.why_not


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
