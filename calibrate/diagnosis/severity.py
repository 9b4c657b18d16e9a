"""How bad a diagnosis is: the one order in which everything that is said is sorted."""

from __future__ import annotations

from enum import IntEnum

from calibrate.diagnosis.across import NAME as PART_OF_WHOLE
from calibrate.diagnosis.case import _NO_ENERGY
from calibrate.diagnosis.models import CONSTANT_POWER, NO_FAULT
from calibrate.diagnosis.result import UNEXPLAINED, Diagnosis
from calibrate.diagnosis.single_runs import MISFIT_BELOW, NO_ENERGY

#: Faults after which a figure says nothing of the energy, so that no factor brings it back.
DEAD = (NO_ENERGY, CONSTANT_POWER)

#: Probability from which a sound meter is the likeliest.
_LIKELY = 0.5
#: A probe that is off by more than this in so many runs or more differs without a doubt.
_FAR, _FEWEST = 0.1, 3


class Severity(IntEnum):
    """What a finding is worth to someone who wants to use the figure; the larger, the worse."""

    NOT_COMPARED = 0
    UNTRIED = 1  # most likely sound, in runs too few or too alike to settle it
    SOUND = 2
    PART = 3  # covers a part of what the reference covers, and nothing speaks against it
    LOST_RUNS = 4  # of a probe: sound in the runs that it did not lose
    UNDECIDED = 5  # something may be wrong, and the runs are too few or too alike to tell
    UNEXPLAINED = 6  # it differs, and no fault of the catalogue explains it
    FAULT = 7
    DEAD = 8  # a fault that leaves nothing to correct

    @property
    def untrusted(self) -> bool:
        """Whether a figure cannot be used as it is."""
        return self >= Severity.UNEXPLAINED


def severity_of(found: Diagnosis) -> Severity:
    """Return how bad a diagnosis is."""
    if found.name == NO_FAULT:
        return Severity.SOUND
    if found.name == PART_OF_WHOLE:
        return Severity.PART
    if found.name in DEAD:
        return Severity.DEAD
    if found.name != UNEXPLAINED:
        return Severity.FAULT
    if found.least_s is not None:  # the runs are too short for the meter's step
        return Severity.UNTRIED
    if found.conclusive or _far_off(found):
        return Severity.UNEXPLAINED
    return Severity.UNTRIED if _likely_sound(found) else Severity.UNDECIDED


def _far_off(found: Diagnosis) -> bool:
    """Tell whether every run is far off, the same way: then it differs, whatever the reason is."""
    if found.n_usable < _FEWEST or found.ratio_min is None or found.ratio_max is None:
        return False
    return found.ratio_max < 1 - _FAR or found.ratio_min > 1 / (1 - _FAR)


def _likely_sound(found: Diagnosis) -> bool:
    """Tell whether a sound meter is the likeliest, and nothing in the runs speaks against it."""
    checks = [p for p in (found.predictive_p, found.held_out_p) if p is not None]
    failed = any(flag.kind in _NO_ENERGY for flag in found.flags)
    likely = found.leading == NO_FAULT and found.candidates[0].probability > _LIKELY
    return likely and not failed and min(checks, default=1.0) >= MISFIT_BELOW
