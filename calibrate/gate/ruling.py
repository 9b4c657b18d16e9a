"""The answers of a gate: every kind of ruling, and the state that it has."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from calibrate.quantity import printable
from calibrate.store import Document

State = Literal["pass", "fail", "inconclusive"]
EXIT: dict[State, int] = {"pass": 0, "fail": 1, "inconclusive": 2}


class Kind(StrEnum):
    """What a ruling rests on, the gravest first."""

    FAULT = "fault"  # the diagnosis names one that nobody accepted
    NO_ENERGY = "no energy"  # zero or below in some run
    NEAR_ZERO = "near zero"  # too many watts off where the reference has almost none
    OUTSIDE = "outside"  # the whole interval is outside of the limits
    WORKLOAD = "workload"  # one workload is off by clearly more than twice the need
    COLUMN_GONE = "column gone"  # the probe worked and no longer has the column
    OTHER_FAULT = "other fault"  # another one than was accepted, within the limits
    LOST_RUNS = "lost runs"
    NOT_MEASURED = "not measured"  # the probe did not take part, or never worked
    NOT_COMPARED = "not compared"  # the reference has nothing of its scope
    SAME_SOURCE = "same source"  # the reference reads what the probe reads
    TOO_SHORT = "too short"  # the runs, for the step of the meter
    TOO_FEW = "too few"  # runs or workloads
    REFERENCE = "reference"  # it is known less well than the need
    STRADDLES = "straddles"  # the interval lies across a limit
    WITHIN = "within"


_FAILS = (
    Kind.FAULT,
    Kind.NO_ENERGY,
    Kind.NEAR_ZERO,
    Kind.OUTSIDE,
    Kind.WORKLOAD,
    Kind.COLUMN_GONE,
)
#: The state of every kind: what is shown to be wrong fails, what is not shown is inconclusive.
STATES: dict[Kind, State] = {
    kind: "pass" if kind is Kind.WITHIN else "fail" if kind in _FAILS else "inconclusive"
    for kind in Kind
}


class Shown(Document):
    """The figure behind a ruling: ratio over what is expected, expanded interval (95 %).

    ``sessions`` is how many sessions the interval accounts for; with 1, what differs between
    sessions is not in it.
    """

    value: float
    low: float
    high: float
    sessions: int


class Ruling(Document):
    """The answer on one column: its kind, a sentence, and the figure where there is one."""

    probe: str
    column: str
    kind: Kind
    sentence: str
    shown: Shown | None = None

    @property
    def state(self) -> State:
        """Whether it passes."""
        return STATES[self.kind]

    @property
    def line(self) -> str:
        """All of it in one line; a name cannot move the cursor or start another line."""
        return printable(f"{self.state}: {self.probe} {self.column}: {self.sentence}")


def overall(rulings: Iterable[Ruling]) -> State:
    """Return the worst: a failure, else anything inconclusive, else a pass."""
    states = {ruling.state for ruling in rulings}
    return "fail" if "fail" in states else "inconclusive" if states != {"pass"} else "pass"
