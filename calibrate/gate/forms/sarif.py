"""SARIF 2.1.0 (OASIS, errata 01): a result for each ruling, at the line of its rule in the policy.

A rule that was evaluated without an answer is ``open``, whose level is ``none`` (3.27.9, 3.27.10).
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from calibrate._version import __version__
from calibrate.escaping import one_line, web_address
from calibrate.gate.forms.words import RULES, headline, rule_key, why
from calibrate.gate.judgement import Judgement
from calibrate.gate.ruling import NEXT, Ruling

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
#: How a ruling of a state is written: its kind, and its level.
_STATES = {"pass": ("pass", "none"), "fail": ("fail", "error"), "inconclusive": ("open", "none")}


def sarif_json(found: Judgement) -> str:
    """Return a log of one run."""
    keys = list(dict.fromkeys(rule_key(each) for each in found.rulings))
    example = {rule_key(each): each for each in found.rulings}
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "crosswatt gate",
                        "semanticVersion": __version__,
                        "rules": [_rule(key, example[key]) for key in keys],
                    }
                },
                "automationDetails": {"id": "crosswatt/gate/"},
                "results": [_result(found, each, keys) for each in found.rulings],
                "columnKind": "unicodeCodePoints",
                "properties": {
                    "state": found.state,
                    "summary": one_line(headline(found)),
                    "campaign": one_line(found.campaign),
                    "machine": one_line(found.machine),
                    "simulated": found.simulated,
                    "notJudged": [one_line(name) for name in found.not_judged],
                },
            }
        ],
    }
    return json.dumps(log, indent=1) + "\n"


def _rule(key: str, example: Ruling) -> dict[str, Any]:
    step = NEXT.get(example.kind, "nothing is to be done")
    return {
        "id": key,
        "name": key.replace("/", "-").title().replace("-", ""),
        "shortDescription": {"text": RULES[example.rule]},
        "fullDescription": {"text": f"{RULES[example.rule]} Here: {example.kind}."},
        "help": {"text": f"Next: {step}."},
        "defaultConfiguration": {"level": _STATES[example.state][1]},
    }


def _result(found: Judgement, ruling: Ruling, keys: list[str]) -> dict[str, Any]:
    kind, level = _STATES[ruling.state]
    words = f"{ruling.name}: {why(ruling)}"
    place = f"{ruling.probe}\0{ruling.column}\0{ruling.rule}\0{ruling.workload}"
    result: dict[str, Any] = {
        "ruleId": rule_key(ruling),
        "ruleIndex": keys.index(rule_key(ruling)),
        "kind": kind,
        "level": level,
        "message": {"text": one_line(words)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(found.policy)},
                    "region": {"startLine": found.line_of(ruling)},
                },
                "logicalLocations": [{"fullyQualifiedName": one_line(ruling.name)}],
            }
        ],
        "partialFingerprints": {
            "crosswattRule/v1": hashlib.sha256(place.encode("utf-8", "replace")).hexdigest()[:32]
        },
        "properties": {
            "rule": ruling.rule,
            "shown": ruling.shown.model_dump() if ruling.shown else None,
            "nextStep": ruling.next_step,
            "report": one_line(found.report),
        },
    }
    if address := web_address(found.report):
        result["hostedViewerUri"] = address
    return result


def _uri(path: str) -> str:
    """Return a path as a reference, from the working folder where it is below it."""
    name = os.path.relpath(path)
    if name.startswith(os.pardir):
        return Path(path).resolve().as_uri()
    return quote(Path(name).as_posix())
