"""Figures that every report has: power over time, probe against reference, ratio by workload."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibrate.analysis import Analysis
from calibrate.comparison import Pair
from calibrate.energy import (
    Column,
    columns_by_scope,
    counter_curve,
    native_columns,
    power_curve,
    probe_columns,
)
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
from calibrate.store import ProbeLog, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = NDArray[np.float64]

#: Largest over smallest value from which an axis is logarithmic.
LOG_FROM = 15.0


# ---- watts over time ----


@dataclass(frozen=True)
class _Line:
    """Watts of one column; `edges` are the instants between which each value is the mean."""

    style: Style
    edges: Values
    watts: Values
    apart: bool

    @property
    def middle(self) -> Values:
        """Return the middle of every step, s."""
        middle: Values = (self.edges[1:] + self.edges[:-1]) / 2
        return middle


def power_panels(analysis: Analysis) -> list[Panel]:
    """Draw watts over time of all probes, one run for each workload, nothing corrected."""
    runs = _representative(analysis)
    looks = styles(analysis)
    lines = [list(_lines(analysis, run, looks)) for run in runs]
    drawn = [line for panel in lines for line in panel]
    scales = [_scale([line for line in drawn if line.apart == apart]) for apart in (False, True)]
    used = [place for place in (0, 1) if any(line.apart == bool(place) for line in drawn)] or [0]
    panels = []
    for place, (run, found) in enumerate(zip(runs, lines, strict=True)):
        name = f"{run.record.workload}, run {run.folder.name}"
        with Canvas(WIDTH, HEIGHT + 0.9 * (len(used) - 1), name, stamp=analysis) as canvas:
            axes = canvas.stack([2.0, 1.0][: len(used)])
            for which, here in zip(used, axes, strict=True):
                part = [line for line in found if line.apart == bool(which)]
                _draw_power(here, run, part, scales[which])
            axes[0].set_title(run.record.workload)
            axes[-1].set_xlabel("time / s", loc="left")
        what = "Watts over time: " + "; ".join(
            f"{line.style.name} about {number(float(np.nanmedian(line.watts)))} W"
            for line in found
            if line.watts.size
        )
        panels.append(Panel(name, canvas.svg(f"power{place}"), what))
    return panels


def _representative(analysis: Analysis) -> list[Run]:
    """Return for every workload the run of middle length."""
    found = []
    for workload in analysis.comparison.workloads:
        runs = [
            run for run in analysis.campaign.runs
            if run.record.workload == workload and run.record.exit_code == 0
        ]  # fmt: skip
        runs.sort(key=lambda run: run.record.seconds)
        found.append(runs[len(runs) // 2])
    return found


def _lines(analysis: Analysis, run: Run, looks: dict[str, Style]) -> Iterator[_Line]:
    """Yield what is drawn of a run: the reference in every scope that is used, and all probes."""
    comparison = analysis.comparison
    main = [pair for pair in comparison.pairs if pair.headline]
    reference = run.logs[comparison.reference]
    beside = columns_by_scope(probe_columns(reference.domains.values()))
    drawn = set()
    for pair in main:
        # package and package-0 are the same on a machine of one socket: one band, not two
        column = beside.get(pair.scope)
        if column and column.parts not in drawn:
            drawn.add(column.parts)
            yield _line(run, reference, column, looks[comparison.reference], apart=False)
    for pair in main:
        log = run.logs.get(pair.probe)
        own = _column(log, pair) if log else None
        if log and own:
            yield _line(run, log, own, looks[pair.probe], apart=_is_apart(pair))


def _is_apart(pair: Pair) -> bool:
    """Tell whether a probe is so far off that it needs an axis of its own."""
    ratio = ((pair.ratio or {}).get("ratio") or {}).get("value")
    return ratio is not None and abs(float(np.log(ratio))) > np.log(LOG_FROM)


def _column(log: ProbeLog, pair: Pair) -> Column | None:
    shown = native_columns(log.domains.values())
    return next((column for column in shown if column.name == pair.column), None)


def _line(run: Run, log: ProbeLog, column: Column, style: Style, *, apart: bool) -> _Line:
    """Return a column's watts, a tracker's only up to the end of its window."""
    middle, watts = power_curve(log, column, max(0.1, run.record.seconds / 80))
    if not watts.size:
        return _Line(style, np.zeros(1), watts, apart)
    start = float(counter_curve(log, log.domains[column.parts[0]]).at_ns[0]) / 1e9
    edges = [start]
    for each in middle:
        edges.append(2 * float(each) - edges[-1])
    good = np.isfinite(watts) & (watts >= 0)
    if log.window_ns and log.domains[column.parts[0]].kind == "window":
        good &= middle <= log.window_ns[1] / 1e9
    last = int(np.flatnonzero(good)[-1]) + 1 if good.any() else 0
    kept = np.where(good, watts, np.nan)[:last]
    return _Line(style, np.array(edges[: last + 1]) - run.record.begin_ns / 1e9, kept, apart)


def _draw_power(
    axes: Axes, run: Run, lines: Sequence[_Line], scale: tuple[str, float, float]
) -> None:
    seconds = run.record.seconds
    before = (run.record.begin_ns - run.record.recording_ns) / 1e9
    after = (run.record.stopped_ns - run.record.end_ns) / 1e9
    axes.axvspan(0, seconds, color=SHADE, linewidth=0)
    for line in lines:
        few = line.watts.size < 20 and not line.style.reference
        if few and line.watts.size:
            axes.stairs(line.watts, line.edges, baseline=None, linewidth=1.5, **line.style.line)
            axes.plot(
                line.middle, line.watts, line.style.marker, color=line.style.colour, markersize=4
            )
        else:
            axes.plot(line.middle, line.watts, **line.style.line)
    kind, low, high = scale
    axes.set_yscale(kind)
    axes.set_ylim(low, high)
    axes.set_xlim(-before, seconds + after)
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
    main = [pair for pair in analysis.comparison.pairs if pair.headline]
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
    for place, pair in enumerate(analysis.comparison.pairs):
        if pair.headline and pair.usable:
            labels = sorted({row.workload for row in pair.usable})
            with Canvas(WIDTH, 1.25 + 0.22 * len(labels), pair.probe, stamp=analysis) as canvas:
                _draw_ratios(canvas.axes, pair, labels, looks[pair.probe])
            values = [row.ratio or 0.0 for row in pair.usable]
            what = f"{pair.probe}: ratios from {number(min(values))} to {number(max(values))}"
            panels.append(Panel(pair.probe, canvas.svg(f"ratio{place}"), what))
    return panels


def _draw_ratios(axes: Axes, pair: Pair, labels: list[str], style: Style) -> None:
    mean = (pair.ratio or {})["ratio"]
    limits = [(pair.limits or {}).get(end) for end in ("lower", "upper")]
    values = [row.ratio or 0.0 for row in pair.usable]
    shown = [*values, *(end["value"] for end in limits if end)]
    low, high = _ratio_range(shown, mean)
    if mean["low"] is not None:
        axes.axvspan(max(mean["low"], low), min(mean["high"], high), color=SHADE, linewidth=0)
    axes.axvline(mean["value"], color=style.colour, linewidth=1.5)
    for end in limits:
        if end:
            axes.axvline(end["value"], color=style.colour, linewidth=1, linestyle=DASHES[1])
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


def _ratio_range(values: Sequence[float], mean: dict[str, Any]) -> tuple[float, float]:
    """Return an axis that holds all values, and of the mean's interval what fits beside them."""
    logs = np.log(values)
    low, high = float(logs.min()), float(logs.max())
    room = max(0.6 * (high - low), 1e-4)
    wanted = [low, high] if mean["low"] is None else list(np.log([mean["low"], mean["high"]]))
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
    axes.xaxis.set_major_locator(FixedLocator(_round_values(low, high)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))


def _round_values(low: float, high: float) -> list[float]:
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


def figure_legend(analysis: Analysis) -> Iterable[tuple[str, str]]:
    """Yield (key as SVG, words) for every probe in the figures."""
    main = {p.probe: p for p in analysis.comparison.pairs if p.headline}
    for name, style in styles(analysis).items():
        pair = main.get(name)
        yield (
            marker_key(style, name),
            f"{name}, {pair.column}" if pair else f"{name} (the reference)",
        )
