"""The scorecard: a row for each probe, with every column of it on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from calibrate.analysis import Analysis, Finding, ProbeVerdict
from calibrate.calibration import Correction
from calibrate.quantity import MISSING, estimated
from calibrate.reporting.cards import Card, tone_of, verdict_cards
from calibrate.reporting.chapters.table import Row, Table
from calibrate.reporting.verdict import short_instruction

_SYMBOLS = {"fault": "✗", "open": "?", "good": "✓", "none": "–"}


@dataclass(frozen=True)
class Score:
    """What the scorecard has of a probe.

    Parameters
    ----------
    card : the verdict on it, with its reasons.
    correct : what to do with a reading, with its expanded uncertainty.
    fit : the need that a corrected reading is good enough for.
    columns : all of its columns; no rows where none was compared.
    """

    card: Card
    correct: str
    fit: str
    columns: Table


@dataclass(frozen=True)
class Scorecard:
    """All that is said first of probes.

    Parameters
    ----------
    scores : of probes that were compared or asked for, the worst first.
    others : what was looked for, and is not there: a sentence; empty where nothing is missing.
    """

    scores: tuple[Score, ...]
    others: str


def scorecard(analysis: Analysis) -> Scorecard:
    """Return the rows of the probes, and one sentence on those that nobody asked for."""
    verdicts = {each.probe: each for each in analysis.verdicts}
    asked = _asked(analysis.campaign.record.command)
    scores, others = [], []
    for card in verdict_cards(analysis):
        if verdicts[card.probe].state == "unavailable" and card.probe not in asked:
            others.append(card.probe)
        else:
            scores.append(_score(card, verdicts[card.probe]))
    said = f"Not available here, and not asked for: {', '.join(others)}." if others else ""
    return Scorecard(tuple(scores), said)


def _asked(command: Sequence[str]) -> set[str]:
    """Return the probes that a command names."""
    named = {word.partition("=")[2] for word in command if word.startswith("--probe=")}
    return named | {after for word, after in pairwise(command) if word in {"--probe", "-p"}}


def _score(card: Card, verdict: ProbeVerdict) -> Score:
    worst = verdict.worst
    if worst is None:
        return Score(card, card.correct, MISSING, Table((), ()))
    correct = short_instruction(worst.correction)
    return Score(card, correct, _fit(worst.correction), _columns(verdict.findings))


def _fit(found: Correction) -> str:
    return found.fitness.words if found.fitness else MISSING


def _columns(findings: tuple[Finding, ...]) -> Table:
    head = ("column", "finding", "ratio (95 %)", "correction", "fit")
    rows = tuple(
        Row(
            (
                each.column,
                f"{_SYMBOLS[tone_of(each)]} {each.diagnosis.name}",
                estimated(each.ratio),
                short_instruction(each.correction),
                _fit(each.correction),
            )
        )
        for each in findings
    )
    return Table(head, rows, frozenset({2}))
