"""Meters in a table of runs: energies with lines, ratios over level and by group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from calibrate.agreement import Agreement, MeterAgreement, NotAvailable
from calibrate.quantity import number
from calibrate.reporting.charts.chart import (
    DASHES,
    EQUAL,
    INK,
    LIMIT,
    LOG,
    MEAN,
    MOST_SERIES,
    STEP,
    Chart,
    Look,
    Row,
    band,
    by_probe,
    nominal,
    rule,
    scaled,
)
from calibrate.stats import Line, Vector

#: Largest over smallest value from which an axis is logarithmic.
_LOG_FROM = 15.0
#: Points of a line that is drawn.
_POINTS = 60
#: Runs that are drawn; of more, this many at even distances.
MOST_RUNS = 1500


def meter_charts(found: Agreement, meter: MeterAgreement, prefix: str) -> list[Chart]:
    """Return the charts of a meter; the prefix makes their names unique in a page."""
    if not meter.runs.n:
        return []
    rows = _thinned(list(_rows(meter)))
    charts = [_energies(found, meter, rows, f"{prefix}-energies")]
    if not isinstance(meter.ratio, NotAvailable):
        charts.append(_level(found, meter, rows, f"{prefix}-level"))
        if meter.runs.group is not None:
            charts.append(_by_group(found, meter, rows, f"{prefix}-groups"))
    return charts


def _rows(meter: MeterAgreement) -> Iterator[Row]:
    groups = meter.runs.cluster if meter.runs.group is not None else ["all runs"] * meter.runs.n
    ratio = not isinstance(meter.ratio, NotAvailable)
    for group, x, y in zip(groups, meter.runs.reference_j, meter.runs.test_j, strict=True):
        yield {
            "group": str(group),
            "reference": float(x),
            "test": float(y),
            "level": float(np.sqrt(x) * np.sqrt(y)) if ratio else None,
            "ratio": float(y / x) if ratio else None,
        }


def _thinned(rows: list[Row]) -> list[Row]:
    if len(rows) <= MOST_RUNS:
        return rows
    return [rows[place] for place in np.linspace(0, len(rows) - 1, MOST_RUNS).round().astype(int)]


def drawn_words(meter: MeterAgreement) -> str:
    """Return how many runs are drawn, where that is not all; else nothing."""
    if meter.runs.n <= MOST_RUNS:
        return ""
    return f" {MOST_RUNS:,} of {meter.runs.n:,} runs are drawn."


def _group_looks(rows: list[Row]) -> Mapping[str, Look]:
    """Return the look of the runs of each group; all the same where there are too many."""
    names = sorted({str(row["group"]) for row in rows})
    few = 1 < len(names) <= MOST_SERIES
    return {name: Look(place if few else 1) for place, name in enumerate(names, 1)}


def _fields(found: Agreement, meter: MeterAgreement, *more: str) -> dict[str, str]:
    named = {
        "group": found.group or "group",
        "reference": f"{found.reference} / J",
        "test": f"{meter.test} / J",
        "level": "geometric mean of both / J",
        "ratio": "ratio",
    }
    return {key: named[key] for key in ("group", "reference", "test", *more)}


def _points(
    found: Agreement, meter: MeterAgreement, rows: list[Row], x: dict[str, Any], y: dict[str, Any]
) -> dict[str, Any]:
    """Return the layer of the runs, each group in its look."""
    known = _group_looks(rows)
    tips: list[dict[str, Any]] = [
        {"field": "group", "title": found.group or "group"},
        {"field": "reference", "title": f"{found.reference} / J", "format": ".5g"},
        {"field": "test", "title": f"{meter.test} / J", "format": ".5g"},
    ]
    if not isinstance(meter.ratio, NotAvailable):
        tips.append({"field": "ratio", "format": ".5g"})
    legend = {} if 1 < len(known) <= MOST_SERIES else {"legend": None}
    group = {**nominal("group"), **legend}
    return {
        "mark": {"type": "point"},
        "encoding": {
            "x": x,
            "y": y,
            "color": {**group, "scale": by_probe([*known], known, "colour")},
            "shape": {**group, "scale": by_probe([*known], known, "shape")},
            "tooltip": tips,
        },
    }


# ---- energies with lines ----


def _energies(found: Agreement, meter: MeterAgreement, rows: list[Row], name: str) -> Chart:
    """The meter's energies over the reference's, with the lines that were fitted."""
    x_j, y_j = meter.runs.reference_j, meter.runs.test_j
    positive = min(x_j.min(), y_j.min()) > 0
    log = positive and max(x_j.max() / x_j.min(), y_j.max() / y_j.min()) > _LOG_FROM
    kind = LOG if log else {"zero": False, "padding": 12}
    x = scaled("reference", f"{found.reference} / J", "~s" if log else None, kind)
    y = scaled("test", f"{meter.test} / J", "~s" if log else None, kind)
    at = _space(float(x_j.min()), float(x_j.max()), log=log)
    lines = {"equal": at, **{said: line.at(at) for said, line in _fitted(meter)}}
    drawn = [
        {"line": said, "reference": float(one), "test": float(other)}
        for said, values in lines.items()
        for one, other in zip(at, values, strict=True)
        if np.isfinite(other) and (other > 0 or not log)
    ]
    names = [*lines]
    look: dict[str, Any] = {
        "domain": names,
        "range": [list(EQUAL), *(list(each) for each in DASHES)][: len(names)],
    }
    return Chart(
        name=name,
        title=f"{meter.test} over {found.reference}",
        alt=f"{meter.runs.n} runs, {meter.test} over {found.reference}, from "
        f"{number(float(y_j.min()))} to {number(float(y_j.max()))} J, with the lines "
        f"{', '.join(names)}.",
        rows=rows,
        fields=_fields(found, meter),
        layers=[
            {
                "data": {"values": drawn},
                "mark": {"type": "line", "color": INK, "strokeWidth": 1.2},
                "encoding": {
                    "x": x,
                    "y": y,
                    "strokeDash": {
                        "field": "line",
                        "type": "nominal",
                        "title": None,
                        "scale": look,
                    },
                },
            },
            _points(found, meter, rows, x, y),
        ],
        more={"resolve": {"legend": {"color": "independent", "strokeDash": "independent"}}},
    )


def _space(low: float, high: float, *, log: bool) -> Vector:
    if log:
        return np.geomspace(low, high, _POINTS)
    return np.linspace(low, high, _POINTS)


def _fitted(meter: MeterAgreement) -> Iterator[tuple[str, Line]]:
    """Yield the lines that are drawn: a factor, Deming's, and the one that outliers do not move."""
    lines = {
        "through the origin (Deming)": meter.deming_origin,
        "Deming": meter.deming,
        "Passing-Bablok": meter.passing_bablok,
    }
    for name, line in lines.items():
        if not isinstance(line, NotAvailable):
            yield name, line
    if not isinstance(meter.york, NotAvailable):
        yield "York", meter.york.line


