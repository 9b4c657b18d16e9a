"""JSON: everything in one document, for programs."""

import json

from calibrate.analysis import Analysis, ProbeVerdict
from calibrate.reporting import first_sentence

SUFFIX = "json"


def render(analysis: Analysis) -> str:
    """Return campaign, comparison, diagnoses, calibration and phases as one JSON object."""
    documents = {
        "campaign": analysis.campaign.record,
        "comparison": analysis.comparison,
        "diagnosis": analysis.diagnosis_document(),
        "calibration": analysis.calibration,
        "phases": analysis.phase_document,
    }
    report: dict[str, object] = {
        "kind": "report",
        "schema": 1,
        "sentence": first_sentence(analysis),
        "verdicts": [_verdict(each) for each in analysis.verdicts],
    }
    report |= {
        name: each.model_dump(mode="json", by_alias=True) for name, each in documents.items()
    }
    if analysis.campaign.set_aside:
        report["set_aside"] = {
            each.folder.name: each.why.reason for each in analysis.campaign.set_aside
        }
    if analysis.footprint:
        report["carbon"] = {
            "intensity": analysis.footprint.intensity.model_dump(mode="json"),
            "emissions": [each.model_dump(mode="json") for each in analysis.footprint.emissions],
        }
    return json.dumps(report, indent=1, allow_nan=False) + "\n"


def _verdict(each: ProbeVerdict) -> dict[str, object]:
    """Return the verdict on a probe: its worst column, what was lost, what is not covered."""
    return {
        "probe": each.probe,
        "severity": each.severity.name.lower().replace("_", " "),
        "column": each.worst.column if each.worst else None,
        "diagnosis": each.worst.diagnosis.name if each.worst else None,
        "untrusted": [finding.column for finding in each.untrusted],
        "untried": [finding.column for finding in each.untried],
        "runs": each.runs,
        "lost_runs": each.lost_runs,
        "not_covered": [left.column for left in each.not_covered],
        "not_seen": list(each.not_seen),
    }
