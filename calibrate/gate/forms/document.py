"""JSON: everything, for programs."""

from __future__ import annotations

import json

from calibrate._version import __version__
from calibrate.gate.judgement import Judgement

SCHEMA = 1


def document_json(found: Judgement) -> str:
    """Return a judgement as one document."""
    document = {
        "schema": SCHEMA,
        "kind": "gate",
        "crosswatt": __version__,
        "state": found.state,
        "simulated": found.simulated,
        "machine": found.machine,
        "campaign": found.campaign,
        "policy": found.policy,
        "reference": found.reference,
        "report": found.report or None,
        "rulings": [
            {
                "state": each.state,
                **each.model_dump(mode="json", exclude={"shown"}),
                "shown": each.shown.model_dump(mode="json") if each.shown else None,
                "next_step": each.next_step,
                "line": found.line_of(each),
            }
            for each in found.rulings
        ],
        "not_judged": list(found.not_judged),
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"
