"""Figures that every report has: power over time, probe against reference, ratio by workload."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibrate.analysis import Analysis, Finding
from calibrate.comparison import Pair, PowerTrace, RunPower
from calibrate.quantity import number
from calibrate.reporting.canvas import (
    DASHES,
    HEIGHT,
    INK,
    SHADE,
    WIDTH,
    Canvas,
    Panel,
    Style,
    engineering,
    marker_key,
    styles,  # fmt: skip
)
from calibrate.stats import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = NDArray[np.float64]

#: Largest over smallest value from which an axis is logarithmic.
LOG_FROM = 15.0


# ---- watts over time ----


@dataclass(frozen=True)
class _Line:
    """A power trace with its style; ``apart`` asks for an axis of its own."""

    trace: PowerTrace
    style: Style
    apart: bool

    @property
    def watts(self) -> Values:
        return self.trace.watts


def power_panels(analysis: Analysis) -> list[Panel]:
    """Draw watts over time of all probes, one run for each workload, nothing corrected."""
    looks = styles(analysis)
    apart = {f.probe for f in analysis if f.headline and _is_apart(f)}
    lines = [_lines(run, looks, apart) for run in analysis.power]
    drawn = [line for panel in lines for line in panel]
    scales = [_scale([line for line in drawn if line.apart == far]) for far in (False, True)]
    used = [place for place in (0, 1) if any(line.apart == bool(place) for line in drawn)] or [0]
    panels = []
    for place, (run, found) in enumerate(zip(analysis.power, lines, strict=True)):
        name = f"{run.workload}, run {run.run}"
        with Canvas(WIDTH, HEIGHT + 0.9 * (len(used) - 1), name, stamp=analysis) as canvas:
            axes = canvas.stack([2.0, 1.0][: len(used)])
            for which, here in zip(used, axes, strict=True):
                part = [line for line in found if line.apart == bool(which)]
                _draw_power(here, run, part, scales[which])
            axes[0].set_title(run.workload)
            axes[-1].set_xlabel("time / s", loc="left")
        what = "Watts over time: " + "; ".join(
            f"{line.style.name} about {number(float(np.nanmedian(line.watts)))} W"
            for line in found
            if line.watts.size
        )
        panels.append(Panel(name, canvas.svg(f"power{place}"), what))
    return panels


def _is_apart(finding: Finding) -> bool:
    """Tell whether a probe is so far off that it needs an axis of its own."""
    ratio = finding.ratio
    return ratio is not None and abs(float(np.log(ratio.value))) > np.log(LOG_FROM)


def _lines(run: RunPower, looks: Mapping[str, Style], apart: Collection[str]) -> list[_Line]:
    """Return what is drawn of a run: the reference in every scope that is used, and all probes."""
    return [
        _Line(trace, looks[trace.probe], trace.probe in apart)
        for trace in (*run.reference, *run.probes)
    ]


def _draw_power(
    axes: Axes, run: RunPower, lines: Sequence[_Line], scale: tuple[str, float, float]
) -> None:
    axes.axvspan(0, run.seconds, color=SHADE, linewidth=0)
    for line in lines:
        trace, style = line.trace, line.style
        few = trace.watts.size < 20 and not style.reference
        if few and trace.watts.size:
            axes.stairs(trace.watts, trace.edges_s, baseline=None, linewidth=1.5, **style.line)
            axes.plot(trace.middle_s, trace.watts, style.marker, color=style.colour, markersize=4)
        else:
            axes.plot(trace.middle_s, trace.watts, **style.line)
    kind, low, high = scale
    axes.set_yscale(kind)
    axes.set_ylim(low, high)
    axes.set_xlim(-run.before_s, run.seconds + run.after_s)
    engineering(axes, "y", "W")


def _scale(lines: Sequence[_Line]) -> tuple[str, float, float]:
    """Return an axis for watts: from zero, unless probes differ by decades from each other."""
    middles = [float(np.nanmedian(line.watts)) for line in lines if line.watts.size]
    middles = [each for each in middles if each > 0]
    if not middles:
        return "linear", 0.0, 1.0
    high = max(float(np.nanmax(line.watts)) for line in lines if line.watts.size)
    if max(middles) / min(middles) > 4 * LOG_FROM:
        return "log", min(middles) / 4, high * 2
    return "linear", 0.0, high * 1.12


# ---- probe against reference ----


def identity_panel(analysis: Analysis) -> Panel:
    """Draw the energy of every run against the reference's, both logarithmic."""
    looks = styles(analysis)
    main = _worst(analysis)
    points = [(row.reference_j, row.probe_j) for pair in main for row in pair.usable]
    with Canvas(5.0, 3.6, "", stamp=analysis) as canvas:
        axes = canvas.axes
        axes.set(xscale="log", yscale="log")
        if points:
            _draw_identity(axes, np.array(points))
        for pair in main:
            _draw_runs(axes, pair, looks[pair.probe], analysis)
        axes.set_xlabel(f"energy by {analysis.comparison.reference}, same scope", loc="left")
        axes.set_ylabel("energy by the probe")
        for which in "xy":
            engineering(axes, which, "J")
    runs = f"{len(points)} markers, one for each probe and run, beside the line of equality."
    return Panel("probe against reference", canvas.svg("identity"), runs)


