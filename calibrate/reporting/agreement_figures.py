"""Figures of meters in a table of runs: energies with lines, ratios over level and by group."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from calibrate.agreement import Agreement, MeterAgreement, NotAvailable
from calibrate.reporting.canvas import DASHES, INK, SHADE, Canvas, Panel, Style, engineering
from calibrate.stats import Line, Vector

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Groups that colours and markers can tell apart; where there are more, all look the same.
MOST_GROUPS = 7
WIDTH, HEIGHT = 4.2, 3.2
#: Largest over smallest value from which an axis is logarithmic.
LOG_FROM = 15.0
#: Markers are open, so that equal ones are seen.
_OPEN: dict[str, Any] = {"markersize": 6, "markerfacecolor": "none", "markeredgewidth": 1.3}


def groups(meter: MeterAgreement) -> dict[str, Style]:
    """Return the look of the runs of each group, "all runs" where there are none."""
    names = sorted(set(meter.runs.cluster))
    if len(names) > MOST_GROUPS:
        return {name: Style(name, 1) for name in names}
    return {name: Style(name, place) for place, name in enumerate(names, 1)}


def legend(meter: MeterAgreement, prefix: str) -> list[tuple[str, str]]:
    """Return (marker as SVG, group); none where all groups look the same."""
    looks = groups(meter)
    if not 1 < len(looks) <= MOST_GROUPS:
        return []
    return [(_key(style, prefix), name) for name, style in looks.items()]


def _key(style: Style, prefix: str) -> str:
    """Return a small SVG of a group's marker: no line is of one group."""
    with Canvas(0.2, 0.2, style.name) as canvas:
        axes = canvas.axes
        axes.set_position((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        axes.set(xlim=(-1, 1), ylim=(-1, 1))
        axes.plot([0.0], [0.0], style.marker, color=style.colour, **_OPEN)
    return canvas.svg(f"{prefix}-key{style.place}")


def panels(found: Agreement, meter: MeterAgreement, prefix: str) -> list[Panel]:
    """Return the figures of a meter; the prefix makes their names unique in a page."""
    with warnings.catch_warnings():
        # A sign that matplotlib's font lacks is drawn by the page's.
        warnings.filterwarnings("ignore", message="Glyph")
        drawn = [_scatter(found, meter, prefix)]
        if not isinstance(meter.ratio, NotAvailable):
            drawn.append(_level(found, meter, prefix))
            if meter.runs.group is not None:
                drawn.append(_by_group(found, meter, prefix))
    return drawn


def _mark(axes: Axes, meter: MeterAgreement, x: Vector, y: Vector) -> None:
    """Draw the runs, each group in its look."""
    label = np.array(meter.runs.cluster)
    for name, style in groups(meter).items():
        here = label == name
        axes.plot(x[here], y[here], style.marker, color=style.colour, **_OPEN)


# ---- energies with lines ----


def _scatter(found: Agreement, meter: MeterAgreement, prefix: str) -> Panel:
    """Draw the meter's energies over the reference's, with the lines that were fitted."""
    x, y = meter.runs.reference_j, meter.runs.test_j
    with Canvas(WIDTH, HEIGHT, f"{meter.test} over {found.reference}") as canvas:
        axes = canvas.axes
        positive = meter.runs.n > 0 and min(x.min(), y.min()) > 0
        if positive and max(x.max() / x.min(), y.max() / y.min()) > LOG_FROM:
            axes.set(xscale="log", yscale="log")
        _mark(axes, meter, x, y)
        if meter.runs.n:
            _draw_lines(axes, meter)
        axes.set_xlabel(str(found.reference), loc="left", parse_math=False)
        axes.set_ylabel(meter.test, parse_math=False)
        for which in "xy":
            engineering(axes, which, "J")
    what = f"{meter.runs.n} runs: {meter.test} over {found.reference}, with lines"
    return Panel("energies", canvas.svg(f"{prefix}-energies"), what)


def _draw_lines(axes: Axes, meter: MeterAgreement) -> None:
    """Draw the line of equality and those that were fitted, over the range of the runs."""
    low, high = axes.get_xlim()
    log = axes.get_xscale() == "log"
    x = np.geomspace(low, high, 200) if log else np.linspace(low, high, 200)
    limits = axes.get_ylim()
    axes.plot(x, x, color=INK, linewidth=0.8, label="equal")
    for place, (name, line) in enumerate(_fitted(meter), 1):
        y = np.where(line.at(x) > 0, line.at(x), np.nan) if log else line.at(x)
        axes.plot(x, y, color=INK, linewidth=1.2, linestyle=DASHES[place], label=name)
    axes.set(xlim=(low, high), ylim=limits)
    axes.legend(loc="upper left", frameon=False, fontsize=8, handlelength=2.8)


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


def _level(found: Agreement, meter: MeterAgreement, prefix: str) -> Panel:
    """Draw the ratios over the level, with mean and limits of agreement (Bland and Altman)."""
    x, y = meter.runs.reference_j, meter.runs.test_j
    level, ratio = np.sqrt(x) * np.sqrt(y), y / x
    with Canvas(WIDTH, HEIGHT, f"{meter.test}, ratio over level") as canvas:
        axes = canvas.axes
        if level.max() / level.min() > LOG_FROM:
            axes.set_xscale("log")
        _mark(axes, meter, level, ratio)
        _ratio_axis(axes, "y", [*ratio, *_ends(meter)])
        _draw_mean_and_limits(axes, meter, "y")
        axes.set_xlabel("geometric mean of both", loc="left")
        axes.set_ylabel(f"{meter.test} / {found.reference}", parse_math=False)
        engineering(axes, "x", "J")
    what = f"ratios from {ratio.min():.4g} to {ratio.max():.4g} over the level"
    return Panel("ratio over level", canvas.svg(f"{prefix}-level"), what)


def _by_group(found: Agreement, meter: MeterAgreement, prefix: str) -> Panel:
    """Draw the ratios group by group, with mean and limits of agreement."""
    ratio = meter.runs.test_j / meter.runs.reference_j
    names = sorted(set(meter.runs.cluster))
    place = np.array([names.index(name) for name in meter.runs.cluster], dtype=float)
    with Canvas(WIDTH, max(HEIGHT, 0.9 + 0.22 * len(names)), f"{meter.test} by group") as canvas:
        axes = canvas.axes
        _mark(axes, meter, ratio, place)
        _ratio_axis(axes, "x", [*ratio, *_ends(meter)])
        _draw_mean_and_limits(axes, meter, "x")
        axes.set_yticks(range(len(names)), names, parse_math=False)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"{meter.test} / {found.reference}", loc="left", parse_math=False)
    what = f"ratios of {len(names)} groups by {found.group}"
    return Panel("ratio by group", canvas.svg(f"{prefix}-groups"), what)


def _ends(meter: MeterAgreement) -> list[float]:
    """Return the limits of agreement, as far as there are some."""
    if isinstance(meter.limits, NotAvailable):
        return []
    return [end.value for end in (meter.limits.lower, meter.limits.upper) if end is not None]


def _draw_mean_and_limits(axes: Axes, meter: MeterAgreement, which: str) -> None:
    """Draw the mean with its interval, the limits, and where both meters are equal."""
    if isinstance(meter.ratio, NotAvailable):
        return
    line, band = (axes.axhline, axes.axhspan) if which == "y" else (axes.axvline, axes.axvspan)
    low, high = axes.get_ylim() if which == "y" else axes.get_xlim()
    mean = meter.ratio.ratio
    if mean.low is not None and mean.high is not None:
        band(max(mean.low, low), min(mean.high, high), color=SHADE, linewidth=0, zorder=0)
    line(mean.value, color=INK, linewidth=1.2)
    for end in _ends(meter):
        line(end, color=INK, linewidth=1, linestyle=DASHES[1])
    if low < 1 < high:
        line(1.0, color=INK, linewidth=1, linestyle=DASHES[4])


def _ratio_axis(axes: Axes, which: str, values: list[float]) -> None:
    """Scale an axis of ratios by logarithm, with a few round values; 1 where it is near."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = float(np.log(min(values))), float(np.log(max(values)))
    near = 0.6 * (high - low)
    low, high = (0.0 if 0 < low < near else low), (0.0 if -near < high < 0 else high)
    room = max(0.08 * (high - low), 1e-4)
    first, last = float(np.exp(low - room)), float(np.exp(high + room))
    axis = axes.yaxis if which == "y" else axes.xaxis
    axes.set(**{f"{which}scale": "log", f"{which}lim": (first, last)})
    axis.set_major_locator(FixedLocator(round_values(first, last)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))


def round_values(low: float, high: float) -> list[float]:
    """Return up to five round values between two positive ones, however far apart they are."""
    from matplotlib.ticker import MaxNLocator

    decades = np.log10(high / low)
    if decades < 0.7:
        found = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        return [float(value) for value in found if low <= value <= high]
    steps = (1, 2, 5) if decades < 1.7 else (1,)
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    found = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    inside = [value for value in found if low <= value <= high]
    return inside[:: 1 + len(inside) // 6]
