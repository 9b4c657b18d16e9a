"""Two campaigns beside each other: which columns have changed, and what else has.

What is compared is ln(probe/reference), and the line of power over power, workload by workload:
the workloads that both campaigns have. What changed with it (kernel, microcode, driver, release of
the probe) is named, as what coincides and not as the cause.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from calibrate import analysis
from calibrate.analysis import Analysis
from calibrate.comparison import Pair
from calibrate.errors import CrosswattError
from calibrate.stats import (
    Estimate,
    PairedChange,
    RepeatedValues,
    SerialCorrelation,
    change_between,
    en_number,
    least_squares,
    t_estimate,
    tost,
)
from calibrate.store import Document
from calibrate.studies.conditions import changed_conditions, refuse_two_machines
from calibrate.studies.power_lines import beyond, common_line, mean_power, powers

State = Literal["same", "changed", "inconclusive"]
EXIT: Mapping[State, int] = {"same": 0, "changed": 1, "inconclusive": 2}

#: Probability of a wrong "changed" for a probe, and of a wrong "same", at the tolerance.
ALPHA = 0.05
#: Relative to a reading, an uncertainty below this is rounding: all runs are identical.
_ROUNDING = 1e-9
#: Probability below which repeats are taken to correlate; widening in vain costs little.
_CORRELATED_P = 0.05
_CORRELATED = "Repeats are not independent: the interval is widened."
#: From so many workloads on, a change of the line's slope is looked for, too.
_LEAST_FOR_SLOPE = 4


class Difference(Document):
    """One probe's column in two campaigns.

    ``change`` is relative (0.01: the ratio is 1 % higher in the second), with its 95 % interval;
    None if the reference covers more than the column, so that their ratio means little.
    ``change_w`` is the change at the same load, in W, with its 95 % interval: of what the probe
    shows, or, across scopes, of what the reference shows beyond what follows the probe. ``en`` is
    the change over its expanded uncertainty (95 %).
    """

    probe: str
    column: str
    state: State
    across: bool = False
    change: float | None = None
    low: float | None = None
    high: float | None = None
    change_w: float | None = None
    low_w: float | None = None
    high_w: float | None = None
    en: float | None = None
    workloads: tuple[str, ...] = ()
    reason: str = ""


class Diff(Document):
    """Two campaigns beside each other; `conditions` is what differs: name -> before, after."""

    simulated: bool
    first: str
    second: str
    tolerance: float
    conditions: dict[str, tuple[str, str]]
    differences: tuple[Difference, ...]

    @property
    def state(self) -> State:
        """Changed where one has, else inconclusive where one cannot be told."""
        return worst(each.state for each in self.differences)


def worst(states: Iterable[State]) -> State:
    """Return changed where one is, else inconclusive where one is or there is none."""
    found = set(states)
    if "changed" in found:
        return "changed"
    return "inconclusive" if not found or "inconclusive" in found else "same"


def diff(
    first: Path,
    second: Path,
    tolerance: float = 0.01,
    *,
    reference: str | None = None,
    anyway: bool = False,
) -> Diff:
    """Compare two campaigns of one machine, every column that both have.

    Parameters
    ----------
    first, second : folders.
    tolerance : relative change up to which a column is the same.
    reference : the probe that the others are compared with; None takes the best that worked.
    anyway : compare campaigns of two machines, too.

    Raises
    ------
    CrosswattError : they are of two machines, or have no probe in common.
    """
    one, two = (analysis.analyze(each, reference, across=True) for each in (first, second))
    if not anyway:
        refuse_two_machines([one, two])
    if one.comparison.reference != two.comparison.reference:
        raise CrosswattError(
            f"{first.name} is beside {one.comparison.reference}, {second.name} beside "
            f"{two.comparison.reference}: their ratios mean different things. Name one that both "
            "have with --reference."
        )
    pairs, others = pairs_of(one), pairs_of(two)
    common = [key for key in pairs if key in others]
    if not common:
        raise CrosswattError("The two campaigns have no probe in common; nothing is compared.")
    differences = [
        difference(pairs[key], others[key], tolerance, ALPHA / _columns(common, key[0]))
        for key in common
    ]
    differences += [
        Difference(probe=p, column=c, state="inconclusive", reason=f"only in {where}")
        for mine, yours, where in ((pairs, others, first.name), (others, pairs, second.name))
        for p, c in mine
        if (p, c) not in yours
    ]
    return Diff(
        simulated=one.comparison.simulated or two.comparison.simulated,
        first=str(first),
        second=str(second),
        tolerance=tolerance,
        conditions=changed_conditions(one, two),
        differences=tuple(differences),
    )


def pairs_of(found: Analysis) -> dict[tuple[str, str], Pair]:
    """Return every column beside the reference, by probe and column."""
    return {(pair.probe, pair.column): pair for pair in found.comparison.pairs}


def _columns(keys: Sequence[tuple[str, str]], probe: str) -> int:
    """Return how many columns a probe has among these."""
    return sum(name == probe for name, _ in keys)


def difference(one: Pair, two: Pair, tolerance: float, alpha: float) -> Difference:
    """Return how a column has changed, over the workloads that both campaigns have.

    Parameters
    ----------
    one, two : the column in the first and in the second campaign.
    tolerance : relative change up to which it is the same.
    alpha : probability of calling it changed where it is not by more than the tolerance; the
        ratio and the line of powers share it.
    """
    empty = Difference(probe=one.probe, column=one.column, state="inconclusive", across=one.across)
    if dead := _dead(one, two):
        return empty.model_copy(update=dead)
    common = common_workloads([one, two])
    if not common:
        return empty.model_copy(update={"reason": "no common workload"})
    found = empty.model_copy(update={"workloads": common})
    power = _change_of_power(one, two, common)
    if one.across and power:
        return _across(found, one, two, power, tolerance, alpha)
    ratio = _change([one, two], [log_ratios(each, common) for each in (one, two)])
    questions = 2 if power else 1
    judged = [judge(ratio, math.log1p(tolerance), alpha / questions)]
    if power:
        in_w, mean_w = power
        judged.append(judge(in_w, tolerance * abs(mean_w), alpha / questions))
        found = found.model_copy(update=_in_watts(in_w))
    # The ratio is what is published: where it has not changed and the power has not, either.
    state = "changed" if "changed" in judged else judged[0]
    return found.model_copy(
        update={
            "state": state,
            "change": math.expm1(ratio.change.value),
            "low": _expm1(ratio.change.low),
            "high": _expm1(ratio.change.high),
            "en": _en(ratio),
            "reason": _reason(ratio, common),
        }
    )


def _across(
    found: Difference,
    one: Pair,
    two: Pair,
    power: tuple[PairedChange, float],
    tolerance: float,
    alpha: float,
) -> Difference:
    """Return the change of a reference that covers more than the column."""
    change, mean_w = power
    margin = tolerance * abs(mean_w)
    ends = _ends(one, two, change)
    share = alpha / (1 + len(ends))
    state = judge(change, margin, share)
    of_ends = [judge(each, margin, share) for each in ends.values()]
    reason = _reason(change, found.workloads)
    if state != "changed" and "changed" in of_ends:
        state = "changed"
        reason = "the slope: " + ", ".join(
            f"{each.change.value:+.3g} W at {watts:.3g} W" for watts, each in ends.items()
        )
    elif state == "same" and "inconclusive" in of_ends:
        state, reason = "inconclusive", "the same on average, but not known to be at both ends"
    return found.model_copy(
        update={"state": state, "en": _en(change), "reason": reason} | _in_watts(change)
    )


def _dead(one: Pair, two: Pair) -> dict[str, str] | None:
    """Return what is to be said of a column that counted no energy."""
    counted = bool(one.usable), bool(two.usable)
    if all(counted):
        return None
    if not any(counted):
        return {"state": "same", "reason": "no energy counted in either"}
    which = "second" if counted[0] else "first"
    return {"state": "changed", "reason": f"no energy counted in the {which}"}


def common_workloads(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Return the workloads that have a ratio in every campaign."""
    return tuple(sorted(set.intersection(*({row.workload for row in p.usable} for p in pairs))))


