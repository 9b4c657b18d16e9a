"""Faults that leave a pattern: an offset, a window, a part of the machine, behind any unit slip.

    probe = factor * gain * reference * (base + theta * shape),     theta ~ N(0, sd^2)

`base` and `shape` are known for every run; theta is watts, seconds or joules. ln(base + theta
shape) is made linear about its best value, so that theta is one more Gaussian unknown: it adds
sd^2 J J' to the covariance of the runs and integrates in closed form beside the gain, for every
workload effect and every noise of the grid in `calibrate.diagnosis.evidence`. The linear form is
exact where the data fix theta, and where they do not the model is no better than one without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from calibrate.diagnosis.evidence import (
    AXES,
    Axes,
    Level,
    Posterior,
    Spread,
    Sums,
    held_out_p,
    posterior,
    predictive_p,
    sums,
)
from calibrate.diagnosis.faults import Fault, PartFault, fault, in_runs, part_fault
from calibrate.diagnosis.models import (
    ANY_GAIN,
    MULTIPLES,
    SCALES,
    LevelModel,
    Table,
    residual_sd,
    scale_weight,
)
from calibrate.stats import Vector

#: Overheads that may stand before a missing part.
OVERHEADS = in_runs("overhead")
#: Standard deviations of a workload and of a run with which theta is first sought.
_SEEK_TAU, _SEEK_S = 0.03, 0.03
#: Prior weights beside those of `calibrate.diagnosis.models.catalogue`.
_ALONE, _BEHIND_A_SCALE, _WITH_A_GAIN = 0.012, 0.0003, 0.001
#: Prior weight of an overhead before a missing part.
_OVERHEAD = 0.003
#: How many times as often as others a frequent wrong count stands behind a slip.
_OFTEN = 6.0
#: A scale is tried before a structure where the median ratio is within this factor of it.
_NEAR = 5.0
#: A run of which less is left than this has no ratio that a structure could explain.
_LEAST = 1e-3
#: Share of a run's power above idleness from which what is left without that has a ratio.
_LOADED = 0.05
#: How much rest differs from run to run, relative, and the ln(ratio) of what is nearly nothing.
_REST_SD, _AT_REST_SD = 0.02, 3.0
#: Prior weight of a model of the load, in each of its forms.
_MODELLED = 0.004
#: Least difference between the loads of runs by which such a model is recognised.
_LOAD_SPAN = 0.1
#: How far from a plain slip, in sds of its residual gain, a slip with a wrong count has to be.
_APART_SD = 2.0


@dataclass(frozen=True)
class Structure:
    """A pattern over runs.

    Parameters
    ----------
    fault : what it is the pattern of.
    unit : of theta.
    shape : Table -> relative change of a run for theta = 1, shape (n,); None for a pattern
        without theta.
    sd : Table -> prior standard deviation of theta.
    base : Table -> what is left of the reference without theta, shape (n,).
    noise : Table -> relative standard deviation of what is left, from the base alone, shape (n,).
    any_gain : whether its level is not known.
    needs_load : whether it works on the CPU time.
    """

    fault: Fault
    unit: str = ""
    shape: Callable[[Table], Vector] | None = None
    sd: Callable[[Table], float] = lambda _: 1.0
    base: Callable[[Table], Vector] = lambda table: np.ones(table.y.size)
    noise: Callable[[Table], Vector] | None = None
    any_gain: bool = False
    needs_load: bool = False

    @property
    def name(self) -> str:
        """The fault's title."""
        return self.fault.title

    @property
    def needs_parts(self) -> bool:
        """Whether it works on the energy of a part of the machine."""
        return self.fault.group == "part"


OFFSET = Structure(
    fault("idle-offset"),
    "W",
    lambda table: 1 / table.power_w,
    lambda table: 0.5 * float(np.median(table.power_w)),
)
DEFICIT = Structure(fault("window-deficit"), "s", lambda table: -1 / table.seconds, lambda _: 3.0)
FIXED = Structure(
    fault("fixed-energy"),
    "J",
    lambda table: 1 / table.reference_j,
    lambda table: 0.3 * float(np.median(table.reference_j)),
)
STRUCTURES = (OFFSET, DEFICIT, FIXED)
LAG = Structure(
    fault("lag"),
    "s",
    lambda table: -(table.ends_w[1] - table.ends_w[0]) / table.reference_j,
    lambda _: 2.0,
)
REMOVED = Structure(
    fault("idle-removed"),
    base=lambda table: np.maximum(1 - (table.idle_w or 0.0) / table.power_w, _LOADED),
    # Of a run at rest nothing is left but what rest differs by from run to run.
    noise=lambda table: np.minimum(
        _REST_SD * (table.idle_w or 0.0) / np.maximum(_above_rest_w(table), 1e-9), _AT_REST_SD
    ),
)


