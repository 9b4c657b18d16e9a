"""Loads that change, seen by a meter that looks at a part of the time: these runs scatter alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calibrate.diagnosis.faults import fault
from calibrate.diagnosis.result import Diagnosis, Flag, Runs
from calibrate.diagnosis.single_runs import _named, _sound, moved, places
from calibrate.stats import Vector, f_tail

_PART_TIME = fault("part-time")
PART_TIME = _PART_TIME.title
#: Chance below which workloads scatter more than the others.
_SCATTERS = 0.0003
#: Scatter of runs of a changing load from which it matters, relative.
_FAR = 0.03
#: Farthest that looking at a part of the time takes a run, ln(ratio).
_FARTHEST = 1.2
#: How many times the variance of the steady ones is left without the farthest run.
_STILL = 3.0
#: Workloads with several runs that have to be steady, and their runs.
_STEADY, _STEADY_RUNS = 2, 6

Labels = NDArray[np.str_]


def scattered(runs: Runs, look: Callable[[Runs], Diagnosis]) -> Diagnosis | None:
    """Return the diagnosis without the workloads whose runs scatter far more than the others.

    Parameters
    ----------
    runs : all of them.
    look : diagnoses runs as they stand.
    """
    probe = np.asarray(runs.probe_j, dtype=np.float64)
    reference = np.asarray(runs.reference_j, dtype=np.float64)
    if not (np.isfinite(probe) & (probe > 0) & (reference > 0)).all():
        return None
    y, labels = np.log(probe) - np.log(reference), np.asarray(runs.workload)
    for wild in _splits(y, labels):
        out = np.isin(labels, wild)
        spread = float(np.sqrt(_pooled(y, labels, wild)))
        far = float(np.abs(y[out] - np.median(y[~out])).max())
        if spread < _FAR or far > _FARTHEST or int((~out).sum()) < _STEADY_RUNS:
            continue
        rest = look(runs.only(~out))
        if not _sound(rest):
            continue
        names = " and ".join([", ".join(wild[:-1]), wild[-1]] if len(wild) > 1 else wild)
        text = f"The runs of {names} scatter by {100 * spread:.0f} %, those of the others do not."
        flag = Flag("scatter", places(out), text)
        return replace(
            _named(rest, _PART_TIME),
            sentence=f"{text} Apart from that: {rest.sentence}",
            flags=(flag, *moved(rest.flags, ~out)),
            n_runs=int(out.size),
        )
    return None


def _splits(y: Vector, labels: Labels) -> Iterator[list[str]]:
    """Yield the workloads that scatter more than the rest, the fewest first."""
    names = [str(n) for n in dict.fromkeys(labels) if int((labels == n).sum()) > 1]
    names.sort(key=lambda name: -_pooled(y, labels, [name]))
    for count in range(1, len(names) - _STEADY + 1):
        wild, steady = names[:count], names[count:]
        excess = _pooled(y, labels, wild) / max(_pooled(y, labels, steady), 1e-12)
        chance = f_tail(excess, _df(labels, wild), _df(labels, steady))
        # Any of the subsets of this size could have been the one that scatters.
        if chance * len(names) ** count < _SCATTERS and _without_one(y, labels, wild, steady):
            yield wild


def _without_one(y: Vector, labels: Labels, wild: list[str], steady: list[str]) -> bool:
    """Tell whether these scatter more without the farthest run of each: tails are heavy."""
    keep = np.ones(y.size, dtype=np.bool_)
    for name in wild:
        own = np.flatnonzero(labels == name)
        keep[own[np.argmax(np.abs(y[own] - np.median(y[own])))]] = False
    if _df(labels[keep], wild) < 1:
        return False
    return _pooled(y[keep], labels[keep], wild) >= _STILL * _pooled(y, labels, steady)


def _df(labels: Labels, names: list[str]) -> int:
    return int(np.isin(labels, names).sum()) - len(names)


def _pooled(y: Vector, labels: Labels, names: list[str]) -> float:
    """Return the variance within some workloads."""
    squares = sum(float(((y[labels == n] - y[labels == n].mean()) ** 2).sum()) for n in names)
    return squares / _df(labels, names)