# ---- ratios ----


def _level(found: Agreement, meter: MeterAgreement, rows: list[Row], name: str) -> Chart:
    """The ratios over the level, with mean and limits of agreement (Bland and Altman 1999)."""
    levels = [float(row["level"] or 0.0) for row in rows]
    log = min(levels) > 0 and max(levels) / min(levels) > _LOG_FROM
    x = scaled(
        "level",
        "geometric mean of both / J",
        "~s" if log else None,
        LOG if log else {"zero": False, "padding": 12},
    )
    y = scaled("ratio", f"{meter.test} / {found.reference}", scale=LOG)
    ratios = [float(row["ratio"] or 0.0) for row in rows]
    return Chart(
        name=name,
        title=f"{meter.test}: ratio over level",
        alt=f"Ratios of {meter.test} to {found.reference} from {number(min(ratios))} to "
        f"{number(max(ratios))} over the level{_mean_words(meter)}.",
        rows=rows,
        fields=_fields(found, meter, "level", "ratio"),
        layers=[*_lines(meter, ratios, "y", y), _points(found, meter, rows, x, y)],
    )


def _by_group(found: Agreement, meter: MeterAgreement, rows: list[Row], name: str) -> Chart:
    """The ratios group by group."""
    x = scaled("ratio", f"{meter.test} / {found.reference}", scale=LOG)
    y = {"field": "group", "type": "nominal", "title": None}
    ratios = [float(row["ratio"] or 0.0) for row in rows]
    names = {row["group"] for row in rows}
    return Chart(
        name=name,
        title=f"{meter.test}: ratio by {found.group}",
        alt=f"Ratios of {meter.test} to {found.reference} in {len(names)} groups by {found.group}, "
        f"from {number(min(ratios))} to {number(max(ratios))}.",
        rows=rows,
        fields=_fields(found, meter, "ratio"),
        layers=[*_lines(meter, ratios, "x", x), _points(found, meter, rows, x, y)],
        height=STEP * len(names),
    )


def _mean_words(meter: MeterAgreement) -> str:
    if isinstance(meter.ratio, NotAvailable):
        return ""
    return f", mean {number(meter.ratio.ratio.value)}"


def _lines(
    meter: MeterAgreement, ratios: list[float], position: str, on: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return the mean with its interval, the limits, and where both meters are equal."""
    if isinstance(meter.ratio, NotAvailable):
        return []
    mean = meter.ratio.ratio
    ends: list[float] = []
    if not isinstance(meter.limits, NotAvailable):
        ends = [end.value for end in (meter.limits.lower, meter.limits.upper) if end is not None]
    low, high = min([*ratios, *ends]), max([*ratios, *ends])
    shaded = []
    if mean.low is not None and mean.high is not None:
        shaded = [band(max(mean.low, low), min(mean.high, high), position, on)]
    equal = [rule(1.0, position, on, INK, EQUAL)] if low / 1.5 <= 1 <= high * 1.5 else []
    return [
        *shaded,
        rule(mean.value, position, on, INK, MEAN),
        *(rule(end, position, on, INK, LIMIT) for end in ends),
        *equal,
    ]