def _above_rest_w(table: Table) -> Vector:
    return np.asarray(table.power_w - (table.idle_w or 0.0))


def _load(exponent: float, seen: Callable[[Table], Vector], sd: float = 0.0) -> Structure:
    """Return the structure of a power that is a line in a power of the CPUs' load.

    P = c (u^exponent + theta), c a rated power. CodeCarbon's load model is TDP (0.1 + 0.9 u^3) for
    a machine and TDP u for a process; most others are lines.

    Parameters
    ----------
    exponent : of the load.
    seen : Table -> the load.
    sd : relative standard deviation for each unit by which the power at the end of a run differs
        from its mean: the mean of u^3 is not the cube of the mean.
    """

    def per_watt(table: Table) -> Vector:
        return np.asarray(float(np.median(table.power_w)) / table.power_w)

    def base(table: Table) -> Vector:
        return np.asarray(np.maximum(seen(table), 1e-3) ** exponent * per_watt(table))

    def noise(table: Table) -> Vector:
        return np.asarray(sd * np.abs(table.ends_w[1] / table.power_w - 1))

    return Structure(
        fault("load-model"), "", per_watt, lambda _: 0.3, base, noise if sd else None,
        any_gain=True, needs_load=True,
    )  # fmt: skip


def _busy(table: Table) -> Vector:
    return np.zeros(table.y.size) if table.busy is None else table.busy


def _above_rest(table: Table) -> Vector:
    """Return the share of the largest power above rest, which rises more slowly than the load."""
    above = np.maximum(_above_rest_w(table), 0.0)
    return np.asarray(above / max(float(above.max()), 1e-9))


LOADS = (_load(1.0, _busy), _load(3.0, _busy, 1.5))
#: Where no CPU time was recorded: the first cores of a processor with turbo use the most.
UNSEEN_LOADS = (_load(1.3, _above_rest), _load(1.7, _above_rest))


def _part(name: str, what: PartFault) -> Structure:
    """Return the structure of one part of the machine that is missing, alone, or counted twice."""

    def base(table: Table) -> Vector:
        share = table.parts_j[name] / table.reference_j
        return {"missing": 1 - share, "only": share, "twice": 1 + share}[what]

    return Structure(part_fault(name, what), base=base)


def patterns(table: Table) -> list[Structure]:
    """Return the structures that these runs could show."""
    found = list(STRUCTURES)
    seen = table.idle_w is not None or table.edges_w is not None
    if seen and np.ptp(table.ends_w, axis=0).any():  # else there is no load to be late with
        found.append(LAG)
    if table.idle_w and float(_above_rest_w(table).max()) > _LOADED * table.idle_w:
        found.append(REMOVED)
    if table.busy is not None and float(np.ptp(table.busy)) > _LOAD_SPAN:
        found += LOADS
    if table.busy is None and table.idle_w and float(np.ptp(_above_rest_w(table))) > table.idle_w:
        found += UNSEEN_LOADS
    for name in table.parts_j:
        for what in get_args(PartFault):
            part = _part(name, what)
            base = part.base(table)
            # A part that is nothing, or everything, cannot be missed or stand alone.
            if float(base.min()) > _LEAST and float(np.abs(np.log(base)).max()) > 0.01:
                found.append(part)
    return found


def catalogue(table: Table) -> list[StructureModel | LevelModel]:
    """Return what these runs could show: structures, and wrong counts behind a slip of unit.

    Parameters
    ----------
    table : the usable runs.
    """
    sound = (Level(1.0, 0.0, math.hypot(0.02, table.u_ref)),)
    spread = Spread(0.03, 0.05)
    middle = float(np.median(table.y))
    near = [s for s in SCALES if abs(middle - math.log(s.ratio)) < math.log(_NEAR)]
    found: list[StructureModel | LevelModel] = [
        _counted(scale, multiple, table.u_ref)
        for scale in near
        if not scale.rare  # 3.6 times a quarter is nearly one: such pairs explain anything
        for multiple in MULTIPLES
        if not _plain(scale.ratio * multiple.ratio)
    ]
    for each in patterns(table):
        if each.any_gain:
            found.append(StructureModel(each, _MODELLED, ANY_GAIN, spread))
            continue
        found.append(StructureModel(each, _ALONE, sound, spread))
        if each.fault.key.endswith("-missing"):
            found += [
                StructureModel(each, _OVERHEAD, sound, spread, overhead) for overhead in OVERHEADS
            ]
        found += [
            StructureModel(each, _BEHIND_A_SCALE * scale_weight(scale), sound, spread, scale)
            for scale in near
        ]
        if each in (OFFSET, DEFICIT):
            found.append(StructureModel(each, _WITH_A_GAIN, ANY_GAIN, spread, free=True))
    return found


