"""Write a policy from a campaign.

Every column is held to agree with the reference within the need, whatever the campaign shows: a
policy that is made from what was found would pass the errors of the day. A column that fails can be
accepted, by a person with a reason; it is then held to how it is, workload by workload.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import tomli_w

from calibrate.analysis import Analysis, Finding
from calibrate.calibration import NEED
from calibrate.comparison import PairedRun
from calibrate.errors import CrosswattError
from calibrate.gate.figure import make_figure
from calibrate.gate.judging import judge, off_near_zero_w
from calibrate.gate.policy import (
    Accepted,
    AcceptedWorkload,
    Limits,
    Policy,
    PolicyMachine,
    Rule,
    faults_of,
)
from calibrate.gate.ruling import Kind, Ruling
from calibrate.gate.scatter import SESSIONS
from calibrate.gate.sessions import sessions

#: Kinds of ruling that somebody may accept: what a column is, and not that it was not measured.
ACCEPTABLE = (
    Kind.FAULT, Kind.NO_ENERGY, Kind.NEAR_ZERO, Kind.OUTSIDE, Kind.WORKLOAD, Kind.REFERENCE,
)  # fmt: skip
_HEAD = """\
# Judge a campaign by it: crosswatt gate FOLDER --policy FILE
# need is the relative error that is admitted; see docs/gate.md.
"""


def propose(
    analysis: Analysis,
    need: float | None = None,
    accept: str | None = None,
    *,
    consistency: bool = False,
) -> tuple[Policy, list[Ruling]]:
    """Return a policy, and what it says of the campaign that it was made from.

    Parameters
    ----------
    analysis : of the campaign.
    need : relative error that is admitted of every column; None takes that of the campaign, or 5 %.
    accept : why columns that fail are taken as they are; None refuses such a campaign.
    consistency : admit a reference that reads the same source as a probe.

    Raises
    ------
    CrosswattError : no column was compared, or one fails and nobody accepts it.
    """
    if not analysis.findings:
        raise CrosswattError(
            f"Nothing in {analysis.campaign.folder} was compared with "
            f"{analysis.comparison.reference}: a policy needs a column beside the reference."
        )
    need = need or analysis.campaign.record.need or NEED
    rules = [Rule(name=each.probe, column=each.column) for each in analysis.findings]
    policy = Policy(
        reference=analysis.comparison.reference,
        need=need,
        consistency=consistency,
        machine=PolicyMachine.of(analysis.campaign.record.machine),
        probe=tuple(rules),
    )
    rulings = judge(analysis, policy)
    wrong = [each for each in rulings if each.kind in ACCEPTABLE]
    failing = [each for each in wrong if each.state == "fail"]
    if failing and accept is None:
        raise CrosswattError(_refusal(failing, need))
    if not wrong or accept is None:
        return policy, rulings
    for each in wrong:
        place = rules.index(Rule(name=each.probe, column=each.column))
        rules[place] = _accepted_rule(analysis, analysis[each.probe, each.column], policy, accept)
    policy = policy.model_copy(update={"probe": tuple(rules)})
    return policy, judge(analysis, policy)


def policy_text(policy: Policy) -> str:
    """Return a policy as TOML, without what is as it is by default."""
    more = {key for key in Limits.model_fields if not getattr(policy, key)}
    document = policy.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude={"probe", *more}
    )
    document["probe"] = [_rule_table(rule) for rule in policy.probe]
    return _HEAD + tomli_w.dumps(document)


def _rule_table(rule: Rule) -> dict[str, object]:
    """Return a rule without what is as it is by default, but for the ratio that it demands."""
    table = rule.model_dump(mode="json", exclude_defaults=True)
    held = rule.accepted and (rule.accepted.workload or rule.accepted.no_ratio)
    return (
        table if held else {"name": rule.name, "column": rule.column, "ratio": rule.ratio} | table
    )


def _refusal(failing: Sequence[Ruling], need: float) -> str:
    said = "".join(f"\n  {each.line}" for each in failing)
    return (
        f"This campaign does not meet a need of {100 * need:.3g} %; no policy was written.{said}\n"
        "Repair or leave out these meters, state another --need, or take them as they are with "
        '--accept "why".'
    )


def _accepted_rule(analysis: Analysis, finding: Finding, policy: Policy, reason: str) -> Rule:
    """Return the rule that holds a column to what this campaign shows of it."""
    rule = Rule(name=finding.probe, column=finding.column)
    near = [off_near_zero_w(row, 1.0) for row in finding.pair.rows if policy.is_near_zero(row)]
    rows = [row for row in finding.pair.rows if not policy.is_near_zero(row)]
    usable = all(row.ratio for row in rows)
    accepted = Accepted(reason=reason, faults=faults_of(finding.diagnosis), no_ratio=not usable)
    if usable and len(rows) > 1:
        accepted = accepted.model_copy(update=_shown(rows, sessions(analysis.campaign)))
    within_w = rule.within_w + max(near, default=0.0)
    return rule.model_copy(update={"within_w": within_w, "accepted": accepted})


def _shown(rows: Sequence[PairedRun], session_of: Mapping[str, int]) -> dict[str, object]:
    """Return the ratios that runs show, workload by workload, and how well they are known."""
    names = sorted({row.workload for row in rows})
    figure = make_figure(rows, session_of, dict.fromkeys(names, 1.0), 0.0, None)
    session = next((part for part in figure.parts if part.name == SESSIONS), None)
    return {
        "df": _short(min((each.df for each in figure.by_workload.values() if each.df), default=0.0))
        or None,
        "session_u": _short(session.u) if session else 0.0,
        "session_df": session.df if session else None,
        "workload": tuple(
            AcceptedWorkload(name=name, ratio=_short(math.exp(each.value), 8), u=_short(each.u))
            for name, each in figure.by_workload.items()
        ),
    }


def _short(value: float, digits: int = 4) -> float:
    """Return a number with few digits, for people who read the policy."""
    return float(f"{value:.{digits}g}")
