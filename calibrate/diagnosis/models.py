"""The models a diagnosis chooses from, with their priors.

A model has a name, a prior weight and a `fit` that returns its evidence, which must be a proper
marginal likelihood of y = ln(probe/reference): evidences of different models are compared as they
are. `catalogue` is the list; adding a model to it is all it takes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calibrate.diagnosis.evidence import (
    Level,
    Posterior,
    Spread,
    Sums,
    held_out_p,
    posterior,
    predictive_p,
    sums,
)
from calibrate.diagnosis.faults import Fault, fault, in_runs
from calibrate.stats import Vector

NO_FAULT = "no fault found"
_POWER, _GAIN = fault("constant-power"), fault("constant-gain")
CONSTANT_POWER, CONSTANT_GAIN = _POWER.title, _GAIN.title


@dataclass(frozen=True, eq=False)
class Table:
    """The usable runs, reduced to what the models need.

    Parameters
    ----------
    y : ln(probe/reference), shape (n,).
    power_w : reference power, W, shape (n,).
    code : number of the workload, shape (n,).
    floor : relative sd that resolution alone gives each run, shape (n,).
    u_ref : relative standard uncertainty of the reference's gain, common to all runs.
    seconds : duration, s, shape (n,).
    idle_w : power of the idle machine, W; None where it was not seen.
    parts_j : energy of parts of the machine by the reference, J, shape (n,) each.
    edges_w : power just before each run began and just before it ended, W, shape (2, n); None where
        that was not seen, and a run is taken for steady after rest.
    wraps_at_j : range of the counter, J; 0 where unknown.
    busy : share of the CPUs' time that was busy, shape (n,); None where it was not recorded.
    """

    y: Vector
    power_w: Vector
    code: NDArray[np.intp]
    floor: Vector
    u_ref: float
    seconds: Vector
    idle_w: float | None = None
    parts_j: Mapping[str, Vector] = field(default_factory=dict)
    edges_w: NDArray[np.float64] | None = None
    wraps_at_j: float = 0.0
    busy: Vector | None = None

    @property
    def ends_w(self) -> NDArray[np.float64]:
        """Return the power before the begin and before the end of each run, W, shape (2, n)."""
        if self.edges_w is not None:
            return self.edges_w
        return np.stack([np.full(self.power_w.size, self.idle_w or 0.0), self.power_w])

    @property
    def reference_j(self) -> Vector:
        """Return the reference's energy, J, shape (n,)."""
        return self.power_w * self.seconds

    @cached_property
    def by_reference(self) -> Sums:
        """Return the sums for models in which the probe follows the reference."""
        return sums(self.y, self.code, self.floor)

    @cached_property
    def by_time(self) -> Sums:
        """Return the sums for models in which the probe follows the clock: y + ln P = ln Pc."""
        return sums(self.y + np.log(self.power_w), self.code, self.floor)


@dataclass(frozen=True)
class LevelModel:
    """A constant ratio, or constant power, with a workload effect and noise.

    Parameters
    ----------
    name : as printed.
    prior : weight beside the other models, before the data.
    explains : whether it is a diagnosis, or only describes what is unexplained.
    level, spread : priors of the level and of the two standard deviations.
    base : what the probe follows, the reference's energy or only the time.
    factor : exact ratio the level is counted from.
    cause : what usually makes this fault; for a model that explains nothing, words for it.
    aliases : other causes with the same signature.
    faults : what it stands for, several where they act together; none where it is no fault.
    """

    name: str
    prior: float
    level: tuple[Level, ...]
    spread: Spread
    base: Literal["reference", "time"] = "reference"
    factor: float | None = None
    explains: bool = True
    cause: str = ""
    aliases: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def shift(self) -> float:
        """Return ln(factor)."""
        return math.log(self.factor or 1.0)

    def sums(self, table: Table) -> Sums:
        """Return the sums this model works on."""
        return table.by_reference if self.base == "reference" else table.by_time

    def fit(self, table: Table) -> Posterior:
        """Return the evidence and the parameters."""
        return posterior(self.sums(table), self.shift, self.level, self.spread)

    def parameters(self, fit: Posterior) -> Mapping[str, float]:
        """Return what the model has beside its level: nothing."""
        return {}

    def predicted(self, table: Table, fit: Posterior) -> Vector:
        """Return ln(probe/reference) that the model expects of runs, shape (n,)."""
        by_time = np.log(table.power_w) if self.base == "time" else np.zeros(table.power_w.size)
        return np.asarray(self.shift + fit.level - by_time)

    def checks(self, table: Table, fit: Posterior) -> tuple[float, float | None]:
        """Return the p-values of the scatter and of workloads predicted from the others."""
        data = self.sums(table)
        return predictive_p(data, fit), held_out_p(data, self.shift, self.level, self.spread)


