"""How far two probes are apart: every column of every probe beside the reference.

Each run gives one pair of energies over the same window. A tracker's window is its own, from its
begin to its end, and the reference is cut to it. Only columns of the same scope are compared;
what could not be compared is listed with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from calibrate.energy import (
    REFERENCES,
    Column,
    Energy,
    column_of_all,
    columns_by_scope,
    columns_inside,
    headline_column,
    native_columns,
    probe_columns,
    wholes_of,
    window_energy,
)
from calibrate.errors import CrosswattError, UnknownName
from calibrate.probe import Basis, Domain
from calibrate.stats import (
    Estimate,
    LimitsOfAgreement,
    MeanRatio,
    SerialCorrelation,
    limits_of_agreement,
    log_ratio,
    mean_ratio,
    prediction,
    serial_correlation,
    widened,
)
from calibrate.store import Campaign, Document, ProbeLog, Run, RunRecord, Saved

#: How long before the ends of a run the power is looked at, ns.
_EDGE_NS = 300_000_000
#: Runs of one workload whose lengths are within this ratio of each other repeat the same.
_SAME_LENGTH = 1.05


class PairedRun(Document):
    """One run: both energies over the same window, their uncertainties, and the reference's parts.

    ``u_probe_j`` and ``u_reference_j`` are those of the readings: step, and the window's ends.
    ``parts_j`` is the energy of parts of the reference's scope (``dram``, ``package-0``), by name;
    ``edges_w`` the power by the reference just before the window began and just before it ended;
    ``busy`` the share of the CPUs' time that the workload had, where it or its log tells.
    """

    run: str
    workload: str
    repeat: int
    seconds: float
    probe_j: float
    reference_j: float
    u_reference_j: float
    u_probe_j: float = 0.0
    parts_j: dict[str, float] = {}
    busy: float | None = None
    edges_w: tuple[float, float] | None = None

    @property
    def ratio(self) -> float | None:
        """Probe over reference; None where a ratio means nothing."""
        usable = self.probe_j > 0 and self.reference_j > 0
        return self.probe_j / self.reference_j if usable else None


class Pair(Document):
    """One column of a probe beside the reference.

    ``scope`` is what the column covers, ``reference_scope`` what the reference's column covers:
    they differ only if the comparison was made ``across`` scopes. ``ratio``, ``limits`` and
    ``prediction`` (of one new run) are results of `calibrate.stats.agreement`, None where no run
    has a ratio. ``serial`` is how much neighbouring runs err alike, None with too few repeats of
    the same work; where they do, ``ratio`` and ``prediction`` are widened. ``same_family``: both
    read the same source, so that their agreement shows consistency and says nothing of accuracy.
    ``wraps_at_j``: the range of the counters of its family, as any probe of the campaign tells it.
    ``u_reference`` is the relative standard uncertainty of the reference's gain, None where it
    states none; the truth of a simulated machine has none. ``parts`` are the columns that a sum
    adds up; empty for what is no sum.
    """

    probe: str
    column: str
    scope: str
    reference_scope: str
    basis: Basis
    family: str
    same_family: bool
    headline: bool
    resolution_j: float
    wraps_at_j: float | None = None
    reference_resolution_j: float = 0.0
    u_reference: float | None = None
    parts: tuple[str, ...] = ()
    rows: tuple[PairedRun, ...]
    ratio: MeanRatio | None
    limits: LimitsOfAgreement | None
    prediction: Estimate | None
    serial: SerialCorrelation | None = None

    @property
    def correlated(self) -> bool:
        """Whether neighbouring runs err alike: n of them tell less than n independent ones."""
        return self.serial is not None and self.serial.significant

    @property
    def across(self) -> bool:
        """Whether the two columns cover different parts of the machine."""
        return self.scope != self.reference_scope

    @property
    def scopes(self) -> str:
        """The scope in words: both scopes where they differ."""
        return f"{self.scope} of {self.reference_scope}" if self.across else self.scope

    @property
    def usable(self) -> list[PairedRun]:
        """The rows that have a ratio."""
        return [row for row in self.rows if row.ratio is not None]


class NotCompared(Document):
    """A column that was not compared, and why.

    ``missing_scope`` is the scope that the reference lacks, where that is the whole reason.
    """

    probe: str
    column: str
    reason: str
    fix: str = ""
    missing_scope: str = ""


class SourceKind(Document):
    """Where figures come from: measured, modelled or true, and by which family of meters."""

    basis: Basis
    family: str


class ProbeSummary(Document):
    """A probe over the whole campaign: what it is and how it fared.

    ``cpu_share`` is its CPU time while recording, as a share of one core: the observer effect.
    ``late_share`` is the share of due readings that were skipped because it was busy. ``sources``
    are the sources of all its columns, each once, sorted.
    """

    status: str
    reason: str = ""
    fix: str = ""
    facts: dict[str, str] = {}
    scopes: tuple[str, ...] = ()
    sources: tuple[SourceKind, ...] = ()
    readings: int = 0
    late_share: float | None = None
    cpu_share: float | None = None
    lost_runs: dict[str, str] = {}


class Comparison(Saved):
    """All pairs of a campaign."""

    kind: Literal["comparison"] = "comparison"
    simulated: bool
    machine: str
    reference: str
    runs: int
    workloads: tuple[str, ...]
    pairs: tuple[Pair, ...]
    left: tuple[NotCompared, ...]
    probes: dict[str, ProbeSummary]

    def alone(self) -> dict[str, str]:
        """Return the probes without a comparison of their own, each with the reason."""
        done = {pair.probe for pair in self.pairs} | {self.reference}
        return {name: self._why(name) for name in self.probes if name not in done}

    def _why(self, name: str) -> str:
        summary = self.probes[name]
        reasons = [summary.reason] if summary.status != "ok" else []
        columns: dict[str, list[str]] = {}
        for each in self.left:
            if each.probe == name:
                columns.setdefault(each.reason, []).append(each.column)
        reasons += [f"{', '.join(which)}: {reason}" for reason, which in columns.items()]
        return "; ".join(reason for reason in reasons if reason) or "no reason was recorded"


def compare(
    campaign: Campaign, reference: str | None = None, *, across: bool = False
) -> Comparison:
    """Compare every probe of a campaign with the reference.

    If `across` is true, a column whose scope the reference lacks is compared with the widest that
    the reference has: for example what RAPL covers with what a wall meter covers.

    Raises
    ------
    CrosswattError : no run is finished, or there is no reference.
    UnknownName : the reference named is not among the probes.
    """
    good = [run for run in campaign.runs if run.record.exit_code == 0]
    if not good:
        raise CrosswattError(
            f"{campaign.folder} has no finished run whose workload succeeded; look into the "
            "output.log of its runs, or continue it with 'crosswatt run --resume'."
        )
    chosen = reference_of(good, reference)
    names = [source.name for source in campaign.record.sources]
    if chosen not in names:
        raise CrosswattError(
            f"{campaign.folder} is damaged: its runs have readings of {chosen}, and campaign.json "
            "does not name it."
        )
    pairs: list[Pair] = []
    left: list[NotCompared] = []
    for name in names:
        if name != chosen:
            _compare_probe(good, name, chosen, pairs, left, across=across)
    return Comparison(
        simulated=campaign.record.machine.simulated,
        machine=campaign.record.machine.label,
        reference=chosen,
        runs=len(good),
        workloads=tuple(sorted({run.record.workload for run in good})),
        pairs=tuple(pairs),
        left=tuple(left),
        probes={name: _summary(campaign, name) for name in names},
    )


class NoReference(CrosswattError):
    """Nothing in a campaign is known to serve as the reference."""


def reference_of(runs: Sequence[Run], wanted: str | None) -> str:
    """Return the probe that serves as the reference: the one wanted, or the best that worked.

    Raises
    ------
    UnknownName : the one wanted is not among the probes.
    NoReference : none can serve.
    """
    working = {name for run in runs for name, log in run.logs.items() if log.domains}
    if wanted is not None and wanted not in working:
        raise UnknownName("probe in this campaign", wanted, working)
    for name in [wanted] if wanted else REFERENCES:
        if name in working:
            return name
    raise NoReference(
        "No probe of this campaign can serve as the reference "
        f"({', '.join(REFERENCES)}); name one with --reference."
    )


def _compare_probe(
    runs: Sequence[Run],
    name: str,
    reference: str,
    pairs: list[Pair],
    left: list[NotCompared],
    *,
    across: bool,
) -> None:
    """Add the pairs of one probe, and what of it cannot be compared."""
    logs = [run.logs[name] for run in runs if name in run.logs and run.logs[name].domains]
    if not logs:
        return  # its summary says why it took no part
    shown = native_columns(logs[0].domains.values())
    every = probe_columns(_domains(runs, reference))
    references = columns_by_scope(every)
    wider = headline_column(every) if across else None
    first = headline_column(
        [c for c in shown if _beside(c.scope, _scopes(c, shown), references) is not None]
    )
    first = first or (headline_column(shown) if wider else None)
    for column in shown:
        covers = _scopes(column, shown)
        beside = _beside(column.scope, covers, references)
        beside = beside or (wider if column == first or column.sum_of else None)
        if beside is None:
            used = _used_by_process(runs, name, column)
            missing = ", ".join(scope for scope in covers if scope not in references)
            left.append(
                NotCompared(
                    probe=name,
                    column=column.name,
                    reason=f"{reference} has nothing of scope {missing}{used}",
                    missing_scope="" if used else missing,
                )
            )
            continue
        parts = columns_inside(beside, every)
        pair = _pair_of(runs, name, column, reference, beside, parts, headline=column == first)
        if pair is None:
            reason = _uncovered(runs, (name, column), (reference, beside))
            left.append(NotCompared(probe=name, column=column.name, reason=reason))
            continue
        pairs.append(_with_correlation(pair))


def pairs_in_wholes(campaign: Campaign, comparison: Comparison) -> Iterator[Pair]:
    """Yield each column that the reference lacks, beside the least whole that it has around it.

    Which scope lies in which is known; see `calibrate.energy.wholes_of`. A sum of what the
    reference has is no such whole: the part may be missing in it. The pairs show whether a part is
    above its whole; they are no comparison.

    Parameters
    ----------
    campaign, comparison : the campaign, and its comparison.
    """
    runs = [run for run in campaign.runs if run.record.exit_code == 0]
    domains = _domains(runs, comparison.reference)
    scopes = {domain.name: domain.scope for domain in domains}
    every = probe_columns(domains)
    references = columns_by_scope(
        [c for c in every if [scopes[part] for part in c.parts] == [c.scope]]
    )
    lacking = [each for each in comparison.left if each.missing_scope]
    shown = {
        (probe, column.name): column
        for probe in {each.probe for each in lacking}
        for column in native_columns(_domains(runs, probe))
    }
    for each in lacking:
        column = shown.get((each.probe, each.column))
        wholes = wholes_of(column.scope) if column else ()
        beside = next((references[scope] for scope in wholes if scope in references), None)
        if column is None or beside is None:
            continue
        parts, reference = columns_inside(beside, every), comparison.reference
        pair = _pair_of(runs, each.probe, column, reference, beside, parts, headline=False)
        if pair is not None:
            yield pair


def _pair_of(
    runs: Sequence[Run],
    name: str,
    column: Column,
    reference: str,
    beside: Column,
    parts: Sequence[Column],
    *,
    headline: bool,
) -> Pair | None:
    """Return a column beside one of the reference; None where no run has the energy of both."""
    rows = tuple(_rows(runs, name, column, reference, beside, parts))
    if not rows:
        return None
    log = next(run.logs[name] for run in runs if name in run.logs and run.logs[name].domains)
    pair = _pair(name, column, beside, rows, log, headline=headline)
    facts = _reference_facts(runs, reference, beside)
    return pair.model_copy(update={"wraps_at_j": _range(runs, column.family)} | facts._asdict())


def _scopes(column: Column, shown: Sequence[Column]) -> tuple[str, ...]:
    """Return the scopes that a column covers: those of its parts where a meter made the total."""
    parts = [each.scope for each in shown if each.name in column.sum_of]
    return tuple(dict.fromkeys(parts)) or (column.scope,)


def _beside(scope: str, covers: Sequence[str], references: Mapping[str, Column]) -> Column | None:
    """Return what the reference has of these scopes together; None where it lacks one."""
    if any(each not in references for each in covers):
        return None
    found = [references[each] for each in covers]
    return found[0] if len(found) == 1 else column_of_all(found, scope)


def _uncovered(runs: Sequence[Run], ours: tuple[str, Column], theirs: tuple[str, Column]) -> str:
    """Return why no run has the energy of both."""
    for name, column in (ours, theirs):
        if not any(_window(run, name, column) for run in runs):
            return f"in no run has {name} readings over the whole window"
    return f"in no run have {ours[0]} and {theirs[0]} readings over the same window"


def _window(run: Run, name: str, column: Column) -> Energy | None:
    """Return a column's energy over the window of a run, None where there is none."""
    log = run.logs.get(name)
    if log is None or not set(column.parts) <= set(log.domains):
        return None
    return window_energy(log, column, (run.record.begin_ns, run.record.end_ns))


