"""What a report says, as words: the same cards and tables for every format.

A value that is not known is ``-`` or a sentence, never ``nan``, ``inf`` or ``None``.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from calibrate import scopes
from calibrate.analysis import Analysis
from calibrate.compare import REFERENCES, Left, Pair, ProbeSummary
from calibrate.diagnose import NO_FAULT, UNEXPLAINED, Diagnosis
from calibrate.fit import Band, Correction
from calibrate.phases import kind
from calibrate.store import Campaign, Run
from calibrate.stray import remaining
from calibrate.verdict import Verdict, interval, number, probability, rounded, verdicts

#: In the order of urgency.
Tone = Literal["fault", "open", "good", "none"]

MISSING, UNKNOWN = "-", "not known"
LABEL = "simulated machine"

_MEASURED = (
    "Every workload ran while all probes measured at the same time, each in a process of its own "
    "on one monotonic clock."
)
_IMPORTED = (
    "These measurements were taken elsewhere and imported; every probe has the clock of its files, "
    "and crosswatt align tells whether they agree."
)
_SAME_SCOPE = (
    "For each run the energy of a probe is compared with the energy that the reference gives for "
    "the same window and the same scope. Columns of different scopes are never compared."
)
_ACROSS = (
    "For each run the energy of a probe is compared with the energy that the reference gives for "
    "the same window, on purpose also where it covers more than the probe."
)
METHOD = (
    "A ratio is probe over reference. The mean is the geometric mean of the workload means, so "
    "that a workload counts once however often it ran; the 95 % interval is Student's t on the "
    "workload means. The limits of agreement hold 95 % of single runs. Standard deviations are of "
    "ln(ratio), so that 1 % means a ratio that scatters by 1 %.",
    "A diagnosis names the fault of a catalogue that explains the runs best. Its probability is "
    "relative to that catalogue: a name is given from 0.95 on, only when the runs pass predictive "
    "checks, and faults with the same signature are listed as aliases. Otherwise it is "
    "unexplained, and a sentence says what is missing.",
    "A correction multiplies the probe's reading. Its uncertainty is for a workload that was not "
    "measured; each measured workload was held out once to see what error is left. Outside the "
    "range of power and length given, it was not tried.",
)
SOURCES = (
    "J. M. Bland, D. G. Altman: Measuring agreement in method comparison studies. Statistical "
    "Methods in Medical Research 8 (1999) 135-160.",
    "J. M. Bland, D. G. Altman: Agreement between methods of measurement with multiple "
    "observations per individual. Journal of Biopharmaceutical Statistics 17 (2007) 571-582.",
    "G. Y. Zou: Confidence interval estimation for the Bland-Altman limits of agreement with "
    "multiple observations per individual. Statistical Methods in Medical Research 22 (2013) "
    "630-642.",
)
CONSISTENCY = "consistency only"
#: More workloads than a cell can list.
_MANY = 8
_SAME = (
    "It reads the same source as the reference: their agreement shows consistency and says "
    "nothing of accuracy."
)


@dataclass(frozen=True)
class Row:
    """A row of a table; `main` ones are what the reader should see first."""

    cells: tuple[str, ...]
    main: bool = True


@dataclass(frozen=True)
class Table:
    """A table of text; `numeric` are the places of columns of numbers."""

    head: tuple[str, ...]
    rows: tuple[Row, ...]
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Card:
    """The verdict on one probe.

    Parameters
    ----------
    mark : the verdict in a few words; never by colour alone.
    correct : what to do about it.
    lines : cause, aliases, what limits the verdict; a sentence each.
    """

    probe: str
    column: str
    tone: Tone
    mark: str
    ratio: str
    sentence: str
    correct: str
    lines: tuple[str, ...] = ()


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


# ---- words for values ----


def figure(value: Any, form: str = "{}") -> str:
    """Return a value as text with four significant digits, or that it is not known."""
    if isinstance(value, bool) or value is None:
        return MISSING if value is None else "yes" if value else "no"
    if isinstance(value, int | float):
        return form.format(number(value)) if math.isfinite(value) else MISSING
    return text(value)


def text(value: object, empty: str = UNKNOWN) -> str:
    """Return text in one line; what some program wrote for a missing value is not known."""
    line = " ".join(str(value).split())
    return empty if line.lower() in {"", "none", "nan", "inf", "-inf", "null", "unknown"} else line


def percent(value: float | None, sign: bool = False) -> str:
    """Return a share in percent with two significant digits, never in exponents."""
    if value is None or not math.isfinite(value):
        return MISSING
    shown = 100 * value
    if shown and abs(shown) < 0.001:
        return "< 0.001 %"
    digits = max(0, 1 - math.floor(math.log10(abs(shown)))) if shown else 0
    body = f"{shown:{'+' if sign else ''},.{digits}f}"
    return f"{body.replace('-', chr(0x2212))} %"


def estimated(estimate: Mapping[str, Any] | None) -> str:
    """Return an estimate with its interval, as far as there is one."""
    if not estimate:
        return MISSING
    return interval(*(estimate[key] for key in ("value", "low", "high")))


def span(low: float, high: float, unit: str) -> str:
    """Return a range, or one number where both ends read the same."""
    ends = list(dict.fromkeys((figure(low), figure(high))))
    return f"{' to '.join(ends)} {unit}"


def chance(value: float | None) -> str:
    """Return a probability that is never rounded to certainty on either side."""
    if value is None:
        return UNKNOWN
    return "< 0.01" if value < 0.01 else probability(value)


def rate(value: float, unit: str) -> str:
    """Return a rate with a prefix where it is large."""
    prefix, size = fitting(value, "TGM ")
    return f"{figure(value / size)} {prefix}{unit}/s"


def fitting(value: float, prefixes: str) -> tuple[str, float]:
    """Return the first SI prefix, and its size, that leaves a digit before the point, or the last.

    Parameters
    ----------
    prefixes : the largest first; a blank is none.
    """
    chosen = next((each for each in prefixes if abs(value) >= _SIZES[each]), prefixes[-1])
    return chosen.strip(), _SIZES[chosen]


#: SI prefixes; a blank is none.
_SIZES = {
    "T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, " ": 1.0,
    "m": 1e-3, "µ": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15,
}  # fmt: skip


# ---- the head ----


def title(analysis: Analysis) -> str:
    """Return the name of the machine; a simulated one says so in its name."""
    machine = analysis.campaign.record.machine
    name = text(machine.label.removeprefix(f"{LABEL}:"), "")
    if machine.simulated:
        return f"Simulated {name or 'machine'}"
    return name or "Machine without a name"


def _facts(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    record, comparison = analysis.campaign.record, analysis.comparison
    machine = record.machine
    host = "Host of the simulation" if machine.simulated else "Processor"
    plan = record.plan
    repeats = plan.get("repeats")
    name = analysis.campaign.folder.name
    folder, page = shlex.quote(name), shlex.quote(f"{name}/report.html")
    size = [] if machine.cpus is None else [f"{machine.cpus} CPUs"]
    if machine.memory_bytes is not None:
        size.append(f"{figure(machine.memory_bytes / 2**30)} GiB")
    return (
        ("Machine", text(machine.label)),
        (host, ", ".join([text(machine.cpu), *size])),
        (
            "Conditions",
            f"kernel {text(machine.kernel)}, virtual machine: {text(machine.virtual)}, "
            f"governor {text(machine.governor)}, microcode {text(machine.microcode)}",
        ),
        ("Date", text(record.created).replace("T", " ").replace("+00:00", " UTC")),
        ("crosswatt", text(record.crosswatt)),
        (
            "Plan",
            f"{text(plan.get('title', ''))}: {', '.join(_planned(plan)) or UNKNOWN}"
            + (f"; {repeats} repeats" if repeats else ""),
        ),
        ("Seed", str(record.seed)),
        ("Runs", f"{comparison.runs} compared of {_asked(analysis.campaign)}"),
        ("Reference", f"{comparison.reference}{_family(analysis)}"),
        (f"{_verb(analysis)} it again", _command(analysis)),
        (
            "Remake this report",
            f"crosswatt report {folder} --format html{_asked_for(analysis)} --out {page}",
        ),
    )


def _asked(campaign: Campaign) -> str:
    """Return how many runs were planned, or why there are fewer."""
    jobs, stop = len(campaign.record.jobs), campaign.stop
    if stop:
        return (
            f"at most {jobs}; stopped after {stop.repeats} repeats, every factor known to "
            f"{100 * stop.target:g} % (confidence sequence, for these workloads)"
        )
    return f"{jobs} planned"


def _planned(plan: Mapping[str, Any]) -> list[str]:
    """Return the names of the plan's workloads; a plan is free-form in the record."""
    steps = plan.get("workload") or ()
    return [text(s.get("label") or s.get("name", "")) for s in steps if isinstance(s, Mapping)]


