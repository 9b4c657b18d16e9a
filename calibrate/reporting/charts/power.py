"""Power over time: for every workload the run of middle length, nothing corrected."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from calibrate.analysis import Analysis
from calibrate.comparison import PowerTrace, RunPower
from calibrate.quantity import number
from calibrate.reporting.charts.chart import (
    MOST_SERIES,
    Chart,
    Look,
    Row,
    band,
    by_probe,
    looks,
    scaled,
)
from calibrate.reporting.charts.ratios import worst_findings

#: A probe further off than this factor has a chart of its own.
_APART = 15.0
#: Points of one line; more are drawn as the means of neighbours.
_POINTS = 240
#: Workloads that have charts; the table of workloads has all.
_MOST = 12


def power_charts(analysis: Analysis) -> list[Chart]:
    """Return charts of every workload: the worst probes, in groups that one chart can hold."""
    known = looks(analysis)
    far = {each.probe for each in analysis if each.headline and _is_far(each.ratio)}
    shown = {finding.probe for finding in worst_findings(analysis)}
    charts = []
    for place, run in enumerate(analysis.power[:_MOST]):
        for number_, group in enumerate(_groups(run, far, shown)):
            charts.append(_chart(analysis, run, group, known, f"power-{place}-{number_}"))
    return charts


def _is_far(ratio: Any) -> bool:
    return ratio is not None and abs(float(np.log(ratio.value))) > np.log(_APART)


def _groups(run: RunPower, far: set[str], shown: set[str]) -> Iterator[list[PowerTrace]]:
    """Yield traces that are drawn together: as many as can be told apart, of alike size."""
    drawn = [trace for trace in run.probes if trace.probe in shown]
    near = [trace for trace in drawn if trace.probe not in far]
    reference = list(run.reference)
    room = max(MOST_SERIES - 1, 1)
    for first in range(0, max(len(near), 1), room):
        yield [*reference, *near[first : first + room]]
    apart = [trace for trace in drawn if trace.probe in far]
    for first in range(0, len(apart), MOST_SERIES):
        yield apart[first : first + MOST_SERIES]


def _chart(
    analysis: Analysis,
    run: RunPower,
    traces: Sequence[PowerTrace],
    known: dict[str, Look],
    name: str,
) -> Chart:
    rows = [row for place, trace in enumerate(traces) for row in _rows(trace, place)]
    names = list(dict.fromkeys(trace.probe for trace in traces))
    said = "; ".join(
        f"{trace.probe} {trace.column} about {number(float(np.nanmedian(trace.watts)))} W"
        for trace in traces
        if np.isfinite(trace.watts).any()
    )
    return Chart(
        name=name,
        title=f"{run.workload} (run {run.run})",
        alt=f"Watts over time in {run.workload}: {said}.",
        rows=rows,
        fields={"s": "time / s", "w": "power / W", "probe": "probe", "column": "column"},
        layers=_layers(run, names, known, analysis.comparison.reference),
        simulated=analysis.comparison.simulated,
    )


def _rows(trace: PowerTrace, place: int) -> Iterator[Row]:
    """Yield the points of a line; a step lasts until the next."""
    several = max(-(-trace.watts.size // _POINTS), 1)
    for first in range(0, trace.watts.size, several):
        some = trace.watts[first : first + several]
        known = some[np.isfinite(some)]
        yield _point(trace, place, trace.edges_s[first], known.mean() if known.size else None)
    if trace.watts.size and np.isfinite(trace.watts[-1]):
        yield _point(trace, place, trace.edges_s[-1], trace.watts[-1])


def _point(trace: PowerTrace, place: int, seconds: float, watts: float | None) -> Row:
    """Return a point of a line, to as many digits as a chart can show."""
    return {
        "s": float(f"{seconds:.6g}"),
        "w": None if watts is None else float(f"{watts:.6g}"),
        "probe": trace.probe,
        "column": trace.column,
        "line": place,
    }


def _layers(
    run: RunPower, names: Sequence[str], known: dict[str, Look], reference: str
) -> list[dict[str, Any]]:
    ends = [-run.before_s, run.seconds + run.after_s]
    x = scaled("s", "time / s", scale={"domain": ends, "nice": False})
    y = scaled("w", "power / W", scale={"zero": True})
    probe = {"field": "probe", "type": "nominal", "title": None}
    tips = [
        {"field": "probe"},
        {"field": "column"},
        {"field": "s", "title": "time / s", "format": ".2f"},
        {"field": "w", "title": "power / W", "format": ".4g"},
    ]
    # The reference is a pale band that others lie upon.
    is_reference = f"datum.probe === {json.dumps(reference)}"
    lines = {
        "params": [{"name": "zoom", "select": "interval", "bind": "scales"}],
        "mark": {"type": "line", "interpolate": "step-after", "clip": True},
        "encoding": {
            "x": x,
            "y": y,
            "color": {**probe, "scale": by_probe(names, known, "colour")},
            "strokeDash": {**probe, "scale": by_probe(names, known, "dash")},
            "detail": {"field": "line"},
            "strokeWidth": {"condition": {"test": is_reference, "value": 5}, "value": 1.5},
            "opacity": {"condition": {"test": is_reference, "value": 0.35}, "value": 1},
        },
    }
    hover = {
        "mark": {"type": "point", "opacity": 0, "size": 80, "clip": True},
        "encoding": {"x": x, "y": y, "tooltip": tips},
    }
    return [band(0.0, run.seconds, "x", x), lines, hover]
