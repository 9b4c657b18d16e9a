"""Rules that turn a campaign into pass, fail or inconclusive.

A rule names a probe's column, the ratio to the reference that is expected, and by how much the
true ratio may differ. It passes when the 90 % interval of the mean ratio lies inside those limits
(two one-sided tests at 5 %; Schuirmann 1987), fails when it lies outside, and is inconclusive when
it straddles a limit. Where the reference power is near zero a ratio means nothing: there the
difference is judged in watts. What cannot be judged is inconclusive, never a pass.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

from pydantic import Field

from calibrate import store
from calibrate.analysis import Analysis
from calibrate.comparison import Pair, PairedRun
from calibrate.diagnosis import UNEXPLAINED
from calibrate.stats import log_ratio, mean_ratio
from calibrate.store import Document

State = Literal["pass", "fail", "inconclusive"]
EXIT: dict[State, int] = {"pass": 0, "fail": 1, "inconclusive": 2}


class Rule(Document):
    """What is expected of one column.

    ``ratio`` and ``within`` are relative: 0.02 admits mean ratios from ``ratio / 1.02`` to
    ``ratio * 1.02``. ``within_w`` is for runs whose reference power is below the policy's
    ``near_zero_w``. ``diagnosis``, where given, must be what the campaign finds.
    """

    name: str
    column: str
    ratio: float = Field(1.0, gt=0)
    within: float = Field(0.02, gt=0)
    within_w: float = Field(0.5, gt=0)
    diagnosis: str | None = None


class Policy(Document):
    """A gate.toml.

    ``consistency`` admits a reference that reads the same source as the probe; such a gate
    guards consistency and not accuracy.
    """

    schema_: Literal[1] = Field(1, alias="schema")
    reference: str
    min_runs: int = Field(4, ge=2)
    min_workloads: int = Field(2, ge=1)
    near_zero_w: float = Field(1.0, ge=0)
    consistency: bool = False
    probe: tuple[Rule, ...] = Field(min_length=1)


class Ruling(Document):
    """The answer to one rule, with a sentence."""

    probe: str
    column: str
    state: State
    sentence: str


def load(path: Path) -> Policy:
    """Read a policy, or raise `BadFile` with the line or the key."""
    fix = "Write one with 'crosswatt gate --init FOLDER --out gate.toml'."
    return store.read_toml(path, Policy, fix)


def judge(analysis: Analysis, policy: Policy) -> list[Ruling]:
    """Apply every rule to an analysis that was made with the policy's reference."""
    return [_rule(analysis, policy, rule) for rule in policy.probe]


def overall(rulings: list[Ruling]) -> State:
    """Return the worst: a failure, else anything inconclusive, else a pass."""
    states = {ruling.state for ruling in rulings}
    return "fail" if "fail" in states else "inconclusive" if states != {"pass"} else "pass"


def _rule(analysis: Analysis, policy: Policy, rule: Rule) -> Ruling:
    pairs = [
        p for p in analysis.comparison.pairs if (p.probe, p.column) == (rule.name, rule.column)
    ]

    def ruling(state: State, sentence: str) -> Ruling:
        return Ruling(probe=rule.name, column=rule.column, state=state, sentence=sentence)

    if not pairs:
        return ruling("inconclusive", "the campaign has no such column beside the reference")
    [pair] = pairs
    if pair.same_family and not policy.consistency:
        return ruling(
            "inconclusive",
            f"the reference reads the same source ({pair.family}); consistency = true admits it",
        )
    for state, sentence in (
        _small(pair, policy, rule),
        _ratio(pair, policy, rule),
        _diagnosed(analysis, pair, rule),
    ):
        if state != "pass":
            return ruling(state, sentence)
    return ruling("pass", _ratio(pair, policy, rule)[1])


def _near_zero(row: PairedRun, policy: Policy) -> bool:
    return row.reference_j / row.seconds < policy.near_zero_w


