"""Energy against quality, epoch by epoch: what training cost, and from where on it bought nothing.

The first figure of the study that started this: cumulative energy of a speech recogniser's
training against its word error rate.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from calibrate.analysis import Analysis
from calibrate.costs import QUALITIES, Epoch, Learning, Spent
from calibrate.quantity import MISSING, figure, percent, spread
from calibrate.reporting.canvas import DASHES, INK, Canvas, Panel, Style, engineering, styles
from calibrate.reporting.chapters.chapter import Chapter
from calibrate.reporting.chapters.table import Row, Table
from calibrate.tokens import masked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: How many times the energy of another a probe must have told to be drawn apart from it.
APART = 4.0
_NAMES = {"wer": "word error rate", "f1": "F1"}
_NOTE = (
    "Energy: from the begin of the workload's first phase to the end of the epoch's examination, "
    "mean over runs, as reported, nothing multiplied. ±: standard uncertainty; of energies from "
    "the readings and from the scatter of the runs. Bold: the knee."
)
_CAPTION = (
    "Quality after every epoch against the energy used up to there, by every probe. Bars: standard "
    "uncertainties. The ring is the knee, the earliest epoch within one standard uncertainty of "
    "the best (dashed): what was spent right of it bought nothing that the test can show. A probe "
    "that is far off has axes of its own."
)


def learning_chapter(analysis: Analysis) -> Chapter | None:
    """Return energy against quality, of the workloads that learn in epochs."""
    found = analysis.learnings.learnings
    if not found:
        return None
    return Chapter(
        "Energy against quality",
        tuple(_words(each, len(found) > 1) for each in found),
        _table(found),
        _NOTE,
        lambda: [p for n, each in enumerate(found) for p in _panels(analysis, each, n)],
        _CAPTION,
    )


def _name(of: Learning) -> str:
    return _NAMES.get(of.quality, of.quality)


def _shown(of: Learning, epoch: Epoch) -> str:
    """Return a figure of quality with its uncertainty; rates in percent."""
    scale, unit = (1, "") if of.quality == "loss" else (100, " %")
    if epoch.u is None:
        return f"{figure(scale * epoch.value)}{unit}"
    return f"{spread(scale * epoch.value, scale * epoch.u)}{unit}"


# ---- words ----


def _words(of: Learning, several: bool) -> str:
    """Return what one workload learnt, as a paragraph."""
    first, last = of.epochs[0], of.epochs[-1]
    runs = f"{of.runs} runs" if of.runs > 1 else "one run"
    settings = f" ({shlex.join(masked(of.arguments))})" if several and of.arguments else ""
    parts = [
        f"{of.workload}{settings}, {runs}: the {_name(of)} was {_shown(of, first)} after epoch "
        f"{first.epoch} and {_shown(of, last)} after epoch {last.epoch}."
    ]
    if of.ended:
        parts.append(
            f"{of.ended} runs went on after others had ended; their later epochs are left out."
        )
    if of.knee is None:
        parts.append(f"There is no knee: {of.why}.")
    else:
        parts.append(_after(of, of.knee))
    return " ".join(parts)


def _after(of: Learning, knee: int) -> str:
    """Say what was spent after the knee; probes that agree are not all named."""
    best = max(of.epochs, key=lambda each: QUALITIES[of.quality] * each.value)
    shares = [each.after(knee) for each in of.spent if each.joules[-1] > 0]
    first = of.epochs[knee]
    enough = (
        f"Epoch {best.epoch} was the best ({_shown(of, best)})"
        if first is best
        else f"From epoch {first.epoch} on ({_shown(of, first)}) it is within one standard "
        f"uncertainty of the best ({_shown(of, best)}, epoch {best.epoch})"
    )
    said = f"{enough}: more training bought no accuracy that this test can show"
    if not shares:
        return f"{said}."
    low, high = (percent(f(share for share, _ in shares)) for f in (min, max))
    between = low if low == high else f"{low.removesuffix(' %')} to {high}"
    return f"{said}. Of the energy, {between} was spent after it."


# ---- table ----


def _table(found: Sequence[Learning]) -> Table:
    probes = {each.probe: each.scope for of in found for each in of.spent}
    several = len(found) > 1
    names = list(dict.fromkeys(_name(of) for of in found))
    head = (*(["workload"] if several else []), "epoch", " or ".join(names),
            *(f"{probe} ({scope})" for probe, scope in probes.items()))  # fmt: skip
    rows = [row for of in found for row in _rows(of, list(probes), several)]
    return Table(head, tuple(rows), frozenset(range(1 + several, len(head))))


def _rows(of: Learning, probes: Sequence[str], several: bool) -> Iterator[Row]:
    spent = {each.probe: each for each in of.spent}
    for place, epoch in enumerate(of.epochs):
        energies = [_joules(spent.get(probe), place) for probe in probes]
        cells = (*([of.workload] if several else []), str(epoch.epoch), _shown(of, epoch))
        yield Row((*cells, *energies), place == of.knee)


def _joules(spent: Spent | None, place: int) -> str:
    return f"{spread(spent.joules[place], spent.u_j[place])} J" if spent else MISSING


# ---- figure ----


def _panels(analysis: Analysis, of: Learning, place: int) -> Iterator[Panel]:
    """Draw quality against energy, a line a probe; those that are far off on axes of their own."""
    looks = styles(analysis)
    for number, group in enumerate(_alike([each for each in of.spent if each.probe in looks])):
        name = f"{of.workload}: energy against {_name(of)}" + (", far off" if number else "")
        with Canvas(5.0, 3.2, name, stamp=analysis) as canvas:
            for spent in group:
                _draw(canvas.axes, of, spent, looks[spent.probe])
            _finish(canvas.axes, of)
            if number:
                canvas.axes.set_title(f"{of.workload}, by {', '.join(s.probe for s in group)}")
        what = f"{_name(of)} from {_shown(of, of.epochs[0])} to {_shown(of, of.epochs[-1])}: "
        what += "; ".join(
            f"{each.probe} {figure(each.joules[0])} to {figure(each.joules[-1])} J"
            for each in group
        )
        yield Panel(name, canvas.svg(f"learning{place}-{number}"), what)


def _alike(spent: Sequence[Spent]) -> list[list[Spent]]:
    """Return probes in groups that one axis can show, the one with most energy first."""
    groups: list[list[Spent]] = []
    for each in sorted(spent, key=lambda one: -one.joules[-1]):
        if groups and groups[-1][0].joules[-1] <= APART * each.joules[-1]:
            groups[-1].append(each)
        else:
            groups.append([each])
    return groups


def _draw(axes: Axes, of: Learning, spent: Spent, look: Style) -> None:
    """Draw one probe's line with its uncertainties, and a ring at the knee."""
    values = [epoch.value for epoch in of.epochs]
    errors = [epoch.u or 0.0 for epoch in of.epochs]
    axes.errorbar(
        spent.joules, values, errors, spent.u_j, fmt="none", ecolor=look.colour, elinewidth=1
    )
    axes.plot(spent.joules, values, **look.line)
    if not look.reference:
        axes.plot(
            spent.joules, values, look.marker, color=look.colour, markersize=5,
            markerfacecolor="none",
        )  # fmt: skip
    if of.knee is not None:
        axes.plot(
            spent.joules[of.knee], values[of.knee], "o", color=INK, markersize=11,
            markerfacecolor="none", markeredgewidth=1.2,
        )  # fmt: skip


def _finish(axes: Axes, of: Learning) -> None:
    from matplotlib.ticker import PercentFormatter

    if of.knee is not None:
        best = max(of.epochs, key=lambda each: QUALITIES[of.quality] * each.value)
        level = best.value - QUALITIES[of.quality] * (best.u or 0.0)
        axes.axhline(level, color=INK, linewidth=1, linestyle=DASHES[1])
    axes.set_title(of.workload)
    axes.set_xlabel("energy up to the end of the epoch", loc="left")
    axes.set_ylabel(_name(of))
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set_xlim(left=0)
    engineering(axes, "x", "J")
    if of.quality != "loss":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
