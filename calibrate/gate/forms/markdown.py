"""Markdown: for a job's summary, or a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from calibrate._version import __version__
from calibrate.escaping import markdown_text, web_address
from calibrate.gate.forms.words import admitted_of, figure_of, headline, interval_of
from calibrate.gate.judgement import Judgement
from calibrate.gate.ruling import Ruling
from calibrate.simulated import SIMULATED

#: A comment with this line is replaced by the next one, where a bot writes it.
MARKER = "<!-- crosswatt gate -->"
_HEAD = ("", "column", "rule", "figure", "95 %", "admitted", "why", "next step")
_SIGNS = {"pass": "\N{CHECK MARK}", "fail": "\N{CROSS MARK}", "inconclusive": "?"}


def markdown_page(found: Judgement) -> str:
    """Return what does not pass first, and what passes folded away."""
    blocks = [MARKER, f"### {markdown_text(headline(found))}"]
    if found.simulated:
        blocks.append(f"> **{SIMULATED.upper()}**: no number here is of real hardware.")
    blocks.append(
        f"Campaign {markdown_text(found.campaign)} on {markdown_text(found.machine)}, reference "
        f"{markdown_text(found.reference)}, by {markdown_text(found.policy)}; crosswatt "
        f"{markdown_text(__version__)}.{_report(found)}"
    )
    open_ = [*found.of("fail"), *found.of("inconclusive")]
    if open_:
        blocks.append(_table(open_))
    if passed := found.of("pass"):
        name = f"{len(passed)} pass" + (f" ({SIMULATED})" if found.simulated else "")
        blocks.append(f"<details><summary>{name}</summary>\n\n{_table(passed)}\n\n</details>")
    if found.not_judged:
        names = ", ".join(map(markdown_text, found.not_judged))
        blocks.append(f"Not judged, as the policy does not name them: {names}.")
    return "\n\n".join(blocks) + "\n"


def _report(found: Judgement) -> str:
    """Return the link to the report, or where its file is."""
    if address := web_address(found.report):
        return f" [Report](<{address}>)."
    return f" Report: {markdown_text(found.report)}." if found.report else ""


def _table(rulings: Iterable[Ruling]) -> str:
    rows = [
        (
            _SIGNS[each.state],
            f"{each.probe} {each.column}",
            f"{each.rule} {each.workload}",
            figure_of(each.shown),
            interval_of(each.shown),
            admitted_of(each.shown),
            f"{each.kind}: {each.sentence}",
            each.next_step,
        )
        for each in rulings
    ]
    lines: list[Sequence[str]] = [_HEAD, ["---"] * len(_HEAD)]
    lines += [[markdown_text(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
