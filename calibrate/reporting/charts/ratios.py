"""Ratio of every run by workload and by length, one axis of ratios for a probe."""

from __future__ import annotations

from typing import Any

from calibrate.analysis import Analysis, Finding
from calibrate.comparison import PairedRun
from calibrate.quantity import number
from calibrate.reporting.charts.chart import (
    EQUAL,
    INK,
    LIMIT,
    MEAN,
    MOST_PROBES,
    STEP,
    Chart,
    Look,
    Row,
    band,
    looks,
    rule,
    scaled,
)


def worst_findings(analysis: Analysis) -> list[Finding]:
    """Return the worst column of each probe that has charts of its own, the worst probe first."""
    found = [v.worst for v in analysis.verdicts if v.worst and v.worst.ratio]
    return found[:MOST_PROBES]


def ratio_charts(analysis: Analysis) -> list[Chart]:
    """Return two charts for each probe: its ratios by workload, and by length of the run."""
    known = looks(analysis)
    charts = []
    for place, finding in enumerate(worst_findings(analysis)):
        rows = [run_row(row) for row in finding.pair.usable]
        values = [float(row["ratio"] or 0.0) for row in rows]
        ends = _ends(values, finding)
        names = {row["workload"] for row in rows}
        for by, what in (("workload", "by workload"), ("s", "by length of the run")):
            charts.append(
                Chart(
                    name=f"ratio-{place}-{by}",
                    title=f"{finding.probe}: {finding.column}, {what}",
                    alt=f"Ratios of {finding.probe} {finding.column} {what}, from "
                    f"{number(min(values))} to {number(max(values))}.",
                    rows=rows,
                    fields=RUN_FIELDS,
                    layers=_layers(by, finding, known[finding.probe], ends),
                    height=STEP * len(names) if by == "workload" else 160,
                    simulated=analysis.comparison.simulated,
                )
            )
    return charts


RUN_FIELDS = {
    "run": "run",
    "workload": "workload",
    "s": "length / s",
    "reference": "reference / J",
    "probe": "probe / J",
    "ratio": "ratio",
}


def run_row(row: PairedRun) -> Row:
    """Return what charts show of a run."""
    return {
        "run": row.run,
        "workload": row.workload,
        "s": float(f"{row.seconds:.6g}"),
        "reference": float(f"{row.reference_j:.7g}"),
        "probe": float(f"{row.probe_j:.7g}"),
        "ratio": float(f"{row.ratio or 0.0:.7g}"),
    }


def _ends(values: list[float], finding: Finding) -> list[float]:
    """Return an axis that holds the ratios and the limits of agreement."""
    limits = finding.limits
    ends = [end.value for end in (limits.lower, limits.upper) if end] if limits else []
    low, high = min([*values, *ends]), max([*values, *ends])
    room = max((high / low) ** 0.08, 1.002)
    return [low / room, high * room]


def _layers(by: str, finding: Finding, look: Look, ends: list[float]) -> list[dict[str, Any]]:
    ratio = scaled(
        "ratio", "probe / reference", scale={"type": "log", "domain": ends, "nice": False}
    )
    workload = {"field": "workload", "type": "nominal", "title": None}
    length = scaled("s", "length / s", scale={"type": "log", "nice": False, "padding": 10})
    # Names are read on the left.
    along, other, across = ("x", "y", workload) if by == "workload" else ("y", "x", length)
    mean, limits = finding.ratio, finding.limits
    shaded = []
    if mean and mean.low and mean.high:
        shaded = [band(max(mean.low, ends[0]), min(mean.high, ends[1]), along, ratio)]
    lines = [(mean.value, look.colour, MEAN)] if mean else []
    lines += [(1.0, INK, EQUAL)]
    lines += [
        (end.value, look.colour, LIMIT)
        for end in ((limits.lower, limits.upper) if limits else ())
        if end
    ]
    points = {
        "mark": {"type": "point", "color": look.colour, "shape": look.shape},
        "encoding": {along: ratio, other: across, "tooltip": TIPS},
    }
    inside = [line for line in lines if ends[0] <= line[0] <= ends[1]]
    return [
        *shaded,
        *(rule(value, along, ratio, colour, dash) for value, colour, dash in inside),
        points,
    ]


TIPS = [
    {"field": "workload"},
    {"field": "run"},
    {"field": "ratio", "format": ".5g"},
    {"field": "s", "title": "length / s", "format": ".4g"},
    {"field": "probe", "title": "probe / J", "format": ".5g"},
    {"field": "reference", "title": "reference / J", "format": ".5g"},
]
