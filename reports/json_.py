"""JSON: everything in one document, for programs."""

import json

from calibrate import analysis

SUFFIX = "json"


def render(found: analysis.Analysis) -> str:
    """Return campaign, comparison, diagnoses and calibration as one JSON object."""
    document = {
        "kind": "report",
        "schema": 1,
        "campaign": found.campaign.record.model_dump(mode="json", by_alias=True),
        "comparison": found.comparison.model_dump(mode="json", by_alias=True),
        "diagnosis": analysis.findings(found).model_dump(mode="json", by_alias=True),
        "calibration": found.calibration.model_dump(mode="json", by_alias=True),
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"