def log_ratios(pair: Pair, workloads: Sequence[str]) -> RepeatedValues:
    """Return ln(ratio) of the runs of these workloads."""
    rows = [row for row in pair.usable if row.workload in workloads]
    return RepeatedValues(
        [math.log(row.ratio or 1.0) for row in rows],
        [row.workload for row in rows],
        [row.repeat for row in rows],
    )


def _change(pairs: Sequence[Pair], values: Sequence[RepeatedValues]) -> PairedChange:
    """Return the change from the first to the second, wider where repeats correlate in time."""
    found = change_between(values[0], values[1])
    missed = sum(
        _missed(pair.serial, each)
        for pair, each in zip(pairs, values, strict=True)
        if pair.serial is not None and pair.serial.p_value < _CORRELATED_P
    )
    if not missed or found.change.u is None:
        return found
    wide = interval_of(found, math.hypot(found.change.u, missed**0.5))
    return replace(found, change=replace(wide, checks=(*wide.checks, _CORRELATED)))


def _missed(serial: SerialCorrelation, runs: RepeatedValues) -> float:
    """Return the variance of a mean that is missed where correlated runs count as independent."""
    means: dict[str, list[float]] = {}
    for name, value in zip(runs.workload, np.asarray(runs.value).tolist(), strict=True):
        means.setdefault(name, []).append(value)
    squares = sum(float(np.var(group)) * len(group) for group in means.values())
    free = sum(map(len, means.values())) - len(means)
    share = serial.n * (1 / serial.n_effective - 1 / serial.n)
    return squares / free / (free + len(means)) * share if free else 0.0


