"""Compare a figure with the limits of a policy.

A column passes where the interval of its figure lies inside the limits: acceptance with a guard
band g = U, the expanded uncertainty (95 %; JCGM 106, 8.3.2). It fails where the interval lies
outside (guarded rejection, 8.3.3), and is inconclusive where it lies across a limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from calibrate.gate.figure import BEFORE, REFERENCE, Figure
from calibrate.gate.policy import Rule
from calibrate.gate.ruling import Kind, Shown
from calibrate.gate.scatter import READINGS, RUNS, SESSIONS
from calibrate.quantity import counted, percent

#: A single workload may be off by this many times the need.
WORKLOAD_NEEDS = 2
_HINTS = {
    RUNS: "; most of it is scatter of runs: more repeats narrow it",
    READINGS: "; most of it is what steps of readings leave open: longer runs narrow it",
    SESSIONS: "; most of it is what differs between sessions: more sessions narrow it",
    REFERENCE: "; most of it is the accuracy of the reference",
    BEFORE: "; most of it is the campaign that was accepted: accept a longer one",
}


class Answer(NamedTuple):
    """What there is to say of a column: the kind, a sentence, and the figure behind it."""

    kind: Kind
    sentence: str
    shown: Shown | None = None


def decide(figure: Figure, rule: Rule, need: float, u_reference: float | None) -> Iterator[Answer]:
    """Yield what a figure shows.

    Parameters
    ----------
    figure : of the column.
    rule : what is expected of it.
    need : relative error that is admitted.
    u_reference : relative standard uncertainty of the reference; None where it states none.
    """
    if figure.reach is None:
        yield Answer(Kind.TOO_FEW, "one run gives no interval")
        return
    limit, off = math.log1p(need), abs(figure.value)
    low, high = figure.value - figure.reach, figure.value + figure.reach
    shown = Shown(
        value=math.exp(figure.value), low=math.exp(low), high=math.exp(high),
        sessions=figure.sessions,
    )  # fmt: skip
    words = _words(shown, rule, need, u_reference)
    for workload, each in figure.by_workload.items():
        if abs(each.value) - each.reach > math.log1p(WORKLOAD_NEEDS * need):
            by = percent(math.expm1(each.value), sign=True)
            more = f"more than {WORKLOAD_NEEDS} times {100 * need:.3g} %"
            yield Answer(Kind.WORKLOAD, f"{workload} is off by {by}, {more}; {words}", shown)
    if off - figure.reach > limit:
        yield Answer(Kind.OUTSIDE, words, shown)
    elif off + figure.reach <= limit:
        yield Answer(Kind.WITHIN, words, shown)
    elif u_reference and 2 * u_reference >= limit:
        known = f"the reference is known to {200 * u_reference:.3g} % (95 %) only"
        yield Answer(Kind.REFERENCE, f"{known}; {words}", shown)
    else:
        yield Answer(Kind.STRADDLES, words + _HINTS.get(figure.largest, ""), shown)


def _words(shown: Shown, rule: Rule, need: float, u_reference: float | None) -> str:
    """Return a figure with its interval and the limits, as people read it."""
    ends = (shown.value, shown.low, shown.high)
    if rule.accepted and rule.accepted.workload:
        value, low, high = (percent(each - 1, sign=True) for each in ends)
        text = f"changed by {value} (95 %: {low} to {high}), admitted {100 * need:.3g} %"
    else:
        value, low, high = (f"{rule.ratio * each:.5g}" for each in ends)
        limits = f"{rule.ratio / (1 + need):.5g} to {rule.ratio * (1 + need):.5g}"
        text = f"ratio {value} (95 %: {low} to {high}), admitted {limits}"
    if u_reference is None:
        text += "; the reference states no accuracy"
    return f"{text}; {counted(shown.sessions, 'session')}{accepted_words(rule)}"


def accepted_words(rule: Rule) -> str:
    """Return why a column was accepted, as the end of a sentence; empty where it was not."""
    return f"; accepted: {rule.accepted.reason}" if rule.accepted else ""
