"""Probes over a folder of campaigns, as a page."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from calibrate.quantity import MISSING, counted, signed
from calibrate.reporting.chapters.table import Row as TableRow
from calibrate.reporting.chapters.table import Table
from calibrate.reporting.charts.chart import (
    INK,
    LIMIT,
    SHADE,
    TONES,
    Chart,
    Row,
    nominal,
    scaled,
)
from calibrate.reporting.page import Page, Part
from calibrate.reporting.pages.differences import change_in_watts, relative_change
from calibrate.reporting.rendering import render_page
from calibrate.studies import Course, Drift

_MARKS = {"in control": ("circle", "none"), "outside": ("cross", "fault")}


def drift_page(found: Drift) -> str:
    """Return the page of probes over time."""
    left = tuple(f"{name}: {reason}" for name, reason in found.left.items())
    worst_first = sorted(
        found.courses, key=lambda c: ("changed", "inconclusive", "same").index(c.state)
    )
    parts = [_part(course, place, found.simulated) for place, course in enumerate(worst_first)]
    if left:
        parts.append(Part("left", "Left out", lists=(("", left),)))
    return render_page(
        Page(
            kicker="probes over time",
            title="Probes over time",
            sentence=drift_sentence(found),
            facts={},
            parts=tuple(parts),
            simulated=found.simulated,
        )
    )


def drift_sentence(found: Drift) -> str:
    """Return which columns have changed, and when."""
    changed = [course for course in found.courses if course.state == "changed"]
    campaigns = max((len(course.sessions) for course in found.courses), default=0)
    over = f"over {counted(campaigns, 'campaign')}"
    if not changed:
        if found.state == "same":
            return f"No column changed {over}: {counted(len(found.courses), 'column')} charted."
        return f"No column is seen to change {over}, but not all can be called the same."
    first = changed[0]
    at = ""
    if first.change is not None:
        session = first.sessions[first.change.first]
        at = f" at {session.folder} by {change_of_level_text(first)}"
    more = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
    return (
        f"{counted(len(changed), 'column')} of {len(found.courses)} changed {over}: "
        f"{first.probe} {first.column}{at}{more}."
    )


def change_of_level_text(course: Course) -> str:
    """Return the size of a course's step: a share, or W where the values are W."""
    if course.change is None:
        return MISSING
    step = course.change.step.value
    return signed(math.expm1(step)) if course.slope is None else f"{step:+.3g} W"


def _part(course: Course, place: int, simulated: bool) -> Part:
    reason = f" ({course.reason})" if course.reason else ""
    said = [f"{course.state.capitalize()}{reason}."]
    if course.change is not None:
        said.append(f"The step is {change_of_level_text(course)}, p = {course.change.p_value:.2g}.")
    coincides = []
    for session, what in _steps(course):
        named = [
            f"{name}: {before} -> {after}" for name, (before, after) in session.coincides.items()
        ]
        coincides.append((f"Changed with {session.folder}, {what}", tuple(named)))
    head = ("campaign", "when", "value", "EWMA", "limits", "mark")
    rows = tuple(TableRow(cells) for cells in course_rows(course))
    table = Table(head, rows, frozenset({2, 3, 4}))
    return Part(
        f"course-{place}",
        f"{course.probe} {course.column}",
        tuple(said),
        charts=(_chart(course, f"course-{place}", simulated),),
        caption="A point is a campaign. Line: exponentially weighted mean; shaded: its limits. "
        "A cross is outside, or changed."
        if course.chart
        else "A point is a campaign. A cross has changed.",
        tables=(("Campaigns", table, ""),),
        lists=tuple(coincides),
    )


def _steps(course: Course) -> Iterator[tuple[Any, str]]:
    """Yield the campaigns at which a column changed, with the size of the change."""
    if course.change is not None:
        yield course.sessions[course.change.first], change_of_level_text(course)
    elif course.differences and course.state == "changed":
        for each, session in zip(course.differences, course.sessions[1:], strict=True):
            if each.state == "changed":
                size = change_in_watts(each) if each.across else relative_change(each)
                yield session, f"{size} from the first"


