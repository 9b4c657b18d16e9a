"""The data of one probe when its verdict is due, and how sure a name has to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.diagnosis.evidence import Posterior
from calibrate.diagnosis.irregular import IrregularModel
from calibrate.diagnosis.models import LevelModel, Table
from calibrate.diagnosis.result import Candidate, Flag, Runs
from calibrate.diagnosis.structures import StructureModel
from calibrate.stats import Estimate, mean_ratio

Model = LevelModel | StructureModel | IrregularModel
#: Models that say how large their fault is.
_SIZED = (StructureModel, IrregularModel)
Fitted = tuple[Model, Posterior]
#: Posterior probability from which a model is named.
NAMED_FROM = 0.95
#: Posterior probability of "nothing in the catalogue" up to which the name is left to the others:
#: what has no pattern can look a little like anything.
UNNAMED_TO = 0.2
#: Faults that may share a name; more than these tell a reader nothing.
MOST_ALIASES = 4
#: A factor that no workload, offset or window makes: it may be named from one workload.
DECADES = 100.0
#: Relative standard uncertainty of a reference above which it cannot clear a meter.
WEAK_REFERENCE = 0.05
#: Largest ln(ratio) of a run that would not matter, whatever made it.
IMMATERIAL = 0.02
#: Kinds of flag of which a sound meter has none.
_NO_ENERGY = ("not finite", "negative", "zero")
#: Smallest ratio of reference powers for which "the same power whatever the load" means something.
LOAD_SPAN = 1.3


@dataclass(frozen=True, eq=False)
class _Case:
    """Everything known of the runs when the verdict is due."""

    runs: Runs
    usable: NDArray[np.bool_]
    flags: tuple[Flag, ...]
    table: Table
    labels: tuple[str, ...]
    candidates: tuple[Candidate, ...]

    @property
    def load_span(self) -> float:
        """Return the largest reference power over the smallest."""
        return float(self.table.power_w.max() / self.table.power_w.min())

    @property
    def only_idle(self) -> bool:
        """Return whether no run had a load."""
        idle_w = self.runs.idle_w
        return all(
            label == "idle" or (idle_w is not None and power <= 1.1 * idle_w)
            for label, power in zip(self.labels, self.table.power_w, strict=True)
        )


def _needed(case: _Case) -> float:
    """Return the probability that a name needs beside what has none."""
    unnamed = sum(each.probability for each in case.candidates if not each.explains)
    return NAMED_FROM * (1 - unnamed) if unnamed <= UNNAMED_TO else NAMED_FROM


def _gain(case: _Case, shift: float) -> Estimate:
    """Return the mean ratio that is left after the catalogue's factor."""
    return mean_ratio(case.table.y - shift, case.labels).ratio
