"""Energy of the phases of a workload: what an epoch, a fit or a prediction used, by every probe.

Phases of one name begin and end alike, with the same step of power, so that what is wrong at one
edge is wrong at all of them: edges add up, and a mean over many phases knows no more than one; see
`calibrate.energy.stretch`. Phases that are shorter than two updates of a meter have the energy that
the mean power of their kind gives, where the readings tell it; see `calibrate.energy.phase_power`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from calibrate.energy.column import (
    Column,
    columns_by_scope,
    headline_column,
    native_columns,
    probe_columns,
)
from calibrate.energy.phase_power import KindPower, NotTold, kind_powers
from calibrate.energy.stretch import Joules, StretchMeter
from calibrate.store import Campaign, Document, PhaseRecord, Run, Saved

#: Counts that a phase may have among its values, and what one of them is called.
COUNTS = {"utterances": "utterance"}
#: What is shorter between two phases is no break: what a workload needs to mark both.
BREAK_NS = 10_000_000
#: So many phases of a workload stand each by itself; of more, those of one kind together.
MOST_NAMES = 12
#: Coverage factor of what the readings leave open at edges, which is near a bound.
_K = 2.0
_INDEX = re.compile(r"(.+)\[(\d+)\]")


def phase_kind(name: str) -> str:
    """Return what a phase is without its number: ``train`` of ``train[3]``."""
    found = _INDEX.fullmatch(name)
    return found[1] if found else name


def phase_index(name: str) -> int | None:
    """Return the number of a phase: 3 of ``train[3]``; None where it has none."""
    found = _INDEX.fullmatch(name)
    return int(found[2]) if found else None


@dataclass(frozen=True)
class MeasuredPhase:
    """A phase of one run by one probe.

    ``kind`` is the power of all phases of its kind where they are short for the meter, or why the
    readings do not tell it; None of a phase that is long enough by itself.
    """

    run: Run
    phase: PhaseRecord
    probe: str
    meter: StretchMeter
    energy: Joules
    kind: KindPower | NotTold | None = None

    @property
    def column(self) -> Column:
        """What was added up."""
        return self.meter.column

    @property
    def expanded_u_j(self) -> float:
        """Expanded uncertainty of the energy (95 %) from the readings, J."""
        return self.energy.u_j * (self.kind.k if isinstance(self.kind, KindPower) else _K)


#: The meters of runs: folder of the run -> probe -> meter.
RunMeters = Mapping[str, Mapping[str, StretchMeter]]


def run_meters(campaign: Campaign) -> RunMeters:
    """Return the meters of every run that succeeded and marked phases; see `phase_meters`."""
    return {
        run.folder.name: phase_meters(run)
        for run in campaign.runs
        if run.record.exit_code == 0 and run.record.phases
    }


def measured_phases(campaign: Campaign, meters: RunMeters) -> Iterator[MeasuredPhase]:
    """Yield every phase of every run that has meters, by one column of every probe."""
    for run in campaign.runs:
        for probe, meter in meters.get(run.folder.name, {}).items():
            yield from phases_by(run, probe, meter)


def phases_by(run: Run, probe: str, meter: StretchMeter) -> Iterator[MeasuredPhase]:
    """Yield every phase of a run by one probe that its readings cover."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for phase in run.record.phases:
        spans.setdefault(phase_kind(phase.name), []).append((phase.begin_ns, phase.end_ns))
    kinds = kind_powers(spans, meter) if spans else {}
    for phase in run.record.phases:
        energy = meter.between(phase.begin_ns, phase.end_ns)
        if energy is None:
            continue
        kind = kinds.get(phase_kind(phase.name))
        if isinstance(kind, KindPower):
            energy = Joules(kind.watts, kind.u_w).times(_length_ns(phase) / 1e9)
        yield MeasuredPhase(run, phase, probe, meter, energy, kind)


def phase_meters(run: Run) -> dict[str, StretchMeter]:
    """Return the main column of every probe of a run, ready to be asked.

    The truth of a simulated machine knows every scope: of it the one that most others have.
    """
    found = {
        probe: column
        for probe, log in run.logs.items()
        if (column := headline_column(native_columns(log.domains.values())))
    }
    truths = {probe for probe, column in found.items() if column.basis == "truth"}
    scopes = Counter(column.scope for probe, column in found.items() if probe not in truths)
    for probe in truths:
        known = columns_by_scope(probe_columns(run.logs[probe].domains.values()))
        same = [known[scope] for scope, _ in scopes.most_common() if scope in known]
        found[probe] = same[0] if same else found[probe]
    return {probe: StretchMeter(run.logs[probe], column) for probe, column in found.items()}