def course_rows(course: Course) -> Iterator[tuple[str, ...]]:
    """Yield a line for every campaign: name, time, value, smoothed value, limits, mark."""
    first = course.change.first if course.change else None
    for place, session in enumerate(course.sessions):
        smooth = limits = MISSING
        if course.chart:
            low, middle, high = (
                _text(course, line[place])
                for line in (course.chart.low, course.chart.smoothed, course.chart.high)
            )
            smooth, limits = middle, f"{low} to {high}"
        seen = math.log(session.ratio) if session.beyond_w is None else session.beyond_w
        mark = "outside" if course.chart else "changed"
        yield (
            session.folder,
            session.at.replace("T", " ").removesuffix("+00:00"),
            _text(course, seen),
            smooth,
            limits,
            "changed here" if place == first else mark if session.folder in course.out else "",
        )


def _value(course: Course, value: float) -> float:
    """Return a value of a chart: a ratio from its logarithm, or W."""
    return math.exp(value) if course.slope is None else value


def _text(course: Course, value: float) -> str:
    found = _value(course, value)
    return f"{found:.4f}" if course.slope is None else f"{found:.1f} W"


def _chart(course: Course, name: str, simulated: bool) -> Chart:
    heading = (
        "probe / reference"
        if course.slope is None
        else f"reference - {course.slope:.3g} x probe / W"
    )
    rows = list(_rows(course))
    values = [float(row["value"] or 0.0) for row in rows]
    out = f"; outside: {', '.join(course.out)}" if course.out else ""
    fields = {"campaign": "campaign", "at": "time", "value": heading}
    if course.chart:
        fields |= {"smoothed": "EWMA", "low": "low", "high": "high"}
    return Chart(
        name=name,
        title=f"{course.probe} {course.column}",
        alt=f"{len(rows)} campaigns from {min(values):.4g} to {max(values):.4g}{out}.",
        rows=rows,
        fields=fields,
        layers=_layers(course, heading),
        width=520,
        simulated=simulated,
    )


def _rows(course: Course) -> Iterator[Row]:
    for place, session in enumerate(course.sessions):
        seen = math.log(session.ratio) if session.beyond_w is None else session.beyond_w
        row: dict[str, float | str | None] = {
            "campaign": session.folder,
            "at": session.at,
            "value": _value(course, seen),
            "mark": "outside" if session.folder in course.out else "in control",
        }
        if course.chart:
            row |= {
                "smoothed": _value(course, course.chart.smoothed[place]),
                "low": _value(course, course.chart.low[place]),
                "high": _value(course, course.chart.high[place]),
            }
        yield row


def _layers(course: Course, heading: str) -> list[dict[str, Any]]:
    x = {"field": "campaign", "type": "ordinal", "sort": None, "title": None}
    y = scaled("value", heading, "~g", {"zero": False})
    state = nominal("mark")
    colour = {"domain": [*_MARKS], "range": [TONES["none"], TONES["fault"]]}
    shape = {"domain": [*_MARKS], "range": [each for each, _ in _MARKS.values()]}
    tips: list[dict[str, Any]] = [
        {"field": "campaign"},
        {"field": "at", "title": "time"},
        {"field": "value", "title": heading, "format": ".5g"},
    ]
    limits = {
        "mark": {"type": "area", "color": SHADE, "interpolate": "linear"},
        "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
    }
    smooth = {
        "mark": {"type": "line", "color": INK},
        "encoding": {"x": x, "y": {**y, "field": "smoothed"}},
    }
    points = {
        "mark": {"type": "point", "filled": True, "size": 70},
        "encoding": {
            "x": x,
            "y": y,
            "color": {**state, "scale": colour, "legend": None},
            "shape": {**state, "scale": shape, "legend": None},
            "tooltip": tips,
        },
    }
    step = (
        {
            "data": {"values": [{"at": course.sessions[course.change.first].folder}]},
            "mark": {"type": "rule", "color": TONES["fault"], "strokeDash": list(LIMIT)},
            "encoding": {"x": {**x, "field": "at"}},
        }
        if course.change
        else None
    )
    return [*([limits, smooth] if course.chart else []), *([step] if step else []), points]