def _used_by_process(runs: Sequence[Run], name: str, column: Column) -> str:
    """Return what a process was said to use, since nothing else shows it."""
    if column.scope != "process":
        return ""
    found: dict[str, list[float]] = {}
    for run in runs:
        energy = _window(run, name, column)
        if energy:
            found.setdefault(run.record.workload, []).append(energy.joules)
    means = ", ".join(f"{sum(each) / len(each):,.0f} J in {work}" for work, each in found.items())
    return f"; it says {means} (means of runs)" if means else ""


class _ReferenceFacts(NamedTuple):
    """What a pair records of the reference's column."""

    reference_resolution_j: float
    u_reference: float | None


def _reference_facts(runs: Sequence[Run], reference: str, beside: Column) -> _ReferenceFacts:
    """Return the resolution and the accuracy of the reference's column."""
    known = {domain.name: domain for domain in _domains(runs, reference)}
    parts = [known[name] for name in beside.parts]
    stated = [0.0 if part.basis == "truth" else part.u_relative for part in parts]
    # Parts of one meter share their error, so that the largest is that of the sum at most.
    u = None if None in stated else max(each for each in stated if each is not None)
    steps = [part.resolution_j or 0.0 for part in parts]
    return _ReferenceFacts(float(np.sum(steps)), u)


