"""Has a probe changed? Two campaigns beside each other, and a folder of them over time.

What is compared is ln(probe/reference), workload by workload: the workloads that both campaigns
have. What changed with it (kernel, microcode, driver, release of the probe) is named, as what
coincides and not as the cause.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np

from calibrate import analysis, store
from calibrate.analysis import Analysis
from calibrate.campaign import IDENTITY, machine_differences
from calibrate.comparison import Pair
from calibrate.errors import CrosswattError
from calibrate.stats import (
    LEAST_SESSIONS,
    ChangeOfLevel,
    ControlChart,
    Estimate,
    Trend,
    change_of_level,
    en_number,
    ewma,
    tost,
    trend,
)
from calibrate.store import Document

State = Literal["same", "changed", "inconclusive"]
EXIT: Mapping[State, int] = {"same": 0, "changed": 1, "inconclusive": 2}
STATES: Mapping[str, State] = {"pass": "same", "fail": "changed", "inconclusive": "inconclusive"}

#: What may change on a machine.
CONDITIONS = ("kernel", "microcode", "governor", "memory_bytes", "virtual")
#: Facts that differ from run to run and mean nothing.
PASSING = ("pid", "started", "path", "interpreter")


class Difference(Document):
    """One probe's column in two campaigns.

    ``change`` is relative (0.01: the ratio is 1 % higher in the second), with its 90 % interval;
    ``en`` compares the ratios with the uncertainties that each campaign states.
    """

    probe: str
    column: str
    state: State
    change: float | None = None
    low: float | None = None
    high: float | None = None
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
        states = {each.state for each in self.differences}
        if "changed" in states:
            return "changed"
        return "inconclusive" if not states or "inconclusive" in states else "same"


def diff(first: Path, second: Path, tolerance: float = 0.01, *, anyway: bool = False) -> Diff:
    """Compare two campaigns of one machine.

    Parameters
    ----------
    first, second : folders.
    tolerance : relative change up to which a ratio is the same (equivalence test at 5 %).
    anyway : compare campaigns of two machines, too.

    Raises
    ------
    CrosswattError : they are of two machines, or have no probe in common.
    """
    one, two = analysis.analyze(first), analysis.analyze(second)
    if not anyway:
        _same_machine([one, two])
    if one.comparison.reference != two.comparison.reference:
        raise CrosswattError(
            f"{first.name} is beside {one.comparison.reference}, {second.name} beside "
            f"{two.comparison.reference}: their ratios mean different things. Measure with one "
            "reference."
        )
    pairs, others = _pairs(one), _pairs(two)
    differences = [
        _difference(pairs[key], others[key], tolerance) for key in pairs if key in others
    ]
    if not differences:
        raise CrosswattError("The two campaigns have no probe in common; nothing is compared.")
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
        conditions=_changed(conditions(one), conditions(two)),
        differences=tuple(differences),
    )


def _pairs(found: Analysis) -> dict[tuple[str, str], Pair]:
    """Return the pairs that have ratios, by probe and column."""
    return {(pair.probe, pair.column): pair for pair in found.comparison.pairs if pair.headline}


def _difference(one: Pair, two: Pair, tolerance: float) -> Difference:
    """Return how a pair has changed, over the workloads that both campaigns have."""
    before, after = by_workload(one), by_workload(two)
    common = tuple(sorted(before.keys() & after.keys()))
    if not common:
        return Difference(
            probe=one.probe, column=one.column, state="inconclusive", reason="no common workload"
        )
    value, u, df = _step([before[w] for w in common], [after[w] for w in common])
    runs = sum(len(before[w]) + len(after[w]) for w in common)
    step = Estimate(value, u, None, None, 0.95, "change of ln(ratio)", runs, len(common))
    if u is None:
        return Difference(
            probe=one.probe,
            column=one.column,
            state="inconclusive",
            change=math.expm1(value),
            workloads=common,
            reason="one run of one workload each: no spread to judge by",
        )
    margin = math.log1p(tolerance)
    found = tost(step, df, -margin, margin)
    exact = u == 0.0
    state = ("same" if abs(value) <= margin else "changed") if exact else STATES[found.state]
    low, high = (value, value) if exact else (found.estimate.low, found.estimate.high)
    return Difference(
        probe=one.probe,
        column=one.column,
        state=state,
        change=math.expm1(value),
        low=None if low is None else math.expm1(low),
        high=None if high is None else math.expm1(high),
        en=_en(one, two),
        workloads=common,
        reason="all runs are identical" if exact else "",
    )


def by_workload(pair: Pair) -> dict[str, list[float]]:
    """Return ln(ratio) of the runs of each workload."""
    out: dict[str, list[float]] = {}
    for row in pair.usable:
        out.setdefault(row.workload, []).append(math.log(row.ratio or 1.0))
    return out


def _step(
    before: Sequence[list[float]], after: Sequence[list[float]]
) -> tuple[float, float | None, float]:
    """Return the mean change, its standard uncertainty and degrees of freedom.

    With workloads in common the change of each is one value, so that what they share in both
    campaigns drops out. The runs' own spread is a floor: a few workloads may agree by luck.
    """
    steps = np.array([np.mean(b) - np.mean(a) for a, b in zip(before, after, strict=True)])
    groups = [np.array(group) for group in (*before, *after)]
    df = sum(group.size - 1 for group in groups)
    value, k = float(steps.mean()), steps.size
    of_runs = 0.0
    if df:
        pooled = sum(float(((g - g.mean()) ** 2).sum()) for g in groups) / df
        of_runs = math.sqrt(pooled * sum(1 / g.size for g in groups)) / k
    of_steps = float(steps.std(ddof=1)) / math.sqrt(k) if k > 1 else 0.0
    if k == 1 and not df:
        return value, None, 1.0
    return (value, of_steps, k - 1.0) if of_steps >= of_runs else (value, of_runs, float(df))


def _en(one: Pair, two: Pair) -> float | None:
    """Return En of the two mean ratios with the intervals that the campaigns state."""
    logs = []
    for pair in (one, two):
        ratio = pair.ratio and pair.ratio.ratio
        if not ratio or ratio.low is None or ratio.high is None:
            return None
        half = (math.log(ratio.high) - math.log(ratio.low)) / 2
        logs.append((math.log(ratio.value), half))
    if max(half for _, half in logs) < 1e-9:  # identical runs: there is no uncertainty to go by
        return None
    return en_number(*logs[0], *logs[1])


def conditions(found: Analysis) -> dict[str, str]:
    """Return everything that may have changed between campaigns of one machine."""
    record = found.campaign.record
    out = {name: str(getattr(record.machine, name)) for name in (*IDENTITY, *CONDITIONS)}
    out["crosswatt"] = record.crosswatt
    out["faults of the bench"] = "; ".join(record.faults) or "none"
    for name, summary in found.comparison.probes.items():
        for fact, value in summary.facts.items():
            if fact not in PASSING:
                out[f"{name}: {fact}"] = value
    return out


def _changed(one: Mapping[str, str], two: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return what differs: name -> before, after."""
    return {
        name: (one.get(name, "not there"), two.get(name, "not there"))
        for name in {**one, **two}
        if one.get(name) != two.get(name)
    }


