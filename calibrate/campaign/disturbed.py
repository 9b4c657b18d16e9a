"""Runs whose load was disturbed: their work per second strays from that of their siblings.

Siblings do the same: one workload with the same arguments (their length aside), one phase, one
unit, the same probes beside. Another tenant of the machine takes work from a load and leaves the
energy meters to show the energy of both. The level is the upper median, since work is taken and
never given: of two runs which differ the slower one strays, until a third says otherwise. Equal
phases of one run are compared with each other in the same way.

What holds less than a second says more of the scheduler than of the load, and is not judged.
"""

from __future__ import annotations

import statistics
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from calibrate.store import Campaign, PhaseRecord, RunRecord

#: Seconds of equal phases that are judged together.
LEAST_S = 1.0
#: Repetitions after which it is asked whether repeating helps.
ENOUGH_TRIES = 4
#: Share of the repetitions that must give a run that fits in.
HELPED_SHARE = 2 / 3
#: Stretches of a run from which on they are compared with each other.
_SEVERAL = 3

Phases = dict[tuple[str, str], list[PhaseRecord]]
#: How far something is off its level, and the sentence that says so.
Stray = tuple[float, str]


def disturbed_runs(runs: Mapping[str, RunRecord], tolerance: float) -> dict[str, str]:
    """Return the runs that stray, each with the reason.

    Parameters
    ----------
    runs : the records of the runs by name, as they count at present.
    tolerance : relative deviation of work per second from the level that is still usual.
    """
    usual: dict[tuple[Any, ...], list[float]] = {}
    for record in runs.values():
        for phase, rate in _rates(record).items():
            usual.setdefault((*_kind(record), phase), []).append(rate)
    found = {}
    for name, record in runs.items():
        off, why = max([*_among(record, usual), *_within(record)], default=(0.0, ""))
        if off > tolerance:
            found[name] = why
    return found


def repeating_helps(tried: Mapping[str, int], straying: Container[str]) -> bool:
    """Tell whether repeating a run mostly gives one that fits in with its siblings.

    Where most runs are disturbed, repetitions are as well, and one that fits in is so by chance.

    Parameters
    ----------
    tried : how often each run was repeated that was.
    straying : the runs that stray now.
    """
    tries = sum(tried.values())
    helped = sum(run not in straying for run in tried)
    return tries < ENOUGH_TRIES or helped >= HELPED_SHARE * tries


def remaining_disturbed(campaign: Campaign) -> dict[str, str]:
    """Return the runs of a campaign that stray and count all the same, each with the reason."""
    tolerance = campaign.record.plan.get("strays")
    runs = {run.folder.name: run.record for run in campaign.runs}
    return disturbed_runs(runs, tolerance) if tolerance else {}


def _kind(record: RunRecord) -> tuple[Any, ...]:
    """Return what siblings share: workload, arguments but for the length, probes."""
    return record.workload, record.settings, frozenset(record.probes)


def _phases(record: RunRecord) -> Phases:
    """Return the phases that count work, equal ones together; none of a run that failed."""
    found: Phases = {}
    for phase in record.phases if record.exit_code == 0 else ():
        if phase.work is not None and phase.unit is not None and phase.end_ns > phase.begin_ns:
            found.setdefault((phase.name, phase.unit), []).append(phase)
    return found


def _rates(record: RunRecord) -> dict[tuple[str, str], float]:
    """Return work per second of each kind of phase that lasts long enough."""
    rates = {}
    for kind, phases in _phases(record).items():
        seconds = sum(map(_seconds, phases))
        if seconds >= LEAST_S:
            rates[kind] = sum(phase.work or 0.0 for phase in phases) / seconds
    return rates


def _among(record: RunRecord, usual: Mapping[tuple[Any, ...], Sequence[float]]) -> Iterator[Stray]:
    """Yield how far each kind of phase is off the level of its siblings."""
    for (name, unit), rate in _rates(record).items():
        siblings = usual[*_kind(record), (name, unit)]
        if len(siblings) > 1:
            beside = f"of {len(siblings)} runs alike"
            yield from _off(rate, statistics.median_high(siblings), name, unit, beside)


def _within(record: RunRecord) -> Iterator[Stray]:
    """Yield how far stretches of equal phases are off the level of their own run."""
    for (name, unit), phases in _phases(record).items():
        rates = _stretches(phases)
        if len(rates) >= _SEVERAL:
            level = statistics.median_high(rates)
            for number, rate in enumerate(rates, 1):
                part = f"{name}, stretch {number} of {len(rates)}"
                yield from _off(rate, level, part, unit, "of this run")


def _stretches(phases: Sequence[PhaseRecord]) -> list[float]:
    """Return the work per second of equal phases, joined until they hold `LEAST_S`."""
    rates, work, seconds = [], 0.0, 0.0
    for phase in phases:
        work, seconds = work + (phase.work or 0.0), seconds + _seconds(phase)
        if seconds >= LEAST_S:
            rates.append(work / seconds)
            work, seconds = 0.0, 0.0
    return rates


def _off(rate: float, level: float, what: str, unit: str, beside: str) -> Iterator[Stray]:
    """Yield the deviation of a rate from a level that is above zero."""
    if level > 0:
        off = rate / level - 1
        side = "under" if off < 0 else "over"
        said = f"{what}: {rate:.3g} {unit}/s is {100 * abs(off):.0f} % {side} the median {beside}"
        yield abs(off), said


def _seconds(phase: PhaseRecord) -> float:
    return (phase.end_ns - phase.begin_ns) / 1e9
