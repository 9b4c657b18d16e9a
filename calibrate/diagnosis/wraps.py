"""A meter that takes the absolute value of a difference at a wraparound of its counter.

Of a counter of range R that wraps once, end less begin is E - R, and its absolute value R - E. A
meter that does so with every reading counts R - 2 P d instead of P d at a wrap, d the time between
readings: nearly a range too much for each wrap, as if a counter that trembles had been taken for
one that wrapped. What tells them apart is that a wrap is due once in R joules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calibrate.diagnosis.case import NAMED_FROM
from calibrate.diagnosis.faults import fault
from calibrate.diagnosis.result import Diagnosis, Flag, Runs
from calibrate.diagnosis.single_runs import (
    CHANCE,
    FALSE_WRAP,
    MOST_WRAPS,
    WRAPS_J,
    _by_chance,
    _named,
    _sound,
    places,
)
from calibrate.stats import Vector, chi2_tail

_ABSOLUTE = fault("wrap-abs")
_DROPPED = fault("wrap-dropped").title
ABSOLUTE = _ABSOLUTE.title
#: Probability of as many wraps as were counted from which they are those that were due.
_DUE = 0.02
#: How likely chance may be where the range of the counter is known and nothing else explains a run.
_CHANCE_KNOWN = 0.05
#: Runs with a range too much from which on it is not one run that strays.
_FEWEST = 2


def folded(runs: Runs, look: Callable[[Runs], Diagnosis]) -> Diagnosis | None:
    """Return the diagnosis of a counter whose differences lost their sign, or None.

    Parameters
    ----------
    runs : all of them.
    look : diagnoses runs as they stand.
    """
    probe = np.asarray(runs.probe_j, dtype=np.float64)
    reference = np.asarray(runs.reference_j, dtype=np.float64)
    if not (np.isfinite(probe) & np.isfinite(reference)).all() or float(probe.min()) < 0:
        return None
    for range_j in (runs.wraps_at_j,) if runs.wraps_at_j else WRAPS_J:
        if float(reference.max()) >= MOST_WRAPS * range_j or float(probe.max()) > range_j:
            continue
        mended, turned = _unfolded(probe, reference, range_j)
        if not turned.any() or turned.all():
            continue
        # Twice as many values are near one of these as near a multiple of the range.
        rest = np.clip(2 * (reference - mended) / range_j, -0.5, 0.5)
        likely = _CHANCE_KNOWN if runs.wraps_at_j else CHANCE
        if _by_chance(rest, turned, np.zeros_like(turned)) > likely:
            continue
        found = look(replace(runs, probe_j=mended))
        # A gain of the reference leaves each of these runs off by the same share of the range.
        if _sound(found) or found.leading == _DROPPED:
            return _told(found, turned, f"{range_j:.6g} J less what they used")
    return None


def polled(runs: Runs, look: Callable[[Runs], Diagnosis]) -> Diagnosis | None:
    """Return the diagnosis of a counter of which each reading's difference lost its sign, or None.

    What is left without the ranges lacks two readings at each wrap.
    """
    probe = np.asarray(runs.probe_j, dtype=np.float64)
    reference = np.asarray(runs.reference_j, dtype=np.float64)
    range_j = runs.wraps_at_j
    if not range_j or not (np.isfinite(probe) & np.isfinite(reference)).all():
        return None
    added = np.round((probe - reference) / range_j)
    # A range that is small beside the energy could mend anything.
    plain = float(reference.max()) < MOST_WRAPS * range_j and float(added.min()) >= 0
    if not plain or int((added > 0).sum()) < _FEWEST:
        return None
    mended, high = probe - added * range_j, added > 0
    if _by_chance((reference - mended) / range_j, high, np.zeros_like(high)) > CHANCE:
        return None
    rest = look(replace(runs, probe_j=mended))
    if rest.leading != _DROPPED or rest.candidates[0].probability < NAMED_FROM:
        return None
    return _told(rest, high, f"a range of the counter, {range_j:.6g} J, too much")


def _unfolded(probe: Vector, reference: Vector, range_j: float) -> tuple[Vector, NDArray[np.bool_]]:
    """Return the energies nearest to the reference, and which of them had lost a sign."""
    plain = probe + range_j * np.maximum(np.round((reference - probe) / range_j), 0)
    turned = range_j * np.maximum(np.round((reference + probe) / range_j), 1) - probe
    nearer = np.abs(turned - reference) < np.abs(plain - reference)
    # A run that is right as it stands, or with its ranges added, needs nothing else.
    nearer &= np.abs(probe - reference) > 0.05 * reference
    nearer &= np.abs(plain - reference) > 0.1 * reference
    return np.where(nearer, turned, plain), nearer


def due(runs: Runs, found: Diagnosis) -> Diagnosis:
    """Return a verdict of false wraparounds as one of absolute values, where wraps were due."""
    flags = [flag for flag in found.flags if flag.kind == "wrap"]
    if found.name != FALSE_WRAP or not runs.wraps_at_j or not flags:
        return found
    wraps = np.asarray(runs.reference_j, dtype=np.float64) / runs.wraps_at_j
    high = np.zeros(wraps.size, dtype=np.bool_)
    high[list(flags[0].runs)] = True
    count = int(high.sum())
    # Of runs that wrap less than once, those that did are a sum of rare events: P(N >= count).
    likely = 1 - chi2_tail(2 * float(np.minimum(wraps, 1.0).sum()), 2 * count)
    if likely < _DUE or bool((wraps[~high] >= 1).any()):
        return found
    return replace(
        found,
        name=ABSOLUTE,
        key=_ABSOLUTE.key,
        keys=((_ABSOLUTE.key,),),
        cause=_ABSOLUTE.cause,
        sentence=f"{count} of {high.size} runs show a range of the counter too much, as often as "
        f"it wraps: {ABSOLUTE}.",
    )


def _told(rest: Diagnosis, turned: NDArray[np.bool_], what: str) -> Diagnosis:
    """Return the diagnosis of runs that lost their sign."""
    count = int(turned.sum())
    runs = "run shows" if count == 1 else "runs show"
    text = f"{count} of {turned.size} {runs} {what}: {ABSOLUTE}."
    return replace(
        _named(rest, _ABSOLUTE),
        flags=(Flag("wrap", places(turned), text), *rest.flags),
        sentence=f"{text} Apart from that: {rest.sentence}",
    )
