"""Energy of phases: what loading, an epoch, a prediction used, by every probe."""

from __future__ import annotations

import math
from collections.abc import Mapping

from calibrate import phases
from calibrate.analysis import Analysis
from calibrate.chapters.chapter import Chapter
from calibrate.digest import MISSING, Row, Table, figure, fitting
from calibrate.phases import Measured, Per, Phase

_NOTE = (
    "Mean of all stretches of one name, as reported, nothing multiplied; ±: standard uncertainty "
    "from the readings and from the scatter. What a meter counted between two readings may have "
    "been used anywhere between them, so that short phases are little known to slow meters, "
    "however often they are repeated."
)

#: More rows than a reader can follow are of the reference alone.
_MOST_ROWS = 80
#: So many phases of a run stand each by itself, of more those of one kind together: epochs.
_MOST_NAMES = 12


def chapter(analysis: Analysis) -> Chapter | None:
    """Return the table of phases, of the workloads that mark more than one."""
    shown = _shown(analysis)
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
    rows = tuple(Row(_cells(each), each.probe == reference) for each in shown)
    return Chapter("Energy of phases", words, Table(head, rows, frozenset({3, 4, 5, 6})), _NOTE)


def _shown(analysis: Analysis) -> list[Phase]:
    """Return the phases of workloads that have several: each, or where they are many each kind."""
    found = list(phases.measured(analysis.campaign))
    names: dict[str, set[str]] = {}
    for each in found:
        names.setdefault(each.run.record.workload, set()).add(each.phase.name)

    def called(each: Measured) -> str:
        mine = names[each.run.record.workload]
        many = len(mine) > _MOST_NAMES and len({phases.kind(name) for name in mine}) > 1
        return phases.kind(each.phase.name) if many else each.phase.name

    several = (each for each in found if len(names[each.run.record.workload]) > 1)
    return sorted(phases.means(several, called), key=lambda phase: phase.workload)


def _cells(each: Phase) -> tuple[str, ...]:
    return (
        each.workload,
        each.phase,
        f"{each.probe} ({each.scope})",
        str(each.stretches),
        f"{figure(each.seconds)} s",
        prefixed(each.joules, each.u_j, "J"),
        per_unit(each.per),
    )


def per_unit(units: Mapping[str, Per]) -> str:
    """Return the energy of one unit of work, and of one of what else is counted."""
    shown = (prefixed(per.joules, per.u_j, f"J/{unit}") for unit, per in units.items())
    return "; ".join(shown) or MISSING


def prefixed(value: float, u: float, unit: str) -> str:
    """Return a quantity and its standard uncertainty, the unit with the prefix of its size."""
    largest = max(abs(value), u)
    prefix, size = fitting(largest, "GMk mµnpf") if largest else ("", 1.0)
    return f"{spread(value / size, u / size)} {prefix}{unit}"


def spread(value: float, u: float) -> str:
    """Return a value and its standard uncertainty, of two digits, to the same place (GUM 7.2.6)."""
    if abs(u) <= 1e-12 * abs(value):  # what rounding leaves of none
        return f"{figure(value)} ± 0"
    places = 1 - math.floor(math.log10(u))
    # No minus before a zero: + 0.0 turns -0.0 into 0.0.
    return " ± ".join(f"{round(each, places) + 0.0:.{max(places, 0)}f}" for each in (value, u))