def _same_machine(found: Sequence[Analysis]) -> None:
    """Refuse campaigns of two machines."""
    first = found[0].campaign
    for each in found[1:]:
        differing = machine_differences(first.record.machine, each.campaign.record.machine)
        if differing:
            raise CrosswattError(
                f"{first.folder} and {each.campaign.folder} are of two machines "
                f"({', '.join(differing)} differ), whose factors may differ for good reasons. "
                "Add --anyway to compare them all the same."
            )


class Session(Document):
    """One campaign as a point of a chart; ``ratio`` over the workloads common to all."""

    folder: str
    at: str
    ratio: float
    coincides: dict[str, tuple[str, str]] = {}


class Course(Document):
    """One probe's column over time; what could not be had is None with a reason."""

    probe: str
    column: str
    workloads: tuple[str, ...]
    sessions: tuple[Session, ...]
    state: State
    out: tuple[str, ...] = ()
    change: ChangeOfLevel | None = None
    trend: Trend | None = None
    chart: ControlChart | None = None
    reason: str = ""


class Drift(Document):
    """A folder of campaigns of one machine, over time."""

    simulated: bool
    courses: tuple[Course, ...]

    @property
    def state(self) -> State:
        """Changed where one has, else inconclusive where one cannot be told."""
        states = {each.state for each in self.courses}
        if "changed" in states:
            return "changed"
        return "inconclusive" if not states or "inconclusive" in states else "same"


