"""What probes do to the machine and to each other, as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from calibrate.quantity import MISSING, counted, percent, signed
from calibrate.reporting.chapters.table import Row as TableRow
from calibrate.reporting.chapters.table import Table
from calibrate.reporting.charts.chart import (
    EQUAL,
    INK,
    MOST_SERIES,
    STEP,
    Chart,
    Look,
    Row,
    by_probe,
    nominal,
    rule,
    scaled,
    whisker,
)
from calibrate.reporting.page import Page, Part
from calibrate.reporting.rendering import render_page
from calibrate.studies import Effect, Observation

EFFECTS_NOTE = (
    "Power and speed against no probe but the reference; a probe's own ratio against that "
    "probe alone. 95 % intervals; * differs from zero though so many were looked at (Holm)."
)


def interference_page(found: Observation) -> str:
    """Return the page of an interference matrix."""
    return render_page(
        Page(
            kicker="what measuring changes",
            title="What measuring changes",
            sentence=effects_sentence(found),
            facts={
                "Machine": found.machine,
                "Always there": found.reference,
                "Observed": ", ".join(found.probes),
            },
            parts=(_charts(found), _matrix(found)),
            simulated=found.simulated,
            notes=(EFFECTS_NOTE,),
        )
    )


def effects_sentence(found: Observation) -> str:
    """Return the largest effect that is not chance, or how large one could be that is not seen."""
    clear = [each for each in found.effects if each.clear]
    if clear:
        most = max(clear, key=lambda each: abs(each.change))
        of = "" if most.affected in ("power", "speed") else "the ratio of "
        return (
            f"Measuring changes what is measured: {counted(len(clear), 'effect')} of "
            f"{len(found.effects)} cannot be chance. The largest: {most.condition} changes "
            f"{of}{most.affected} in {most.workload} by {signed(most.change)}."
        )
    unseen = _unseen(found)
    if not unseen:
        return "One repeat does not tell whether measuring changes anything."
    reach = ", ".join(f"{percent(end)} of {name}" for name, end in unseen.items())
    return (
        "No effect of a probe on power, speed or another probe is seen. What these runs may miss: "
        f"{reach}."
    )


def _unseen(found: Observation) -> dict[str, float]:
    """Return how large an effect may be that is not seen: the furthest end of an interval."""
    unseen: dict[str, float] = {}
    for each in found.effects:
        if each.low is not None and each.high is not None:
            name = each.affected if each.affected in ("power", "speed") else "a probe's ratio"
            unseen[name] = max(unseen.get(name, 0.0), abs(each.low), abs(each.high))
    return unseen


def _charts(found: Observation) -> Part:
    affected = dict.fromkeys(each.affected for each in found.effects)
    charts = []
    for place, name in enumerate(affected):
        mine = [each for each in found.effects if each.affected == name]
        charts.append(_chart(name, mine, f"effect-{place}", found.simulated))
    return Part(
        "effects",
        "What changes",
        charts=tuple(charts),
        caption="Change by what measures, with its 95 % interval; dotted: no change.",
    )


def _chart(affected: str, effects: Sequence[Effect], name: str, simulated: bool) -> Chart:
    workloads = list(dict.fromkeys(each.workload for each in effects))[:MOST_SERIES]
    shown = [each for each in effects if each.workload in workloads]
    most = max(shown, key=lambda each: abs(each.change))
    return Chart(
        name=name,
        title=affected if affected in ("power", "speed") else f"ratio of {affected}",
        alt=f"Change of {affected} by what measures: at most {signed(most.change)}, by "
        f"{most.condition} in {most.workload}.",
        rows=[_row(each) for each in shown],
        fields={
            "workload": "workload",
            "condition": "measured by",
            "change": "change / %",
            "low": "low (95 %)",
            "high": "high (95 %)",
        },
        layers=_layers(workloads),
        height=STEP * max(len({each.condition for each in shown}), 2) * (1 + len(workloads) // 3),
        simulated=simulated,
    )


def _row(each: Effect) -> Row:
    """Return an effect in percent; without an interval its ends are the value."""
    low = each.change if each.low is None else each.low
    high = each.change if each.high is None else each.high
    return {
        "workload": each.workload,
        "condition": each.condition,
        "change": 100 * each.change,
        "low": 100 * low,
        "high": 100 * high,
    }


def _layers(workloads: Sequence[str]) -> list[dict[str, Any]]:
    known = {name: Look(place) for place, name in enumerate(workloads, 1)}
    x, y = scaled("change", "change / %"), nominal("condition")
    workload = nominal("workload")
    aside = {"field": "workload", "type": "nominal", "sort": None}
    colour = {**workload, "scale": by_probe(workloads, known, "colour")}
    tips: list[dict[str, Any]] = [
        {"field": "condition", "title": "measured by"},
        {"field": "workload"},
        {"field": "change", "title": "change / %", "format": ".3g"},
        {"field": "low", "title": "low / %", "format": ".3g"},
        {"field": "high", "title": "high / %", "format": ".3g"},
    ]
    return [
        rule(0.0, "x", x, INK, EQUAL),
        whisker("x", x, "low", "high", y=y, yOffset=aside, color=colour),
        {
            "mark": {"type": "point", "filled": True},
            "encoding": {
                "x": x,
                "y": y,
                "yOffset": aside,
                "color": colour,
                "shape": {**workload, "scale": by_probe(workloads, known, "shape")},
                "tooltip": tips,
            },
        },
    ]


def _matrix(found: Observation) -> Part:
    tables = tuple(
        (f"In {workload}", Table(head, tuple(map(TableRow, rows))), "")
        for workload, head, rows in effect_tables(found)
    )
    return Part("matrix", "Matrix", tables=tables, open=True)


def effect_tables(
    found: Observation,
) -> Iterator[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
    """Yield a workload, a head, and lines: conditions by what they affect."""
    for workload in dict.fromkeys(each.workload for each in found.effects):
        mine = [each for each in found.effects if each.workload == workload]
        affected = list(dict.fromkeys(each.affected for each in mine))
        cells = {(each.condition, each.affected): effect_text(each) for each in mine}
        rows = [
            (condition, *(cells.get((condition, name), MISSING) for name in affected))
            for condition in dict.fromkeys(each.condition for each in mine)
        ]
        yield workload, ("measured by", *affected), rows


def effect_text(effect: Effect) -> str:
    """Return one cell of the matrix."""
    watts = "" if effect.watts is None else f", {effect.watts:+.2g} W"
    if effect.low is None:
        return f"{signed(effect.change)}{watts}"
    half = 100 * (effect.high - effect.low) / 2 if effect.high is not None else 0.0
    return f"{signed(effect.change)} ± {half:.2g} %{watts}{' *' if effect.clear else ''}"
