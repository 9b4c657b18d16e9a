"""Why a log allows less to be said than was asked for: codes, and what each makes of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """What a log does not allow, or what was noticed."""

    NOT_COVERED = "window not covered"  # the log begins later or ends earlier
    TOO_SHORT = "window too short"  # too few readings to say how the power varies
    COUNTER_RESET = "counter reset"  # joules are lost; what is left is a lower bound
    NOT_INCREASING = "clock not increasing"  # readings of two times lie over each other
    UNKNOWN_STRETCH = "stretch not recorded"  # between runs that a meter measured whole
    GAP_NOT_KNOWN = "gap too long"  # for the log to say what such a gap may hide
    NO_ENERGY = "no energy"  # zero or below
    DISAGREE = "counter against integral"  # beyond their uncertainties and the need
    U_ABOVE_NEED = "uncertainty above need"
    END_IN_GAP = "gap over an end"  # a gap lies over the beginning or the end of the window
    REPLACED = "power instead of counter"  # the count of a part cannot be used
    GAPS = "gaps"
    ONLY_TOTAL = "figures of whole runs"  # how well the meter knows them is not in the log
    PERIOD_NOT_KNOWN = "update period not known"
    CLOSE = "counter and integral differ"  # beyond their uncertainties, and less than the need


#: The energy cannot be told, or not to a known uncertainty.
BARS = frozenset(
    (Code.NOT_COVERED, Code.TOO_SHORT, Code.COUNTER_RESET, Code.NOT_INCREASING,
     Code.UNKNOWN_STRETCH, Code.GAP_NOT_KNOWN)
)  # fmt: skip
#: The log contradicts itself.
FAILS = frozenset((Code.DISAGREE, Code.NO_ENERGY))


@dataclass(frozen=True)
class Reason:
    """A code, the column that it is of, and a sentence."""

    code: Code
    text: str
    column: str = ""
