"""HTML: one file that needs no network, for people."""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from calibrate import reporting
from calibrate.analysis import Analysis
from calibrate.reporting import (
    campaign_chapters,
    figure_legend,
    identity_panel,
    power_panels,
    ratio_panels,
)

SUFFIX = "html"


def render(analysis: Analysis) -> str:
    """Return the report as one page with its figures inside."""
    said = reporting.digest(analysis)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).resolve().parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["glue"] = _glue
    return environment.get_template("report.html").render(
        said=said,
        legend=[(_safe(drawn), words) for drawn, words in figure_legend(analysis)],
        power_legend=[
            (_safe(drawn), words) for drawn, words in figure_legend(analysis, power=True)
        ],
        power=[(panel, _safe(panel.svg)) for panel in power_panels(analysis)],
        identity=[(panel, _safe(panel.svg)) for panel in [identity_panel(analysis)]],
        ratios=[(panel, _safe(panel.svg)) for panel in ratio_panels(analysis)],
        chapters=[
            (each, [(panel, _safe(panel.svg)) for panel in each.panels])
            for each in campaign_chapters(analysis)
        ],
    )


def _glue(words: str) -> str:
    """Keep a number with its unit, sign, uncertainty and other end of its range on one line."""
    words = re.sub(r"(?<=\d) (?=(%|±|[GMkmµnpf]?(W|Wh|J|g)|s|to)(\W|$))", "\u00a0", words)
    words = re.sub(r"(?<=±) (?=\d)|(?<= to) (?=\d)|(?<=\u00a0to) (?=\d)", "\u00a0", words)
    return re.sub(r"(?<=\w) (?=[+\u2212<][ \d])|(?<=<) (?=\d)", "\u00a0", words)


def _safe(svg: str) -> Markup:
    """Mark a drawing as safe: matplotlib has escaped every text in it."""
    return Markup(svg)  # noqa: S704 - our own drawing
