"""Whether a fault would matter in runs like these, and whether a meter without one is sound.

A fault that is small enough looks like none: a meter that starts 50 ms late, a counter renewed ten
times a second. Such traces are no fault of the meter, however surely they are there; what they have
of the probability goes to the sound meter.
"""

from __future__ import annotations

import numpy as np

from calibrate.diagnosis.case import (
    _NO_ENERGY,
    IMMATERIAL,
    Fitted,
    _Case,
)
from calibrate.diagnosis.evidence import Posterior
from calibrate.diagnosis.irregular import IrregularModel
from calibrate.diagnosis.models import NO_FAULT
from calibrate.diagnosis.single_runs import MISFIT_BELOW
from calibrate.diagnosis.structures import StructureModel

#: Largest change of a run, ln(ratio), by a fault that is a trace only: less than people need.
TRACE = 0.04
#: Probability of a sound meter, traces included, from which it is called one. What is left is
#: faults that the runs leave possible, not faults that they show.
_SOUND_FROM = 0.9
#: How far the runs of one workload may be from where the others put them, ln(ratio).
_APART = 0.08
#: What the readings leave open of a run, relative, from which it is worth a word.
_COARSE = 0.06


def immaterial(case: _Case, fitted: list[Fitted]) -> str:
    """Return why no fault would matter in runs like these, or nothing if one would."""
    if any(flag.kind in _NO_ENERGY for flag in case.flags):
        return ""
    if float(np.abs(case.table.y).max()) <= IMMATERIAL:
        return f"Every run is within {IMMATERIAL:.0%} of the reference"
    return _traces(case, fitted)


def _traces(case: _Case, fitted: list[Fitted]) -> str:
    """Return that a sound meter, or one with a trace of a fault, explains the runs, or nothing."""
    fits = {model.name: (model, fit) for model, fit in fitted}
    minor = {
        name
        for name, (model, fit) in fits.items()
        if name == NO_FAULT or _largest(case, model, fit) <= TRACE
    }
    share = sum(each.probability for each in case.candidates if each.name in minor)
    if fitted[0][0].name not in minor or share < _SOUND_FROM or not _fits(case, fitted[0]):
        return ""
    return f"No fault that would change a run by more than {TRACE:.0%} is likely"


def _largest(case: _Case, model: object, fit: Posterior) -> float:
    """Return the largest change of a run that a fault of its size makes, ln(ratio)."""
    table = case.table
    if isinstance(model, IrregularModel):
        return model.largest(table, fit)
    if not isinstance(model, StructureModel) or model.scale or model.free:
        return np.inf
    return float(np.abs(model.predicted(table, fit) - fit.level).max())


def _fits(case: _Case, leading: Fitted) -> bool:
    """Tell whether the runs scatter as the model allows, and no workload is far from the others."""
    model, fit = leading
    scatter_p, held_p = model.checks(case.table, fit)
    if scatter_p < MISFIT_BELOW:
        return False
    if held_p is None or held_p >= MISFIT_BELOW:
        return True
    off = case.table.y - model.predicted(case.table, fit)
    means = np.bincount(case.table.code, weights=off) / np.bincount(case.table.code)
    return float(np.abs(means).max()) <= _APART


def hidden_by_steps(case: _Case) -> tuple[str, ...]:
    """Return what the steps and instants of readings leave open, where that is much."""
    open_ = 2 * float(case.table.floor.max())
    if open_ < _COARSE:
        return ()
    return (f"The readings leave up to {open_:.0%} of a run open (95 %), and hide smaller faults.",)
