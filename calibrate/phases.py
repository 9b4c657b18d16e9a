"""Energy of the phases of a workload: what an epoch, a fit or a prediction used, by every probe.

A phase begins and ends where it pleases, a meter renews its figure when it pleases. What a meter
counted between two renewals may have been used anywhere between them: at a share f of the gap, f of
its joules e are taken, with a standard uncertainty of e sqrt(f (1 - f) / 3). In the middle that is
the uncertainty of a rectangular distribution over all of e (GUM 4.3.7), at a renewal it is none.
So a meter that looks once a second knows little of a phase of half a second, and says so. A power
may be that of the instant or the mean since the reading before, which is half a gap late: of that
too little is known, from nothing to half of e.

Phases of one name begin and end alike, with the same step of power, so that what is wrong at one
edge is wrong at all of them: edges add up, and a mean over many phases knows no more than one.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calibrate import series
from calibrate.series import Column
from calibrate.store import Campaign, Document, PhaseRecord, ProbeLog, Run, Saved

Values = NDArray[np.float64]
#: Counts that a phase may have among its values, and what one of them is called.
COUNTS = {"utterances": "utterance"}
#: What is shorter between two phases is no break: what a workload needs to mark both.
BREAK_NS = 10_000_000
_INDEX = re.compile(r"(.+)\[(\d+)\]")


def kind(name: str) -> str:
    """Return what a phase is without its number: ``train`` of ``train[3]``."""
    found = _INDEX.fullmatch(name)
    return found[1] if found else name


def index(name: str) -> int | None:
    """Return the number of a phase: 3 of ``train[3]``; None where it has none."""
    found = _INDEX.fullmatch(name)
    return int(found[2]) if found else None


@dataclass(frozen=True)
class Joules:
    """An energy with its standard uncertainty from step and instants of the readings, J."""

    joules: float
    u_j: float

    def __add__(self, other: Joules) -> Joules:
        """Return the sum; one meter read both and may be wrong in both alike."""
        return Joules(self.joules + other.joules, self.u_j + other.u_j)

    def times(self, factor: float) -> Joules:
        """Return a multiple."""
        return Joules(self.joules * factor, self.u_j * factor)


@dataclass(frozen=True)
class _Gap:
    """The time between two renewals: the second one's place, the share before, and its joules."""

    after: int
    share: float
    joules: float


