"""Energy of phases: what loading, an epoch, a prediction used, by every probe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from calibrate.analysis import Analysis
from calibrate.energy import (
    Per,
    PhaseEnergy,
    phase_kind,
)
from calibrate.quantity import MISSING, figure, prefixed
from calibrate.reporting.chapters.chapter import Chapter
from calibrate.reporting.chapters.table import Row, Table

_NOTE = (
    "Mean of all stretches of one name, as reported, nothing multiplied; ±: expanded uncertainty "
    "(95 %) from the readings and from the scatter. Phases that are shorter than two updates of a "
    "meter (*) have the mean power of all phases of their kind, by least squares over the "
    "intervals between readings."
)
#: More rows than a reader can follow are of the reference alone.
_MOST_ROWS = 80


def phase_chapter(analysis: Analysis) -> Chapter | None:
    """Return the table of phases, of the workloads that mark more than one."""
    shown: Sequence[PhaseEnergy] = analysis.shown_phases
    if not shown:
        return None
    reference = analysis.comparison.reference
    head = (
        "workload",
        "phase",
        "probe",
        "stretches",
        "length",
        "energy of one",
        "per unit of work",
    )
    words: tuple[str, ...] = ()
    if len(shown) > _MOST_ROWS:
        shown = [each for each in shown if each.probe == reference]
        words = (f"By {reference}, the reference; phases.json has all probes.",)
    words += tuple(_untold(shown))
    rows = tuple(Row(_cells(each), each.probe == reference) for each in shown)
    return Chapter("Energy of phases", words, Table(head, rows, frozenset({3, 4, 5, 6})), _NOTE)


def _cells(each: PhaseEnergy) -> tuple[str, ...]:
    return (
        each.workload,
        each.phase,
        f"{each.probe} ({each.scope})",
        f"{each.stretches}{' *' if each.method == 'least squares' else ''}",
        f"{figure(each.seconds)} s",
        prefixed(each.joules, each.k * each.u_j, "J"),
        per_unit(each.per),
    )


def _untold(shown: Sequence[PhaseEnergy]) -> Iterator[str]:
    """Yield a sentence for each probe and kind of short phases whose power is not known."""
    why = {(each.probe, each.workload, phase_kind(each.phase)): each.why for each in shown}
    for (probe, workload, kind), reason in why.items():
        if reason:
            yield f"{workload}, {kind}, by {probe}: {reason}"


def per_unit(units: Mapping[str, Per]) -> str:
    """Return the energy of one unit of work, and of one of what else is counted."""
    shown = (prefixed(per.joules, per.k * per.u_j, f"J/{unit}") for unit, per in units.items())
    return "; ".join(shown) or MISSING
