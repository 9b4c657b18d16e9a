"""The ratio of every column, with its interval, beside the band of the need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from calibrate.analysis import Analysis, Finding
from calibrate.calibration import NEED
from calibrate.quantity import counted, number
from calibrate.reporting.cards import Tone, tone_of
from calibrate.reporting.charts.chart import EQUAL, INK, STEP, TONES, Chart, Row, band, rule, scaled

#: Columns that a chart can hold; the worst are shown.
_MOST = 40
_SHAPES: dict[Tone, str] = {"fault": "cross", "open": "diamond", "good": "circle"}
_WORDS: dict[Tone, str] = {"fault": "fault", "open": "not settled", "good": "no fault found"}


def forest_chart(analysis: Analysis) -> Chart | None:
    """Return the chart of all columns that have a ratio; None where none has."""
    found = [f for verdict in analysis.verdicts for f in verdict.findings if f.ratio]
    if not found:
        return None
    need = _need(found)
    rows = [_row(finding) for finding in found[:_MOST]]
    shown = f" The worst {_MOST} of {len(found)} are shown." if len(found) > _MOST else ""
    return Chart(
        name="forest",
        title=f"probe / {analysis.comparison.reference}",
        alt=f"Mean ratio of {counted(len(rows), 'column')} with its interval (95 %), the worst "
        f"probe first, beside the band of {100 * need:.3g} % about 1: "
        f"{'; '.join(_words(rows))}.{shown}",
        rows=rows,
        fields={
            "column": "column",
            "ratio": "ratio",
            "low": "low (95 %)",
            "high": "high (95 %)",
            "finding": "finding",
        },
        layers=_layers(need),
        width=360,
        height=STEP * len(rows),
        simulated=analysis.comparison.simulated,
    )


def _need(found: list[Finding]) -> float:
    """Return the need that corrections were compared with."""
    fitness = found[0].correction.fitness
    return fitness.need if fitness else NEED


def _row(finding: Finding) -> Row:
    ratio = finding.ratio
    value = ratio.value if ratio else None
    return {
        "column": f"{finding.probe}: {finding.column}",
        "ratio": value,
        "low": ratio.low if ratio and ratio.low else value,
        "high": ratio.high if ratio and ratio.high else value,
        "said": _WORDS[tone_of(finding)],
        "finding": finding.diagnosis.name,
    }


def _words(rows: list[Row]) -> Iterator[str]:
    for row in rows[:8]:
        yield f"{row['column']} {number(float(row['ratio'] or 0.0))}"
    if len(rows) > 8:
        yield f"and {len(rows) - 8} more"


def _layers(need: float) -> list[dict[str, Any]]:
    y = {"field": "column", "type": "nominal", "sort": None, "title": None}
    # At the top: a long chart's lower end is off the screen.
    x = scaled("ratio", None, scale={"type": "log", "nice": False, "padding": 12})
    x["axis"]["orient"] = "top"
    said = {"field": "said", "type": "nominal", "title": None}
    colour = {"domain": [*_WORDS.values()], "range": [TONES[tone] for tone in _WORDS]}
    shape = {"domain": [*_WORDS.values()], "range": [_SHAPES[tone] for tone in _WORDS]}
    tips = [
        {"field": "column"},
        {"field": "ratio", "format": ".5g"},
        {"field": "low", "format": ".5g", "title": "low (95 %)"},
        {"field": "high", "format": ".5g", "title": "high (95 %)"},
        {"field": "finding"},
    ]
    coloured = {**said, "scale": colour}
    return [
        band(1 / (1 + need), 1 + need, "x", x),
        rule(1.0, "x", x, INK, EQUAL),
        {
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {
                "y": y,
                "x": {**x, "field": "low"},
                "x2": {"field": "high"},
                "color": coloured,
            },
        },
        {
            "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
            "encoding": {
                "y": y,
                "x": x,
                "color": coloured,
                "shape": {**said, "scale": shape},
                "tooltip": tips,
            },
        },
    ]
