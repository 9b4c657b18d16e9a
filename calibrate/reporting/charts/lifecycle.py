"""Uses a day against the days until use has cost as much as training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from calibrate.analysis import Analysis
from calibrate.costs import Bill
from calibrate.quantity import figure
from calibrate.reporting.charts.chart import (
    INK,
    LIMIT,
    LOG,
    MOST_SERIES,
    Chart,
    Look,
    Row,
    by_probe,
    looks,
    nominal,
    rule,
    scaled,
)

_YEAR_DAYS = 365.0
_PER_DAY = np.logspace(0, 7, 15)


def lifecycle_charts(analysis: Analysis, found: Sequence[Bill]) -> list[Chart]:
    """Return a chart for every model."""
    known = looks(analysis)
    charts = []
    for place, name in enumerate(dict.fromkeys(bill.name for bill in found)):
        mine = [bill for bill in found if bill.name == name and bill.probe in known]
        if mine:
            charts.append(_chart(analysis, mine[:MOST_SERIES], known, f"lifecycle-{place}"))
    return charts


def _chart(analysis: Analysis, bills: Sequence[Bill], known: dict[str, Look], name: str) -> Chart:
    words = "; ".join(f"{bill.probe} {figure(bill.uses[0])} uses" for bill in bills)
    return Chart(
        name=name,
        title=bills[0].name,
        alt=f"Days until use has cost as much as training, over uses a day: equal after {words}.",
        rows=[row for bill in bills for row in _rows(bill)],
        fields={
            "probe": "probe",
            "per_day": "uses a day",
            "days": "days until equal",
            "low": "low (2 u)",
            "high": "high (2 u)",
        },
        layers=_layers([bill.probe for bill in bills], known),
        simulated=analysis.comparison.simulated,
    )


def _rows(bill: Bill) -> Iterator[Row]:
    """Yield the points of a line, with two standard uncertainties about each."""
    uses, u = bill.uses
    low, high = max(uses - 2 * u, uses / 100), uses + 2 * u
    for per_day in _PER_DAY:
        days, less, more = (float(f"{each / per_day:.6g}") for each in (uses, low, high))
        yield {
            "probe": bill.probe,
            "per_day": float(f"{per_day:.6g}"),
            "days": days,
            "low": less,
            "high": more,
        }


def _layers(names: Sequence[str], known: dict[str, Look]) -> list[dict[str, Any]]:
    x = scaled("per_day", "uses a day", "~s", {"type": "log", "nice": False})
    y = scaled("days", "days until equal", scale=LOG)
    probe = nominal("probe")
    # The legend shows the lines, and not the pale bands about them.
    legend = {"symbolOpacity": 1, "symbolType": "stroke"}
    colour = {**probe, "scale": by_probe(names, known, "colour"), "legend": legend}
    tips = [
        {"field": "probe"},
        {"field": "per_day", "title": "uses a day", "format": ".3g"},
        {"field": "days", "title": "days until equal", "format": ".3g"},
    ]
    return [
        {
            "mark": {"type": "area", "opacity": 0.15},
            "encoding": {
                "x": x,
                "y": {**y, "field": "low"},
                "y2": {"field": "high"},
                "color": colour,
            },
        },
        rule(_YEAR_DAYS, "y", y, INK, LIMIT),
        {
            "mark": {"type": "line", "point": {"opacity": 0, "size": 80}},
            "encoding": {
                "x": x,
                "y": y,
                "color": colour,
                "strokeDash": {**probe, "scale": by_probe(names, known, "dash")},
                "tooltip": tips,
            },
        },
    ]