class Meter:
    """Cumulative joules of one column in one run, to be asked for any stretch of it.

    Parameters
    ----------
    log : a probe's file of the run.
    column : what to add up.
    """

    def __init__(self, log: ProbeLog, column: Column) -> None:
        self._log, self.column = log, column

    @cached_property
    def _renewals(self) -> tuple[NDArray[np.int64], Values]:
        """Return (instants, cumulative joules) of the readings that say something new."""
        found = series.total(self._log, self.column)
        if found is None:
            return np.empty(0, np.int64), np.empty(0)
        at, joules = found
        new = np.concatenate([[True], np.diff(joules) != 0])
        window = self._log.window_ns
        if window and self._log.domains[self.column.parts[0]].kind == "window":
            return self._tracked(at[new], joules[new], window)
        return at[new], joules[new]

    def _tracked(
        self, at: NDArray[np.int64], joules: Values, window: tuple[int, int]
    ) -> tuple[NDArray[np.int64], Values]:
        """Return a tracker's renewals: nothing at its begin, everything at its end."""
        inside = (at > window[0]) & (at < window[1])
        ends = np.array(window, dtype=np.int64)
        return (
            np.concatenate([ends[:1], at[inside], ends[1:]]),
            np.concatenate([[0.0], joules[inside], joules[-1:]]),
        )

    def between(self, begin_ns: int, end_ns: int) -> Joules | None:
        """Return the joules of a stretch, or None where the readings do not cover it."""
        at, total = self._renewals
        if at.size < 2 or at[0] > begin_ns:
            return None
        if at[-1] < end_ns and not self._rests(end_ns):
            return None
        joules = np.interp([begin_ns, end_ns], at, total)
        step = sum((self._log.domains[p].resolution_j or 0.0) for p in self.column.parts)
        u_j = math.hypot(self._ends_u_j(begin_ns, end_ns), step / 6**0.5)
        return Joules(float(joules[1] - joules[0]), u_j)

    def _rests(self, end_ns: int) -> bool:
        """Tell whether readings after the last renewal show that nothing more was counted."""
        readings = self._log.readings.after_ns
        return bool(readings.size and readings[-1] >= end_ns)

    def _ends_u_j(self, begin_ns: int, end_ns: int) -> float:
        """Return what both ends leave open; a stretch within one gap has a share of it."""
        begin, end = self._gap(begin_ns), self._gap(end_ns)
        if begin.after == end.after and end.share <= 1:
            return self._open_j(begin.joules, end.share - begin.share)
        return sum(self._open_j(gap.joules, gap.share) for gap in (begin, end))

    def _open_j(self, joules: float, share: float) -> float:
        """Return the standard uncertainty of a share of the joules of a gap."""
        if share > 1:  # what was used since its last renewal has not been counted
            return joules * (share - 1) / math.sqrt(3)
        return joules * math.sqrt((share * (1 - share) + self._late) / 3)

    def _gap(self, edge_ns: int) -> _Gap:
        """Return the gap around an instant: the last one where that comes after it."""
        at, total = self._renewals
        after = int(np.clip(np.searchsorted(at, edge_ns), 1, at.size - 1))
        ns = float(at[after] - at[after - 1])
        share = float(edge_ns - at[after - 1]) / ns if ns else 0.0
        return _Gap(after, share, abs(float(total[after] - total[after - 1])))

    @cached_property
    def _late(self) -> float:
        """Return the mean square of how late its figures may be, in gaps, times three."""
        powers = any(self._log.domains[part].kind == "power" for part in self.column.parts)
        return 0.25 if powers else 0.0


@dataclass(frozen=True)
class Measured:
    """A phase of one run by one probe."""

    run: Run
    phase: PhaseRecord
    probe: str
    meter: Meter
    energy: Joules

    @property
    def column(self) -> Column:
        """What was added up."""
        return self.meter.column


def measured(campaign: Campaign) -> Iterator[Measured]:
    """Yield every phase of every run that succeeded, by one column of every probe; see `meters`."""
    for run in campaign.runs:
        if run.record.exit_code == 0 and run.record.phases:
            for probe, meter in meters(run).items():
                for phase in run.record.phases:
                    energy = meter.between(phase.begin_ns, phase.end_ns)
                    if energy is not None:
                        yield Measured(run, phase, probe, meter, energy)


def meters(run: Run) -> dict[str, Meter]:
    """Return the main column of every probe of a run, ready to be asked.

    The truth of a simulated machine knows every scope: of it the one that most others have.
    """
    found = {
        probe: column
        for probe, log in run.logs.items()
        if (column := series.headline(series.native(log.domains.values())))
    }
    truths = {probe for probe, column in found.items() if column.basis == "truth"}
    scopes = Counter(column.scope for probe, column in found.items() if probe not in truths)
    for probe in truths:
        known = series.by_scope(series.columns(run.logs[probe].domains.values()))
        same = [known[scope] for scope, _ in scopes.most_common() if scope in known]
        found[probe] = same[0] if same else found[probe]
    return {probe: Meter(run.logs[probe], column) for probe, column in found.items()}


def together(found: Iterable[Measured]) -> Joules:
    """Return the energy of several phases of one run by one probe.

    Where one follows another at once, what is wrong at the edge between them is in neither: the
    other has it. What is wrong at the ends of such stretches adds up.
    """
    total, u_j = 0.0, 0.0
    for stretch in _stretches(found):
        whole = stretch[0].meter.between(stretch[0].phase.begin_ns, stretch[-1].phase.end_ns)
        total += sum(each.energy.joules for each in stretch)
        u_j += whole.u_j if whole else 0.0
    return Joules(total, u_j)


