"""Energy against quality, epoch by epoch: what training cost, and from where on it bought nothing.

The first figure of the study that started this: cumulative energy of a speech recogniser's
training against its word error rate.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from calibrate.analysis import Analysis
from calibrate.costs import QUALITIES, Learning, Spent
from calibrate.quantity import MISSING, percent, spread
from calibrate.reporting.chapters.chapter import Chapter
from calibrate.reporting.chapters.quality import quality_name, quality_text
from calibrate.reporting.chapters.table import Row, Table
from calibrate.reporting.charts.learning import learning_charts
from calibrate.tokens import masked

_NOTE = (
    "Energy: from the begin of the workload's first phase to the end of the epoch's examination, "
    "mean over runs, as reported, nothing multiplied. ±: standard uncertainty; of energies from "
    "the readings and from the scatter of the runs. Bold: the knee."
)
_CAPTION = (
    "Quality after every epoch against the energy used up to there, by every probe. Bars: standard "
    "uncertainties. The ring is the knee, the earliest epoch within one standard uncertainty of "
    "the best (dashed): what was spent right of it bought nothing that the test can show. A probe "
    "that is far off has a chart of its own."
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
        lambda: learning_charts(analysis, found),
        _CAPTION,
    )


# ---- words ----


def _words(of: Learning, several: bool) -> str:
    """Return what one workload learnt, as a paragraph."""
    first, last = of.epochs[0], of.epochs[-1]
    runs = f"{of.runs} runs" if of.runs > 1 else "one run"
    settings = f" ({shlex.join(masked(of.arguments))})" if several and of.arguments else ""
    parts = [
        f"{of.workload}{settings}, {runs}: the {quality_name(of)} was "
        f"{quality_text(of, first)} after epoch {first.epoch} and {quality_text(of, last)} after "
        f"epoch {last.epoch}."
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
        f"Epoch {best.epoch} was the best ({quality_text(of, best)})"
        if first is best
        else f"From epoch {first.epoch} on ({quality_text(of, first)}) it is within one standard "
        f"uncertainty of the best ({quality_text(of, best)}, epoch {best.epoch})"
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
    names = list(dict.fromkeys(quality_name(of) for of in found))
    head = (*(["workload"] if several else []), "epoch", " or ".join(names),
            *(f"{probe} ({scope})" for probe, scope in probes.items()))  # fmt: skip
    rows = [row for of in found for row in _rows(of, list(probes), several)]
    return Table(head, tuple(rows), frozenset(range(1 + several, len(head))))


def _rows(of: Learning, probes: Sequence[str], several: bool) -> Iterator[Row]:
    spent = {each.probe: each for each in of.spent}
    for place, epoch in enumerate(of.epochs):
        energies = [_joules(spent.get(probe), place) for probe in probes]
        cells = (*([of.workload] if several else []), str(epoch.epoch), quality_text(of, epoch))
        yield Row((*cells, *energies), place == of.knee)


def _joules(spent: Spent | None, place: int) -> str:
    return f"{spread(spent.joules[place], spent.u_j[place])} J" if spent else MISSING