def _plain(ratio: float) -> bool:
    """Tell whether a plain slip of units with its residual gain explains a ratio as well."""
    return any(
        abs(math.log(ratio / scale.ratio)) < _APART_SD * residual_sd(scale)
        for scale in SCALES
        if not scale.rare
    )


def _counted(scale: Fault, multiple: Fault, u_ref: float) -> LevelModel:
    """Return the model of a wrong count behind a slip of unit."""
    often = _OFTEN if multiple.doubled else 1.0
    return LevelModel(
        f"{scale.title} and {multiple.title}",
        often * _BEHIND_A_SCALE * scale_weight(scale),
        (
            Level(0.8, 0.0, math.hypot(0.02, u_ref)),
            Level(0.2, 0.0, math.hypot(residual_sd(scale), u_ref)),
        ),
        Spread(0.08, 0.08),
        factor=scale.ratio * multiple.ratio,
        cause=f"a number is used in the wrong unit, {scale.cause}; and {multiple.cause}",
        aliases=multiple.aliases,
        faults=(scale, multiple),
    )


@dataclass(frozen=True)
class Shaped(Posterior):
    """A posterior with the pattern's size: theta and its standard deviation, in its unit."""

    theta: float
    theta_sd: float


@dataclass(frozen=True)
class StructureModel:
    """A structure behind an exact factor, or behind any gain; has the form of a `LevelModel`.

    Parameters
    ----------
    structure : the pattern.
    prior, level, spread : as in `calibrate.diagnosis.models.LevelModel`.
    scale : the exact factor before it, or None.
    free : whether the gain is free; then `level` is wide.
    """

    structure: Structure
    prior: float
    level: tuple[Level, ...]
    spread: Spread
    scale: Fault | None = None
    free: bool = False
    base: str = "reference"
    explains: bool = True
    aliases: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """Return for example ``scale 1e-3 (kW taken for W) and idle offset``."""
        before = self.scale.title if self.scale else "gain" if self.free else ""
        return f"{before} and {self.structure.name}" if before else self.structure.name

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Return what it stands for: the pattern, and what stands before it."""
        before = self.scale or (fault("constant-gain") if self.free else None)
        return (before, self.structure.fault) if before else (self.structure.fault,)

    @property
    def cause(self) -> str:
        """Return what usually makes this fault."""
        cause = self.structure.fault.cause
        if self.scale is None:
            return cause
        if self.scale.group == "overhead":
            return f"{self.scale.cause}; and {cause}"
        return f"a number is used in the wrong unit, {self.scale.cause}; and {cause}"

    @property
    def factor(self) -> float | None:
        """Return the exact factor, or None."""
        return self.scale.factor if self.scale else None

    @property
    def shift(self) -> float:
        """Return ln(factor)."""
        return math.log(self.factor or 1.0)

    def fit(self, table: Table) -> Shaped:
        """Return the evidence, the gain and theta."""
        data, theta = self._sums(table)
        fit = posterior(data, self.shift, self.level, self.spread)
        if theta is None:
            return Shaped(**vars(fit), theta=0.0, theta_sd=0.0)
        # theta given the gain r is normal: mean (J'V^-1 z - r J'V^-1 1)/S, variance 1/S.
        mean = (theta.turn - fit.mean * theta.slope) / theta.stiff
        middle = float((fit.weight * mean).sum())
        spread = 1 / theta.stiff + (theta.slope / theta.stiff) ** 2 * fit.variance
        variance = float((fit.weight * (spread + (mean - middle) ** 2)).sum())
        return Shaped(**vars(fit), theta=middle, theta_sd=math.sqrt(variance))

    def _sums(self, table: Table) -> tuple[Sums, _Theta | None]:
        """Return what the runs say of the gain, theta integrated out, and of theta."""
        if self.structure.shape is None:
            left = table.y - np.log(self.structure.base(table))
            return sums(left, table.code, self._noisy(table).floor), None
        return _with_theta(self._line(table), self._noisy(table))

    def _noisy(self, table: Table) -> Table:
        """Return the runs with what the base leaves open of each."""
        noise = self.structure.noise
        if noise is None:
            return table
        return replace(table, floor=np.hypot(table.floor, noise(table)))

    def remaining(self, table: Table, theta: float) -> Vector:
        """Return base + theta shape: what is left of the reference in every run, shape (n,)."""
        base = self.structure.base(table)
        if self.structure.shape is None:
            return base
        return np.maximum(base + theta * self.structure.shape(table), _LEAST)

    def predicted(self, table: Table, fit: Posterior) -> Vector:
        """Return ln(probe/reference) that the model expects of runs, shape (n,)."""
        theta = fit.theta if isinstance(fit, Shaped) else 0.0
        return np.asarray(self.shift + fit.level + np.log(self.remaining(table, theta)))

    def said(self, fit: Posterior) -> str:
        """Return the pattern with its size, for people."""
        theta = fit.theta if isinstance(fit, Shaped) else 0.0
        return self.structure.fault.sizes[int(theta < 0)].format(f"{abs(theta):.3g}")

    def parameters(self, fit: Posterior) -> Mapping[str, float]:
        """Return theta with its unit in the name."""
        if self.structure.shape is None or not isinstance(fit, Shaped):
            return {}
        end = self.structure.unit.lower()
        return {f"theta_{end}": fit.theta, f"u_theta_{end}": fit.theta_sd}

    def checks(self, table: Table, fit: Posterior) -> tuple[float, float | None]:
        """Return the p-values of the scatter and of workloads predicted from the others."""
        if not isinstance(fit, Shaped):
            raise TypeError("This is not the fit of a structure.")
        return predictive_p(self._sums(table)[0], fit), self._held_out_p(table, fit)

    def _line(self, table: Table) -> _Linear:
        """Return the model made linear in theta about its best value."""
        shape, base = self.structure.shape, self.structure.base(table)
        if shape is None:
            raise TypeError("This structure has no theta.")
        h, sd = shape(table), self.structure.sd(table)
        wide = max(part.sd or 5.0 for part in self.level)
        y = table.y - self.shift
        theta = _seek(y, base, h, (0.5 * math.log(1e-6 + wide**2), sd), table.code)
        left = np.maximum(base + theta * h, _LEAST)
        return _Linear(table.y - np.log(left) + h / left * theta, h / left, sd)

    def _held_out_p(self, table: Table, fit: Shaped) -> float | None:
        """Return the smallest p-value of a workload's mean predicted from the others."""
        from scipy.special import ndtr

        count = int(table.code.max()) + 1
        if count < 2:
            return None
        if self.structure.shape is None:
            data = self._sums(table)[0]
            return held_out_p(data, self.shift, self.level, self.spread)
        line = self._line(table)
        noisy = self._noisy(table)
        unsteady = noisy.floor**2 - table.floor**2
        any_gain = self.free or self.structure.any_gain
        wide = 50.0 if any_gain else min((part.sd or 50.0) for part in self.level)
        z = line.z - self.shift
        smallest = 1.0
        for k in range(count):
            inside = table.code == k
            m, cov = _two(line, z, ~inside, noisy, (fit.tau, fit.s), wide)
            row = np.array([1.0, float(line.slope[inside].mean())])
            away = float(z[inside].mean()) - float(row @ m)
            own = float((fit.s**2 + table.floor[inside] ** 2).mean()) / int(inside.sum())
            # What a load's changes leave open is the same in all of its runs.
            own += float(unsteady[inside].mean())
            variance = float(row @ cov @ row) + fit.tau**2 + own
            smallest = min(smallest, float(2 * ndtr(-abs(away) / math.sqrt(variance))))
        return min(1.0, smallest * count)


