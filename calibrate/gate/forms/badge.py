"""A badge: JSON for the endpoint of shields.io, <https://shields.io/badges/endpoint-badge>."""

from __future__ import annotations

import json

from calibrate.gate.judgement import Judgement

_COLORS = {"pass": "brightgreen", "fail": "red", "inconclusive": "yellow"}


def badge_json(found: Judgement) -> str:
    """Return the endpoint's document; what is simulated says so."""
    message = found.state if found.state == "pass" else found.counts
    document = {
        "schemaVersion": 1,
        "label": "energy meters",
        "message": f"{message} (simulated)" if found.simulated else message,
        "color": _COLORS[found.state],
    }
    return json.dumps(document, indent=1) + "\n"
