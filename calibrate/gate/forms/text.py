"""For a terminal: a line for each rule, what to do next, and the state last."""

from __future__ import annotations

from calibrate.gate.judgement import Judgement
from calibrate.quantity import printable


def text_lines(found: Judgement) -> str:
    """Return a line for each ruling, with the next step below what does not pass."""
    lines = []
    for each in found.rulings:
        lines.append(each.line)
        if each.next_step:
            lines.append(f"  next: {each.next_step}")
    lines += [printable(f"not judged: {name} is not in the policy") for name in found.not_judged]
    if found.report:
        lines.append(printable(f"report: {found.report}"))
    return "\n".join([*lines, found.state]) + "\n"
