"""What learning cost and what it brought: cumulative energy against quality, epoch by epoch.

A workload that learns marks phases ``train[1]``, ``eval[1]``, ``train[2]``, ... and gives its
quality among the values of each ``eval``, as ``wer`` with the standard uncertainty ``wer_u``. The
energy of an epoch is all that was used from the begin of the workload's first phase to the end of
the epoch's ``eval``, as the probe reported it.

From the knee on, more training bought nothing that the test can show: it is the earliest epoch
whose quality is within one standard uncertainty of the best (the one-standard-error rule;
Breiman, Friedman, Olshen, Stone: Classification and Regression Trees, 1984, section 3.4.3).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from calibrate.energy import Joules, RunMeters, phase_index, phase_kind, pooled
from calibrate.store import Campaign, Document, PhaseRecord, Run, Saved

#: Figures of quality that are understood, the first that is there is taken; 1: more is better.
QUALITIES = {"wer": -1, "error": -1, "accuracy": 1, "f1": 1, "loss": -1}

#: Runs that did the same work: a workload, its arguments, and its figure of quality.
Same = tuple[str, tuple[str, ...], str]


class Epoch(Document):
    """How good it was after an epoch; `u` is the standard uncertainty, None where not known."""

    epoch: int
    value: float
    u: float | None = None


class Spent(Document):
    """Cumulative energy by one probe: the mean over runs, one value an epoch.

    ``u_j`` are standard uncertainties of the means; see `calibrate.energy.pooled`. The error of the
    probe itself is not in them.
    """

    probe: str
    column: str
    scope: str
    runs: int
    joules: tuple[float, ...]
    u_j: tuple[float, ...]

    def after(self, place: int) -> tuple[float, float]:
        """Return the share of all energy spent after an epoch, and its standard uncertainty.

        The two energies are taken for independent, which they are not quite: both begin at one
        instant. That makes the uncertainty rather too large.
        """
        part, whole = self.joules[place], self.joules[-1]
        u = math.hypot(self.u_j[place] / whole, part * self.u_j[-1] / whole**2)
        return 1 - part / whole, u


class Learning(Document):
    """What one workload learnt with one set of arguments.

    ``quality`` is the name of its figure of quality. ``knee`` is the place in ``epochs`` of the
    epoch from which on more training bought nothing; None where there is no such epoch, for the
    reason in ``why``. ``ended`` counts runs whose later epochs are left out, for others ended
    before.
    """

    workload: str
    arguments: tuple[str, ...]
    quality: str
    runs: int
    ended: int = 0
    epochs: tuple[Epoch, ...]
    knee: int | None
    why: str = ""
    spent: tuple[Spent, ...]


class Learnings(Saved):
    """All learning in a campaign, as ``learning.json``."""

    kind: Literal["learning"] = "learning"
    simulated: bool
    machine: str
    learnings: tuple[Learning, ...]


def learnings(campaign: Campaign, meters: RunMeters) -> Learnings:
    """Return what the workloads of a campaign learnt; runs with other arguments stand apart.

    Parameters
    ----------
    campaign : with runs that mark epochs.
    meters : of its runs; see `calibrate.energy.run_meters`.
    """
    groups: dict[Same, list[Run]] = {}
    for run in campaign.runs:
        quality = _quality(list(_evals(run)))
        if run.record.exit_code == 0 and quality:
            same = run.record.workload, run.record.arguments, quality
            groups.setdefault(same, []).append(run)
    machine = campaign.record.machine
    return Learnings(
        simulated=machine.simulated,
        machine=machine.label,
        learnings=tuple(_learning(same, runs, meters) for same, runs in groups.items()),
    )


def _evals(run: Run) -> Iterator[PhaseRecord]:
    """Yield the examinations of a run, in order, each of which follows its training."""
    trained = {phase_index(p.name) for p in run.record.phases if phase_kind(p.name) == "train"}
    for phase in run.record.phases:
        if phase_kind(phase.name) == "eval" and phase_index(phase.name) in trained - {None}:
            yield phase


def _quality(evals: Sequence[PhaseRecord]) -> str:
    """Return the figure of quality that all of them have; empty where there is none."""
    shared = [
        name for name in QUALITIES
        if evals and all(_number(phase.values.get(name)) is not None for phase in evals)
    ]  # fmt: skip
    return shared[0] if shared else ""


def _number(value: object) -> float | None:
    good = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if good else None  # type: ignore[arg-type]


def _learning(same: Same, runs: Sequence[Run], meters: RunMeters) -> Learning:
    every = [list(_evals(run)) for run in runs]
    workload, words, quality = same
    count = min(len(evals) for evals in every)
    epochs = [_epoch([evals[place] for evals in every], quality) for place in range(count)]
    knee, why = find_knee(epochs, QUALITIES[quality])
    return Learning(
        workload=workload,
        arguments=words,
        quality=quality,
        runs=len(runs),
        ended=sum(len(evals) > count for evals in every),
        epochs=tuple(epochs),
        knee=knee,
        why=why,
        spent=tuple(_spent(runs, [evals[:count] for evals in every], meters)),
    )


def _epoch(evals: Sequence[PhaseRecord], quality: str) -> Epoch:
    """Return the mean quality of one epoch over runs.

    Runs of one seed are examined on the same data: repeating does not make that error smaller.
    """
    values = np.array([_number(phase.values.get(quality)) for phase in evals], dtype=float)
    u = [_number(phase.values.get(f"{quality}_u")) or 0.0 for phase in evals]
    scatter = float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return Epoch(
        epoch=phase_index(evals[0].name) or 0,
        value=float(values.mean()),
        u=max(*u, scatter) or None,  # of no uncertainty nothing is known
    )


def find_knee(epochs: Sequence[Epoch], sign: int) -> tuple[int | None, str]:
    """Return the place of the knee, or why there is none.

    Parameters
    ----------
    epochs : in order; at least one.
    sign : 1 where more is better, -1 where less is.
    """
    best = max(epochs, key=lambda each: sign * each.value)
    if best.u is None:
        return None, "the uncertainty of its quality is not known"
    enough = sign * best.value - best.u
    place = next(i for i, each in enumerate(epochs) if sign * each.value >= enough)
    if place == len(epochs) - 1:
        return None, "it was still improving at its last epoch"
    return place, ""


def _spent(
    runs: Sequence[Run], every: Sequence[Sequence[PhaseRecord]], meters: RunMeters
) -> Iterator[Spent]:
    """Yield the cumulative energy by every probe that followed some run through all epochs."""
    found: dict[tuple[str, str, str], list[list[Joules]]] = {}
    for run, evals in zip(runs, every, strict=True):
        begin = min(phase.begin_ns for phase in run.record.phases)
        for probe, meter in meters[run.folder.name].items():
            energies = [meter.between(begin, phase.end_ns) for phase in evals]
            known = [each for each in energies if each is not None]
            if len(known) == len(evals):
                found.setdefault((probe, meter.column.name, meter.column.scope), []).append(known)
    for (probe, name, scope), curves in found.items():
        means = [pooled(epoch) for epoch in zip(*curves, strict=True)]
        yield Spent(
            probe=probe,
            column=name,
            scope=scope,
            runs=len(curves),
            joules=tuple(each.joules for each in means),
            u_j=tuple(each.u_j for each in means),
        )
