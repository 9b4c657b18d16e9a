"""Faults of single runs, which a verdict on all runs together cannot name.

A counter that wrapped, stood still or leapt spoils some runs and leaves the others as they were.
What is left without those runs is diagnosed again, and a name is given only where that is
conclusive or sound. Nothing is left out of a probe that can be diagnosed as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calibrate.diagnosis.faults import Fault, fault
from calibrate.diagnosis.models import NO_FAULT
from calibrate.diagnosis.result import UNEXPLAINED, Diagnosis, Flag, Runs
from calibrate.quantity import u_of_step
from calibrate.stats import Vector, chi2_quantile, chi2_tail, t_quantile

_LOST_WRAP, _FALSE_WRAP, _ZERO, _STRAY = map(fault, ("wrap", "wrap-added", "zero", "stray"))
LOST_WRAP, FALSE_WRAP = _LOST_WRAP.title, _FALSE_WRAP.title
NO_ENERGY, STRAY = _ZERO.title, _STRAY.title

#: Predictive p-value below which a model does not fit, however much better than the others it is.
MISFIT_BELOW = 0.001
#: Ranges of energy counters: 2^32 steps of 61.04 or 15.26 µJ, 2^32 µJ (J).
WRAPS_J = (2.0**18, 262143.328850, 2.0**16, 65532.610987, 4294.967296)
#: More wraps than this in a run fit any energy.
MOST_WRAPS = 20
#: How likely chance may be where wraps are named, and how likely another fault is negative.
CHANCE, NEGATIVE = 0.01, 0.05
#: One run in so many may be left out, at least one; and so many must remain.
_ONE_IN, _REMAIN = 5, 5
#: How far a stray run is from the others, relative, at least.
_FAR = 0.05
#: Chance that scatter makes a stray run somewhere in a campaign, and how heavy its tails may be:
#: degrees of freedom of a t distribution.
_BY_SCATTER, _TAILS = 0.002, 3.0
#: Chance that the others scatter as little as they do.
_LUCKY = 0.01
#: How far one run of a sound meter may be off by such tails, ln(ratio), and in standard deviations.
_ODD, _FAR_SD = 0.4, 5.0

#: Run to run standard deviation, relative, from which a meter is not steady.
_STEADY = 0.06

Look = Callable[[Runs], Diagnosis]
Mask = NDArray[np.bool_]


def explain(runs: Runs, whole: Diagnosis, look: Look) -> Diagnosis | None:
    """Return the diagnosis of a probe that single runs of which are wrong, or None.

    Parameters
    ----------
    runs : all of them.
    whole : the verdict on all of them.
    look : diagnoses runs as they stand.
    """
    return _wrapped(runs, look) or _standing(runs, whole) or _stray(runs, look)


def wild(found: Diagnosis) -> bool:
    """Tell whether what was found holds on average and not run by run."""
    return found.name != UNEXPLAINED and (found.run_sd or 0.0) > _STEADY


def _wrapped(runs: Runs, look: Look) -> Diagnosis | None:
    """Return the diagnosis of a counter whose wraps were lost or made up, or None."""
    probe = np.asarray(runs.probe_j, dtype=np.float64)
    reference = np.asarray(runs.reference_j, dtype=np.float64)
    for range_j in (runs.wraps_at_j,) if runs.wraps_at_j else WRAPS_J:
        with np.errstate(invalid="ignore", over="ignore"):
            lost = np.round((reference - probe) / range_j)
        # A range that is small beside the energy could mend anything.
        plain = bool(np.isfinite(lost).all()) and float(reference.max()) < MOST_WRAPS * range_j
        one_way = lost.min() >= 0 or lost.max() <= 0
        if not plain or not one_way or not lost.any():
            continue
        mended = probe + lost * range_j
        if _by_chance((reference - mended) / range_j, lost != 0, probe < 0) > CHANCE:
            continue
        rest = look(replace(runs, probe_j=mended))
        if _sound(rest):
            return _turned(rest, lost, range_j)
    return None


def _turned(rest: Diagnosis, lost: Vector, range_j: float) -> Diagnosis:
    """Return the diagnosis of whole ranges that are missing, or too many."""
    missing = lost.max() > 0
    way, what = ("low", "lost") if missing else ("high", "counted where there were none")
    count = int((lost != 0).sum())
    text = f"{count} of {lost.size} runs are {way} by multiples of {range_j:.6g} J."
    return replace(
        _named(rest, _LOST_WRAP if missing else _FALSE_WRAP),
        flags=(Flag("wrap", places(lost != 0), text), *rest.flags),
        sentence=f"{text} The counter's wraps are {what}; apart from that: {rest.sentence}",
    )


def _by_chance(rest: Vector, mended: Mask, negative: Mask) -> float:
    """Return how likely runs come so near to whole ranges, and below zero, without a wrap.

    Without one, what rounding leaves is anywhere between half a range too much and too little, and
    the runs' shares of that are combined by Fisher's method (Statistical Methods, 1932, 21.1). No
    less than a hundredth of a range counts, as references are no better.
    """
    near = np.clip(2 * np.abs(rest[mended]), 0.02, 1.0)
    chance = chi2_tail(-2 * float(np.log(near).sum()), 2 * near.size)
    return chance * NEGATIVE ** int(negative[mended].sum())


def _standing(runs: Runs, whole: Diagnosis) -> Diagnosis | None:
    """Return the diagnosis of a meter that gives no energy in most runs."""
    zero = np.asarray(runs.probe_j, dtype=np.float64) == 0
    few = zero.size < 3 and not zero.all()
    if few or 2 * int(zero.sum()) < zero.size:
        return None
    return replace(
        whole,
        name=NO_ENERGY,
        conclusive=True,
        key=_ZERO.key,
        keys=((_ZERO.key,),),
        sentence=f"Reports no energy at all in {int(zero.sum())} of {zero.size} runs.",
        cause=_ZERO.cause,
    )


def _stray(runs: Runs, look: Look) -> Diagnosis | None:
    """Return the diagnosis without the few runs that are far from the others."""
    probe = np.asarray(runs.probe_j, dtype=np.float64)
    reference = np.asarray(runs.reference_j, dtype=np.float64)
    good = np.isfinite(probe) & (probe > 0) & np.isfinite(reference) & (reference > 0)
    most = max(1, probe.size // _ONE_IN)
    if int(good.sum()) < _REMAIN:
        return None
    y = np.full(probe.size, np.inf)
    y[good] = np.log(probe[good]) - np.log(reference[good])
    open_ = _open(runs, probe, reference)
    away = np.abs(y - np.median(y[good]))
    farthest = np.argsort(-away, kind="stable")
    bad = int((~good).sum())
    for count in range(max(bad, 1), bad + most + 1):
        keep = np.ones(probe.size, dtype=np.bool_)
        keep[farthest[:count]] = False
        if int(keep.sum()) < max(_REMAIN, probe.size // 2 + 1) or _gone(runs.workload, keep):
            return None
        out = np.abs(y[~keep] - np.median(y[keep]))
        if (out <= _farthest(y[keep], open_[~keep], probe.size)).any():
            continue  # one stray run hides another: it widens the scatter of the rest
        rest = look(runs.only(keep))
        named = rest.conclusive and rest.name != UNEXPLAINED and not wild(rest)
        if named or _sound(rest):
            return _without(rest, probe, reference, keep)
    return None if bad else _odd(runs, y, int(farthest[0]), look)


def odd_run(runs: Runs, look: Look) -> Diagnosis | None:
    """Return the verdict on a sound meter whose farthest run alone looks like a fault, or None."""
    probe = np.asarray(runs.probe_j, dtype=np.float64)
    reference = np.asarray(runs.reference_j, dtype=np.float64)
    good = np.isfinite(probe) & (probe > 0) & np.isfinite(reference) & (reference > 0)
    if not good.all() or probe.size <= _REMAIN:
        return None
    y = np.log(probe) - np.log(reference)
    return _odd(runs, y, int(np.argmax(np.abs(y - np.median(y)))), look)


def _odd(runs: Runs, y: Vector, at: int, look: Look) -> Diagnosis | None:
    """Return the verdict on a sound meter one run of which is off by no more than heavy tails."""
    keep = np.arange(y.size) != at
    if abs(float(y[at] - np.median(y[keep]))) > _ODD or _gone(runs.workload, keep):
        return None
    rest = look(runs.only(keep))
    if rest.name != NO_FAULT or wild(rest):
        return None
    text = (
        f"Run {at + 1} has {math.exp(float(y[at])):.3g} times the reference, which is no more than "
        "scatter with heavy tails makes."
    )
    return replace(
        rest,
        sentence=f"{rest.sentence} {text}",
        flags=(Flag("odd", (at,), text), *moved(rest.flags, keep)),
        n_runs=int(y.size),
    )


def _open(runs: Runs, probe: Vector, reference: Vector) -> Vector:
    """Return what the readings leave open of each run's ln(ratio), shape (n,)."""
    step_j = u_of_step(runs.resolution_j), u_of_step(runs.reference_resolution_j)
    u_j = (
        np.full(probe.size, step) if given is None else np.asarray(given, dtype=np.float64)
        for given, step in zip((runs.u_probe_j, runs.u_reference_j), step_j, strict=True)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        # Beside the reference, not the probe: what a stray run shows says nothing of its step.
        return np.hypot(*(u / np.abs(reference) for u in u_j))


def _farthest(others: Vector, open_: Vector, count: int) -> Vector:
    """Return how far from the median of the others scatter takes a run of a campaign, ln(ratio).

    Its tails are those of a t distribution as heavy as meters have, and what the readings of the
    run itself leave open is added.

    Parameters
    ----------
    others : ln(ratio) of the other runs.
    open_ : of the runs in question.
    count : all runs of the campaign, any of which could be the one.
    """
    heavy = t_quantile(1 - _BY_SCATTER / (2 * count), _TAILS) / math.sqrt(_TAILS / (_TAILS - 2))
    df = others.size - 1
    # A few runs often scatter less than the meter does: the upper limit of their scatter counts.
    scatter = float(np.std(others, ddof=1)) * math.sqrt(df / chi2_quantile(_LUCKY, df))
    limit = np.minimum(heavy * scatter, max(_ODD, _FAR_SD * scatter))
    return np.asarray(np.maximum(_FAR, limit + 2 * open_))


def _gone(workload: Sequence[str], keep: Mask) -> bool:
    """Tell whether a workload would lose all of its several runs: then it is not single runs."""
    labels = np.asarray(workload)
    return any(
        int((labels == each).sum()) > 1 and not keep[labels == each].any() for each in set(workload)
    )


def _without(rest: Diagnosis, probe: Vector, reference: Vector, keep: Mask) -> Diagnosis:
    """Return the verdict on the other runs, and what the stray ones say."""
    out = ~keep
    zero = int((probe[out] == 0).sum())
    said = [f"run {i + 1} has {_energy(float(probe[i]), float(reference[i]))}" for i in places(out)]
    stand = "stands" if len(said) == 1 else "stand"
    text = f"{len(said)} of {keep.size} runs {stand} apart from the others: {', '.join(said)}."
    flag = Flag("stray", places(out), text)
    own = rest.name not in (NO_FAULT, UNEXPLAINED)  # a fault of all runs is the first thing to say
    flags = (flag, *moved(rest.flags, keep))
    if own:
        return replace(
            _sure(rest), sentence=f"{rest.sentence} {text}", flags=flags, n_runs=int(keep.size)
        )
    return replace(
        _named(rest, _ZERO if zero else _STRAY),
        key="",  # a fault of single runs; the list of reported faults has those of meters
        cause=_STRAY.cause,
        sentence=f"{text} Apart from that: {rest.sentence}",
        flags=flags,
        n_runs=int(keep.size),
    )


def _energy(probe_j: float, reference_j: float) -> str:
    """Return what a stray run shows."""
    if not np.isfinite(probe_j) or probe_j <= 0:
        return f"{probe_j:g} J"
    return f"{probe_j / reference_j:.3g} times the reference"


def _sound(found: Diagnosis) -> bool:
    """Tell whether a sound meter is the likeliest and passes its checks."""
    checks = [p for p in (found.predictive_p, found.held_out_p) if p is not None]
    likely = found.name == NO_FAULT or (
        found.leading == NO_FAULT and found.candidates[0].probability > 0.5
    )
    steady = (found.run_sd or 0.0) <= _STEADY
    return likely and steady and (found.name == NO_FAULT or min(checks) >= MISFIT_BELOW)


def _sure(rest: Diagnosis) -> Diagnosis:
    """Return a diagnosis as one that settles the matter, as sure as its first candidate."""
    return replace(
        rest,
        probability=rest.probability if rest.conclusive else rest.candidates[0].probability,
        conclusive=True,
    )


def _named(rest: Diagnosis, of: Fault) -> Diagnosis:
    """Return the diagnosis of a fault of single runs, as sure as the one on what is left."""
    return replace(_sure(rest), name=of.title, key=of.key, keys=((of.key,),), cause=of.cause)


def moved(flags: Sequence[Flag], keep: Mask) -> list[Flag]:
    """Return flags on some runs as flags on all of them."""
    at = np.flatnonzero(keep)
    return [replace(flag, runs=tuple(int(at[i]) for i in flag.runs)) for flag in flags]


def places(mask: Mask) -> tuple[int, ...]:
    """Return the indices of the true ones."""
    return tuple(int(i) for i in np.flatnonzero(mask))
