"""Energy of phases: what loading, an epoch, a prediction used, by every probe."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from calibrate import phases
from calibrate.analysis import Analysis
from calibrate.chapters.chapter import Chapter
from calibrate.digest import MISSING, Row, Table, figure
from calibrate.phases import Per, Phase

_NOTE = (
    "Mean of all stretches of one name, as reported, nothing multiplied; ±: standard uncertainty "
    "from the readings and from the scatter. What a meter counted between two readings may have "
    "been used anywhere between them, so that short phases are little known to slow meters, "
    "however often they are repeated."
)

#: More rows than a reader can follow are of the reference alone.
_MOST_ROWS = 80


def chapter(analysis: Analysis) -> Chapter | None:
    """Return the table of phases, of the workloads that mark more than one kind."""
    found = phases.phases(analysis.campaign, phases.kind).phases
    kinds: dict[str, set[str]] = {}
    for each in found:
        kinds.setdefault(each.workload, set()).add(each.phase)
    shown = [each for each in found if len(kinds[each.workload]) > 1]
    if not shown:
        return None
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
        reference = analysis.comparison.reference
        shown = [each for each in shown if each.probe == reference]
        words = (f"By {reference}, the reference; phases.json has all probes.",)
    rows = tuple(Row(_cells(each), first) for each, first in _firsts(shown))
    return Chapter("Energy of phases", words, Table(head, rows, frozenset({3, 4, 5, 6})), _NOTE)


def _firsts(shown: Sequence[Phase]) -> list[tuple[Phase, bool]]:
    """Return phases in order, with whether each is the first of its workload and name."""
    seen: set[tuple[str, str]] = set()
    found = []
    for each in sorted(shown, key=lambda p: p.workload):
        key = each.workload, each.phase
        found.append((each, key not in seen))
        seen.add(key)
    return found


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
    sizes = {"G": 1e9, "M": 1e6, "k": 1e3, "": 1.0, "m": 1e-3, "µ": 1e-6, "n": 1e-9, "p": 1e-12}
    largest = max(abs(value), u)
    fitting = ((prefix, size) for prefix, size in sizes.items() if largest >= size)
    prefix, size = next(fitting, ("f", 1e-15)) if largest else ("", 1.0)
    return f"{spread(value / size, u / size)} {prefix}{unit}"


def spread(value: float, u: float) -> str:
    """Return a value and its standard uncertainty, of two digits, to the same place (GUM 7.2.6)."""
    if not u:
        return f"{figure(value)} ± 0"
    places = 1 - math.floor(math.log10(u))
    # No minus before a zero: + 0.0 turns -0.0 into 0.0.
    return " ± ".join(f"{round(each, places) + 0.0:.{max(places, 0)}f}" for each in (value, u))
