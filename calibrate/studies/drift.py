"""Whether probes have changed over a folder of campaigns of one machine, and when.

A column beside a reference of the same scope has a mean ln(probe/reference) in each campaign, over
the workloads that all of them have. Beside a reference that covers more (a wall meter for RAPL) it
has what the reference shows beyond what follows the probe, in W (`calibrate.studies.power_lines`).
Below five campaigns there is no chart; then each is compared with the first, as `diff` does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from calibrate import analysis, store
from calibrate.analysis import Analysis
from calibrate.comparison import Pair
from calibrate.errors import CrosswattError
from calibrate.stats import (
    LEAST_SESSIONS,
    ChangeOfLevel,
    ControlChart,
    RepeatedValues,
    Trend,
    change_of_level,
    ewma,
    trend,
)
from calibrate.store import Document
from calibrate.studies.conditions import changed_conditions, refuse_two_machines
from calibrate.studies.differences import (
    Difference,
    State,
    common_workloads,
    difference,
    log_ratios,
    pairs_of,
    worst,
)
from calibrate.studies.power_lines import beyond, common_line


class Session(Document):
    """One campaign as a point of a chart.

    ``ratio`` is over the workloads common to all; ``beyond_w`` what a reference that covers more
    than the column shows beyond what follows it, W, and None for one that covers the same.
    """

    folder: str
    at: str
    ratio: float
    beyond_w: float | None = None
    coincides: dict[str, tuple[str, str]] = {}


class Course(Document):
    """One probe's column over time; what could not be had is None with a reason.

    The values of ``chart``, ``change`` and ``trend`` are ln(ratio), or W where ``slope`` is given:
    then they are of the reference's power less slope times the probe's. ``differences`` are those
    of the later campaigns from the first, where there are too few for a chart.
    """

    probe: str
    column: str
    workloads: tuple[str, ...]
    sessions: tuple[Session, ...]
    state: State
    slope: float | None = None
    out: tuple[str, ...] = ()
    change: ChangeOfLevel | None = None
    trend: Trend | None = None
    chart: ControlChart | None = None
    differences: tuple[Difference, ...] = ()
    reason: str = ""


class Drift(Document):
    """A folder of campaigns of one machine, over time; `left` has those left out, and why."""

    simulated: bool
    courses: tuple[Course, ...]
    left: dict[str, str] = {}

    @property
    def state(self) -> State:
        """Changed where one has, else inconclusive where one cannot be told."""
        return worst(each.state for each in self.courses)


@dataclass(frozen=True)
class _Question:
    """What is asked of each course: a tolerance, and the share of alpha that it may use."""

    alpha: float
    tolerance: float


def detect_drift(
    folder: Path, alpha: float = 0.01, tolerance: float = 0.01, reference: str | None = None
) -> Drift:
    """Chart every column of every probe over the campaigns in a folder, as they were made.

    Parameters
    ----------
    folder : holds campaign folders.
    alpha : probability of calling a change where there is none, for each probe.
    tolerance : relative change up to which campaigns are the same, where they are too few for a
        chart.
    reference : the probe that the others are compared with; None takes what most campaigns have.

    Raises
    ------
    CrosswattError : fewer than two campaigns, or they are of two machines.
    """
    found, left = _analyses(folder, reference)
    refuse_two_machines(found)
    keys = list(dict.fromkeys(key for each in found for key in pairs_of(each)))
    columns = Counter(probe for probe, _ in keys)
    return Drift(
        simulated=any(each.comparison.simulated for each in found),
        courses=tuple(
            _course(key, found, _Question(alpha / columns[key[0]], tolerance)) for key in keys
        ),
        left=left,
    )


def _analyses(folder: Path, reference: str | None) -> tuple[list[Analysis], dict[str, str]]:
    """Return the campaigns beside one reference in the order of time, and those left out."""
    places = sorted(path.parent for path in folder.glob(f"*/{store.CAMPAIGN}"))
    found: list[Analysis] = []
    left: dict[str, str] = {}
    for place in places:
        try:
            each = analysis.analyze(place, reference, across=True)
        except CrosswattError as error:
            left[place.name] = str(error)
            continue
        if not each.comparison.pairs:
            left[place.name] = f"{each.comparison.reference} is alone in it"
        elif each.campaign.record.day is None:
            left[place.name] = "its date is not known"
        else:
            found.append(each)
    names = Counter(each.comparison.reference for each in found)
    usual = names.most_common(1)[0][0] if names else ""
    for each in found:
        if each.comparison.reference != usual:
            name = each.campaign.folder.name
            left[name] = f"it is beside {each.comparison.reference}, most are beside {usual}"
    found = [each for each in found if each.comparison.reference == usual]
    if len(found) < 2:
        why = "".join(f" {name}: {reason}" for name, reason in left.items())
        raise CrosswattError(
            f"{folder} holds {len(found)} campaign folder(s) that can be used; drift takes at "
            f"least two. Give the folder that they lie in.{why}"
        )
    found.sort(key=lambda each: _when(each.campaign.record.created))
    return found, left


def _when(created: str) -> float:
    """Return seconds since 1970."""
    return datetime.fromisoformat(created).timestamp()


def _course(key: tuple[str, str], found: Sequence[Analysis], question: _Question) -> Course:
    """Return one probe's column over time."""
    there = [each for each in found if key in pairs_of(each)]
    mine = [each for each in there if pairs_of(each)[key].usable]
    empty = Course(probe=key[0], column=key[1], workloads=(), sessions=(), state="inconclusive")
    if not mine:
        return empty.model_copy(update={"state": "same", "reason": "no energy counted in any"})
    course = _charted(empty, mine, [pairs_of(each)[key] for each in mine], question)
    dead = [each.campaign.folder.name for each in there if each not in mine]
    if dead:
        reason = f"no energy counted in {', '.join(dead)}"
        return course.model_copy(update={"state": "changed", "reason": reason})
    return course


