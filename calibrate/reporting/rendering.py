"""Pages: templates with charts inside, under a policy that lets only our scripts run."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

from calibrate import catalog
from calibrate._version import __version__
from calibrate.reporting.chapters.table import Table
from calibrate.reporting.charts.chart import COLOURS, Chart
from calibrate.reporting.charts.drawing import chart_json, scripts, static_svg
from calibrate.reporting.page import Page, Part, chart_table
from calibrate.simulated import SIMULATED

if TYPE_CHECKING:
    from jinja2 import Environment

#: Rows of a chart's table; its CSV file has all.
_ROWS = 60


@dataclass(frozen=True)
class Drawn:
    """A chart as a page has it; ``left`` rows are not in its table."""

    chart: Chart
    svg: Markup
    json: Markup
    table: Table
    left: int


def draw(chart: Chart) -> Drawn:
    """Return a chart as a picture, as data for a live one, and as a table."""
    return Drawn(
        chart,
        _safe(static_svg(chart)),
        _safe(chart_json(chart)),
        chart_table(chart, _ROWS),
        max(len(chart.rows) - _ROWS, 0),
    )


def draw_parts(parts: Iterable[Part]) -> list[tuple[Part, list[Drawn]]]:
    """Return the chapters of a page, each with its charts drawn."""
    return [(part, [draw(chart) for chart in part.charts]) for part in parts]


def render(template: str, *, live: bool, **values: object) -> str:
    """Return a page from a template.

    Parameters
    ----------
    template : a file of ``reports/templates``.
    live : it has charts, and needs the scripts that make them live.
    values : what the template shows.
    """
    bundle = scripts() if live else ""  # there is none where its engine cannot run
    found = [bundle, _own_script()] if bundle else []
    return (
        _environment()
        .get_template(template)
        .render(
            version=__version__,
            scripts=[_safe(script) for script in found],
            policy=_policy(found),
            **values,
        )
    )


def render_page(page: Page) -> str:
    """Return a page about probes, or about several campaigns, as HTML."""
    parts = draw_parts(page.parts)
    return render(
        "page.html",
        live=any(drawn for _, drawn in parts),
        page=page,
        parts=parts,
        label=SIMULATED if page.simulated else "",
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(catalog.folder("reports") / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["glue"] = _glue
    return made


def _own_script() -> str:
    """Return what makes charts live, with the colours of the page."""
    path = catalog.folder("reports") / "templates" / "report.js"
    text = path.read_text(encoding="utf-8")
    return text.replace("/*colours*/{}", json.dumps(dict(COLOURS)))


def _policy(found: Sequence[str]) -> str:
    """Return a content-security policy under which these scripts run and no other."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'"
        for each in found
    )
    scripted = f"; script-src {hashes}" if hashes else ""
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:{scripted}"


def _glue(words: str) -> str:
    """Keep a number with its unit, sign, uncertainty and other end of its range on one line."""
    words = re.sub(r"(?<=\d) (?=(%|±|[GMkmµnpf]?(W|Wh|J|g)|s|to)(\W|$))", "\u00a0", words)
    words = re.sub(r"(?<=±) (?=\d)|(?<= to) (?=\d)|(?<=\u00a0to) (?=\d)", "\u00a0", words)
    words = re.sub(r"(?<=\bp) (?=[=<])|(?<=[=<]) (?=\d)", "\u00a0", words)
    return re.sub(r"(?<=\w) (?=[+\u2212<][ \d])|(?<=<) (?=\d)", "\u00a0", words)


def _safe(text: str) -> Markup:
    """Mark our own drawing, data or script as safe: texts in it are escaped already."""
    return Markup(text)  # noqa: S704 - our own
