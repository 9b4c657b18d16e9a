"""Apply a policy to a campaign.

Where the reference power is near zero a ratio means nothing: there the difference is judged in
watts. What cannot be judged is inconclusive, never a pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from calibrate.analysis import Analysis, Finding
from calibrate.comparison import PairedRun
from calibrate.diagnosis import Severity
from calibrate.gate.decision import accepted_words, decide, decide_workloads
from calibrate.gate.drift import drift
from calibrate.gate.figure import make_figure
from calibrate.gate.forbidding import forbidden
from calibrate.gate.limits import overhead, spread
from calibrate.gate.policy import Accepted, Policy, Rule, faults_of
from calibrate.gate.ruling import AGREEMENT, Answer, Kind, Ruling
from calibrate.gate.sessions import sessions
from calibrate.quantity import counted

_ORDER = list(Kind)


def judge(analysis: Analysis, policy: Policy) -> list[Ruling]:
    """Apply a policy to an analysis that was made with its reference.

    Every column of a probe that the policy names is judged: one without a rule of its own is held
    to agree with the reference. Whatever else a policy asks of it has a ruling of its own.

    Raises
    ------
    CrosswattError : the campaign is from another machine than the policy is for.
    """
    policy.require_machine(analysis.campaign.record.machine)
    session_of = sessions(analysis.campaign)
    rulings = []
    for rule in (*policy.probe, *_implied(analysis, policy)):
        answer = _gravest(list(_answers(analysis, policy, rule, session_of)))
        asked = [(AGREEMENT, "", answer)]
        if (rule.name, rule.column) in analysis:
            asked += _further(analysis, policy, rule, session_of)
        rulings += [
            Ruling(probe=rule.name, column=rule.column, rule=name, workload=of, **each._asdict())
            for name, of, each in asked
        ]
    return rulings


def _further(
    analysis: Analysis, policy: Policy, rule: Rule, session_of: dict[str, int]
) -> Iterator[tuple[str, str, Answer]]:
    """Yield what is asked of a column beside agreement: rule, workload, and the answer."""
    finding, asked = analysis[rule.name, rule.column], policy.limits_of(rule)
    expected = _expected(finding, rule)
    rows = [
        row
        for row in finding.pair.rows
        if row.ratio and not policy.is_near_zero(row) and row.workload in expected
    ]
    if rule.workload and rows:
        figure = make_figure(rows, session_of, expected, 0.0, _change(rule))
        for name, answer in decide_workloads(figure, rule.workload):
            yield "workload", name, answer
    if asked.forbid:
        yield "forbid", "", forbidden(finding.diagnosis, asked.forbid)
    if asked.max_spread is not None:
        yield "spread", "", spread(finding, rule, asked.max_spread)
    if asked.max_overhead is not None:
        share = analysis.comparison.probes[rule.name].cpu_share
        yield "overhead", "", overhead(share, asked.max_overhead)
    if asked.calibration is not None:
        admitted = asked.max_drift or policy.need_of(rule)
        yield "drift", "", drift(analysis, finding, rows, asked.calibration, admitted, session_of)


def _change(rule: Rule) -> Accepted | None:
    """Return the campaign that a change is judged against; None where a ratio is judged."""
    return rule.accepted if rule.accepted and rule.accepted.workload else None


def _gravest(answers: Sequence[Answer]) -> Answer:
    """Return the gravest answer, with the figure that another one has."""
    worst, last = min(answers, key=_gravity), answers[-1]  # the mean ratio is judged last
    if worst.shown or last.shown is None:
        return worst
    return Answer(worst.kind, f"{worst.sentence}; {last.sentence}", last.shown)


def _gravity(answer: Answer) -> int:
    return _ORDER.index(answer.kind)


def _implied(analysis: Analysis, policy: Policy) -> Iterator[Rule]:
    """Yield a rule for every other column of the probes that a policy names."""
    ruled = {(rule.name, rule.column) for rule in policy.probe}
    for name in dict.fromkeys(rule.name for rule in policy.probe):
        for finding in analysis.findings:
            if finding.probe == name and (name, finding.column) not in ruled:
                yield Rule(name=name, column=finding.column)


def _answers(
    analysis: Analysis, policy: Policy, rule: Rule, session_of: dict[str, int]
) -> Iterator[Answer]:
    """Yield all that there is to say of a rule; the gravest counts."""
    if (rule.name, rule.column) not in analysis:
        yield _absent(analysis, rule)
        return
    finding = analysis[rule.name, rule.column]
    pair = finding.pair
    yield from _lost(analysis, policy, finding)
    if pair.same_family and not policy.consistency:
        yield Answer(
            Kind.SAME_SOURCE,
            f"the reference reads the same source ({pair.family}); consistency = true admits it",
        )
    if finding.diagnosis.least_s is not None:
        yield Answer(Kind.TOO_SHORT, finding.diagnosis.sentence.rstrip("."))
        return
    yield from _fault(finding, rule)
    expected = _expected(finding, rule)
    near = [row for row in pair.rows if policy.is_near_zero(row)]
    yield from _near_zero(near, rule)
    rows = [row for row in pair.rows if not policy.is_near_zero(row)]
    if rule.accepted and rule.accepted.no_ratio:
        yield Answer(Kind.WITHIN, f"not held to a ratio{accepted_words(rule)}")
    elif near and not rows and len(near) >= policy.min_runs:
        yield Answer(
            Kind.WITHIN, f"within {rule.within_w:.3g} W in all {len(near)} runs, near zero power"
        )
    else:
        yield from _ratios(policy, rule, finding, rows, expected, session_of)


def _absent(analysis: Analysis, rule: Rule) -> Answer:
    """Return why a column was not compared."""
    comparison = analysis.comparison
    for left in comparison.left:
        if (left.probe, left.column) == (rule.name, rule.column):
            return Answer(Kind.NOT_COMPARED, left.reason)
    if rule.name == comparison.reference:
        return Answer(Kind.NOT_COMPARED, "it is the reference")
    summary = comparison.probes.get(rule.name)
    if summary is None:
        return Answer(Kind.NOT_MEASURED, "the probe is not in this campaign")
    if summary.status != "ok":
        return Answer(
            Kind.NOT_MEASURED, f"the probe did not work: {summary.reason or summary.status}"
        )
    return Answer(Kind.COLUMN_GONE, "the probe measured, and has no such column any more")


def _lost(analysis: Analysis, policy: Policy, finding: Finding) -> Iterator[Answer]:
    """Say that runs are lacking of a column, where more are than is admitted."""
    has = {row.run for row in finding.pair.rows}
    lost = dict(analysis.probe_verdict(finding.probe).lost_runs)
    for run in analysis.campaign.runs:
        if run.record.exit_code == 0 and run.folder.name not in has:
            lost.setdefault(run.folder.name, "no reading over the whole window")
    if len(lost) > policy.max_lost_runs:
        first, why = next(iter(lost.items()))
        total = analysis.comparison.runs
        yield Answer(Kind.LOST_RUNS, f"{len(lost)} of {total} runs are lost ({first}: {why})")


def _fault(finding: Finding, rule: Rule) -> Iterator[Answer]:
    """Compare the faults that the diagnosis names with those accepted, as sets."""
    named = faults_of(finding.diagnosis) if finding.severity >= Severity.FAULT else ()
    if not named:
        return
    words = f"diagnosis: {finding.diagnosis.name}"
    if rule.accepted is None:
        yield Answer(Kind.FAULT, words)
    elif rule.accepted.faults and not set(named) & set(rule.accepted.faults):
        yield Answer(Kind.OTHER_FAULT, f"{words}; accepted was {', '.join(rule.accepted.faults)}")


def _expected(finding: Finding, rule: Rule) -> dict[str, float]:
    """Return the ratio expected of each workload: that accepted, or the same one of all."""
    if rule.accepted and rule.accepted.workload:
        return {each.name: each.ratio for each in rule.accepted.workload}
    return dict.fromkeys((row.workload for row in finding.pair.rows), rule.ratio)


def off_near_zero_w(row: PairedRun, ratio: float) -> float:
    """Return by how many watts a run differs from what the ratio makes of the reference."""
    return abs(row.probe_j - ratio * row.reference_j) / row.seconds


def _near_zero(rows: Sequence[PairedRun], rule: Rule) -> Iterator[Answer]:
    """Judge the runs near zero power in watts."""
    for row in rows:
        off_w = off_near_zero_w(row, rule.ratio)
        if off_w > rule.within_w * rule.ratio:
            yield Answer(Kind.NEAR_ZERO, f"{off_w:.3g} W off in {row.run}, near zero power")
            return


def _ratios(
    policy: Policy,
    rule: Rule,
    finding: Finding,
    rows: Sequence[PairedRun],
    expected: dict[str, float],
    session_of: dict[str, int],
) -> Iterator[Answer]:
    """Judge the mean ratio of the runs, and that of each workload."""
    bad = [row.run for row in rows if row.ratio is None]
    if bad:
        yield Answer(Kind.NO_ENERGY, f"energy of zero or below in {', '.join(bad)}")
        return
    rows = [row for row in rows if row.workload in expected]
    workloads = len({row.workload for row in rows})
    if len(rows) < policy.min_runs or workloads < policy.min_workloads:
        yield Answer(
            Kind.TOO_FEW,
            f"{len(rows)} runs of {workloads} workloads; the policy wants {policy.min_runs} of "
            f"{policy.min_workloads}",
        )
        return
    change = _change(rule)
    cancels = finding.pair.same_family or change is not None
    u_reference = 0.0 if cancels else finding.pair.u_reference
    figure = make_figure(rows, session_of, expected, u_reference or 0.0, change)
    if figure.sessions < policy.min_sessions:
        yield Answer(
            Kind.TOO_FEW,
            f"{counted(figure.sessions, 'session')}; the policy wants {policy.min_sessions}",
        )
    yield from decide(figure, rule, policy.need_of(rule), u_reference)