def _range(runs: Sequence[Run], family: str) -> float | None:
    """Return the range of the counters of a family, where they have about the same."""
    ranges = [
        domain.wraps_at_j
        for run in runs
        for log in run.logs.values()
        for domain in log.domains.values()
        if domain.family == family and domain.wraps_at_j
    ]
    return min(ranges) if ranges and max(ranges) < 1.01 * min(ranges) else None


def _domains(runs: Sequence[Run], name: str) -> Iterable[Domain]:
    logs = (run.logs.get(name) for run in runs)
    return next(log.domains for log in logs if log and log.domains).values()


def _rows(
    runs: Sequence[Run],
    name: str,
    column: Column,
    reference: str,
    beside: Column,
    parts: Sequence[Column],
) -> Iterable[PairedRun]:
    """Yield one row per run in which both have the energy."""
    for run in runs:
        record, other = run.record, run.logs.get(reference)
        ours = _window(run, name, column)
        if ours is None or other is None or not other.domains:
            continue
        window = ours.begin_ns, ours.end_ns
        theirs = window_energy(other, beside, window)
        if theirs is not None:
            found = {part.name: window_energy(other, part, window) for part in parts}
            yield PairedRun(
                run=run.folder.name,
                workload=record.workload,
                repeat=record.repeat,
                seconds=ours.seconds,
                probe_j=ours.joules,
                reference_j=theirs.joules,
                u_reference_j=theirs.u_j,
                u_probe_j=ours.u_j,
                parts_j={part: each.joules for part, each in found.items() if each},
                edges_w=_edges_w(other, beside, window),
                busy=_busy(record),
            )


