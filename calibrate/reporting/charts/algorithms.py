"""Energy and accuracy of learning algorithms on a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from calibrate.analysis import Analysis
from calibrate.campaign import Publication
from calibrate.costs import COUNTED, Board, Case
from calibrate.quantity import number
from calibrate.reporting.charts.chart import (
    INK,
    LOG,
    MOST_SERIES,
    STEP,
    Chart,
    Look,
    Row,
    by_probe,
    nominal,
    scaled,
    whisker,
)


def algorithm_charts(
    analysis: Analysis,
    publication: Publication,
    boards: Mapping[str, Board],
    known: Mapping[str, Look],
) -> list[Chart]:
    """Return the charts of each data set: energy as it is counted, and accuracy."""
    simulated = analysis.comparison.simulated
    names = [*known][:MOST_SERIES]
    charts: list[Chart] = []
    for place, (data, row) in enumerate(boards[analysis.comparison.reference].items()):
        made = " (synthetic)" if any(case.synthetic for case in row.values()) else ""
        title = f"{publication.title(data)}{made}"
        for counted in COUNTED:
            rows = [
                each
                for name in names
                for each in _energies(boards[name].get(data, {}), row, counted)
            ]
            said = f"algorithms-{place}-{len(charts)}"
            charts.append(_energy(rows, f"{title}, {counted}", known, names, said, simulated))
        charts.append(_accuracy(row, f"{title}, accuracy", f"accuracy-{place}", simulated))
    return charts


def _energies(mine: Mapping[str, Case], order: Mapping[str, Case], counted: str) -> Iterator[Row]:
    """Yield a probe's energies with their ends, algorithms in the order of the reference."""
    for name in order:
        cost = COUNTED[counted](mine[name]) if name in mine else None
        if cost is None or cost.joules <= 0:
            continue
        # An error that reaches zero has no end on an axis of powers.
        below = min(2 * cost.u_j, 0.9 * cost.joules)
        yield {
            "algorithm": name,
            "probe": mine[name].probe,
            "joules": cost.joules,
            "low": cost.joules - below,
            "high": cost.joules + 2 * cost.u_j,
        }


def _energy(
    rows: list[Row],
    title: str,
    known: Mapping[str, Look],
    names: Sequence[str],
    name: str,
    simulated: bool,
) -> Chart:
    y, x = nominal("algorithm"), scaled("joules", "energy / J", "~s", LOG)
    probe = nominal("probe")
    colour = {**probe, "scale": by_probe(names, known, "colour")}
    tips: list[dict[str, Any]] = [
        {"field": "algorithm"},
        {"field": "probe"},
        {"field": "joules", "title": "energy / J", "format": ".4g"},
    ]
    points = {
        "mark": {"type": "point"},
        "encoding": {
            "x": x,
            "y": y,
            "color": colour,
            "shape": {**probe, "scale": by_probe(names, known, "shape")},
            "tooltip": tips,
        },
    }
    said = "; ".join(
        f"{row['algorithm']} {number(float(row['joules'] or 0.0))} J by {row['probe']}"
        for row in rows
        if row["probe"] == names[0]
    )
    return Chart(
        name=name,
        title=title,
        alt=f"Energy by algorithm, with two standard uncertainties: {said}.",
        rows=rows,
        fields={
            "algorithm": "algorithm",
            "probe": "probe",
            "joules": "energy / J",
            "low": "low (2 u) / J",
            "high": "high (2 u) / J",
        },
        layers=[whisker("x", x, "low", "high", y=y, color=colour), points],
        height=2 * STEP * len({row["algorithm"] for row in rows}),
        simulated=simulated,
    )


def _accuracy(row: Mapping[str, Case], title: str, name: str, simulated: bool) -> Chart:
    y, x = nominal("algorithm"), scaled("accuracy", "accuracy", scale={"zero": False, "padding": 8})
    said = "; ".join(f"{each} {number(case.accuracy)}" for each, case in row.items())
    points = {
        "mark": {"type": "point", "color": INK},
        "encoding": {
            "x": x,
            "y": y,
            "tooltip": [{"field": "algorithm"}, {"field": "accuracy", "format": ".4g"}],
        },
    }
    return Chart(
        name=name,
        title=title,
        alt=f"Accuracy by algorithm, with two standard uncertainties: {said}.",
        rows=[
            {
                "algorithm": each,
                "accuracy": case.accuracy,
                "low": max(case.accuracy - 2 * case.u_accuracy, 0.0),
                "high": min(case.accuracy + 2 * case.u_accuracy, 1.0),
            }
            for each, case in row.items()
        ],
        fields={
            "algorithm": "algorithm",
            "accuracy": "accuracy",
            "low": "low (2 u)",
            "high": "high (2 u)",
        },
        layers=[whisker("x", x, "low", "high", y=y, color={"value": INK}), points],
        height=2 * STEP * len(row),
        simulated=simulated,
    )
