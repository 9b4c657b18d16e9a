"""What to do with a probe's readings, how sure that is, and whether it is good enough.

Four forms are tried on each column: one factor, an offset in watts, both, and a factor for each
range of load. Each measured workload is held out once to show what is left: that chooses the form.
The uncertainty is for one new run of a workload that was not measured; whether it is good enough is
the user's need, and no reason to refuse. A probe that no form describes is ``not calibratable``,
and says why. One that a correction would not make better needs none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from calibrate.calibration.candidates import Candidate, Runs, error_left
from calibrate.calibration.correction import (
    NEED,
    Calibration,
    Conditions,
    Correction,
    Fitness,
)
from calibrate.calibration.reading import readings
from calibrate.comparison import Comparison, Pair
from calibrate.diagnosis import (
    ABOVE_WHOLE,
    CONSTANT_POWER,
    FAULTY_PART,
    NO_ENERGY,
    NO_FAULT,
    STRAY,
    Diagnosis,
)
from calibrate.stats import normal_quantile, t_quantile

#: A factor without idleness is preferred to one if it leaves less than this share of what that
#: leaves.
BETTER = 0.35
#: A form that leaves workloads held out a factor of two off either way describes nothing.
USELESS = 1.0
#: How long a calibration is taken to hold where nothing changed: as long as a meter's, a year.
VALID_DAYS = 365
IDLE = "idle"


def fit_calibration(
    comparison: Comparison,
    diagnoses: dict[tuple[str, str], Diagnosis],
    made: date | None = None,
    need: float = NEED,
) -> Calibration:
    """Fit a correction to every pair.

    Parameters
    ----------
    comparison : the probes beside the reference.
    diagnoses : by (probe, column).
    made : when the campaign was run.
    need : largest relative expanded uncertainty (95 %) of one corrected reading that is good
        enough: 0.05 is 5 %.

    Returns
    -------
    Calibration : of every column that was compared.

    Raises
    ------
    ValueError : the need is not above zero.
    """
    if not 0 < need < math.inf:
        raise ValueError(f"A need of {need:g} is not above zero; 0.05 is 5 %.")
    return Calibration(
        simulated=comparison.simulated,
        machine=comparison.machine,
        made=made.isoformat() if made else "",
        expires=(made + timedelta(days=VALID_DAYS)).isoformat() if made else "",
        reference=comparison.reference,
        corrections=tuple(
            _with_conditions(
                _correct(comparison, pair, diagnoses[pair.probe, pair.column], need),
                pair,
                comparison.machine,
                made,
            )
            for pair in comparison.pairs
        ),
    )


def _with_conditions(made: Correction, pair: Pair, machine: str, day: date | None) -> Correction:
    """Return a correction between two scopes with the conditions under which it holds."""
    if not pair.across or made.verdict == "not calibratable":
        return made
    under = Conditions(
        machine=machine,
        made=day.isoformat() if day else "",
        narrower=pair.scope,
        wider=pair.reference_scope,
    )
    reason = f"{made.reason}; {under.words}"
    return made.model_copy(update={"conditions": under, "reason": reason})


def _correct(comparison: Comparison, pair: Pair, diagnosis: Diagnosis, need: float) -> Correction:
    """Return the correction of one column."""
    facts = comparison.probes[pair.probe].facts
    about = Correction(
        probe=pair.probe,
        release=facts.get("release", ""),
        mode=facts.get("mode", ""),
        column=pair.column,
        scope=pair.scopes,
        verdict="not calibratable",
        reason="no run has a positive energy on both sides",
        fitness=Fitness(need=need, expanded_u=None),
    )
    if not pair.usable:
        return about
    runs = Runs(pair.usable, pair, about)
    factor = runs.factor()
    why = _no_form(diagnosis, len(pair.rows) - len(pair.usable))
    if why:
        return _refused(factor, why)
    if factor.why_not or factor.reach is None:
        return _refused(factor, factor.why_not or "no workload can be held out")
    candidates = [factor, *runs.others()]
    chosen = _choose(candidates)
    note = ""
    if chosen is factor and _exact(runs, diagnosis) is None:
        runs, chosen, note = _perhaps_loaded(runs, factor, need)
        if chosen is not factor:
            candidates = [chosen, *runs.others()]
    chosen = runs.with_choice(chosen, candidates)
    if pair.serial is not None and pair.correlated:
        note += f". {pair.serial.sentence.removesuffix('.')}"
    return _decide(runs, chosen, diagnosis, need, note)


def _no_form(diagnosis: Diagnosis, unusable: int) -> str | None:
    """Return why a column is not to be corrected whatever its figures, if so."""
    if diagnosis.name == CONSTANT_POWER:
        return "it reports the same power whatever the load"
    if diagnosis.name in {STRAY, NO_ENERGY, ABOVE_WHOLE}:
        return f"{diagnosis.name}: find out why, and measure again"
    if diagnosis.name == FAULTY_PART:
        return f"at fault in it: {', '.join(diagnosis.faulty_parts)}; correct the parts and add up"
    if unusable:
        return f"{unusable} runs have an energy of zero or below"
    return None


def _refused(form: Candidate, why: str) -> Correction:
    return form.correction.model_copy(update={"verdict": "not calibratable", "reason": why})


def _choose(candidates: Sequence[Candidate]) -> Candidate:
    """Return the simplest form than which no other is better by more than chance."""
    best = candidates[0]
    for form in candidates[1:]:
        if form.better_than(best):
            best = form
    return best


def _perhaps_loaded(runs: Runs, factor: Candidate, need: float) -> tuple[Runs, Candidate, str]:
    """Return a factor without idleness, where one for all loads is not good enough.

    A meter may see itself: at idle its own work is a good part of the load. A factor can still
    hold for everything else, and then says from how many watts.
    """
    loaded = runs.without(IDLE) if IDLE in runs.workload else None
    if loaded is None or math.expm1(factor.reach or 0.0) <= need:
        return runs, factor, ""
    better = loaded.factor()
    if better.reach is None or better.left >= BETTER * factor.left:
        return runs, factor, ""
    error = (factor.correction.held_out or {}).get(IDLE, 0.0)
    return loaded, better, f"; not at idle, where {abs(error):.0%} is left"


def _decide(
    runs: Runs, chosen: Candidate, diagnosis: Diagnosis, need: float, note: str
) -> Correction:
    """Return the verdict on the form that was chosen, with its reason and what it is fit for."""
    raw = error_left(np.expm1(_means(runs)))
    reach = chosen.reach
    if reach is None or (math.expm1(min(chosen.left, 1.0)) >= USELESS and chosen.left > raw / 2):
        return _refused(chosen, _useless(chosen))
    why = _not_needed(runs, chosen, diagnosis, need, raw)
    if why:
        factor = chosen if chosen.correction.factor else runs.factor()
        made = factor.correction.model_copy(update={"verdict": "not needed", "reason": why + note})
        return _with_fitness(made, factor, need, _bias(factor))
    made = chosen.correction
    reason = f"a workload held out is within {made.worst_held_out or 0.0:.2%} of the reference"
    exact, fitted = _exact(runs, diagnosis), made.factor
    if exact is not None and fitted is not None:
        held = {n: float(e) for n, e in zip(*_errors(runs, exact), strict=True)}
        reason = "exact: the slip is known; what scatters about it is its uncertainty"
        made = made.model_copy(update={"factor": replace(fitted, value=exact), "held_out": held})
        bias = abs(math.log(exact / fitted.value))
        return _with_fitness(made.model_copy(update={"reason": reason + note}), chosen, need, bias)
    return _with_fitness(made.model_copy(update={"reason": reason + note}), chosen, need, 0.0)


def _with_fitness(made: Correction, form: Candidate, need: float, bias: float) -> Correction:
    """Return a correction with what it is fit for; a bias that is not corrected adds to U."""
    valid = made.valid
    found = [each for w in (valid.watts if valid else ()) if (each := form.correction.expanded(w))]
    worst = max(found, key=lambda each: each.reach)
    reach = worst.reach + bias
    fitness = Fitness(
        need=need,
        expanded_u=math.expm1(reach) if reach < 300 else None,
        k=worst.k,
        df=worst.df,
    )
    return made.model_copy(update={"fitness": fitness})


def _useless(form: Candidate) -> str:
    """Return why a form describes nothing."""
    name = {"factor": "a factor", "offset": "an offset", "gain and offset": "a gain with an offset",
            "by load": "a factor for each range of load"}[form.correction.verdict]  # fmt: skip
    return (
        f"no form describes it: the best, {name}, leaves "
        f"{form.correction.worst_held_out or 0.0:.0%} in a workload held out"
    )


def _means(runs: Runs) -> np.ndarray:
    """Return the mean of ln(probe/reference) of each workload."""
    names = np.array(runs.workload)
    return np.array([float(runs.d[names == name].mean()) for name in sorted(set(runs.workload))])


def _errors(runs: Runs, factor: float) -> tuple[list[str], np.ndarray]:
    """Return the workloads, and the relative error that a factor leaves in each."""
    return sorted(set(runs.workload)), np.expm1(_means(runs) + math.log(factor))


def _half_of_mean(runs: Runs) -> float:
    """Return the half-width at 95 % of the mean of ln(probe/reference) over workloads.

    With the accuracy of the reference, and with what readings leave open, which may be the same in
    every run.
    """
    means = _means(runs)
    k = means.size
    scatter = t_quantile(0.975, k - 1) * float(means.std(ddof=1)) / math.sqrt(k)
    read = math.hypot(*readings(runs.rows, runs.pair.resolution_j).values())
    known = math.hypot(read, runs.pair.u_reference or 0.0)
    return math.hypot(scatter, normal_quantile(0.975) * known)


def _bias(form: Candidate) -> float:
    """Return |ln(factor)|, which stays in a reading that is not corrected."""
    factor = form.correction.factor
    return abs(math.log(factor.value)) if factor else 0.0


def _not_needed(
    runs: Runs, chosen: Candidate, diagnosis: Diagnosis, need: float, raw: float
) -> str | None:
    """Return why a correction would not make readings better, if so (JCGM 100, F.2.4.5)."""
    if chosen.left >= raw:
        return "a workload held out gets no closer to the reference by a correction"
    if chosen.correction.factor is None:
        return None
    bias = _bias(chosen)
    if bias <= _half_of_mean(runs):
        return "the factor does not differ from 1 by more than its uncertainty"
    if diagnosis.name == NO_FAULT and math.expm1((chosen.reach or 0.0) + bias) <= need:
        return "readings are as good as needed without a correction"
    return None


def _exact(runs: Runs, diagnosis: Diagnosis) -> float | None:
    """Return the factor that undoes a slip of known size, where no other gain shows beside it."""
    slip = diagnosis.factor
    if slip is None or slip == 1 or not diagnosis.conclusive:
        return None
    beside = float(_means(runs).mean()) - math.log(slip)
    return 1 / slip if abs(beside) <= _half_of_mean(runs) else None
