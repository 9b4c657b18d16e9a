"""The verdict on each probe with its reasons, as a card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from calibrate.analysis import Analysis, Finding, ProbeVerdict
from calibrate.comparison import ProbeSummary
from calibrate.diagnosis import NO_FAULT, UNEXPLAINED, Diagnosis, Severity
from calibrate.quantity import (
    MISSING,
    chance,
    estimated,
    figure,
    span,
    text,
)
from calibrate.reporting.said import listed, lost, lost_runs, uncovered
from calibrate.reporting.verdict import Verdict, verdicts

#: In the order of urgency.
Tone = Literal["fault", "open", "good", "none"]
CONSISTENCY = "consistency only"
_SAME = (
    "It reads the same source as the reference: their agreement shows consistency and says "
    "nothing of accuracy."
)


@dataclass(frozen=True)
class Card:
    """The verdict on one probe.

    Parameters
    ----------
    symbol, badge : the verdict as one character and in a few words; never by colour alone.
    correct : what to do about it.
    lines : cause, aliases, what limits the verdict; a sentence each.
    """

    probe: str
    column: str
    tone: Tone
    symbol: str
    badge: str
    ratio: str
    sentence: str
    correct: str
    lines: tuple[str, ...] = ()


def verdict_cards(analysis: Analysis) -> list[Card]:
    """Return a card for every probe but the reference, what is wrong first."""
    reference = analysis.comparison.reference
    cards = [_card(each, reference) for each in verdicts(analysis)]
    comparison, alone = analysis.comparison, analysis.comparison.alone()
    return cards + [
        _no_card(each.probe, comparison.probes[each.probe], alone[each.probe])
        for each in analysis.verdicts
        if each.worst is None
    ]


def _card(verdict: Verdict, reference: str) -> Card:
    finding = verdict.finding
    pair, diagnosis = finding.pair, finding.diagnosis
    tone, symbol, badge = _badge(verdict)
    checks = finding.ratio.checks if finding.ratio else ()
    lines = [*lost_runs(verdict.probe), *_explanation(diagnosis), *map(text, checks)]
    lines += [_SAME] if pair.same_family else []
    lines += [*_other_columns(verdict.probe), *uncovered(verdict.probe, reference)]
    return Card(
        probe=pair.probe,
        column=f"{verdict.columns}, beside {reference} {pair.scopes}",
        tone=tone,
        symbol=symbol,
        badge=f"{badge} ({CONSISTENCY})" if pair.same_family else badge,
        ratio=verdict.ratio,
        sentence=diagnosis.sentence,
        correct=_do(verdict),
        lines=tuple(dict.fromkeys(lines)),
    )


def _do(verdict: Verdict) -> str:
    said = text(verdict.correct)
    found = verdict.finding.correction
    if found.verdict not in {"not needed", "not calibratable"} and found.valid:
        said += f", in runs of {span(*found.valid.seconds, 's')}"
    return f"{said[:1].upper()}{said[1:].rstrip('.')}."


def tone_of(finding: Finding) -> Tone:
    """Return how urgent the finding of one column is."""
    if finding.severity >= Severity.FAULT:
        return "fault"
    return "good" if finding.severity is Severity.SOUND else "open"


def _badge(verdict: Verdict) -> tuple[Tone, str, str]:
    """Return tone, symbol and words for a verdict."""
    severity, name = verdict.probe.severity, verdict.finding.diagnosis.name
    if severity >= Severity.FAULT:
        return "fault", "✗", name
    if severity is Severity.LOST_RUNS:
        return "open", "!", lost(verdict.probe)
    if severity is Severity.PART:
        return "open", "~", "a part of the machine only" if name == NO_FAULT else name
    if severity is Severity.SOUND:
        return "good", "✓", NO_FAULT
    return "open", "?", "unexplained" if severity is Severity.UNEXPLAINED else "undecided"


def _other_columns(verdict: ProbeVerdict) -> list[str]:
    """Return what the other columns show, those with one finding together."""
    by_name: dict[str, list[str]] = {}
    for finding in verdict.findings[1:]:
        name = finding.diagnosis.name
        if finding.severity is Severity.UNTRIED:
            name = "most likely sound, not settled"
        by_name.setdefault(name, []).append(finding.column)
    others = [f"{listed(columns)}: {name}" for name, columns in by_name.items()]
    return [f"Other columns: {'; '.join(others)}."] if others else []


def _explanation(found: Diagnosis) -> list[str]:
    """Return what stands behind a diagnosis, a sentence each."""
    named = found.name != UNEXPLAINED
    lines = []
    if named and found.probability is not None:
        lines.append(f"Probability within the catalogue of faults: {chance(found.probability)}.")
    elif found.conclusive and found.candidates:  # otherwise the sentence names the likeliest
        best = found.candidates[0]
        lines.append(
            f"Likeliest description: {best.name} (probability {chance(best.probability)})."
        )
    if named and found.cause:
        lines.append(f"Usual cause: {found.cause}.")
    if found.reported:
        lines.append(f"Reported by users of this release: {found.reported}.")
    if found.aliases:
        lines.append(f"The data cannot tell it from: {'; '.join(found.aliases)}.")
    gain = found.residual_gain
    if found.factor is not None and found.factor != 1 and gain is not None:
        lines.append(
            f"Beside the exact factor {figure(found.factor)} there is a residual gain of "
            f"{estimated(gain)}, {figure(found.residual_min)} to "
            f"{figure(found.residual_max)} from run to run."
        )
    return lines + [text(reason) for reason in found.reasons]


def _no_card(name: str, summary: ProbeSummary, why: str) -> Card:
    """Return the card of a probe that was compared with nothing."""
    state = "not compared" if summary.status == "ok" else summary.status
    return Card(
        probe=name,
        column=MISSING,
        tone="none",
        symbol="–",
        badge=state,
        ratio=MISSING,
        sentence=f"Says nothing here: {text(why).rstrip('.')}.",
        correct=f"To have it: {summary.fix}" if summary.fix else "No correction.",
    )
