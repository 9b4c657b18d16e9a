"""Compare a figure with the limits of a policy.

A column passes where the interval of its figure lies inside the limits: acceptance with a guard
band g = U, the expanded uncertainty (95 %; JCGM 106, 8.3.2). It fails where the interval lies
outside (guarded rejection, 8.3.3), and is inconclusive where it lies across a limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from calibrate.gate.figure import BEFORE, CALIBRATION, REFERENCE, Figure
from calibrate.gate.policy import Rule, WorkloadRule
from calibrate.gate.ruling import Answer, Kind, Shown
from calibrate.gate.scatter import READINGS, RUNS, SESSIONS
from calibrate.quantity import counted, percent

#: A single workload may be off by this many times the need.
WORKLOAD_NEEDS = 2
_HINTS = {
    RUNS: "; most of it is scatter of runs: more repeats narrow it",
    READINGS: "; most of it is what steps of readings leave open: longer runs narrow it",
    SESSIONS: "; most of it is what differs between sessions: more sessions narrow it",
    REFERENCE: "; most of it is the accuracy of the reference",
    CALIBRATION: "; most of it is the calibration: one of more workloads is known better",
    BEFORE: "; most of it is the campaign that was accepted: accept a longer one",
}


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
        least=1 / (1 + need), most=1 + need, sessions=figure.sessions,
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
        yield Answer(Kind.STRADDLES, words + hint_of(figure), shown)


def decide_workloads(figure: Figure, rules: Sequence[WorkloadRule]) -> Iterator[tuple[str, Answer]]:
    """Yield what the runs of each workload that has a rule of its own show, with its name."""
    for rule in rules:
        each = figure.by_workload.get(rule.name)
        if each is None:
            yield rule.name, Answer(Kind.NOT_MEASURED, "no run of this workload has a ratio")
        elif figure.reach is None:
            yield rule.name, Answer(Kind.TOO_FEW, "one run gives no interval")
        else:
            yield rule.name, against(each.value, each.reach, rule.need, Kind.WORKLOAD, "off by")


def against(
    value: float, reach: float, admitted: float, beyond: Kind, words: str, hint: str = ""
) -> Answer:
    """Return what a mean of ln(ratio) shows that is to be zero within a share.

    Parameters
    ----------
    value, reach : the mean, and its expanded uncertainty.
    admitted : share that is admitted.
    beyond : the kind of ruling where the whole interval is outside.
    words : what stands before the figure.
    hint : what is said more where the interval lies across a limit.
    """
    limit = math.log1p(admitted)
    ends = tuple(math.exp(each) for each in (value, value - reach, value + reach))
    shown = Shown(
        value=ends[0], low=ends[1], high=ends[2], least=1 / (1 + admitted), most=1 + admitted
    )
    middle, low, high = (percent(each - 1, sign=True) for each in ends)
    text = f"{words} {middle} (95 %: {low} to {high}), admitted {100 * admitted:.3g} %"
    if abs(value) - reach > limit:
        return Answer(beyond, text, shown)
    if abs(value) + reach <= limit:
        return Answer(Kind.WITHIN, text, shown)
    return Answer(Kind.STRADDLES, text + hint, shown)


def hint_of(figure: Figure) -> str:
    """Return what most of the uncertainty of a figure comes from, as the end of a sentence."""
    return _HINTS.get(figure.largest, "")


def _words(shown: Shown, rule: Rule, need: float, u_reference: float | None) -> str:
    """Return a figure with its interval and the limits, as people read it."""
    ends = [each for each in (shown.value, shown.low, shown.high) if each is not None]
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
