"""Runs in which a meter of a known step can count next to nothing.

A run of less than one step reads as zero most of the time, and one of two steps as one, two or
three. That is no fault, and it tells nothing: such runs are set aside, and where most are like
that the verdict is how long runs have to be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calibrate.diagnosis.result import UNEXPLAINED, Diagnosis, Flag, Runs
from calibrate.diagnosis.single_runs import moved, places
from calibrate.quantity import number
from calibrate.stats import Vector

#: Steps in a run up to which it tells little of a meter, and from which it tells something.
_FEW, _ENOUGH = 3.0, 10.0
#: How far a sound meter may be off beside its step, relative.
_OFF = 0.1
#: Chance of so few counts below which they are no accident of the steps.
_TOO_FEW = 0.001

Mask = NDArray[np.bool_]


def diagnose_above_step(runs: Runs, look: Callable[[Runs], Diagnosis]) -> Diagnosis:
    """Return the diagnosis of the runs that are long enough for the meter's step.

    Parameters
    ----------
    runs : all of them.
    look : diagnoses runs as they stand.
    """
    few = _within_few_steps(runs)
    below = few & (np.asarray(runs.probe_j) == 0) & (_energy(runs) < runs.resolution_j)
    if 2 * int(few.sum()) > few.size:
        return _too_short(runs, few)
    if not below.any():
        return look(runs)
    rest = look(runs.only(~below))
    flag = Flag(
        "below a step",
        places(below),
        f"{int(below.sum())} of {below.size} runs used less than one step of the meter, "
        f"{number(runs.resolution_j)} J, and read as zero: they are left out.",
    )
    return replace(rest, flags=(flag, *moved(rest.flags, ~below)), n_runs=int(below.size))


def _energy(runs: Runs) -> Vector:
    return np.asarray(runs.reference_j, dtype=np.float64)


def _within_few_steps(runs: Runs) -> Mask:
    """Return which runs have few steps and are as a sound meter would show them, shape (n,)."""
    step, energy = runs.resolution_j, _energy(runs)
    probe = np.asarray(runs.probe_j, dtype=np.float64)
    none = np.zeros(probe.size, dtype=np.bool_)
    if step <= 0:
        return none
    usable = np.isfinite(energy) & (energy > 0)
    with np.errstate(invalid="ignore"):
        few = usable & (energy < _FEW * step) & (probe >= 0)
        few &= np.abs(probe - energy) <= (1 + _OFF) * step
    return none if few.any() and _stands(probe[few] / step, energy[few] / step) else few


def _stands(counts: Vector, expected: Vector) -> bool:
    """Tell whether so few steps were counted that the counter stood still.

    A run of e steps counts floor(e) or one more, the latter with the chance of the rest; the sum
    is taken for normal, and where nothing was counted the chance of that is exact.
    """
    rest = expected % 1.0
    if not counts.any():
        nothing = np.where(expected < 1, 1 - rest, 0.0)
        return bool(float(np.prod(nothing)) < _TOO_FEW)
    off = float(expected.sum() - counts.sum()) - _OFF * float(expected.sum())
    return off > 3.1 * float(np.sqrt((rest * (1 - rest)).sum() + 1))


def _too_short(runs: Runs, few: Mask) -> Diagnosis:
    """Return the verdict on runs most of which have too few steps."""
    seconds, step = np.asarray(runs.seconds, dtype=np.float64), runs.resolution_j
    least_w = float((_energy(runs) / seconds)[few].min())
    least_s = _ENOUGH * step / least_w
    text = (
        f"{int(few.sum())} of {few.size} runs have less than {_FEW:.0f} steps of {number(step)} J."
    )
    return Diagnosis(
        name=UNEXPLAINED,
        probability=None,
        conclusive=False,
        sentence=f"The runs are too short for this meter, whose step is {number(step)} J: "
        f"{_ENOUGH:.0f} steps take at least {number(least_s)} s at {number(least_w)} W.",
        reasons=(text,),
        least_s=least_s,
        flags=(Flag("below a step", places(few), text),),
        n_runs=few.size,
        n_usable=int((~few).sum()),
    )
