"""The answers of a gate: every kind of ruling, and the state that it has."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal, NamedTuple

from calibrate.quantity import printable
from calibrate.store import Document

State = Literal["pass", "fail", "inconclusive"]
EXIT: dict[State, int] = {"pass": 0, "fail": 1, "inconclusive": 2}


class Kind(StrEnum):
    """What a ruling rests on, the gravest first."""

    FORBIDDEN = "forbidden"  # the diagnosis names a fault that nobody may accept
    FAULT = "fault"  # the diagnosis names one that nobody accepted
    NO_ENERGY = "no energy"  # zero or below in some run
    NEAR_ZERO = "near zero"  # too many watts off where the reference has almost none
    OUTSIDE = "outside"  # the whole interval is outside of the limits
    WORKLOAD = "workload"  # one is off by clearly more than twice the need, or than its rule admits
    SPREAD = "spread"  # single runs lie further apart than is admitted
    DRIFT = "drift"  # corrected readings are off by more than is admitted
    OVERHEAD = "overhead"  # the probe takes more CPU time than is admitted
    COLUMN_GONE = "column gone"  # the probe worked and no longer has the column
    UNDECIDED = "undecided"  # a forbidden fault is among what the runs cannot tell apart
    OTHER_FAULT = "other fault"  # another one than was accepted, within the limits
    LOST_RUNS = "lost runs"
    NOT_MEASURED = "not measured"  # the probe did not take part, or never worked
    NOT_COMPARED = "not compared"  # the reference has nothing of its scope
    SAME_SOURCE = "same source"  # the reference reads what the probe reads
    NO_CALIBRATION = "no calibration"  # none that holds here: nothing to have drifted from
    TOO_SHORT = "too short"  # the runs, for the step of the meter
    TOO_FEW = "too few"  # runs or workloads
    REFERENCE = "reference"  # it is known less well than the need
    STRADDLES = "straddles"  # the interval lies across a limit
    WITHIN = "within"


_FAILS = (
    Kind.FORBIDDEN,
    Kind.FAULT,
    Kind.NO_ENERGY,
    Kind.NEAR_ZERO,
    Kind.OUTSIDE,
    Kind.WORKLOAD,
    Kind.SPREAD,
    Kind.DRIFT,
    Kind.OVERHEAD,
    Kind.COLUMN_GONE,
)
#: The state of every kind: what is shown to be wrong fails, what is not shown is inconclusive.
STATES: dict[Kind, State] = {
    kind: "pass" if kind is Kind.WITHIN else "fail" if kind in _FAILS else "inconclusive"
    for kind in Kind
}


#: What to do about each kind that does not pass.
NEXT: dict[Kind, str] = {
    Kind.FORBIDDEN: "repair or replace the meter; the policy forbids to accept this fault",
    Kind.FAULT: "repair the meter, correct its readings, or accept it in the policy with a reason",
    Kind.NO_ENERGY: "look at what the meter wrote in that run",
    Kind.NEAR_ZERO: "look for an offset, or state a larger within_w",
    Kind.OUTSIDE: "repair the meter, correct its readings, or state another need",
    Kind.WORKLOAD: "look at that workload in the report: a mean hides what only it shows",
    Kind.SPREAD: "look at which runs stray in the report; longer runs lie closer together",
    Kind.DRIFT: "calibrate again, and look at what changed with 'crosswatt diff'",
    Kind.OVERHEAD: "read less often, or state a larger max_overhead",
    Kind.COLUMN_GONE: "look at what the probe measures with 'crosswatt probes', or remove the rule",
    Kind.UNDECIDED: "make the run that the report names as deciding",
    Kind.OTHER_FAULT: "look at the diagnosis in the report, and accept it anew if it is right",
    Kind.LOST_RUNS: "repeat the lost runs with 'crosswatt run', or admit them by max_lost_runs",
    Kind.NOT_MEASURED: "see 'crosswatt doctor' for why the probe does not work here",
    Kind.NOT_COMPARED: "take a reference that covers the column, or remove the rule",
    Kind.SAME_SOURCE: "take an independent reference, or state consistency = true",
    Kind.NO_CALIBRATION: "calibrate on this machine, and name that file in the policy",
    Kind.TOO_SHORT: "make the runs as long as the line says",
    Kind.TOO_FEW: "make more runs: repeats, workloads, or sessions on another day",
    Kind.REFERENCE: "take a better reference, or state a larger need",
    Kind.STRADDLES: "make more or longer runs, so that the interval gets narrower",
}
#: The rule that every column has: its mean ratio, and the faults that are named.
AGREEMENT = "agreement"


class Shown(Document):
    """The figure behind a ruling, with its expanded interval (95 %) and what is admitted.

    ``value`` is the ratio over what is expected, or a share where ``quantity`` says so. ``low`` and
    ``high`` are None for what was counted and not estimated; ``least`` and ``most`` for no limit.
    ``sessions`` is how many sessions the interval accounts for; with 1, what differs between
    sessions is not in it.
    """

    quantity: str = "ratio over expected"
    value: float
    low: float | None
    high: float | None
    least: float | None = None
    most: float | None = None
    sessions: int = 1


class Answer(NamedTuple):
    """What there is to say of a rule: the kind, a sentence, and the figure behind it."""

    kind: Kind
    sentence: str
    shown: Shown | None = None


class Ruling(Document):
    """The answer to one rule on one column: its kind, a sentence, and the figure if there is one.

    ``rule`` is ``agreement``, ``workload``, ``spread``, ``forbid``, ``overhead`` or ``drift``;
    ``workload`` the one that a rule is of.
    """

    probe: str
    column: str
    rule: str = AGREEMENT
    workload: str = ""
    kind: Kind
    sentence: str
    shown: Shown | None = None

    @property
    def state(self) -> State:
        """Whether it passes."""
        return STATES[self.kind]

    @property
    def next_step(self) -> str:
        """What to do about it; empty for a pass."""
        return NEXT.get(self.kind, "")

    @property
    def name(self) -> str:
        """Column and rule in words, which no other ruling has."""
        what = f"{self.probe} {self.column}"
        if self.rule == AGREEMENT:
            return what
        return f"{what}, {self.rule}{' ' if self.workload else ''}{self.workload}"

    @property
    def line(self) -> str:
        """All of it in one line; a name cannot move the cursor or start another line."""
        return printable(f"{self.state}: {self.name}: {self.sentence}")


def overall(rulings: Iterable[Ruling]) -> State:
    """Return the worst: a failure, else anything inconclusive, else a pass."""
    states = {ruling.state for ruling in rulings}
    return "fail" if "fail" in states else "inconclusive" if states != {"pass"} else "pass"