def _family(analysis: Analysis) -> str:
    """Return what the reference is, where its name does not say it."""
    name = analysis.comparison.reference
    domains = [d for run in analysis.campaign.runs for d in run.logs[name].domains.values()]
    kinds = sorted({f"{d.basis}, family {d.family}" for d in domains})
    return f" ({'; '.join(kinds)})" if kinds and kinds != ["truth, family truth"] else ""


def _is_import(analysis: Analysis) -> bool:
    return analysis.campaign.record.command[1:2] == ("import",)


def _verb(analysis: Analysis) -> str:
    """Return what was done: other people's measurements were imported."""
    return "Import" if _is_import(analysis) else "Measure"


def _across(analysis: Analysis) -> bool:
    """Tell whether scopes that differ were compared on purpose."""
    return any(scopes.differ(pair) for pair in analysis.comparison.pairs)


def _compared(analysis: Analysis) -> str:
    """Return what was done with the readings."""
    taken = _IMPORTED if _is_import(analysis) else _MEASURED
    return f"{taken} {_ACROSS if _across(analysis) else _SAME_SCOPE}"


def _asked_for(analysis: Analysis) -> str:
    """Return the options of an analysis that is not the ordinary one."""
    reference = analysis.comparison.reference
    asked = f" --reference {shlex.quote(reference)}" if reference not in REFERENCES[:1] else ""
    carbon = analysis.footprint
    return (
        asked
        + (" --across" if _across(analysis) else "")
        + (f" --carbon {carbon.intensity.asked}" if carbon else "")
    )