def together(found: Iterable[MeasuredPhase]) -> Joules:
    """Return the energy of several phases of one run by one probe.

    Where one follows another at once, what is wrong at the edge between them is in neither: the
    other has it. What was counted in the moments between may belong to either. What is wrong at
    the ends of such stretches adds up.
    """
    total = Joules(0.0, 0.0)
    for stretch in _stretches(found):
        parts = sum((each.energy for each in stretch), Joules(0.0, 0.0))
        begin_ns, end_ns = stretch[0].phase.begin_ns, max(each.phase.end_ns for each in stretch)
        whole = stretch[0].meter.between(begin_ns, end_ns)
        if whole and sum(_length_ns(each.phase) for each in stretch) <= end_ns - begin_ns:
            breaks_j = abs(whole.joules - parts.joules) / math.sqrt(3)
            parts = Joules(parts.joules, min(parts.u_j, math.hypot(whole.u_j, breaks_j)))
        total += parts  # of phases that overlap, every one may be wrong by itself
    return total


def _stretches(found: Iterable[MeasuredPhase]) -> list[list[MeasuredPhase]]:
    """Return phases in order, those together that follow one another without a break."""
    stretches: list[list[MeasuredPhase]] = []
    end_ns = 0
    for each in sorted(found, key=lambda each: each.phase.begin_ns):
        if not stretches or each.phase.begin_ns - end_ns > BREAK_NS:
            stretches.append([])
        stretches[-1].append(each)
        end_ns = max(end_ns, each.phase.end_ns)
    return stretches


class Per(Document):
    """Energy of one unit of something, J, with its standard uncertainty.

    ``k`` is the coverage factor of 95 %.
    """

    joules: float
    u_j: float
    k: float = _K


class PhaseEnergy(Document):
    """A phase of a workload by one probe: the mean over all stretches of that name.

    ``u_j`` is the standard uncertainty of the mean, ``k`` the coverage factor of 95 %; see
    `pooled`. The error of the probe itself is not in it. ``method`` is ``edges`` where each phase
    is long enough to have readings of its own, ``least squares`` where the mean power of all phases
    of its kind is taken; ``why`` says of short phases why the readings do not tell that power.
    ``work`` is the mean work of a stretch in `unit`, ``values`` are means of figures of quality.
    ``per`` is the energy of one unit of work, and of one of what else is counted (`COUNTS`), which
    stretches of different length may share.
    """

    workload: str
    phase: str
    probe: str
    column: str
    scope: str
    stretches: int
    seconds: float
    joules: float
    u_j: float
    k: float = _K
    method: Literal["edges", "least squares"] = "edges"
    why: str = ""
    work: float | None = None
    unit: str | None = None
    values: dict[str, float] = {}
    per: dict[str, Per] = {}


class PhasesDocument(Saved):
    """All phases of a campaign, as ``phases.json``."""

    kind: Literal["phases"] = "phases"
    simulated: bool
    machine: str
    phases: tuple[PhaseEnergy, ...]


def campaign_phases(
    campaign: Campaign, measured: Iterable[MeasuredPhase], name: Callable[[str], str] = str
) -> PhasesDocument:
    """Return the phases of a campaign, by workload, phase and probe, in the order of the runs.

    Parameters
    ----------
    campaign : runs whose workloads have marked phases.
    measured : its phases; see `measured_phases`.
    name : what a phase is called; `phase_kind` takes all epochs together.
    """
    machine = campaign.record.machine
    return PhasesDocument(
        simulated=machine.simulated,
        machine=machine.label,
        phases=phase_means(measured, lambda each: name(each.phase.name)),
    )


def phase_means(
    found: Iterable[MeasuredPhase], name: Callable[[MeasuredPhase], str]
) -> tuple[PhaseEnergy, ...]:
    """Return the mean of what is called the same, by workload and probe."""
    groups: dict[tuple[str, str, str], list[MeasuredPhase]] = {}
    for each in found:
        key = each.run.record.workload, name(each), each.probe
        groups.setdefault(key, []).append(each)
    return tuple(_mean(phase, group) for (_, phase, _), group in groups.items())


