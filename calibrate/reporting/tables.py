"""What a report says, as words: the same cards and tables for every format.

A value that is not known is ``-`` or a sentence, never ``nan``, ``inf`` or ``None``.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from calibrate.analysis import Analysis
from calibrate.calibration import Band, Correction
from calibrate.comparison import Comparison, NotCompared, Pair, ProbeSummary, Rate, widest_pair
from calibrate.quantity import (
    MISSING,
    UNKNOWN,
    estimated,
    figure,
    interval,
    percent,
    rate,
    rounded,
    share_in_brackets,
    span,
    text,
)
from calibrate.reporting.cards import CONSISTENCY, Card, verdict_cards
from calibrate.reporting.chapters.table import Row, Table
from calibrate.reporting.emitted import grams_text
from calibrate.reporting.facts import (
    METHOD,
    SOURCES,
    Fact,
    campaign_facts,
    compared,
    raw_data,
    title,
)
from calibrate.reporting.said import first_sentence
from calibrate.reporting.verdict import way
from calibrate.simulated import SIMULATED
from calibrate.stats import Estimate, LimitsOfAgreement

#: What does the runs of a campaign that are missing.
RESUME = "crosswatt run --resume {}"
#: More workloads than a cell can list.
_MANY = 8


@dataclass(frozen=True)
class Digest:
    """All that is said of a campaign, in the order in which it is said."""

    title: str
    sentence: str
    simulated: bool
    label: str
    reference: str
    facts: tuple[Fact, ...]
    cards: tuple[Card, ...]
    agreement: Table
    corrections: Table
    probes: Table
    left: Table
    workloads: Table
    carbon: Table
    carbon_note: str
    raw: tuple[str, ...]
    method: tuple[str, ...]
    sources: tuple[str, ...] = SOURCES


def digest(analysis: Analysis) -> Digest:
    """Put an analysis into words."""
    comparison = analysis.comparison
    return Digest(
        title=title(analysis),
        sentence=first_sentence(analysis),
        simulated=comparison.simulated,
        label=SIMULATED if comparison.simulated else "",
        reference=comparison.reference,
        facts=campaign_facts(analysis),
        cards=tuple(verdict_cards(analysis)),
        agreement=_agreement(analysis),
        corrections=_corrections(analysis),
        probes=_probes(comparison.probes),
        left=_left(analysis),
        workloads=_workloads(analysis),
        carbon=_carbon(analysis),
        carbon_note=_carbon_note(analysis),
        raw=raw_data(analysis),
        method=(compared(analysis), *METHOD),
    )


def _agreement(analysis: Analysis) -> Table:
    head = ("probe", "column", "scope", "basis", "runs", "ratio (95 % interval)",
            "limits of agreement (new runs)", "sd within", "sd between", "remark")  # fmt: skip
    worst = _worst(analysis)
    pairs = [f.pair for each in analysis.verdicts for f in each.findings]
    rows = [
        Row(_agreement_cells(pair), (pair.probe, pair.column) in worst)
        for pair in sorted(pairs, key=lambda p: (p.probe, p.column) not in worst)
    ]
    return Table(head, tuple(rows), frozenset(range(4, 9)))


def _worst(analysis: Analysis) -> set[tuple[str, str]]:
    """Return the column that speaks for each probe."""
    return {(v.worst.probe, v.worst.column) for v in analysis.verdicts if v.worst}


def _agreement_cells(pair: Pair) -> tuple[str, ...]:
    ratio, limits = pair.ratio, pair.limits
    remarks = [CONSISTENCY] if pair.same_family else []
    missing = len(pair.rows) - len(pair.usable)
    remarks += [f"{missing} runs without a ratio"] if missing else []
    remarks += ["repeats not independent, interval widened"] if pair.correlated else []
    return (
        pair.probe,
        pair.column,
        pair.scopes,
        f"{pair.basis} ({pair.family})",
        str(len(pair.usable)),
        estimated(ratio.ratio if ratio else None),
        _limits_cell(limits),
        percent(ratio.within_sd if ratio else None),
        percent(ratio.between_sd if ratio else None),
        "; ".join(remarks) or MISSING,
    )


def _limits_cell(limits: LimitsOfAgreement | None) -> str:
    """Return limits of agreement with the share of new runs to expect between them."""
    ends = [end.value for end in (limits.lower, limits.upper) if end] if limits else []
    if limits is None or len(ends) != 2:
        return MISSING
    return " to ".join(rounded(*ends, *ends)) + share_in_brackets(limits.expected_share)


def _corrections(analysis: Analysis) -> Table:
    head = ("probe", "column", "verdict", "multiply by (95 %, one new run)", "one new run",
            "made of", "error left when held out", "tried with", "reason")  # fmt: skip
    worst = _worst(analysis)
    found = [f.correction for each in analysis.verdicts for f in each.findings]
    rows = [
        Row(_correction_cells(each), (each.probe, each.column) in worst)
        for each in sorted(found, key=lambda c: (c.probe, c.column) not in worst)
    ]
    return Table(head, tuple(rows), frozenset({3, 4}))


def _correction_cells(found: Correction) -> tuple[str, ...]:
    held = found.held_out or {}
    release = text(found.release, "")
    factor = estimated(found.factor)
    if found.offset_w:
        factor = _shift(found.offset_w)
    if found.line:
        factor = f"{_shift(found.line.offset_w)}, divide by {estimated(found.line.gain)}"
    if found.bands:
        factor = "; ".join(f"{estimated(band.factor)} {_end(band)}" for band in found.bands)
    return (
        found.probe if not release or release in found.probe else f"{found.probe} {release}",
        found.column,
        found.verdict,
        f"none; best was {factor}" if found.verdict == "not calibratable" else factor,
        _good_for(found),
        _made_of(found),
        _held_out(held),
        _tried(found),
        text(found.reason, MISSING),
    )


def _good_for(found: Correction) -> str:
    """Return the expanded uncertainty of one corrected run, and what it is good enough for."""
    fitness = found.fitness
    if fitness is None:
        return MISSING
    if fitness.expanded_u is None:
        return fitness.words if found.verdict == "not calibratable" else MISSING
    return f"{fitness.spread}: {fitness.words}"


def _held_out(errors: Mapping[str, float]) -> str:
    """Return the error left on every workload; of very many, the smallest and the largest."""
    said = {name: f"{name} {percent(error, sign=True)}" for name, error in errors.items()}
    if len(errors) > _MANY:
        ends = (min(errors, key=lambda n: errors[n]), max(errors, key=lambda n: errors[n]))
        return f"{len(errors)} workloads: {' to '.join(said[name] for name in ends)}"
    return ", ".join(said.values()) or MISSING


def _shift(watts: Estimate) -> str:
    """Return an offset as what to do with it; its interval is turned with it."""
    if watts.value >= 0:
        return f"{way(watts)} {estimated(watts)} W"
    low, high = (None if end is None else -end for end in (watts.high, watts.low))
    return f"{way(watts)} {interval(-watts.value, low, high)} W"


def _end(band: Band) -> str:
    """Return where a range of load ends."""
    return "above" if band.below_w is None else f"below {figure(band.below_w)} W"


def _made_of(found: Correction) -> str:
    """Return the shares of the variance that matter, the largest first."""
    parts = found.budget.parts if found.budget else ()
    shares = sorted(((part.share, part.name) for part in parts), reverse=True)
    return (
        ", ".join(f"{name} {100 * share:.0f} %" for share, name in shares if share >= 0.005)
        or MISSING
    )


def _tried(found: Correction) -> str:
    """Return the range in which a correction was seen to hold."""
    if not found.valid:
        return MISSING
    return f"{span(*found.valid.watts, 'W')}, {span(*found.valid.seconds, 's')}"


def _probes(probes: Mapping[str, ProbeSummary]) -> Table:
    head = ("probe", "status", "release", "mode", "scopes", "readings", "late",
            "share of one CPU", "runs lost", "settings and other facts")  # fmt: skip
    rows = []
    for name, summary in probes.items():
        facts = dict(summary.facts)
        release, mode = (text(facts.pop(key, ""), MISSING) for key in ("release", "mode"))
        rest = "; ".join(f"{key}: {text(value)}" for key, value in facts.items())
        covered = ", ".join(dict.fromkeys(summary.scopes))
        rows.append(
            Row((
                name, summary.status, release, mode, covered or MISSING,
                str(summary.readings), percent(summary.late_share), percent(summary.cpu_share),
                str(len(summary.lost_runs)), rest or MISSING,
            ))
        )  # fmt: skip
    return Table(head, tuple(rows), frozenset({5, 6, 7, 8}))


def _left(analysis: Analysis) -> Table:
    """Return everything that is not in the comparison, with what would bring it in."""
    comparison, campaign = analysis.comparison, analysis.campaign
    cells = []
    for name, summary in comparison.probes.items():
        if summary.lost_runs:
            cells += _lost(name, summary)
        elif summary.status != "ok":
            cells.append((name, f"{summary.status}: {text(summary.reason)}", summary.fix))
    cells += _not_compared(comparison)
    cells += [
        (f"run {run.folder.name}", f"its workload ended with exit code {run.record.exit_code}",
         f"Read {run.folder.name}/output.log" if run.has_output else "")
        for run in campaign.runs if run.record.exit_code != 0
    ]  # fmt: skip
    cells += _strays(analysis)
    cells += [
        (f"run {each.folder.name}", f"left out, since it is damaged: {text(each.reason)}",
         "" if campaign.record.is_import else RESUME.format(shlex.quote(campaign.folder.name)))
        for each in campaign.damaged
    ]  # fmt: skip
    done = {run.folder.name for run in campaign.runs}
    done |= {run.folder.name for run in campaign.damaged}
    cells += [
        (f"run {job.folder}", "planned, not finished",
         RESUME.format(shlex.quote(campaign.folder.name)))
        for job in campaign.record.jobs
        if job.folder not in done and campaign.stop is None
    ]  # fmt: skip
    rows = tuple(Row((what, text(why), text(fix, MISSING))) for what, why, fix in cells)
    return Table(("what", "why", "what would help"), rows)


def _strays(analysis: Analysis) -> list[tuple[str, str, str]]:
    """Return the runs that strayed or lost a process: repeated, or compared all the same."""
    quiet = "Measure while nothing else runs on the machine"
    aside = [
        (f"run {each.folder.name}", f"rejected and repeated, {text(each.why.reason)}",
         "Find what kills or stops processes here" if each.why.tolerance is None else quiet)
        for each in analysis.campaign.set_aside
    ]  # fmt: skip
    return aside + [
        (f"run {name}", f"compared, though it strays: {text(why)}", quiet)
        for name, why in analysis.disturbed.items()
    ]


def _not_compared(comparison: Comparison) -> list[tuple[str, str, str]]:
    """Return the columns that were not compared; those of one probe with one reason together."""
    groups: dict[tuple[str, str, str], list[NotCompared]] = {}
    for each in comparison.left:
        reason = "" if each.missing_scope else each.reason
        groups.setdefault((each.probe, reason, each.fix), []).append(each)
    cells = []
    for (probe, reason, fix), columns in groups.items():
        scopes = ", ".join(dict.fromkeys(each.missing_scope for each in columns))
        why = reason or f"{comparison.reference} has nothing of scope {scopes}"
        cells.append((f"{probe}: {', '.join(each.column for each in columns)}", why, fix))
    return cells


def _lost(name: str, summary: ProbeSummary) -> list[tuple[str, str, str]]:
    """Return the runs a probe lost, those with one reason together."""
    by_reason: dict[str, list[str]] = {}
    for run, reason in summary.lost_runs.items():
        by_reason.setdefault(reason, []).append(run)
    return [
        (f"{name} in {', '.join(runs)}", reason.rstrip(": "), summary.fix)
        for reason, runs in by_reason.items()
    ]


def _workloads(analysis: Analysis) -> Table:
    comparison = analysis.comparison
    widest = widest_pair(comparison.pairs)
    rows = [
        Row((
            each.workload,
            str(each.runs),
            span(*each.seconds, "s"),
            span(*each.watts, "W") if each.watts else MISSING,
            _rates(each.rates),
            _results(each.results),
        ))
        for each in analysis.workloads
    ]  # fmt: skip
    power_by = f"power by {comparison.reference}" + (f" ({widest.scopes})" if widest else "")
    head = ("workload", "runs", "length", power_by, "mean rate", "results, mean over runs")
    return Table(head, tuple(rows), frozenset({1, 2, 3}))


def _rates(rates: Sequence[Rate]) -> str:
    """Return work per second of every kind of phase that counts work."""
    several = len(rates) > 1
    parts = [(f"{r.phase}: " if several else "") + rate(r.per_s, r.unit) for r in rates]
    return "; ".join(parts) or MISSING


def _results(results: Mapping[str, float | tuple[str, ...]]) -> str:
    """Return every result of a workload."""
    parts = (
        f"{key}: {_texts(value) if isinstance(value, tuple) else figure(value)}"
        for key, value in results.items()
    )
    return "; ".join(parts) or MISSING


def _texts(values: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(text(value) for value in values)) or UNKNOWN


def _carbon(analysis: Analysis) -> Table:
    """Return CO2e of a mean run, where an intensity was asked for."""
    head = ("workload", "by", "scope", "energy per run", "", "CO2e per run (95 %)")
    made = analysis.footprint.emissions if analysis.footprint else ()
    rows = [
        Row(
            (each.workload, each.probe, each.scope, f"{figure(each.joules)} J", each.how,
             grams_text(each.grams, each.u_g)),
            each.how == "reference",
        )
        for each in made
    ]  # fmt: skip
    return Table(head, tuple(rows), frozenset({3, 5}))


def _carbon_note(analysis: Analysis) -> str:
    if analysis.footprint is None:
        return ""
    found = analysis.footprint.intensity
    year = f", mean of {found.year}" if found.year else ""
    u = found.u_relative
    spread = " ± not known" if u is None else f" ± {percent(2 * u)} (k = 2)"
    return (
        f"{figure(found.g_per_kwh)} g CO2e per kWh{spread}, {found.name}{year}. "
        f"Source: {found.source}. Of what is generated: without losses in the grid, cooling, and "
        "the making of the hardware; an hour may be far from the mean."
    )
