"""The diagnoses of all pairs: what a diagnosis needs, taken from the comparison."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calibrate.comparison import Comparison, Pair, pairs_in_wholes
from calibrate.diagnosis import (
    Diagnosis,
    Runs,
    diagnose,
    explain_across,
    find_report,
    load_reports,
    of_sum,
    part_above,
)
from calibrate.store import Campaign, Library, library_of


def diagnose_pairs(comparison: Comparison, campaign: Campaign) -> dict[tuple[str, str], Diagnosis]:
    """Return the diagnosis of every pair, by probe and column; a sum has that of its parts."""
    alone = {
        (pair.probe, pair.column): diagnose_pair(pair, comparison, library_of(campaign, pair.probe))
        for pair in comparison.pairs
    }
    return alone | {
        (pair.probe, pair.column): of_sum(
            alone[pair.probe, pair.column],
            {part: alone[pair.probe, part] for part in pair.parts if (pair.probe, part) in alone},
        )
        for pair in comparison.pairs
        if pair.parts and not pair.across
    }


def with_parts_above(comparison: Comparison, campaign: Campaign) -> Comparison:
    """Return a comparison with the columns that are above a whole of the reference in some run.

    The reference lacks their scope, so that nothing else shows how wrong they are.
    """
    above = [pair for pair in pairs_in_wholes(campaign, comparison) if part_above(pair)]
    if not above:
        return comparison
    now = {(pair.probe, pair.column) for pair in above}
    left = tuple(each for each in comparison.left if (each.probe, each.column) not in now)
    return comparison.model_copy(update={"pairs": (*comparison.pairs, *above), "left": left})


def diagnose_pair(pair: Pair, comparison: Comparison, library: Library) -> Diagnosis:
    """Return the diagnosis of a pair, with where users of its library's release reported it."""
    if pair.across:
        return explain_across(pair)
    found = diagnose(_runs(pair, comparison))
    if not found.key:
        return found
    report = find_report(load_reports(), [(found.key,)], library)
    if report is None:
        return found
    fixed = f"; fixed in {report.fixed}" if report.fixed else ""
    return replace(found, reported=f"{report.reference}{fixed}")


def _runs(pair: Pair, comparison: Comparison) -> Runs:
    idle = [row.reference_j / row.seconds for row in pair.rows if row.workload == "idle"]
    edges = [row.edges_w for row in pair.rows]
    busy = [row.busy for row in pair.rows]
    return Runs(
        probe_j=np.array([row.probe_j for row in pair.rows]),
        reference_j=np.array([row.reference_j for row in pair.rows]),
        seconds=np.array([row.seconds for row in pair.rows]),
        workload=[row.workload for row in pair.rows],
        resolution_j=pair.resolution_j,
        reference_resolution_j=pair.reference_resolution_j,
        u_probe_j=[row.u_probe_j for row in pair.rows],
        u_reference_j=[row.u_reference_j for row in pair.rows],
        u_ref=pair.u_reference or 0.0,
        idle_w=float(np.median(idle)) if idle else None,
        wraps_at_j=pair.wraps_at_j or 0.0,
        parts_j={part: [row.parts_j[part] for row in pair.rows] for part in _parts(pair)},
        edges_w=None if None in edges else [each for each in edges if each],
        busy=None if None in busy else [each for each in busy if each is not None],
    )


def _parts(pair: Pair) -> list[str]:
    """Return the parts of the reference whose energy is known in every run, each once."""
    names = [n for n in pair.rows[0].parts_j if all(n in row.parts_j for row in pair.rows)]
    seen: dict[tuple[float, ...], str] = {}
    for name in names:
        seen.setdefault(tuple(row.parts_j[name] for row in pair.rows), name)
    return list(seen.values())
