"""JSON: everything in one document, for programs."""

import json

from calibrate import analysis
from calibrate.energy import campaign_phases

SUFFIX = "json"


def render(found: analysis.Analysis) -> str:
    """Return campaign, comparison, diagnoses, calibration and phases as one JSON object."""
    document = {
        "kind": "report",
        "schema": 1,
        "campaign": found.campaign.record.model_dump(mode="json", by_alias=True),
        "comparison": found.comparison.model_dump(mode="json", by_alias=True),
        "diagnosis": analysis.findings(found).model_dump(mode="json", by_alias=True),
        "calibration": found.calibration.model_dump(mode="json", by_alias=True),
        "phases": campaign_phases(found.campaign).model_dump(mode="json", by_alias=True),
    }
    if found.campaign.set_aside:
        document["set_aside"] = {
            each.folder.name: each.why.reason for each in found.campaign.set_aside
        }
    if found.footprint:
        document["carbon"] = {
            "intensity": found.footprint.intensity.model_dump(mode="json"),
            "emissions": [each.model_dump(mode="json") for each in found.footprint.emissions],
        }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"