def _charted(
    empty: Course, mine: Sequence[Analysis], pairs: Sequence[Pair], question: _Question
) -> Course:
    """Return the course of a column over the campaigns that have it."""
    common = common_workloads(pairs)
    if not common:
        reason = "no workload is common to all campaigns"
        return empty.model_copy(update={"reason": reason})
    logs = [_session_mean(log_ratios(pair, common)) for pair in pairs]
    across = any(pair.across for pair in pairs)
    line = common_line(pairs, common) if across else None
    watts = [_session_mean(beyond(pair, line, common)) for pair in pairs] if line else None
    course = empty.model_copy(
        update={
            "workloads": common,
            "slope": line.slope if line else None,
            "sessions": tuple(
                Session(
                    folder=each.campaign.folder.name,
                    at=each.campaign.record.created,
                    ratio=math.exp(logs[i]),
                    beyond_w=watts[i] if watts else None,
                    coincides=changed_conditions(mine[i - 1], each) if i else {},
                )
                for i, each in enumerate(mine)
            ),
        }
    )
    if len(pairs) < LEAST_SESSIONS:
        return _few(course, pairs, question)
    return _judged(course, watts or logs, question.alpha)


def _session_mean(runs: RepeatedValues) -> float:
    """Return the mean of the workloads' means."""
    groups: dict[str, list[float]] = {}
    for name, value in zip(runs.workload, np.asarray(runs.value).tolist(), strict=True):
        groups.setdefault(name, []).append(value)
    return float(np.mean([np.mean(values) for values in groups.values()]))


def _few(course: Course, pairs: Sequence[Pair], question: _Question) -> Course:
    """Return a course of too few campaigns for a chart: each beside the first."""
    if len(pairs) < 2:
        return course.model_copy(update={"reason": "in one campaign only"})
    share = question.alpha / (len(pairs) - 1)
    found = tuple(difference(pairs[0], pair, question.tolerance, share) for pair in pairs[1:])
    changed = [
        session.folder
        for session, each in zip(course.sessions[1:], found, strict=True)
        if each.state == "changed"
    ]
    return course.model_copy(
        update={
            "state": worst(each.state for each in found),
            "out": tuple(changed),
            "differences": found,
            "reason": f"{len(pairs)} campaigns, each beside the first; a chart takes "
            f"{LEAST_SESSIONS}",
        }
    )


def _judged(course: Course, values: Sequence[float], alpha: float) -> Course:
    """Return the course with chart, change and trend."""
    if max(values) == min(values):
        return course.model_copy(update={"state": "same", "reason": "all sessions are identical"})
    # Two questions share alpha: a step, and a slow change that only the chart sees.
    chart, step = ewma(values, alpha=alpha / 2), change_of_level(values)
    days = [_when(each.at) / 86400 for each in course.sessions]
    spread = max(days) > min(days)
    certain = step.p_value < alpha / 2
    return course.model_copy(
        update={
            "state": "changed" if certain or chart.out else "same",
            "out": tuple(course.sessions[i].folder for i in chart.out),
            "change": step if certain else None,
            "trend": trend(days, values) if spread else None,
            "chart": chart,
        }
    )
