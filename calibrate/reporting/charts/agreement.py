"""Agreement: ratio beside mean energy, both logarithmic, with limits (Bland & Altman 1999)."""

from __future__ import annotations

import math
from typing import Any

from calibrate.analysis import Analysis, Finding
from calibrate.quantity import number
from calibrate.reporting.charts.chart import (
    EQUAL,
    INK,
    LIMIT,
    MEAN,
    Chart,
    Look,
    Row,
    looks,
    rule,
    scaled,
)
from calibrate.reporting.charts.ratios import RUN_FIELDS, TIPS, run_row, worst_findings


def agreement_charts(analysis: Analysis) -> list[Chart]:
    """Return a chart for the worst column of each probe."""
    known = looks(analysis)
    return [
        _chart(analysis, finding, known[finding.probe], f"agreement-{place}")
        for place, finding in enumerate(worst_findings(analysis))
    ]


def _chart(analysis: Analysis, finding: Finding, look: Look, name: str) -> Chart:
    rows: list[Row] = [
        {**run_row(row), "mean": float(f"{math.sqrt(row.probe_j * row.reference_j):.6g}")}
        for row in finding.pair.usable
    ]
    limits = finding.limits
    ends = [end.value for end in (limits.lower, limits.upper) if end] if limits else []
    between = f"; 95 % of runs from {' to '.join(map(number, ends))}" if len(ends) == 2 else ""
    mean = finding.ratio.value if finding.ratio else 1.0
    return Chart(
        name=name,
        title=f"{finding.probe}: {finding.column}",
        alt=f"Ratio of {finding.probe} {finding.column} over the mean energy of each run: mean "
        f"{number(mean)}{between}.",
        rows=rows,
        fields={**RUN_FIELDS, "mean": "mean energy / J"},
        layers=_layers(mean, ends, look),
        simulated=analysis.comparison.simulated,
    )


def _layers(mean: float, ends: list[float], look: Look) -> list[dict[str, Any]]:
    log = {"type": "log", "nice": False, "padding": 12}
    x = scaled("mean", "geometric mean of both / J", "~s", log)
    y = scaled("ratio", "probe / reference", scale=log)
    equal = [rule(1.0, "y", y, INK, EQUAL)] if 0.5 < mean < 2 else []
    points = {
        "params": [{"name": "zoom", "select": "interval", "bind": "scales"}],
        "mark": {"type": "point", "color": look.colour, "shape": look.shape, "clip": True},
        "encoding": {"x": x, "y": y, "tooltip": TIPS},
    }
    return [
        rule(mean, "y", y, look.colour, MEAN),
        *(rule(end, "y", y, look.colour, LIMIT) for end in ends),
        *equal,
        points,
    ]
