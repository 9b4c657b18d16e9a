"""Errors before and after correction, held out, and what the uncertainty is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from calibrate.analysis import Analysis, Finding
from calibrate.quantity import percent
from calibrate.reporting.charts.chart import (
    EQUAL,
    INK,
    SOFT,
    STEP,
    Chart,
    Look,
    Row,
    band,
    looks,
    rule,
    scaled,
)
from calibrate.reporting.charts.ratios import worst_findings

_STAGES = ("as reported", "corrected, held out")


def correction_charts(analysis: Analysis) -> list[Chart]:
    """Return the error of each workload before and after, for probes that have a correction."""
    known = looks(analysis)
    charts = []
    for place, finding in enumerate(worst_findings(analysis)):
        held = finding.correction.held_out
        if held and finding.correction.verdict != "not calibratable":
            charts.append(_chart(analysis, finding, held, known[finding.probe], f"held-{place}"))
    return charts


def _chart(
    analysis: Analysis, finding: Finding, held: dict[str, float], look: Look, name: str
) -> Chart:
    rows = list(_rows(finding, held))
    fitness = finding.correction.fitness
    reach = fitness.expanded_u if fitness else None
    worst = max((abs(error) for error in held.values()), default=0.0)
    return Chart(
        name=name,
        title=f"{finding.probe}: {finding.column}",
        alt=f"Error of each workload as reported and after a correction that was fitted on the "
        f"others; at most {percent(worst)} is left.",
        rows=rows,
        fields={"workload": "workload", "stage": "reading", "error": "error / %"},
        layers=_layers(look, reach),
        height=STEP * len(held),
        simulated=analysis.comparison.simulated,
    )


def _rows(finding: Finding, held: dict[str, float]) -> Iterator[Row]:
    """Yield the mean error of each workload before and after."""
    for workload, error in held.items():
        mine = [row.ratio for row in finding.pair.usable if row.workload == workload]
        logs = [np.log(ratio) for ratio in mine if ratio]
        if logs:
            before = 100 * float(np.expm1(np.mean(logs)))
            yield {"workload": workload, "stage": _STAGES[0], "error": float(f"{before:.6g}")}
        yield {"workload": workload, "stage": _STAGES[1], "error": float(f"{100 * error:.6g}")}


def _layers(look: Look, reach: float | None) -> list[dict[str, Any]]:
    x = scaled("error", "error / %", ".4~f", {"type": "symlog", "constant": 5})
    colour = {"domain": list(_STAGES), "range": [SOFT, look.colour]}
    shape = {"domain": list(_STAGES), "range": ["circle", "diamond"]}
    stage = {"field": "stage", "type": "nominal", "title": None}
    tips = [
        {"field": "workload"},
        {"field": "stage", "title": "reading"},
        {"field": "error", "title": "error / %", "format": ".3g"},
    ]
    within = [] if reach is None else [band(100 * (1 / (1 + reach) - 1), 100 * reach, "x", x)]
    return [
        *within,
        rule(0.0, "x", x, INK, EQUAL),
        {
            "mark": {"type": "point", "filled": True},
            "encoding": {
                "y": {"field": "workload", "type": "nominal", "title": None},
                "x": x,
                "color": {**stage, "scale": colour},
                "shape": {**stage, "scale": shape},
                "tooltip": tips,
            },
        },
    ]


def budget_charts(analysis: Analysis) -> list[Chart]:
    """Return what the variance of a corrected reading is made of, for each probe with a budget."""
    charts = []
    for place, finding in enumerate(worst_findings(analysis)):
        budget = finding.correction.budget
        parts = [part for part in budget.parts if part.share >= 0.005] if budget else []
        if not parts:
            continue
        rows: list[Row] = [
            {
                "source": part.name,
                "share": float(f"{100 * part.share:.4g}"),
                "u": float(f"{100 * part.u:.4g}"),
            }
            for part in sorted(parts, key=lambda part: -part.share)
        ]
        said = "; ".join(f"{row['source']} {row['share']} %" for row in rows)
        charts.append(
            Chart(
                name=f"budget-{place}",
                title=f"{finding.probe}: {finding.column}",
                alt=f"Shares of the variance of a corrected reading: {said}.",
                rows=rows,
                fields={
                    "source": "source",
                    "share": "share of the variance / %",
                    "u": "standard uncertainty / %",
                },
                layers=[_bars(looks(analysis)[finding.probe])],
                height=STEP * len(rows),
                simulated=analysis.comparison.simulated,
            )
        )
    return charts


def _bars(look: Look) -> dict[str, Any]:
    tips = [
        {"field": "source"},
        {"field": "share", "title": "share / %"},
        {"field": "u", "title": "standard uncertainty / %"},
    ]
    return {
        "mark": {"type": "bar", "color": look.colour, "height": 12},
        "encoding": {
            "y": {"field": "source", "type": "nominal", "sort": None, "title": None},
            "x": scaled("share", "share of the variance / %", scale={"domain": [0, 100]}),
            "tooltip": tips,
        },
    }
