"""Quality after every epoch against the energy used up to there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from calibrate.analysis import Analysis
from calibrate.costs import QUALITIES, Learning, Spent
from calibrate.quantity import figure
from calibrate.reporting.chapters.quality import quality_name, quality_scale, quality_text
from calibrate.reporting.charts.chart import (
    INK,
    LIMIT,
    MOST_SERIES,
    Chart,
    Look,
    Row,
    by_probe,
    looks,
    nominal,
    rule,
    scaled,
    whisker,
)

#: A probe that tells so many times less energy than another has a chart of its own.
_APART = 4.0


def learning_charts(analysis: Analysis, found: Sequence[Learning]) -> list[Chart]:
    """Return a chart for every workload that learns, and one more for probes that are far off."""
    known = looks(analysis)
    return [
        _chart(analysis, of, group, known, f"learning-{place}-{number}")
        for place, of in enumerate(found)
        for number, group in enumerate(_alike([each for each in of.spent if each.probe in known]))
    ]


def _alike(spent: Sequence[Spent]) -> list[list[Spent]]:
    """Return probes in groups that one axis can show, the one with most energy first."""
    groups: list[list[Spent]] = []
    for each in sorted(spent, key=lambda one: -one.joules[-1]):
        last = groups[-1] if groups else []
        if last and len(last) < MOST_SERIES and last[0].joules[-1] <= _APART * each.joules[-1]:
            last.append(each)
        else:
            groups.append([each])
    return groups


def _chart(
    analysis: Analysis, of: Learning, group: Sequence[Spent], known: dict[str, Look], name: str
) -> Chart:
    words = "; ".join(
        f"{each.probe} {figure(each.joules[0])} to {figure(each.joules[-1])} J" for each in group
    )
    what = quality_name(of)
    unit = quality_scale(of)[1]
    heading = f"{what} / %" if unit else what
    return Chart(
        name=name,
        title=of.workload,
        alt=f"{what[0].upper()}{what[1:]} from {quality_text(of, of.epochs[0])} to "
        f"{quality_text(of, of.epochs[-1])} over energy: {words}.",
        rows=[row for spent in group for row in _rows(of, spent)],
        fields={"probe": "probe", "epoch": "epoch", "joules": "energy / J", "value": heading},
        layers=_layers(of, [each.probe for each in group], known, heading),
        simulated=analysis.comparison.simulated,
    )


def _rows(of: Learning, spent: Spent) -> Iterator[Row]:
    """Yield the epochs of a probe, with the ends of their standard uncertainties."""
    scale, _ = quality_scale(of)
    for place, epoch in enumerate(of.epochs):
        joules, u_j = spent.joules[place], spent.u_j[place]
        value, u = scale * epoch.value, scale * (epoch.u or 0.0)
        yield {
            "probe": spent.probe,
            "epoch": str(epoch.epoch),
            "joules": joules,
            "less": joules - u_j,
            "more": joules + u_j,
            "value": value,
            "low": value - u,
            "high": value + u,
            "knee": "yes" if place == of.knee else "no",
        }


def _layers(
    of: Learning, names: Sequence[str], known: dict[str, Look], heading: str
) -> list[dict[str, Any]]:
    x = scaled("joules", "energy up to the end of the epoch / J", scale={"zero": True})
    y = scaled("value", heading, scale={"zero": True})
    probe = nominal("probe")
    coloured = {**probe, "scale": by_probe(names, known, "colour")}
    tips = [
        {"field": "probe"},
        {"field": "epoch"},
        {"field": "joules", "title": "energy / J", "format": ".4g"},
        {"field": "value", "title": heading, "format": ".4g"},
    ]
    lines = {
        "mark": {"type": "line"},
        "encoding": {
            "x": x,
            "y": y,
            "color": coloured,
            "strokeDash": {**probe, "scale": by_probe(names, known, "dash")},
        },
    }
    points = {
        "mark": {"type": "point"},
        "encoding": {
            "x": x,
            "y": y,
            "color": coloured,
            "shape": {**probe, "scale": by_probe(names, known, "shape")},
            "tooltip": tips,
        },
    }
    knee = {
        "transform": [{"filter": "datum.knee === 'yes'"}],
        "mark": {"type": "point", "size": 220, "stroke": INK},
        "encoding": {"x": x, "y": y},
    }
    return [
        *_level(of, y),
        whisker("x", x, "less", "more", y=y, color=coloured),
        whisker("y", y, "low", "high", x=x, color=coloured),
        lines,
        points,
        knee,
    ]


def _level(of: Learning, y: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the line of what is within one standard uncertainty of the best."""
    if of.knee is None:
        return []
    best = max(of.epochs, key=lambda each: QUALITIES[of.quality] * each.value)
    level = best.value - QUALITIES[of.quality] * (best.u or 0.0)
    return [rule(quality_scale(of)[0] * level, "y", y, INK, LIMIT)]
