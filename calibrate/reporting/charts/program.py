"""Energy of a mean run of the user's program, by each probe."""

from __future__ import annotations

from typing import Any

from calibrate.analysis import Analysis
from calibrate.costs import Usage
from calibrate.quantity import number
from calibrate.reporting.charts.chart import (
    INK,
    MOST_PROBES,
    STEP,
    Chart,
    Row,
    nominal,
    scaled,
    whisker,
)


def program_charts(analysis: Analysis) -> list[Chart]:
    """Return a chart for each program of the user."""
    charts = []
    for place, workload in enumerate(dict.fromkeys(each.workload for each in analysis.program)):
        used = [each for each in analysis.program if each.workload == workload][: MOST_PROBES + 1]
        said = "; ".join(f"{each.probe} {number(each.joules)} J" for each in used)
        charts.append(
            Chart(
                name=f"program-{place}",
                title=workload,
                alt=f"Energy of a mean run of {workload} by each probe: {said}.",
                rows=[_row(each) for each in used],
                fields={
                    "by": "by",
                    "joules": "energy / J",
                    "low": "low (95 %) / J",
                    "high": "high (95 %) / J",
                    "reading": "reading",
                },
                layers=_layers(),
                height=STEP * max(len(used), 2),
                simulated=analysis.comparison.simulated,
            )
        )
    return charts


def _row(used: Usage) -> Row:
    reach = 2 * (used.u_relative or 0.0) * used.joules
    return {
        "by": f"{used.probe} ({used.scope})",
        "joules": used.joules,
        "low": used.joules - reach,
        "high": used.joules + reach,
        "reading": used.how,
    }


def _layers() -> list[dict[str, Any]]:
    x, y = scaled("joules", "energy / J", scale={"zero": True}), nominal("by")
    tips: list[dict[str, Any]] = [
        {"field": "by"},
        {"field": "joules", "title": "energy / J", "format": ".5g"},
        {"field": "low", "format": ".5g"},
        {"field": "high", "format": ".5g"},
        {"field": "reading"},
    ]
    return [
        whisker("x", x, "low", "high", y=y, color={"value": INK}),
        {
            "mark": {"type": "point", "color": INK, "filled": True},
            "encoding": {"x": x, "y": y, "tooltip": tips},
        },
    ]
