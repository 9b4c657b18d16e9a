"""What a verdict says in a few words: the sentence that comes first, and its clauses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from calibrate.analysis import Analysis, Finding, ProbeVerdict
from calibrate.diagnosis import FAULTY_PART, NO_ENERGY, Severity
from calibrate.quantity import brief, figure, text

#: A smaller share is written as a fraction.
_PERCENT = 0.01
#: More names than this are counted and not listed.
_MOST = 3
#: Exact factors that have a word; others are written as numbers.
_SHARES = {
    1e-3: "a thousandth",
    1e-6: "a millionth",
    1 / 2: "half of the energy",
    1 / 3: "a third of the energy",
    1 / 4: "a quarter of the energy",
    2.0: "twice the energy",
    1e3: "a thousand times the energy",
    1e6: "a million times the energy",
}


def listed(names: Iterable[str], most: int = _MOST) -> str:
    """Return names in a row; of many, the first ones and how many more there are."""
    every = list(names)
    if len(every) <= most + 1:
        return ", ".join(every)
    return f"{', '.join(every[:most])} and {len(every) - most} more"


def share(ratio: float) -> str:
    """Return how much of the energy a probe reports, as people say it."""
    for factor, words in _SHARES.items():
        if math.isclose(ratio, factor, rel_tol=1e-9):
            return words
    if ratio >= 1.5:
        return f"{brief(ratio)} times the energy"
    if ratio >= _PERCENT:
        return f"{100 * ratio:.2g} % of the energy"
    return f"1/{brief(1 / ratio)} of the energy"


def reports(finding: Finding) -> str:
    """Return what is wrong with a column, as a predicate: "reports a thousandth"."""
    found, ratio = finding.diagnosis, finding.ratio
    if found.name == NO_ENERGY or ratio is None:
        return "counts no energy" if found.name == NO_ENERGY else f"has no ratio ({found.name})"
    if found.constant_w is not None:
        return f"reports {figure(found.constant_w)} W whatever the load"
    if found.name == FAULTY_PART:
        return f"adds up a faulty part ({listed(found.faulty_parts)})"
    if found.factor not in (None, 1.0):
        return f"reports {share(found.factor or 1.0)}"
    why = "" if found.alternatives else f", {found.name}"
    off = ratio.value - 1
    if 0.5 <= ratio.value < 1.5:
        size = f"reads {100 * abs(off):.2g} % {'high' if off > 0 else 'low'}"
    else:
        size = f"reports {share(ratio.value)}"
    if abs(off) < 0.01:
        return f"agrees on average only{why}"
    return f"{size}{why}"


def columns(verdict: ProbeVerdict) -> str:
    """Return the worst column, and how many more have the same finding; empty where none has."""
    worst = verdict.worst
    if worst is None:
        return ""
    alike = (worst.diagnosis.name, worst.severity)
    same = [f.column for f in verdict.findings if (f.diagnosis.name, f.severity) == alike]
    if len(same) == 1:
        return worst.column
    return f"{worst.column} and {len(same) - 1} more"


def lost(verdict: ProbeVerdict) -> str:
    """Return how many runs a probe lost."""
    return f"{len(verdict.lost_runs)} of {verdict.runs} runs lost"


def lost_runs(verdict: ProbeVerdict) -> list[str]:
    """Return which runs a probe lost, those with one reason together."""
    by_reason: dict[str, list[str]] = {}
    for run, why in verdict.lost_runs.items():
        by_reason.setdefault(why, []).append(run)
    lines = [
        f"No figure in {listed(runs)}: {text(why).rstrip('.: ')}."
        for why, runs in by_reason.items()
    ]
    more = len(lines) - _MOST
    return lines if more <= 1 else [*lines[:_MOST], f"No figure for {more} more reasons."]


def uncovered(verdict: ProbeVerdict, reference: str) -> list[str]:
    """Return what of a probe has no reference, and what of the machine is not in the probe."""
    columns, out = [each.column for each in verdict.not_covered], verdict.not_seen
    lines = [f"Not compared, as {reference} does not cover it: {listed(columns)}."]
    lines = lines if columns else []
    return lines + ([f"Not in it, though the machine has it: {listed(out)}."] if out else [])


def first_sentence(analysis: Analysis) -> str:
    """Return the verdict on all meters: what cannot be trusted, or that nothing was found.

    The meters are those that could be compared; the worst come first. What is not settled follows,
    in a sentence for each kind.
    """
    meters = [each for each in analysis.verdicts if each.worst is not None]
    reference = analysis.comparison.reference
    if not meters:
        return f"No meter could be compared with {reference}."
    bad = [each for each in meters if each.severity.untrusted]
    clauses = [_untrusted(bad, len(meters)) if bad else _sound(meters, reference), *_open(meters)]
    return " ".join(f"{clause}." for clause in clauses)


def _untrusted(bad: Sequence[ProbeVerdict], n: int) -> str:
    """Return which meters cannot be trusted, and why."""
    why = [_clause(each) for each in bad[:_MOST]]
    more = [f"and {len(bad) - _MOST} more"] if len(bad) > _MOST else []
    return f"{len(bad)} of {n} {_meters(n)} cannot be trusted here: {'; '.join([*why, *more])}"


def _clause(verdict: ProbeVerdict) -> str:
    """Return what is wrong with a probe, and in which column unless it has no other."""
    worst, *others = verdict.findings
    name = f"{verdict.probe} ({columns(verdict)})" if others else verdict.probe
    return f"{name} {reports(worst)}"


def _sound(meters: Sequence[ProbeVerdict], reference: str) -> str:
    """Return in how many meters nothing was found; they may read what the reference reads."""
    sound = [each for each in meters if each.sound]
    if not sound:
        return "No meter can be cleared here"
    n = len(meters)
    said = f"No fault found in {len(sound)} of {n} {_meters(n)}"
    same = all(each.same_family for each in sound)
    return f"{said} (consistency only: they read what {reference} reads)" if same else said


def _open(meters: Sequence[ProbeVerdict]) -> list[str]:
    """Return what is not settled, a clause for each kind."""
    by = {severity: [each for each in meters if each.severity is severity] for severity in Severity}
    clauses = []
    if by[Severity.UNDECIDED]:
        names = listed(f"{each.probe} {columns(each)}" for each in by[Severity.UNDECIDED])
        clauses.append(f"The runs do not decide on {names}")
    # A meter with a fault may have lost runs as well.
    losses = [
        f"{each.probe} {len(each.lost_runs)} of {each.runs}" for each in meters if each.lost_runs
    ]
    if losses:
        clauses.append(f"Lost runs: {listed(losses)}")
    if by[Severity.PART]:
        names = listed(each.probe for each in by[Severity.PART])
        clauses.append(f"Only a part of the machine is in {names}")
    if by[Severity.UNTRIED]:
        names = listed(each.probe for each in by[Severity.UNTRIED])
        clauses.append(f"The runs could not have shown a fault of {names}")
    return clauses


def _meters(n: int) -> str:
    return "meter" if n == 1 else "meters"
