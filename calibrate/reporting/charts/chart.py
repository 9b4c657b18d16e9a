"""A chart: a Vega-Lite specification, its data, and what it shows in words.

Colours in a specification stand for variables of the page's style sheet (``--ink``, ``--p0`` to
``--p7``), so that one chart serves light and dark pages: `COLOURS` has the stand-ins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from calibrate.analysis import Analysis
from calibrate.reporting.cards import Tone

#: A row of data: field -> number, text, or None.
Row = Mapping[str, float | str | None]

INK, SOFT, LINE, SHADE = "#010203", "#010204", "#010205", "#010206"
PROBES = tuple(f"#01030{place}" for place in range(8))
TONES: Mapping[Tone, str] = {
    "fault": "#010401",
    "open": "#010402",
    "good": "#010403",
    "none": "#010404",
}
#: Stand-in -> variable of the page.
COLOURS: Mapping[str, str] = {
    INK: "--ink",
    SOFT: "--soft",
    LINE: "--line",
    SHADE: "--shade",
    **{colour: f"--p{place}" for place, colour in enumerate(PROBES)},
    **{colour: f"--{tone}" for tone, colour in TONES.items()},
}
SHAPES = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "stroke")
DASHES: tuple[tuple[int, ...], ...] = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3), (1, 2))
#: More series than these in one chart cannot be told apart.
MOST_SERIES = 6
#: Probes that have charts of their own; the table has all.
MOST_PROBES = 12
WIDTH, HEIGHT = 340, 200
#: Height of a row of names, px.
STEP = 21


@dataclass(frozen=True)
class Chart:
    """A chart with the data that it shows.

    Parameters
    ----------
    name : unique in a page; letters, digits and hyphens.
    title : short.
    alt : what it shows, for those who cannot see it.
    rows : the data, which the specification names by their fields.
    fields : the fields to show in its table, each with a heading that has the unit.
    layers : of the Vega-Lite specification; without the data.
    width, height : of the drawing, px.
    more : other parts of the specification: its scales, its configuration.
    """

    name: str
    title: str
    alt: str
    rows: Sequence[Row]
    fields: Mapping[str, str]
    layers: Sequence[Mapping[str, Any]]
    width: int = WIDTH
    height: int = HEIGHT
    simulated: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spec(self) -> dict[str, Any]:
        """The whole specification."""
        heading = {"text": self.title, "anchor": "start", "fontSize": 13, "color": INK}
        if self.simulated:
            heading |= {"subtitle": "simulated machine", "subtitleColor": SOFT}
        return {
            "title": heading,
            "description": self.alt,
            "width": self.width,
            "height": self.height,
            "background": "transparent",
            "data": {"values": [dict(row) for row in self.rows]},
            "layer": [dict(layer) for layer in self.layers],
            "config": _CONFIG,
            **self.more,
        }


_CONFIG: Mapping[str, Any] = {
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK, "titleColor": INK, "gridColor": SHADE, "domainColor": LINE,
        "tickColor": LINE, "titleFontWeight": "normal", "labelFontSize": 11, "titleFontSize": 11,
        "titleAnchor": "start", "labelLimit": 220,
    },
    "legend": {
        "labelColor": INK, "titleColor": INK, "labelFontSize": 11, "orient": "bottom",
        "columns": 2, "labelLimit": 300, "symbolStrokeWidth": 1.5,
    },
    "point": {"size": 55, "strokeWidth": 1.5, "filled": False},
    "line": {"strokeWidth": 1.5},
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """How a probe looks in every chart: colour, shape and dashes, never colour alone."""

    place: int

    @property
    def colour(self) -> str:
        """The stand-in for its colour."""
        return PROBES[self.place % len(PROBES)]

    @property
    def shape(self) -> str:
        """The shape of its points."""
        return SHAPES[self.place % len(SHAPES)]

    @property
    def dash(self) -> tuple[int, ...]:
        """The dashes of its lines."""
        return DASHES[self.place % len(DASHES)]


def looks(analysis: Analysis) -> dict[str, Look]:
    """Return the look of the reference, which is the first, and of every probe compared."""
    comparison = analysis.comparison
    compared = {pair.probe for pair in comparison.pairs}
    names = [comparison.reference, *(name for name in comparison.probes if name in compared)]
    return {name: Look(place) for place, name in enumerate(names)}


def scaled(
    field_: str,
    title: str | None,
    form: str | None = None,
    scale: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a numeric position.

    Parameters
    ----------
    field_ : of the rows.
    title : of the axis, with the unit.
    form : of the labels, as in d3-format; by default as the scale needs.
    scale : properties of the scale beside those of a linear one.
    """
    if form is None:
        # With 'g', the label of 20 on an even axis is 2e+1.
        form = "~g" if scale and scale.get("type") == "log" else ",~f"
    axis = {"format": form, "tickCount": 5, "labelOverlap": True}
    made: dict[str, Any] = {"field": field_, "type": "quantitative", "title": title, "axis": axis}
    return made | ({"scale": dict(scale)} if scale else {})


def rule(
    value: float, position: str, on: Mapping[str, Any], colour: str, dash: Sequence[int]
) -> dict[str, Any]:
    """Return a line at a value across the whole chart.

    Parameters
    ----------
    value : where.
    position : ``x`` or ``y``.
    on : that position, as of the points.
    colour, dash : how it looks.
    """
    return {
        "data": {"values": [{"at": value}]},
        "mark": {"type": "rule", "color": colour, "strokeDash": list(dash)},
        "encoding": {position: {**on, "field": "at"}},
    }


def band(low: float, high: float, position: str, on: Mapping[str, Any]) -> dict[str, Any]:
    """Return a shaded range across the whole chart; see `rule`."""
    return {
        "data": {"values": [{"from": low, "to": high}]},
        "mark": {"type": "rect", "color": SHADE},
        "encoding": {position: {**on, "field": "from"}, f"{position}2": {"field": "to"}},
    }


def whisker(
    along: str, on: Mapping[str, Any], low: str, high: str, **others: Mapping[str, Any]
) -> dict[str, Any]:
    """Return lines from one field to another: the intervals of points.

    Parameters
    ----------
    along : ``x`` or ``y``.
    on : that position, as of the points.
    low, high : the fields.
    others : the other position, and a colour.
    """
    return {
        "mark": {"type": "rule", "strokeWidth": 1},
        "encoding": {**others, along: {**on, "field": low}, f"{along}2": {"field": high}},
    }


def nominal(field_: str) -> dict[str, Any]:
    """Return a field of names, in the order of the rows."""
    return {"field": field_, "type": "nominal", "title": None, "sort": None}


#: Properties of a scale of magnitudes, with room for what is drawn at its ends.
LOG: Mapping[str, Any] = {"type": "log", "nice": False, "padding": 12}
#: The line of equality, and how limits are drawn.
EQUAL, MEAN, LIMIT = (1, 2), (1, 0), (5, 3)


def by_probe(names: Sequence[str], known: Mapping[str, Look], what: str) -> dict[str, Any]:
    """Return a scale of colour, shape or dashes by probe.

    Parameters
    ----------
    names : probes in the order of the legend.
    known : their looks.
    what : ``colour``, ``shape`` or ``dash``.
    """
    return {
        "domain": list(names),
        "range": [getattr(known[name], what) for name in names],
    }