#: The exact ratios that a slip of units makes, and those of a wrong count.
SCALES, MULTIPLES = in_runs("unit"), in_runs("count", "overhead")
#: A scale this near 1 is so near ordinary gains that only a small residual gain tells it from them.
_NEAR_GAINS = 4.0


def scale_weight(scale: Fault) -> float:
    """Return the prior weight of a slip of units beside the others."""
    return 0.5 if scale.rare else 1.0


def residual_sd(scale: Fault) -> float:
    """Return the prior sd of the gain that is left behind a slip of units, ln."""
    return 0.05 if max(scale.ratio, 1 / scale.ratio) < _NEAR_GAINS else 0.15


#: Prior sd of the residual gain of a multiple, ln: gains close to these may be something else.
_MULTIPLE_SD = 0.015

#: Prior weights: most meters are sound; a ratio decades off is nearly always a slip of units.
_PRIORS = {"healthy": 0.4, "scales": 0.25, "multiples": 0.17, "constant": 0.1, "gain": 0.05,
           "by load": 0.02, "erratic": 0.01}  # fmt: skip

#: Any gain: mostly of order one (a part missing or counted twice), else anything in 20 decades.
ANY_GAIN = (Level(0.8, 0.0, 0.5), Level(0.2))


def catalogue(u_ref: float = 0.0, power_w: float = 50.0) -> list[LevelModel]:
    """Return the models with their priors.

    Parameters
    ----------
    u_ref : relative standard uncertainty of the reference; widens every level that is known.
    power_w : typical reference power, W; where a constant power is expected.

    Notes
    -----
    The level of a sound meter is N(0, 2 %): it puts 1 % within and 10 % far outside, with the
    verdict turning at about 5 %. Behind a scale fault half the prior is as narrow, half is
    N(0, 15 %), since the code that slips a unit often divides by a nominal instead of the actual
    window as well, which costs from a few to some tens of percent.
    """
    sound = math.hypot(0.02, u_ref)
    models = [
        LevelModel(
            NO_FAULT, _PRIORS["healthy"], (Level(1.0, 0.0, sound),), Spread(0.02, 0.03)
        ),
        LevelModel(
            CONSTANT_POWER,
            _PRIORS["constant"],
            (Level(0.8, math.log(power_w), 1.0), Level(0.2)),
            Spread(0.03, 0.05),
            base="time",
            cause=_POWER.cause,
            aliases=_POWER.aliases,
            faults=(_POWER,),
        ),
    ]  # fmt: skip
    share = _PRIORS["scales"] / sum(map(scale_weight, SCALES))
    models += [
        LevelModel(
            scale.title,
            scale_weight(scale) * share,
            (Level(0.5, 0.0, sound), Level(0.5, 0.0, math.hypot(residual_sd(scale), u_ref))),
            Spread(0.08, 0.08),
            factor=scale.factor,
            cause=f"a number is used in the wrong unit: {scale.cause}, or an alias",
            aliases=scale.aliases,
            faults=(scale,),
        )
        for scale in SCALES
    ]
    models += [
        LevelModel(
            multiple.title,
            _PRIORS["multiples"] / len(MULTIPLES),
            (Level(1.0, 0.0, math.hypot(_MULTIPLE_SD, u_ref)),),
            Spread(0.02, 0.05),
            factor=multiple.factor,
            cause=f"a count is wrong: {multiple.cause}, or an alias",
            aliases=multiple.aliases,
            faults=(multiple,),
        )
        for multiple in MULTIPLES
    ]
    models.append(
        LevelModel(
            CONSTANT_GAIN,
            _PRIORS["gain"],
            ANY_GAIN,
            Spread(0.03, 0.08),
            cause=_GAIN.cause,
            faults=(_GAIN,),
        )
    )
    return models + [
        LevelModel(name, prior, ANY_GAIN, spread, explains=False, cause=what)
        for name, prior, spread, what in (
            (
                "workload-dependent gain",
                _PRIORS["by load"],
                Spread(0.5, 0.08, least=0.06),
                "depending on the workload",
            ),
            ("no stable ratio", _PRIORS["erratic"], Spread(0.5, 0.7, 0.06), "without any pattern"),
        )
    ]
