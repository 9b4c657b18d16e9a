"""What a report says, as words: the same cards and tables for every format.

A value that is not known is ``-`` or a sentence, never ``nan``, ``inf`` or ``None``.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibrate.analysis import Analysis
from calibrate.calibration import Band, Correction
from calibrate.campaign import remaining_disturbed
from calibrate.comparison import NotCompared, Pair, ProbeSummary
from calibrate.energy import phase_kind
from calibrate.quantity import (
    MISSING,
    UNKNOWN,
    estimated,
    figure,
    fitting,
    percent,
    rate,
    rounded,
    span,
    text,
)
from calibrate.reporting.cards import CONSISTENCY, Card, _cards
from calibrate.reporting.chapters.table import Row, Table
from calibrate.reporting.facts import LABEL, METHOD, SOURCES, _compared, _facts, _raw, title
from calibrate.store import Campaign, Run

#: More workloads than a cell can list.
_MANY = 8


@dataclass(frozen=True)
class Digest:
    """All that is said of a campaign, in the order in which it is said."""

    title: str
    simulated: bool
    label: str
    reference: str
    facts: tuple[tuple[str, str], ...]
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
        simulated=comparison.simulated,
        label=LABEL if comparison.simulated else "",
        reference=comparison.reference,
        facts=_facts(analysis),
        cards=tuple(_cards(analysis)),
        agreement=_agreement(analysis),
        corrections=_corrections(analysis),
        probes=_probes(comparison.probes),
        left=_left(analysis),
        workloads=_workloads(analysis),
        carbon=_carbon(analysis),
        carbon_note=_carbon_note(analysis),
        raw=_raw(analysis),
        method=(_compared(analysis), *METHOD),
    )


def _agreement(analysis: Analysis) -> Table:
    head = ("probe", "column", "scope", "basis", "runs", "ratio (95 % interval)",
            "limits of agreement", "sd within", "sd between", "remark")  # fmt: skip
    rows = [
        Row(_agreement_cells(pair), pair.headline)
        for pair in sorted(analysis.comparison.pairs, key=lambda p: not p.headline)
    ]
    return Table(head, tuple(rows), frozenset(range(4, 9)))


def _agreement_cells(pair: Pair) -> tuple[str, ...]:
    ratio, limits = pair.ratio or {}, pair.limits or {}
    ends = [limits[end]["value"] for end in ("lower", "upper") if limits.get(end)]
    remarks = [CONSISTENCY] if pair.same_family else []
    missing = len(pair.rows) - len(pair.usable)
    remarks += [f"{missing} runs without a ratio"] if missing else []
    return (
        pair.probe,
        pair.column,
        pair.scope,
        f"{pair.basis} ({pair.family})",
        str(len(pair.usable)),
        estimated(ratio.get("ratio")),
        " to ".join(rounded(*ends, *ends)) if len(ends) == 2 else MISSING,
        percent(ratio.get("within_sd")),
        percent(ratio.get("between_sd")),
        "; ".join(remarks) or MISSING,
    )


def _corrections(analysis: Analysis) -> Table:
    head = ("probe", "column", "verdict", "multiply by (95 % interval)", "u, new workload",
            "made of", "error left when held out", "tried with", "reason")  # fmt: skip
    main = {(p.probe, p.column): p.headline for p in analysis.comparison.pairs}
    rows = [
        Row(_correction_cells(each), main[each.probe, each.column])
        for each in sorted(
            analysis.calibration.corrections, key=lambda c: not main[c.probe, c.column]
        )
    ]
    return Table(head, tuple(rows), frozenset({3, 4}))


def _correction_cells(found: Correction) -> tuple[str, ...]:
    held = found.held_out or {}
    release = text(found.release, "")
    factor, u = estimated(found.factor), percent(found.relative_u)
    if found.offset_w:
        factor, u = _shift(found.offset_w), f"{figure(found.offset_w['u'])} W"
    if found.line:
        factor = f"{_shift(found.line.offset_w)}, divide by {estimated(found.line.gain)}"
        u = percent(found.line.scatter)
    if found.bands:
        factor = "; ".join(f"{estimated(band.factor)} {_end(band)}" for band in found.bands)
        u = percent(max((band.relative_u or 0.0 for band in found.bands), default=0.0))
    return (
        found.probe if not release or release in found.probe else f"{found.probe} {release}",
        found.column,
        found.verdict,
        f"none; best was {factor}" if found.verdict == "not calibratable" else factor,
        u,
        _made_of(found),
        _held_out(held),
        _tried(found),
        text(found.reason, MISSING),
    )


def _held_out(errors: Mapping[str, float]) -> str:
    """Return the error left on every workload; of very many, the smallest and the largest."""
    said = {name: f"{name} {percent(error, sign=True)}" for name, error in errors.items()}
    if len(errors) > _MANY:
        ends = (min(errors, key=lambda n: errors[n]), max(errors, key=lambda n: errors[n]))
        return f"{len(errors)} workloads: {' to '.join(said[name] for name in ends)}"
    return ", ".join(said.values()) or MISSING


def _shift(watts: Mapping[str, Any]) -> str:
    """Return an offset as what to do with it; its interval is turned with it."""
    if watts["value"] >= 0:
        return f"subtract {estimated(watts)} W"
    turned = {key: None if watts[key] is None else -watts[key] for key in ("value", "low", "high")}
    return f"add {estimated(turned | {'low': turned['high'], 'high': turned['low']})} W"


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
    cells += _not_compared(comparison.left)
    cells += [
        (f"run {run.folder.name}", f"its workload ended with exit code {run.record.exit_code}",
         f"Read {run.folder.name}/output.log" if (run.folder / "output.log").exists() else "")
        for run in campaign.runs if run.record.exit_code != 0
    ]  # fmt: skip
    cells += _strays(campaign)
    done = {run.folder.name for run in campaign.runs}
    resume = f"crosswatt run --resume {shlex.quote(campaign.folder.name)}"
    cells += [
        (f"run {job.folder}", "planned, not finished", resume)
        for job in campaign.record.jobs
        if job.folder not in done and campaign.stop is None
    ]
    rows = tuple(Row((what, text(why), text(fix, MISSING))) for what, why, fix in cells)
    return Table(("what", "why", "what would help"), rows)


def _strays(campaign: Campaign) -> list[tuple[str, str, str]]:
    """Return the runs whose load strayed: set aside and repeated, or compared all the same."""
    quiet = "Measure while nothing else runs on the machine"
    aside = [
        (f"run {each.folder.name}", f"rejected and repeated, {text(each.why.reason)}", quiet)
        for each in campaign.set_aside
    ]
    return aside + [
        (f"run {name}", f"compared, though it strays: {text(why)}", quiet)
        for name, why in remaining_disturbed(campaign).items()
    ]


def _not_compared(left: Sequence[NotCompared]) -> list[tuple[str, str, str]]:
    """Return the columns that were not compared; those of one probe with one reason together."""
    groups: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for each in left:
        why, of_scope, scope = each.reason.partition(" of scope ")
        alike = of_scope and " " not in scope  # nothing more is said than which scope it is
        key = each.probe, why if alike else each.reason, each.fix
        groups.setdefault(key, []).append((each.column, scope if alike else ""))
    cells = []
    for (probe, why, fix), columns in groups.items():
        scopes = list(dict.fromkeys(scope for _, scope in columns if scope))
        of = f" of scope {', '.join(scopes)}" if scopes else ""
        cells.append((f"{probe}: {', '.join(name for name, _ in columns)}", why + of, fix))
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
    scope, watts = _reference_watts(analysis)
    rows = []
    for name in comparison.workloads:
        runs = [r for r in analysis.campaign.runs if r.record.workload == name]
        runs = [r for r in runs if r.record.exit_code == 0]
        seconds = [run.record.seconds for run in runs]
        power = watts.get(name)
        rows.append(
            Row((
                name,
                str(len(runs)),
                span(min(seconds), max(seconds), "s"),
                span(min(power), max(power), "W") if power else MISSING,
                _rates(runs),
                _results(runs),
            ))
        )  # fmt: skip
    power_by = f"power by {comparison.reference}" + (f" ({scope})" if scope else "")
    head = ("workload", "runs", "length", power_by, "mean rate", "results, mean over runs")
    return Table(head, tuple(rows), frozenset({1, 2, 3}))


def _reference_watts(analysis: Analysis) -> tuple[str, dict[str, list[float]]]:
    """Return a scope and the reference's mean watts of every run by workload.

    Of the main columns, the one with the most runs and then the most energy speaks: the widest.
    """
    found: dict[str, list[float]] = {}
    pairs = [pair for pair in analysis.comparison.pairs if pair.headline and pair.rows]
    if not pairs:
        return "", found
    widest = max(pairs, key=lambda pair: (len(pair.rows), sum(r.reference_j for r in pair.rows)))
    for row in widest.rows:
        found.setdefault(row.workload, []).append(row.reference_j / row.seconds)
    return widest.scope, found


def _rates(runs: Sequence[Run]) -> str:
    """Return work per second of every kind of phase that counts work, as the mean over runs."""
    rates: dict[tuple[str, str], list[float]] = {}
    for run in runs:
        for phase in run.record.phases:
            seconds = (phase.end_ns - phase.begin_ns) / 1e9
            if phase.work is not None and phase.unit and seconds > 0:
                rates.setdefault((phase_kind(phase.name), phase.unit), []).append(
                    phase.work / seconds
                )
    several = len(rates) > 1
    parts = [
        (f"{name}: " if several else "") + rate(sum(values) / len(values), unit)
        for (name, unit), values in rates.items()
    ]
    return "; ".join(parts) or MISSING


def _results(runs: Sequence[Run]) -> str:
    """Return every result of a workload: the mean of numbers, the distinct texts."""
    values: dict[str, list[Any]] = {}
    for run in runs:
        for key, value in run.record.result.items():
            values.setdefault(key, []).append(value)
    return "; ".join(f"{key}: {_mean(each)}" for key, each in values.items()) or MISSING


def _mean(values: Sequence[Any]) -> str:
    numbers = [v for v in values if isinstance(v, int | float) and math.isfinite(v)]
    if numbers:
        return figure(sum(numbers) / len(numbers))
    words = [text(v) for v in values if isinstance(v, str)]
    return ", ".join(dict.fromkeys(words)) or UNKNOWN


def _carbon(analysis: Analysis) -> Table:
    """Return CO2e of a mean run, where an intensity was asked for."""
    head = ("workload", "by", "scope", "energy per run", "", "CO2e per run (k = 2)")
    made = analysis.footprint.emissions if analysis.footprint else ()
    rows = [
        Row(
            (each.workload, each.probe, each.scope, f"{figure(each.joules)} J", each.how,
             _grams(each.grams, each.u_g)),
            each.how == "reference",
        )
        for each in made
    ]  # fmt: skip
    return Table(head, tuple(rows), frozenset({3, 5}))


def _grams(grams: float, u_g: float | None) -> str:
    """Return a mass in a unit that suits it, with its expanded uncertainty."""
    prefix, size = fitting(grams, "k mµ")
    if u_g is None:
        return f"{figure(grams / size)} {prefix}g, ± not known"
    half = 2 * u_g / size
    value, spread = rounded(-half, half, grams / size, half)
    return f"({value} ± {spread}) {prefix}g"


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