def _small(pair: Pair, policy: Policy, rule: Rule) -> tuple[State, str]:
    """Judge the runs near zero power in watts."""
    for row in pair.rows:
        if _near_zero(row, policy):
            off_w = abs(row.probe_j - rule.ratio * row.reference_j) / row.seconds
            if off_w > rule.within_w * rule.ratio:
                return "fail", f"{off_w:.3g} W off in {row.run}, near zero power"
    return "pass", ""


def _ratio(pair: Pair, policy: Policy, rule: Rule) -> tuple[State, str]:
    """Judge the mean ratio of the other runs by two one-sided tests."""
    rows = [row for row in pair.rows if not _near_zero(row, policy)]
    bad = [row.run for row in rows if row.ratio is None]
    if bad:
        return "fail", f"energy of zero or below in {', '.join(bad)}"
    workloads = {row.workload for row in rows}
    if len(rows) < policy.min_runs or len(workloads) < policy.min_workloads:
        return (
            "inconclusive",
            f"{len(rows)} runs of {len(workloads)} workloads; the policy wants {policy.min_runs} "
            f"of {policy.min_workloads}",
        )
    d = log_ratio([row.probe_j for row in rows], [row.reference_j for row in rows])
    found = mean_ratio(d, [row.workload for row in rows], level=0.90).ratio
    if found.low is None or found.high is None:
        return "inconclusive", "the runs give no interval for the ratio"
    low, high = rule.ratio / (1 + rule.within), rule.ratio * (1 + rule.within)
    text = (
        f"ratio {found.value:.5g} (90 %: {found.low:.5g} to {found.high:.5g}), "
        f"admitted {low:.5g} to {high:.5g}"
    )
    if found.high < low or found.low > high:
        return "fail", text
    return ("pass" if low <= found.low and found.high <= high else "inconclusive"), text


def _diagnosed(analysis: Analysis, pair: Pair, rule: Rule) -> tuple[State, str]:
    """Compare the diagnosis with the one that is expected."""
    found = analysis.diagnoses[pair.probe, pair.column]
    if rule.diagnosis is None or found.name == rule.diagnosis:
        return "pass", ""
    open_ = rule.diagnosis in found.alternatives or found.name == UNEXPLAINED
    state: State = "inconclusive" if open_ or not found.conclusive else "fail"
    return state, f"diagnosis {found.name!r}, expected {rule.diagnosis!r}"


def propose(analysis: Analysis) -> str:
    """Return a policy in TOML under which this campaign passes, for the user to tighten.

    Each probe's main column is held to the ratio found, within twice what the campaign's own
    interval spans, and never tighter than 1 %.
    """
    comparison = analysis.comparison
    lines = [
        f"# Made from a campaign of {comparison.runs} runs on: {comparison.machine}",
        "# ratio is what was found; set it to 1.0 to demand agreement with the reference.",
        "schema = 1",
        f'reference = "{comparison.reference}"',
        "min_runs = 4",
        "min_workloads = 2",
    ]
    lines.append(f"consistency = {str(any(p.same_family for p in comparison.pairs)).lower()}")
    for pair in comparison.pairs:
        if not pair.headline or len(pair.usable) != len(pair.rows) or not pair.ratio:
            continue
        ratio = pair.ratio.ratio
        if ratio.low is None or ratio.high is None:
            continue
        span = 2 * max(ratio.high / ratio.value, ratio.value / ratio.low) - 2
        within = max(0.01, math.ceil(span * 1000) / 1000)
        found = float(f"{ratio.value:.4g}")
        agrees = abs(math.log(ratio.value)) < math.log(1 + within) / 2
        lines += [
            "",
            "[[probe]]",
            f'name = "{pair.probe}"',
            f'column = "{pair.column}"',
            f"ratio = {1.0 if agrees else found}",
            f"within = {within}",
            f'diagnosis = "{analysis.diagnoses[pair.probe, pair.column].name}"',
        ]
    return "\n".join(lines) + "\n"