def _change_of_power(
    one: Pair, two: Pair, common: Sequence[str]
) -> tuple[PairedChange, float] | None:
    """Return the change at the same load and the mean power, W; None where no line is."""
    line = common_line([one, two], common)
    if line is None:
        return None
    found = _change([one, two], [beyond(each, line, common) for each in (one, two)])
    # Where the loads have moved along the line, the slope's error is an error of the offset.
    moved = (mean_power(two, common) - mean_power(one, common)) * line.u_slope
    u = None if found.change.u is None else math.hypot(found.change.u, moved)
    return replace(found, change=interval_of(found, u)), line.mean_w


def _ends(one: Pair, two: Pair, change: PairedChange) -> dict[float, PairedChange]:
    """Return the change at the lowest and at the highest power, where the workloads allow."""
    names = sorted(change.steps)
    if len(names) < _LEAST_FOR_SLOPE:
        return {}
    rows = [(pair, row) for pair in (one, two) for row in pair.usable]
    x = [
        sum(powers(pair, row)[0] for pair, row in rows if row.workload == name)
        / sum(row.workload == name for _, row in rows)
        for name in names
    ]
    try:
        line = least_squares(x, [change.steps[name] for name in names])
    except ValueError:  # every workload has changed by the same
        return {}
    out = {}
    for at in (min(x), max(x)):
        u2 = (line.intercept.u or 0.0) ** 2 + (at * (line.slope.u or 0.0)) ** 2
        u2 += 2 * at * (line.covariance or 0.0)
        here = replace(change.change, value=float(line.at(at)))
        there = PairedChange(here, len(names) - 2.0, {})
        out[at] = replace(there, change=interval_of(there, math.sqrt(max(u2, 0.0))))
    return out


def interval_of(found: PairedChange, u: float | None) -> Estimate:
    """Return a change with another standard uncertainty and the interval that follows."""
    old = found.change
    return t_estimate(
        old.value, u, found.df, level=old.level, method=old.method,
        n_runs=old.n_runs, n_clusters=old.n_clusters, checks=old.checks,
    )  # fmt: skip


def judge(found: PairedChange, margin: float, alpha: float) -> State:
    """Return changed where an interval at 1 - alpha is outside the margin.

    It is the same where the interval at 95 % is inside.
    """
    if found.change.u is None:
        return "inconclusive"
    if found.change.u <= _ROUNDING:
        return "same" if abs(found.change.value) <= margin else "changed"
    tested = tost(found.change, found.df, -margin, margin, ALPHA / 2)
    if tested.p_fail is not None and tested.p_fail < alpha / 2:
        return "changed"
    return "same" if tested.state == "pass" else "inconclusive"


def _en(found: PairedChange) -> float | None:
    """Return the change over its expanded uncertainty."""
    if not found.change.u or found.change.high is None or found.change.u <= _ROUNDING:
        return None
    return en_number(found.change.value, found.change.high - found.change.value, 0.0, 0.0)


def _in_watts(found: PairedChange) -> dict[str, float | None]:
    return {
        "change_w": found.change.value,
        "low_w": found.change.low,
        "high_w": found.change.high,
    }


def _expm1(log: float | None) -> float | None:
    return None if log is None else math.expm1(log)


def _reason(found: PairedChange, common: Sequence[str]) -> str:
    """Return what to know of the interval."""
    if found.change.u is None:
        return "one run of one workload each: no spread to judge by"
    if found.change.u <= _ROUNDING:
        return "identical runs"
    if len(common) == 1:
        return "one workload, from its repeats alone"
    return "repeats are not independent" if _CORRELATED in found.change.checks else ""
