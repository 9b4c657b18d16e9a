"""Everything that is derived from a campaign folder; remade at any time, on any machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from calibrate import store
from calibrate.calibration import Calibration, fit_calibration
from calibrate.comparison import Comparison, Pair, compare
from calibrate.costs import Footprint, Intensity, footprint, learnings
from calibrate.diagnosis import (
    Diagnosis,
    Runs,
    diagnose,
    explain_across,
    find_report,
    load_reports,
    scopes_differ,
)
from calibrate.energy import campaign_phases
from calibrate.store import Campaign, Document, Saved

COMPARISON, DIAGNOSIS, CALIBRATION = "comparison.json", "diagnosis.json", "calibration.json"
PHASES, LEARNING = "phases.json", "learning.json"


class Finding(Document):
    """The diagnosis of one column; see `calibrate.diagnose.Diagnosis`."""

    probe: str
    column: str
    scope: str
    headline: bool
    diagnosis: dict[str, Any]


class Findings(Saved):
    """All diagnoses of a campaign."""

    kind: Literal["diagnosis"] = "diagnosis"
    simulated: bool
    machine: str
    reference: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Analysis:
    """A campaign with all that follows from it; diagnoses are by (probe, column).

    ``footprint`` is there where a carbon intensity was asked for.
    """

    campaign: Campaign
    comparison: Comparison
    diagnoses: dict[tuple[str, str], Diagnosis]
    calibration: Calibration
    footprint: Footprint | None = None


def analyze(
    folder: Path,
    reference: str | None = None,
    intensity: Intensity | None = None,
    *,
    across: bool = False,
) -> Analysis:
    """Compute everything from a folder, without writing; CO2e where an intensity is given.

    With `across`, scopes that differ are compared on purpose; see `calibrate.comparison.compare`.
    """
    campaign = store.load_campaign(folder)
    comparison = compare(campaign, reference, across=across)
    diagnoses = {
        (pair.probe, pair.column): _diagnosis(pair, comparison) for pair in comparison.pairs
    }
    made = datetime.fromisoformat(campaign.record.created).date()
    calibration = fit_calibration(comparison, diagnoses, made)
    carbon = footprint(comparison, calibration, intensity) if intensity else None
    return Analysis(campaign, comparison, diagnoses, calibration, carbon)


def write(analysis: Analysis) -> None:
    """Write the derived documents into the campaign's folder."""
    folder = analysis.campaign.folder
    store.save(folder / COMPARISON, analysis.comparison)
    store.save(folder / DIAGNOSIS, findings(analysis))
    store.save(folder / CALIBRATION, analysis.calibration)
    store.save(folder / PHASES, campaign_phases(analysis.campaign))
    learnt = learnings(analysis.campaign)
    if learnt.learnings:
        store.save(folder / LEARNING, learnt)


def findings(analysis: Analysis) -> Findings:
    """Return the diagnoses as a document."""
    comparison = analysis.comparison
    return Findings(
        simulated=comparison.simulated,
        machine=comparison.machine,
        reference=comparison.reference,
        findings=tuple(
            Finding(
                probe=pair.probe,
                column=pair.column,
                scope=pair.scope,
                headline=pair.headline,
                diagnosis=analysis.diagnoses[pair.probe, pair.column].as_dict(),
            )
            for pair in comparison.pairs
        ),
    )


def _diagnosis(pair: Pair, comparison: Comparison) -> Diagnosis:
    """Return the diagnosis of a pair, with where its release's users reported that fault."""
    if scopes_differ(pair):
        return explain_across(pair)
    found = diagnose(_runs(pair, comparison))
    if not found.key:
        return found
    release = comparison.probes[pair.probe].facts.get("release", "")
    library = pair.probe.partition("-")[0]  # an environment is named library-release
    report = find_report(load_reports(), found.key, library, release)
    if report is None:
        return found
    fixed = f"; fixed in {report.fixed}" if report.fixed else ""
    return replace(found, reported=f"{report.reference}{fixed}")


def _runs(pair: Pair, comparison: Comparison) -> Runs:
    idle = [row.reference_j / row.seconds for row in pair.rows if row.workload == "idle"]
    edges = [row.edges_w for row in pair.rows]
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
    )


def _parts(pair: Pair) -> list[str]:
    """Return the parts of the reference whose energy is known in every run, each once."""
    names = [n for n in pair.rows[0].parts_j if all(n in row.parts_j for row in pair.rows)]
    seen: dict[tuple[float, ...], str] = {}
    for name in names:
        seen.setdefault(tuple(row.parts_j[name] for row in pair.rows), name)
    return list(seen.values())