def _stretches(found: Iterable[Measured]) -> list[list[Measured]]:
    """Return phases in order, those together that follow one another without a break."""
    stretches: list[list[Measured]] = []
    for each in sorted(found, key=lambda each: each.phase.begin_ns):
        if stretches and each.phase.begin_ns - stretches[-1][-1].phase.end_ns <= BREAK_NS:
            stretches[-1].append(each)
        else:
            stretches.append([each])
    return stretches


class Per(Document):
    """Energy of one unit of something, J, with its standard uncertainty."""

    joules: float
    u_j: float


class Phase(Document):
    """A phase of a workload by one probe: the mean over all stretches of that name.

    ``u_j`` is the standard uncertainty of the mean; see `pooled`. The error of the probe itself is
    not in it.
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
    work: float | None = None
    unit: str | None = None
    values: dict[str, float] = {}
    per: dict[str, Per] = {}


class Phases(Saved):
    """All phases of a campaign, as ``phases.json``."""

    kind: Literal["phases"] = "phases"
    simulated: bool
    machine: str
    phases: tuple[Phase, ...]


def phases(campaign: Campaign, name: Callable[[str], str] = str) -> Phases:
    """Return the phases of a campaign, by workload, phase and probe, in the order of the runs.

    Parameters
    ----------
    campaign : runs whose workloads have marked phases.
    name : what a phase is called; `kind` takes all epochs together.
    """
    groups: dict[tuple[str, str, str], list[Measured]] = {}
    for each in measured(campaign):
        key = each.run.record.workload, name(each.phase.name), each.probe
        groups.setdefault(key, []).append(each)
    machine = campaign.record.machine
    return Phases(
        simulated=machine.simulated,
        machine=machine.label,
        phases=tuple(_mean(phase, group) for (_, phase, _), group in groups.items()),
    )


def pooled(each: Sequence[Joules]) -> Joules:
    """Return the mean of energies of the same thing.

    Its uncertainty is what the readings leave open, which repeating does not make smaller, and the
    scatter over the root of their number.
    """
    joules, n = [one.joules for one in each], len(each)
    readings = float(np.mean([one.u_j for one in each]))
    scatter = float(np.std(joules, ddof=1)) / n**0.5 if n > 1 else 0.0
    return Joules(float(np.mean(joules)), math.hypot(readings, scatter))


def _per(group: Sequence[Measured], amounts: Sequence[object]) -> Per | None:
    """Return the energy of one of what each stretch did so many of; None where one did none."""
    known = [float(a) for a in amounts if isinstance(a, int | float) and a > 0]
    if len(known) < len(group):
        return None
    mean = pooled([m.energy.times(1 / a) for m, a in zip(group, known, strict=True)])
    return Per(joules=mean.joules, u_j=mean.u_j)


def _mean(name: str, group: Sequence[Measured]) -> Phase:
    first, n = group[0], len(group)
    mean = pooled([each.energy for each in group])
    work = [each.phase.work for each in group if each.phase.work is not None]
    counted: dict[str, Sequence[object]] = {
        one: [each.phase.values.get(many) for each in group] for many, one in COUNTS.items()
    }
    if first.phase.unit:
        counted = {first.phase.unit: [each.phase.work for each in group]} | counted
    per = {one: found for one, amounts in counted.items() if (found := _per(group, amounts))}
    return Phase(
        workload=first.run.record.workload,
        phase=name,
        probe=first.probe,
        column=first.column.name,
        scope=first.column.scope,
        stretches=n,
        seconds=float(np.mean([_seconds(each.phase) for each in group])),
        joules=mean.joules,
        u_j=mean.u_j,
        work=float(np.mean(work)) if len(work) == n else None,
        unit=first.phase.unit,
        values=_means([each.phase.values for each in group]),
        per=per,
    )


def _seconds(phase: PhaseRecord) -> float:
    return (phase.end_ns - phase.begin_ns) / 1e9


def _means(each: Sequence[Mapping[str, object]]) -> dict[str, float]:
    """Return the means of figures that every stretch has as a number."""
    found = {}
    for name in each[0] if each else ():
        values = [v for one in each if isinstance(v := one.get(name), int | float)]
        if len(values) == len(each) and np.isfinite(values).all():
            found[name] = float(np.mean(values))
    return found
