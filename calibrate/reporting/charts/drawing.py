"""A chart as SVG for a page, and the scripts that make it live there.

The drawing is made by Vega, as it is in a browser, so that a page without scripts, or on paper,
shows the same.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from importlib.metadata import version

from calibrate.cache import cached_text
from calibrate.reporting.charts.chart import COLOURS, Chart

#: What the bundle defines in a page.
_GLOBALS = "window.vegaEmbed = vegaEmbed;"
#: A number with more decimals than a drawing shows: a tenth of a pixel.
_LONG = re.compile(r"-?\d+\.\d{2,}")
#: Address space that Vega's engine sets aside, far more than it uses; without, it ends the process.
_ENGINE_BYTES = 40 << 30
#: What a page has in place of a chart where the engine cannot run.
_UNDRAWN = (
    '<svg viewBox="0 0 700 30"><text x="0" y="20" font-size="14" fill="currentColor">Not drawn: '
    "address space was limited (ulimit -v). Its rows are below; make the report again "
    "without.</text></svg>"
)


def _is_possible() -> bool:
    """Tell whether Vega's engine can run here."""
    with suppress(ImportError):  # not all systems have such limits
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        return most == resource.RLIM_INFINITY or most > _ENGINE_BYTES
    return True


def static_svg(chart: Chart) -> str:
    """Return a chart as SVG to be put into a page, in the page's colours and font."""
    if not _is_possible():
        return _UNDRAWN
    import vl_convert

    text = vl_convert.vegalite_to_svg(json.dumps(chart.spec))
    head, rest = text.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    text = f'<svg {box.group(0) if box else ""} aria-hidden="true">{rest}'
    text = _renamed(text, chart.name)
    for colour, variable in COLOURS.items():
        text = text.replace(colour, f"var({variable})")
    text = re.sub(r' (?:aria-[a-z]+|role)="[^"]*"', "", text.replace(' aria-hidden="true"', ""))
    text = text.replace('font-family="sans-serif"', 'font-family="var(--sans)"')
    # What only serves the pointer, and decimals that nobody sees, are a third of a page.
    text = re.sub(r'<path [^>]*opacity="0"[^>]*/>', "", text)
    text = re.sub(
        r' (?:d|transform)="[^"]*"', lambda found: _LONG.sub(_short, found.group(0)), text
    )
    return text.replace("<svg ", '<svg aria-hidden="true" ', 1)


def _renamed(text: str, prefix: str) -> str:
    """Return a drawing whose clip paths and gradients have names of a page, the same each time."""
    names = {
        name: f"{prefix}-{place}"
        for place, name in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]*)"', text)))
    }
    text = re.sub(r'\bid="([^"]*)"', lambda found: f'id="{names[found[1]]}"', text)
    return re.sub(r"url\(#([^)]*)\)", lambda found: f"url(#{names[found[1]]})", text)


def _short(found: re.Match[str]) -> str:
    return f"{float(found[0]):.1f}".removesuffix(".0")


def scripts() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script that needs nothing else.

    It takes a second to make, and is kept in the user's cache. Where Vega's engine cannot run, it
    is empty.
    """
    if not _is_possible():
        return ""
    import vl_convert

    name = f"vega-{version('vl-convert-python')}.js"
    return cached_text(name, lambda: vl_convert.javascript_bundle(_GLOBALS))


def chart_json(chart: Chart) -> str:
    """Return a specification as JSON that is safe inside of a script element of data."""
    text = json.dumps(chart.spec, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
