"""Annotations of GitHub: workflow commands, which a step prints.

An error for what fails, a warning for what is inconclusive, and a notice of the whole.
"""

from __future__ import annotations

from calibrate.escaping import one_line, workflow_message, workflow_property
from calibrate.gate.forms.words import headline, why
from calibrate.gate.judgement import Judgement

_COMMANDS = {"fail": "error", "inconclusive": "warning"}


def annotation_lines(found: Judgement) -> str:
    """Return a line for each annotation; no name can start a command of its own."""
    lines = []
    for each in (*found.of("fail"), *found.of("inconclusive")):
        properties = {
            "file": one_line(found.policy),
            "line": str(found.line_of(each)),
            "title": one_line(f"{each.kind}: {each.name}"),
        }
        listed = ",".join(f"{key}={workflow_property(value)}" for key, value in properties.items())
        report = f" Report: {found.report}" if found.report else ""
        words = workflow_message(one_line(f"{why(each)}{report}"))
        lines.append(f"::{_COMMANDS[each.state]} {listed}::{words}")
    lines.append(f"::notice title=crosswatt gate::{workflow_message(one_line(headline(found)))}")
    return "\n".join(lines) + "\n"