def _busy(record: RunRecord) -> float | None:
    """Return the share of the CPUs' time that a workload had, or None where nothing tells.

    A load pinned to some CPUs tells of these alone, and a log of the whole machine in percent.
    """
    level = record.result.get("cpu_load")
    if isinstance(level, int | float):
        return level / 100
    told = [(p.end_ns - p.begin_ns, p.values.get("busy")) for p in record.phases]
    if not told or "--cores" in record.arguments:
        return None
    shares = [(length, busy) for length, busy in told if isinstance(busy, int | float)]
    whole = sum(length for length, _ in told)
    return (
        sum(length * busy for length, busy in shares) / whole if len(shares) == len(told) else None
    )


def _edges_w(log: ProbeLog, column: Column, window: tuple[int, int]) -> tuple[float, float] | None:
    """Return the power just before each end of a window, or None where it was not recorded."""
    before, end = (window_energy(log, column, (edge - _EDGE_NS, edge)) for edge in window)
    if before is None or end is None or min(before.joules, end.joules) < 0:
        return None
    return before.joules / before.seconds, end.joules / end.seconds


def _pair(
    name: str,
    column: Column,
    beside: Column,
    rows: tuple[PairedRun, ...],
    log: ProbeLog,
    *,
    headline: bool,
) -> Pair:
    usable = [row for row in rows if row.ratio is not None]
    ratio = limits = one_run = None
    if usable:
        d = log_ratio([row.probe_j for row in usable], [row.reference_j for row in usable])
        cluster = [row.workload for row in usable]
        ratio, limits = mean_ratio(d, cluster), limits_of_agreement(d, cluster)
        one_run = prediction(d, cluster)
    steps = [log.domains[part].resolution_j or 0.0 for part in column.parts]
    return Pair(
        probe=name,
        column=column.name,
        scope=column.scope,
        reference_scope=beside.scope,
        basis=column.basis,
        family=column.family,
        same_family=column.family == beside.family,
        headline=headline,
        resolution_j=float(np.sum(steps)),
        parts=column.sum_of or (column.parts if len(column.parts) > 1 else ()),
        rows=rows,
        ratio=ratio,
        limits=limits,
        prediction=one_run,
    )


