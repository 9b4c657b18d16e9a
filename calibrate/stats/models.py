"""The models a diagnosis chooses from, with their priors.

A model has a name, a prior weight and a `fit` that returns its evidence, which must be a proper
marginal likelihood of y = ln(probe/reference): evidences of different models are compared as they
are. `catalogue` is the list; adding a model to it is all it takes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calibrate.stats.estimate import Vector
from calibrate.stats.evidence import (
    Level,
    Posterior,
    Spread,
    Sums,
    held_out_p,
    posterior,
    predictive_p,
    sums,
)

NO_FAULT = "no fault found"
CONSTANT_POWER = "constant power"


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
    """

    y: Vector
    power_w: Vector
    code: NDArray[np.intp]
    floor: Vector
    u_ref: float

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
    aliases : other faults with the same signature.
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

    def checks(self, table: Table, fit: Posterior) -> tuple[float, float | None]:
        """Return the p-values of the scatter and of workloads predicted from the others."""
        data = self.sums(table)
        return predictive_p(data, fit), held_out_p(data, self.shift, self.level, self.spread)


@dataclass(frozen=True)
class Scale:
    """An exact ratio that a slip of units makes.

    Parameters
    ----------
    label : the ratio as people write it.
    factor : probe/reference.
    slips : the slips with this ratio, the one in the name first; "A taken for B" is a number in
        unit A that is read as if it were in unit B.
    weight : prior weight beside the other scales.
    residual_sd : prior sd of the residual gain, ln.
    """

    label: str
    factor: float
    slips: tuple[str, ...]
    weight: float = 1.0
    residual_sd: float = 0.15

    @property
    def name(self) -> str:
        """Return for example ``scale 1e-3 (kW taken for W)``."""
        return f"scale {self.label} ({self.slips[0]})"


_INTERVAL = "an interval in {} taken for {}"
#: The exact ratios: powers of 1000, alone and with an hour taken for a second or the reverse. The
#: rarer double slips have less prior weight. Neighbours differ by a factor of 3.6 or more, so that
#: a residual gain cannot lead from one to the next; 3.6 itself is so near ordinary gains that only
#: a small residual gain tells it from them.
SCALES = (
    Scale("1e-3", 1e-3, ("kW taken for W", "kJ taken for J", "W taken for mW", "J taken for mJ",
          "mJ taken for µJ", _INTERVAL.format("s", "ms"))),
    Scale("1e3", 1e3, ("mJ taken for J", "mW taken for W", "W taken for kW", "J taken for kJ",
          "µJ taken for mJ", _INTERVAL.format("ms", "s"))),
    Scale("1e-6", 1e-6, ("J taken for µJ", "W taken for µW", "kJ taken for mJ", "MJ taken for J",
          _INTERVAL.format("s", "µs"))),
    Scale("1e6", 1e6, ("µJ taken for J", "µW taken for W", "mJ taken for kJ", "J taken for MJ",
          _INTERVAL.format("µs", "s"))),
    Scale("1/3600", 1 / 3600, ("Wh taken for J", "kWh taken for kJ",
          _INTERVAL.format("h", "s"))),
    Scale("3600", 3600.0, ("J taken for Wh", "kJ taken for kWh", _INTERVAL.format("s", "h"))),
    Scale("1/3.6e6", 1 / 3.6e6, ("kWh taken for J", "Wh taken for mJ",
          "kW taken for W and h taken for s")),
    Scale("3.6e6", 3.6e6, ("J taken for kWh", "mJ taken for Wh",
          "mW taken for W and s taken for h")),
    Scale("1e-9", 1e-9, ("J taken for nJ", "kJ taken for µJ", _INTERVAL.format("s", "ns")), 0.5),
    Scale("1e9", 1e9, ("nJ taken for J", "µJ taken for kJ", _INTERVAL.format("ns", "s")), 0.5),
    Scale("1/3.6", 1 / 3.6, ("Wh taken for kJ", "kWh taken for MJ", "mWh taken for J"), 0.5, 0.05),
    Scale("3.6", 3.6, ("kJ taken for Wh", "MJ taken for kWh", "J taken for mWh"), 0.5, 0.05),
    Scale("1e6/3600", 1e6 / 3600, ("Wh taken for MJ", "µWh taken for J", "mWh taken for kJ"), 0.5),
    Scale("3600/1e6", 3600 / 1e6, ("MJ taken for Wh", "J taken for µWh", "kJ taken for mWh"), 0.5),
    Scale("1/3.6e9", 1 / 3.6e9, ("kWh taken for mJ", "MWh taken for J", "Wh taken for µJ"), 0.5),
    Scale("3.6e9", 3.6e9, ("mJ taken for kWh", "J taken for MWh", "µJ taken for Wh"), 0.5),
    Scale("1/3.6e12", 1 / 3.6e12, ("kWh taken for µJ", "GWh taken for J"), 0.5),
    Scale("3.6e12", 3.6e12, ("µJ taken for kWh", "J taken for GWh"), 0.5),
)  # fmt: skip

#: Prior weights: most meters are sound; a ratio decades off is nearly always a slip of units.
_PRIORS = {"healthy": 0.45, "scales": 0.3, "constant": 0.1, "gain": 0.08, "by load": 0.04,
           "erratic": 0.03}  # fmt: skip

#: Any gain: mostly of order one (a part missing or counted twice), else anything in 20 decades.
_ANY_GAIN = (Level(0.8, 0.0, 0.5), Level(0.2))


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
            NO_FAULT, _PRIORS["healthy"], (Level(1.0, 0.0, sound),), Spread(0.02, 0.05)
        ),
        LevelModel(
            CONSTANT_POWER,
            _PRIORS["constant"],
            (Level(0.8, math.log(power_w), 1.0), Level(0.2)),
            Spread(0.01, 0.05),
            base="time",
            cause="a constant, such as a rated power, stands in for a measurement",
            aliases=("power of an idle or saturated meter", "a stale reading repeated"),
        ),
    ]  # fmt: skip
    share = _PRIORS["scales"] / sum(scale.weight for scale in SCALES)
    models += [
        LevelModel(
            scale.name,
            scale.weight * share,
            (Level(0.5, 0.0, sound), Level(0.5, 0.0, math.hypot(scale.residual_sd, u_ref))),
            Spread(0.08, 0.08),
            factor=scale.factor,
            cause=f"a number is used in the wrong unit: {scale.slips[0]}, or an alias",
            aliases=scale.slips[1:],
        )
        for scale in SCALES
    ]
    return models + [
        LevelModel(name, prior, _ANY_GAIN, spread, explains=False, cause=what)
        for name, prior, spread, what in (
            ("constant gain", _PRIORS["gain"], Spread(0.03, 0.08), "the same for every workload"),
            ("workload-dependent gain", _PRIORS["by load"], Spread(0.5, 0.08),
             "depending on the workload"),
            ("no stable ratio", _PRIORS["erratic"], Spread(0.5, 0.7), "without any pattern"),
        )
    ]  # fmt: skip
