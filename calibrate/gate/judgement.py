"""A campaign that was judged: the rulings, with what a reader needs to place them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from calibrate import textfile
from calibrate.analysis import Analysis
from calibrate.gate.judging import judge
from calibrate.gate.policy import Policy
from calibrate.gate.ruling import Ruling, State, overall

_REPORT = "report.html"
#: Longer policies are not looked through for lines.
_MOST_BYTES = 1 << 20
#: Where a rule starts: a table of its own, or one in a list.
_RULE = re.compile(r"^\s*(?:\[\[\s*probe\s*\]\]|\{\s*name\s*=.*\bcolumn\s*=)", re.MULTILINE)


@dataclass(frozen=True)
class Judgement:
    """A campaign that was judged by a policy.

    Parameters
    ----------
    campaign : its folder.
    policy : the file.
    machine, simulated : the machine of the campaign.
    reference : the probe that the others were compared with.
    rulings : the answers.
    not_judged : probes of the campaign that the policy does not name.
    report : where the report of the campaign is: an address, a file, or empty.
    lines : by (probe, column), the line of the policy that its rule starts in.
    """

    campaign: str
    policy: str
    machine: str
    simulated: bool
    reference: str
    rulings: tuple[Ruling, ...]
    not_judged: tuple[str, ...] = ()
    report: str = ""
    lines: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """The worst: a failure, else anything inconclusive, else a pass."""
        return overall(self.rulings)

    def of(self, state: State) -> list[Ruling]:
        """Return the rulings of a state."""
        return [each for each in self.rulings if each.state == state]

    def line_of(self, ruling: Ruling) -> int:
        """Return the line of the policy that a ruling rests on; 1 for a rule that is implied."""
        return self.lines.get((ruling.probe, ruling.column), 1)

    @property
    def counts(self) -> str:
        """How many rules there are of each state, in words."""
        names: tuple[State, ...] = ("fail", "inconclusive", "pass")
        found = [(len(self.of(state)), state) for state in names]
        return ", ".join(f"{count} {state}" for count, state in found if count) or "no rule"


def judged(analysis: Analysis, policy: Policy, path: Path, report: str = "") -> Judgement:
    """Judge a campaign.

    Parameters
    ----------
    analysis : of the campaign, made with the reference of the policy.
    policy : the rules.
    path : the file that they are from.
    report : address of the report; empty: the file in the folder of the campaign, if it is there.

    Raises
    ------
    CrosswattError : the campaign is from another machine than the policy is for.
    """
    machine, folder = analysis.campaign.record.machine, analysis.campaign.folder
    ruled = {rule.name for rule in policy.probe} | {policy.reference}
    there = folder / _REPORT
    return Judgement(
        campaign=str(folder),
        policy=str(path),
        machine=machine.label,
        simulated=machine.simulated,
        reference=policy.reference,
        rulings=tuple(judge(analysis, policy)),
        not_judged=tuple(name for name in analysis.comparison.probes if name not in ruled),
        report=report or (str(there) if there.is_file() else ""),
        lines=_lines(path, policy),
    )


def _lines(path: Path, policy: Policy) -> dict[tuple[str, str], int]:
    """Return in which line of a policy each rule starts; none where the file is unusual."""
    text = textfile.read_text(path, _MOST_BYTES)
    starts = [text.count("\n", 0, found.end()) + 1 for found in _RULE.finditer(text)]
    if len(starts) != len(policy.probe):
        return {}
    return {(rule.name, rule.column): line for rule, line in zip(policy.probe, starts, strict=True)}
