"""HTML: one file that needs no network, for people."""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from calibrate import reporting
from calibrate.analysis import Analysis
from calibrate.reporting import Chart, Table

SUFFIX = "html"

_TEMPLATES = Path(__file__).resolve().parent / "templates"
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


def render(analysis: Analysis) -> str:
    """Return the report as one page with its charts inside."""
    said = reporting.digest(analysis)
    parts = reporting.page_parts(analysis, said)
    forest = reporting.forest_chart(analysis)
    drawn = [(part, [_draw(chart) for chart in part.charts]) for part in parts]
    charts = any(part.charts for part in parts) or forest is not None
    scripts = [reporting.chart_scripts(), _own_script()] if charts else []
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["glue"] = _glue
    environment.filters["drawing"] = _safe
    return environment.get_template("report.html").render(
        said=said,
        scorecard=reporting.scorecard(analysis),
        forest=forest and _draw(forest),
        parts=drawn,
        scripts=[_safe(script) for script in scripts],
        policy=_policy(scripts),
    )


def _draw(chart: Chart) -> Drawn:
    return Drawn(
        chart,
        _safe(reporting.static_svg(chart)),
        _safe(reporting.chart_json(chart)),
        reporting.chart_table(chart, _ROWS),
        max(len(chart.rows) - _ROWS, 0),
    )


def _own_script() -> str:
    """Return what makes charts live, with the colours of the page."""
    text = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    return text.replace("/*colours*/{}", json.dumps(dict(reporting.COLOURS)))


def _policy(scripts: Sequence[str]) -> str:
    """Return a content-security policy under which these scripts run and no other."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'"
        for each in scripts
    )
    scripted = f"; script-src {hashes}" if hashes else ""
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:{scripted}"


def _glue(words: str) -> str:
    """Keep a number with its unit, sign, uncertainty and other end of its range on one line."""
    words = re.sub(r"(?<=\d) (?=(%|±|[GMkmµnpf]?(W|Wh|J|g)|s|to)(\W|$))", "\u00a0", words)
    words = re.sub(r"(?<=±) (?=\d)|(?<= to) (?=\d)|(?<=\u00a0to) (?=\d)", "\u00a0", words)
    return re.sub(r"(?<=\w) (?=[+\u2212<][ \d])|(?<=<) (?=\d)", "\u00a0", words)


def _safe(text: str) -> Markup:
    """Mark our own drawing, data or script as safe: texts in it are escaped already."""
    return Markup(text)  # noqa: S704 - our own
