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
from calibrate.stats.estimate import Vector

NO_FAULT = "no fault found"
CONSTANT_POWER = "constant power"
CONSTANT_GAIN = "constant gain"


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
    key: str = ""

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


@dataclass(frozen=True)
class Multiple:
    """An exact ratio that counting the wrong number of things makes.

    Parameters
    ----------
    label : the ratio as people write it.
    factor : probe/reference.
    causes : what makes it, the most usual first.
    key : what a list of reported faults calls it.
    """

    label: str
    factor: float
    causes: tuple[str, ...]
    key: str = ""

    @property
    def name(self) -> str:
        """Return for example ``ratio 1/2 (one of two sockets)``."""
        return f"ratio {self.label} ({self.causes[0]})"


_TWICE = "an interval twice the configured one"
#: Gains close to these may be something else, so each is taken only within a few percent.
MULTIPLES = (
    Multiple("1/2", 1 / 2, ("one of two sockets", _TWICE, "half the samples lost"), "one-socket"),
    Multiple("1/3", 1 / 3, ("one of three sockets", "one of three parts")),
    Multiple("1/4", 1 / 4, ("one of four sockets", "DRAM energy unit of 15.3 µJ for 61 µJ")),
    Multiple("1/8", 1 / 8, ("one of eight sockets", "one of eight dies or devices")),
    Multiple("3/2", 3 / 2, ("package and core added up", "psys and package added up"),
             "psys-added"),
    Multiple("1.58", 1.58, ("a data centre's overhead, PUE", "PUE of 1.55 to 1.59"), "pue-1.58"),
    Multiple("2", 2.0, ("counted twice", "mirrored dies", "MSR and MMIO added up",
             "two trackers on one machine", "an interval half the configured one"),
             "packages-twice"),
    Multiple("3", 3.0, ("pseudo-targets added up", "three trackers on one machine")),
    Multiple("4", 4.0, ("counted four times", "DRAM energy unit of 61 µJ for 15.3 µJ",
             "four mirrored dies")),
    Multiple("8", 8.0, ("counted eight times", "eight mirrored dies")),
    Multiple("2^14", 2.0**14, ("raw counts of 61 µJ taken for J",)),
    Multiple("2^16", 2.0**16, ("raw counts of 15.3 µJ taken for J",)),
    Multiple("2^14/1e6", 2.0**14 / 1e6, ("raw counts of 61 µJ taken for µJ",)),
    Multiple("2^16/1e6", 2.0**16 / 1e6, ("raw counts of 15.3 µJ taken for µJ",)),
)  # fmt: skip
#: Prior sd of the residual gain of a multiple, ln.
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
            key=f"scale-{scale.label}",
        )
        for scale in SCALES
    ]
    models += [
        LevelModel(
            each.name,
            _PRIORS["multiples"] / len(MULTIPLES),
            (Level(1.0, 0.0, math.hypot(_MULTIPLE_SD, u_ref)),),
            Spread(0.02, 0.05),
            factor=each.factor,
            cause=f"a count is wrong: {each.causes[0]}, or an alias",
            aliases=each.causes[1:],
            key=each.key,
        )
        for each in MULTIPLES
    ]
    models.append(
        LevelModel(
            CONSTANT_GAIN,
            _PRIORS["gain"],
            ANY_GAIN,
            Spread(0.03, 0.08),
            cause="losses of a supply, the calibration of a sensor, or a multiplier",
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