@dataclass(frozen=True)
class _Linear:
    """z = r + slope theta + errors, theta ~ N(0, sd^2): a structure about its best theta."""

    z: Vector
    slope: Vector
    sd: float


def _two(
    line: _Linear,
    z: Vector,
    use: NDArray[np.bool_],
    table: Table,
    spreads: tuple[float, float],
    wide: float,
) -> tuple[Vector, NDArray[np.float64]]:
    """Return the posterior mean, shape (2,), and covariance of (gain, theta) from some runs."""
    tau, s = spreads
    x = np.stack([np.ones(int(use.sum())), line.slope[use]], axis=1)
    same = table.code[use][:, None] == table.code[use][None, :]
    v = np.diag(s**2 + table.floor[use] ** 2) + tau**2 * same
    a = x.T @ np.linalg.solve(v, x) + np.diag([wide**-2, line.sd**-2])
    cov = np.linalg.inv(a)
    return cov @ (x.T @ np.linalg.solve(v, z[use])), cov


def _seek(
    y: Vector, base: Vector, h: Vector, prior: tuple[float, float], code: NDArray[np.intp]
) -> float:
    """Return the most probable theta at fixed spreads, by Gauss-Newton with halved steps."""
    log_wide, sd = prior
    k = np.bincount(code)[code]
    # Whitening by the workload's mean: V = s^2 I + tau^2 11' within a workload.
    keep = 1 - 1 / np.sqrt(1 + k * (_SEEK_TAU / _SEEK_S) ** 2)
    members = np.bincount(code)

    def white(values: Vector) -> Vector:
        means = (np.bincount(code, weights=values) / members)[code]
        return np.asarray((values - keep * means) / _SEEK_S)

    ones = white(np.ones(y.size))
    wide = math.exp(log_wide)

    def cost(theta: float) -> tuple[float, float, float]:
        """Return the misfit, and the Gauss-Newton step of theta with the gain at its best."""
        left = base + theta * h
        if float(left.min()) <= _LEAST:
            return math.inf, 0.0, 0.0
        z, j = white(y - np.log(left)), white(h / left)
        a = np.array([[ones @ ones + wide**-2, ones @ j], [ones @ j, j @ j + sd**-2]])
        r = float(ones @ z) / a[0, 0]
        step = np.linalg.solve(a, np.array([ones @ z, j @ z - theta / sd**2]))
        rest = z - r * ones
        return float(rest @ rest) + (r / wide) ** 2 + (theta / sd) ** 2, float(step[1]), r

    ratio = np.exp(np.clip(y, -5, 5)) - base
    starts = (0.0, float(h @ ratio) / float(h @ h))
    theta = min(starts, key=lambda t: cost(t)[0])
    here, step, _ = cost(theta)
    for _ in range(12):
        for _ in range(12):
            new, then, _ = cost(theta + step)
            if new <= here:
                break
            step /= 2
        else:
            break
        done = here - new < 1e-9 * (1 + here)
        theta, here, step = theta + step, new, then
        if done:
            break
    return theta


