"""How bad a diagnosis is: the one order in which everything that is said is sorted."""

from __future__ import annotations

from enum import IntEnum

from calibrate.diagnosis.across import NAME as PART_OF_WHOLE
from calibrate.diagnosis.case import _NO_ENERGY
from calibrate.diagnosis.models import CONSTANT_POWER, NO_FAULT
from calibrate.diagnosis.result import UNEXPLAINED, Diagnosis
from calibrate.diagnosis.single_runs import NO_ENERGY

#: Faults after which a figure says nothing of the energy, so that no factor brings it back.
DEAD = (NO_ENERGY, CONSTANT_POWER)


class Severity(IntEnum):
    """What a finding is worth to someone who wants to use the figure; the larger, the worse."""

    NOT_COMPARED = 0
    UNTRIED = 1  # agrees, in runs too few or too alike to have shown a fault
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
    if found.conclusive:
        return Severity.UNEXPLAINED
    failed = any(flag.kind in _NO_ENERGY for flag in found.flags)
    return Severity.UNTRIED if found.leading == NO_FAULT and not failed else Severity.UNDECIDED
