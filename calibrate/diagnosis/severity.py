"""How bad a diagnosis is: the one order in which everything that is said is sorted."""

from __future__ import annotations

from enum import IntEnum

from calibrate.diagnosis.across import NAME as PART_OF_WHOLE
from calibrate.diagnosis.models import CONSTANT_POWER, NO_FAULT
from calibrate.diagnosis.result import UNEXPLAINED, Diagnosis
from calibrate.diagnosis.single_runs import NO_ENERGY

#: Faults after which a figure says nothing of the energy, so that no factor brings it back.
DEAD = (NO_ENERGY, CONSTANT_POWER)


class Severity(IntEnum):
    """What a finding is worth to someone who wants to use the figure; the larger, the worse."""

    NOT_COMPARED = 0
    SOUND = 1
    PART = 2  # covers a part of what the reference covers, and nothing speaks against it
    LOST_RUNS = 3  # of a probe: sound in the runs that it did not lose
    UNDECIDED = 4  # the runs are too few or too alike to tell
    UNEXPLAINED = 5  # it differs, and no fault of the catalogue explains it
    FAULT = 6
    DEAD = 7  # a fault that leaves nothing to correct

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
    return Severity.UNEXPLAINED if found.conclusive else Severity.UNDECIDED