def _command(analysis: Analysis) -> str:
    """Return the command that measures the same again, with the order of runs fixed."""
    words = list(analysis.campaign.record.command[1:])
    if not words:
        return UNKNOWN
    mine = words[: words.index("--")] if "--" in words else words
    ordered = any(word.split("=")[0] in {"--seed", "--resume"} for word in mine)
    if not ordered and words[0] != "import":  # what others measured has no order to be fixed
        words[1:1] = ["--seed", str(analysis.campaign.record.seed)]
    return shlex.join(["crosswatt", *words])


# ---- verdicts ----


def _cards(analysis: Analysis) -> list[Card]:
    """Return a card for every probe but the reference, what is wrong first."""
    reference = analysis.comparison.reference
    said = verdicts(analysis, headlines=True)
    cards = [_card(each, reference) for each in said]
    comparison = analysis.comparison
    cards += [
        _no_card(name, comparison.probes[name], why) for name, why in comparison.alone().items()
    ]
    return sorted(cards, key=lambda card: get_args(Tone).index(card.tone))


def _card(verdict: Verdict, reference: str) -> Card:
    tone, mark = _mark(verdict.diagnosis)
    pair = verdict.pair
    checks = (pair.ratio or {}).get("ratio", {}).get("checks", ())
    lines = [*_explanation(verdict.diagnosis), *map(text, checks)]
    lines += [_SAME] if pair.same_family else []
    return Card(
        probe=pair.probe,
        column=f"{pair.column}, beside {reference} {pair.scope}",
        tone=tone,
        mark=f"{mark} ({CONSISTENCY})" if pair.same_family else mark,
        ratio=verdict.ratio,
        sentence=verdict.diagnosis.sentence,
        correct=_do(verdict),
        lines=tuple(dict.fromkeys(lines)),
    )


def _do(verdict: Verdict) -> str:
    said = text(verdict.correct)
    found = verdict.correction
    if found.verdict not in {"not needed", "not calibratable"} and found.valid:
        said += f", in runs of {span(*found.valid.seconds, 's')}"
    return f"{said[:1].upper()}{said[1:].rstrip('.')}."


def _mark(found: Diagnosis) -> tuple[Tone, str]:
    if found.name == NO_FAULT:
        return "good", f"✓ {NO_FAULT}"
    if found.name != UNEXPLAINED:
        return "fault", f"✗ {found.name}"
    return "open", "? unexplained" if found.conclusive else "? undecided"


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
            f"{estimated(gain.as_dict())}, {figure(found.residual_min)} to "
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
        mark=f"– {state}",
        ratio=MISSING,
        sentence=f"Says nothing here: {text(why).rstrip('.')}.",
        correct=f"To have it: {summary.fix}" if summary.fix else "No correction.",
    )


# ---- tables ----


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
        for name, why in remaining(campaign).items()
    ]


def _not_compared(left: Sequence[Left]) -> list[tuple[str, str, str]]:
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
                rates.setdefault((kind(phase.name), phase.unit), []).append(phase.work / seconds)
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


def _raw(analysis: Analysis) -> tuple[str, ...]:
    campaign = analysis.campaign
    record = campaign.record
    name = campaign.folder.name
    version = re.sub(r"\s+", " ", record.crosswatt)
    return (
        f"Every number here is computed from the folder {name} (schema {record.schema_}): "
        "campaign.json holds plan, machine and seed; each run has run.json and one .jsonl file "
        "a probe, with every reading as it was taken. The derived numbers are in comparison.json, "
        "diagnosis.json, calibration.json and phases.json.",
        f"Cite it as: crosswatt {version}, campaign {name} of {record.created[:10]}, "
        f"{title(analysis)}, seed {record.seed}, reference {analysis.comparison.reference}.",
    )