@dataclass(frozen=True)
class _Theta:
    """J'V^-1 z, J'V^-1 1 and S = 1/sd^2 + J'V^-1 J for every (tau, s), shape (T, S) each."""

    turn: NDArray[np.float64]
    slope: NDArray[np.float64]
    stiff: NDArray[np.float64]


def _with_theta(line: _Linear, table: Table, axes: Axes = AXES) -> tuple[Sums, _Theta]:
    """Return the sums with theta integrated out, and what they say of theta itself.

    V' = V + sd^2 J J', so by Sherman-Morrison with S = 1/sd^2 + J'V^-1 J every product x'V'^-1 y
    is x'V^-1 y - (x'V^-1 J)(J'V^-1 y)/S, and det V' = det V * sd^2 S.
    """
    data = sums(line.z, table.code, table.floor, axes).total()
    z = line.z - data.centre
    member = np.asarray(np.eye(int(table.code.max()) + 1)[:, table.code])
    weight = 1.0 / (axes.s[:, None] ** 2 + table.floor[None, :] ** 2)
    w, of_j, of_z, jj, jz = (
        member @ (weight * each).T
        for each in (np.ones(z.size), line.slope, z, line.slope**2, line.slope * z)
    )
    tau2 = axes.tau[None, :, None] ** 2
    shrink = tau2 / (1 + tau2 * w[:, None, :])
    slope = (of_j[:, None, :] * (1 - shrink * w[:, None, :])).sum(axis=0)
    turn = (jz[:, None, :] - shrink * (of_j * of_z)[:, None, :]).sum(axis=0)
    stiff = line.sd**-2 + (jj[:, None, :] - shrink * (of_j**2)[:, None, :]).sum(axis=0)
    integrated = Sums(
        data.centre,
        data.n,
        data.a - slope**2 / stiff,
        data.b - slope * turn / stiff,
        np.maximum(data.c - turn**2 / stiff, 0.0),
        data.log_det + np.log(line.sd**2 * stiff),
    )
    return integrated, _Theta(turn, slope, stiff)