def _with_correlation(pair: Pair) -> Pair:
    """Return a pair with the correlation of its repeats, its intervals widened where there is one.

    Repeats are runs of one workload and about one length: what depends on the length is no noise.
    """
    usable = pair.usable
    d = [math.log(row.ratio) for row in usable if row.ratio is not None]
    try:
        found = serial_correlation(d, _repeated(usable))
    except ValueError:  # too few repeats, or all the same
        return pair
    if not found.significant or pair.ratio is None or pair.prediction is None:
        return pair.model_copy(update={"serial": found})
    more, why = found.extra_variance, found.sentence
    wider = {
        "serial": found,
        "ratio": replace(pair.ratio, ratio=widened(pair.ratio.ratio, more, why)),
        "prediction": widened(pair.prediction, more, why),
    }
    return pair.model_copy(update=wider)


def _repeated(rows: Sequence[PairedRun]) -> list[str]:
    """Return what each run repeats: its workload, and a number for about its length."""
    kinds = {}
    last: dict[str, tuple[float, int]] = {}
    for row in sorted(rows, key=lambda row: row.seconds):
        seconds, number = last.get(row.workload, (0.0, 0))
        number += row.seconds > _SAME_LENGTH * seconds
        last[row.workload] = row.seconds, number
        kinds[row.run] = f"{row.workload} {number}"
    return [kinds[row.run] for row in rows]


def _summary(campaign: Campaign, name: str) -> ProbeSummary:
    """Gather what is known of one probe over all runs."""
    tried = campaign.probes.get(name)
    logs = [(run, run.logs[name]) for run in campaign.runs if name in run.logs]
    if not logs:
        if tried is None:
            return ProbeSummary(status="killed", reason="it was never tried")
        return ProbeSummary(**tried.model_dump(exclude={"said"}))
    described = next((log for _, log in logs if log.domains), logs[0][1])
    bad = {
        run.folder.name: f"{run.record.probes[name].status}: {run.record.probes[name].reason}"
        for run, _ in logs
        if run.record.probes[name].status != "ok"
    }
    seconds = sum(run.record.stopped_ns - run.record.recording_ns for run, _ in logs) / 1e9
    done = sum(log.stop.get("readings", 0) for _, log in logs)
    missed = sum(log.stop.get("missed", 0) for _, log in logs)
    scopes = [column.scope for column in native_columns(described.domains.values())]
    sources = {(d.basis, d.family) for _, log in logs for d in log.domains.values()}
    return ProbeSummary(
        status="ok" if len(bad) < len(logs) else "failed",
        reason=next(iter(bad.values()), ""),
        facts=described.facts,
        scopes=tuple(scopes),
        sources=tuple(SourceKind(basis=b, family=f) for b, f in sorted(sources)),
        readings=done,
        late_share=missed / (done + missed) if done + missed else None,
        cpu_share=sum(log.stop.get("cpu_s", 0.0) for _, log in logs) / seconds,
        lost_runs=bad,
    )
