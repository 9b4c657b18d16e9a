"""How every figure of a report is drawn: one style, as SVG to be put into a page.

Each panel is an SVG of its own, so that a page can set them side by side or one below the other.
Colours are CSS variables of the page (``--ink``, ``--p0`` to ``--p7``), so that one file serves
light and dark; text stays text, in the page's font. Nothing here uses pyplot, which keeps state.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from calibrate.analysis import Analysis
from calibrate.simulated import SIMULATED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Stand-ins that matplotlib writes and the page's CSS variables that take their place.
INK, FAINT, SHADE = "#010203", "#010204", "#010205"
COLOURS = tuple(f"#01030{place}" for place in range(8))
_VARIABLES = {INK: "--ink", FAINT: "--faint", SHADE: "--shade"} | {
    colour: f"--p{place}" for place, colour in enumerate(COLOURS)
}
MARKERS = "osD^vPX*"
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)), (0, (1, 1)))

WIDTH, HEIGHT = 4.0, 2.5  # inches; 72 SVG units each
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 9.0,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": SHADE,
    "axes.grid": True,
    "axes.axisbelow": True,
    "lines.linewidth": 1.5,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
}


@dataclass(frozen=True)
class Style:
    """How a probe looks in every figure: by colour, marker and dashes, never colour alone."""

    name: str
    place: int

    @property
    def colour(self) -> str:
        """Return the stand-in for the colour."""
        return COLOURS[self.place % len(COLOURS)]

    @property
    def marker(self) -> str:
        """Return the marker."""
        return MARKERS[self.place % len(MARKERS)]

    @property
    def reference(self) -> bool:
        """Return whether all others are compared with it."""
        return self.place == 0

    @property
    def line(self) -> dict[str, Any]:
        """Return the look of a line; the reference's is a pale band that others lie upon."""
        if self.reference:
            return {"color": self.colour, "alpha": 0.35, "linewidth": 5}
        return {"color": self.colour, "linestyle": DASHES[self.place % len(DASHES)]}


@dataclass(frozen=True)
class Panel:
    """One SVG with its name, and what it shows for those who cannot see it."""

    name: str
    svg: str
    description: str


def styles(analysis: Analysis) -> dict[str, Style]:
    """Return a look for the reference (the first) and for every probe that was compared."""
    comparison = analysis.comparison
    compared = {pair.probe for pair in comparison.pairs}
    names = [comparison.reference, *(name for name in comparison.probes if name in compared)]
    return {name: Style(name, place) for place, name in enumerate(names)}


class Canvas:
    """A figure drawn under this module's style, as SVG once the block is left."""

    def __init__(
        self, width: float, height: float, name: str, stamp: Analysis | None = None
    ) -> None:
        from matplotlib import rc_context
        from matplotlib.figure import Figure

        self._context = rc_context({**STYLE, "svg.hashsalt": name or "figure"})
        self._make: Callable[[], Any] = lambda: Figure(
            figsize=(width, height), layout="constrained"
        )
        self._simulated = stamp is not None and stamp.comparison.simulated
        self.figure: Any  # its savefig has no types
        #: The file, once the block is left.
        self.text = ""

    def __enter__(self) -> Canvas:
        self._context.__enter__()
        self.figure = self._make()
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            if self._simulated:
                self._label()
            buffer = io.StringIO()
            self.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
            self.text = buffer.getvalue()
        self._context.__exit__(*error)

    @cached_property
    def axes(self) -> Axes:
        """The only axes."""
        return self.stack([1.0])[0]

    def stack(self, heights: Sequence[float]) -> list[Axes]:
        """Return axes one below the other, with one axis of x."""
        grid = self.figure.subplots(
            len(heights), sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
        )
        return list(grid[:, 0])

    def _label(self) -> None:
        """Write into the picture what it is of: it may be copied without its page."""
        lowest = self.figure.axes[-1]
        label = lowest.xaxis.label
        lowest.annotate(
            SIMULATED, (1, 0), xycoords=("axes fraction", label), ha="right",
            va="bottom", fontsize=8, annotation_clip=False,
        )  # fmt: skip

    def svg(self, prefix: str) -> str:
        """Return the drawing for a page, its names made unique there by the prefix."""
        return _inline(self.text, prefix)


def _inline(text: str, prefix: str) -> str:
    """Strip what only a file needs, name colours by the page's variables, prefix all ids."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.S)
    head, rest = text.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    text = f'<svg {box.group(0) if box else ""} aria-hidden="true">{rest}'
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'xlink:href="#', f'href="#{prefix}-', text)
    text = text.replace("url(#", f"url(#{prefix}-")
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    text = re.sub(r"(font: [^;\"']*?px) [^;\"]*", r"\1 var(--sans)", text)
    return re.sub(r"\n\s*", "\n", text).strip()


def engineering(axes: Axes, which: str, unit: str) -> None:
    """Label an axis in the unit with a prefix, and leave small ticks without labels."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(EngFormatter(unit))
    axis.set_minor_formatter(NullFormatter())
    if axis.get_scale() == "log":
        low, high = sorted(axis.get_view_interval())
        few = high / low < 50
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=9))