def detect_drift(folder: Path, alpha: float = 0.01) -> Drift:
    """Chart every probe over the campaigns in a folder, in the order they were made.

    Parameters
    ----------
    folder : holds campaign folders.
    alpha : probability of calling a change where there is none, for each probe.

    Raises
    ------
    CrosswattError : fewer than two campaigns, or they are of two machines.
    """
    places = sorted(path.parent for path in folder.glob(f"*/{store.CAMPAIGN}"))
    if len(places) < 2:
        raise CrosswattError(
            f"{folder} holds {len(places)} campaign folder(s); drift takes at least two. Give the "
            "folder that they lie in."
        )
    found = [analysis.analyze(place) for place in places]
    found.sort(key=lambda each: each.campaign.record.created)
    _same_machine(found)
    keys = list(dict.fromkeys(key for each in found for key in _pairs(each)))
    return Drift(
        simulated=any(each.comparison.simulated for each in found),
        courses=tuple(_course(key, found, alpha) for key in keys),
    )


def _course(key: tuple[str, str], found: Iterable[Analysis], alpha: float) -> Course:
    """Return one probe's column over time."""
    mine = [each for each in found if key in _pairs(each)]
    logs = [by_workload(_pairs(each)[key]) for each in mine]
    common = tuple(sorted(set.intersection(*(set(each) for each in logs))))
    if not common:
        reason = "no workload is common to all campaigns"
        return Course(
            probe=key[0], column=key[1], workloads=(), sessions=(), state="inconclusive",
            reason=reason,
        )  # fmt: skip
    values = [float(np.mean([np.mean(each[w]) for w in common])) for each in logs]
    known = [conditions(each) for each in mine]
    sessions = tuple(
        Session(
            folder=each.campaign.folder.name,
            at=each.campaign.record.created,
            ratio=math.exp(value),
            coincides=_changed(known[i - 1], known[i]) if i else {},
        )
        for i, (each, value) in enumerate(zip(mine, values, strict=True))
    )
    return _judged(key, common, sessions, values, alpha)


def _judged(
    key: tuple[str, str],
    common: tuple[str, ...],
    sessions: tuple[Session, ...],
    values: Sequence[float],
    alpha: float,
) -> Course:
    """Return the course with chart, change and trend, where there are sessions enough."""
    course = Course(
        probe=key[0], column=key[1], workloads=common, sessions=sessions, state="inconclusive"
    )
    if len(values) < LEAST_SESSIONS:
        reason = f"{len(values)} sessions; a chart takes {LEAST_SESSIONS}"
        return course.model_copy(update={"reason": reason})
    if max(values) == min(values):
        return course.model_copy(update={"state": "same", "reason": "all sessions are identical"})
    # Two questions share alpha: a step, and a slow change that only the chart sees.
    chart, step = ewma(values, alpha=alpha / 2), change_of_level(values)
    days = [datetime.fromisoformat(each.at).timestamp() / 86400 for each in sessions]
    spread = max(days) > min(days)
    certain = step.p_value < alpha / 2
    return course.model_copy(
        update={
            "state": "changed" if certain or chart.out else "same",
            "out": tuple(sessions[i].folder for i in chart.out),
            "change": step if certain else None,
            "trend": trend(days, values) if spread else None,
            "chart": chart,
        }
    )