def phases_to_show(measured: Iterable[MeasuredPhase]) -> tuple[PhaseEnergy, ...]:
    """Return the phases of workloads that mark several, sorted by workload.

    Where a workload has more than `MOST_NAMES`, phases of one kind are taken together: all epochs.
    """
    found = list(measured)
    names: dict[str, set[str]] = {}
    for each in found:
        names.setdefault(each.run.record.workload, set()).add(each.phase.name)

    def called(each: MeasuredPhase) -> str:
        mine = names[each.run.record.workload]
        many = len(mine) > MOST_NAMES and len({phase_kind(name) for name in mine}) > 1
        return phase_kind(each.phase.name) if many else each.phase.name

    several = (each for each in found if len(names[each.run.record.workload]) > 1)
    return tuple(sorted(phase_means(several, called), key=lambda phase: phase.workload))


def pooled(each: Sequence[Joules]) -> Joules:
    """Return the mean of energies of the same thing.

    Its uncertainty is what the readings leave open, which repeating does not make smaller, and the
    scatter over the root of their number.
    """
    joules, n = [one.joules for one in each], len(each)
    readings = float(np.mean([one.u_j for one in each]))
    scatter = float(np.std(joules, ddof=1)) / n**0.5 if n > 1 else 0.0
    return Joules(float(np.mean(joules)), math.hypot(readings, scatter))


def _per(group: Sequence[MeasuredPhase], amounts: Sequence[object]) -> Per | None:
    """Return the energy of one of what each stretch did so many of; None where one did none."""
    known = [float(a) for a in amounts if isinstance(a, int | float) and a > 0]
    if len(known) < len(group):
        return None
    mean, k = _pooled(group, [1 / a for a in known])
    return Per(joules=mean.joules, u_j=mean.u_j, k=k)


def _pooled(group: Sequence[MeasuredPhase], factors: Sequence[float]) -> tuple[Joules, float]:
    """Return the mean of energies times factors, and its coverage factor of 95 %."""
    each = [one.energy.times(factor) for one, factor in zip(group, factors, strict=True)]
    if any(not isinstance(one.kind, KindPower) for one in group):
        return pooled(each), _K
    runs: dict[str, list[Joules]] = {}
    for one, energy in zip(group, each, strict=True):
        runs.setdefault(one.run.folder.name, []).append(energy)
    # In a run one power stands for all; runs are independent, and differ by more than they know.
    means = [sum(of, Joules(0.0, 0.0)).times(1 / len(of)) for of in runs.values()]
    weights = np.array([len(of) for of in runs.values()]) / len(each)
    joules, u = np.array([m.joules for m in means]), np.array([m.u_j for m in means])
    inner = float(np.sqrt(((weights * u) ** 2).sum()))
    scatter = float(np.std(joules, ddof=1)) / len(means) ** 0.5 if len(means) > 1 else 0.0
    k = max(one.kind.k for one in group if isinstance(one.kind, KindPower))
    return Joules(float(weights @ joules), max(inner, scatter)), k


def _mean(name: str, group: Sequence[MeasuredPhase]) -> PhaseEnergy:
    first, n = group[0], len(group)
    mean, k = _pooled(group, [1.0] * n)
    told = [each.kind for each in group if isinstance(each.kind, KindPower)]
    why = next((each.kind.why for each in group if isinstance(each.kind, NotTold)), "")
    work = [each.phase.work for each in group if each.phase.work is not None]
    counted: dict[str, Sequence[object]] = {
        one: [each.phase.values.get(many) for each in group] for many, one in COUNTS.items()
    }
    if first.phase.unit:
        counted = {first.phase.unit: [each.phase.work for each in group]} | counted
    per = {one: found for one, amounts in counted.items() if (found := _per(group, amounts))}
    return PhaseEnergy(
        workload=first.run.record.workload,
        phase=name,
        probe=first.probe,
        column=first.column.name,
        scope=first.column.scope,
        stretches=n,
        seconds=float(np.mean([_length_ns(each.phase) for each in group])) / 1e9,
        joules=mean.joules,
        u_j=mean.u_j,
        k=k,
        method="least squares" if len(told) == n else "edges",
        why=why,
        work=float(np.mean(work)) if len(work) == n else None,
        unit=first.phase.unit,
        values=_means([each.phase.values for each in group]),
        per=per,
    )


def _length_ns(phase: PhaseRecord) -> int:
    return phase.end_ns - phase.begin_ns


def _means(each: Sequence[Mapping[str, object]]) -> dict[str, float]:
    """Return the means of figures that every stretch has as a number."""
    found = {}
    for name in each[0] if each else ():
        values = [v for one in each if isinstance(v := one.get(name), int | float)]
        if len(values) == len(each) and np.isfinite(values).all():
            found[name] = float(np.mean(values))
    return found