def _draw_identity(axes: Axes, points: Values) -> None:
    low, high = points.min(axis=0), points.max(axis=0)
    axes.set_xlim(low[0] / 1.5, high[0] * 1.5)
    axes.set_ylim(min(low[1], low[0]) / 2, max(high[1], high[0]) * 2)
    ends = np.array([low[0] / 1.5, high[0] * 1.5])
    axes.plot(ends, ends, color=INK, linewidth=1, zorder=1)
    middle = float(np.sqrt(ends[0] * ends[1]))
    axes.annotate(
        "equal", (middle, middle), (4, -4), textcoords="offset points", va="top", fontsize=9
    )


def _draw_runs(axes: Axes, pair: Pair, style: Style, analysis: Analysis) -> None:
    """Draw a probe's runs, and the line of the exact factor where a fault has one."""
    rows = pair.usable
    x, y = ([getattr(row, name) for row in rows] for name in ("reference_j", "probe_j"))
    # Smaller from probe to probe, so that equal ones lie inside one another.
    size = max(11.0 - 1.8 * style.place, 4.0)
    axes.plot(
        x, y, style.marker, color=style.colour, markersize=size,
        markerfacecolor="none", markeredgewidth=1.4,
    )  # fmt: skip
    factor = analysis.diagnoses[pair.probe, pair.column].factor
    if rows and factor is not None and factor != 1:
        ends = np.array(axes.get_xlim())
        axes.plot(ends, factor * ends, color=style.colour, linewidth=1, linestyle=DASHES[4])


# ---- ratio by workload ----


def ratio_panels(analysis: Analysis) -> list[Panel]:
    """Draw every run's ratio by workload, with mean, interval and limits; a panel a probe."""
    looks = styles(analysis)
    panels = []
    for place, pair in enumerate(_worst(analysis)):
        if pair.ratio:
            labels = sorted({row.workload for row in pair.usable})
            with Canvas(WIDTH, 1.25 + 0.22 * len(labels), pair.probe, stamp=analysis) as canvas:
                _draw_ratios(canvas.axes, pair, pair.ratio.ratio, labels, looks[pair.probe])
            values = [row.ratio or 0.0 for row in pair.usable]
            what = f"{pair.probe}: ratios from {number(min(values))} to {number(max(values))}"
            panels.append(Panel(pair.probe, canvas.svg(f"ratio{place}"), what))
    return panels


def _draw_ratios(axes: Axes, pair: Pair, mean: Estimate, labels: list[str], style: Style) -> None:
    ends = (pair.limits.lower, pair.limits.upper) if pair.limits else ()
    limits = [end.value for end in ends if end]
    values = [row.ratio or 0.0 for row in pair.usable]
    low, high = _ratio_range([*values, *limits], mean)
    if mean.low is not None and mean.high is not None:
        axes.axvspan(max(mean.low, low), min(mean.high, high), color=SHADE, linewidth=0)
    axes.axvline(mean.value, color=style.colour, linewidth=1.5)
    for limit in limits:
        axes.axvline(limit, color=style.colour, linewidth=1, linestyle=DASHES[1])
    if low < 1 < high:
        axes.axvline(1.0, color=INK, linewidth=1, linestyle=DASHES[4])
    places = [labels.index(row.workload) for row in pair.usable]
    axes.plot(
        values, places, style.marker, color=style.colour, markersize=6,
        markerfacecolor="none", markeredgewidth=1.4,
    )  # fmt: skip
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    _ratio_axis(axes, low, high)
    axes.set_title(f"{pair.probe}: {pair.column}")
    axes.set_xlabel("probe / reference", loc="left")


def _ratio_range(values: Sequence[float], mean: Estimate) -> tuple[float, float]:
    """Return an axis that holds all values, and of the mean's interval what fits beside them."""
    logs = np.log(values)
    low, high = float(logs.min()), float(logs.max())
    room = max(0.6 * (high - low), 1e-4)
    wanted = [low, high]
    if mean.low is not None and mean.high is not None:
        wanted = list(np.log([mean.low, mean.high]))
    low, high = max(min(wanted[0], low), low - room), min(max(wanted[1], high), high + room)
    if 0 < low < room:
        low = 0.0  # the ratio 1 is near enough to be shown
    if -room < high < 0:
        high = 0.0
    edge = max(0.08 * (high - low), 1e-4)
    return float(np.exp(low - edge)), float(np.exp(high + edge))


def _ratio_axis(axes: Axes, low: float, high: float) -> None:
    """Scale the axis by logarithm and label a few round values."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(round_values(low, high)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))


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


def _worst(analysis: Analysis) -> list[Pair]:
    """Return the column that speaks for each probe, in the order of the comparison."""
    worst = {v.probe: v.worst.pair for v in analysis.verdicts if v.worst}
    return [worst[name] for name in analysis.comparison.probes if name in worst]


def figure_legend(analysis: Analysis, *, power: bool = False) -> Iterable[tuple[str, str]]:
    """Yield (key as SVG, words) for every probe in the figures.

    `power` : of the figure of power over time, which has the main column of each probe; the others
    have the worst.
    """
    main = {p.probe: p for p in analysis.comparison.pairs if p.headline} if power else {}
    main = main or {pair.probe: pair for pair in _worst(analysis)}
    for name, style in styles(analysis).items():
        pair = main.get(name)
        yield (
            marker_key(style),
            f"{name}, {pair.column}" if pair else f"{name} (the reference)",
        )
