"""Exact evidence for models of the log ratio, and the checks a favoured model has to pass.

All models here are  y_i = offset_i + r + w_k + eps_i  with y = ln(probe/reference), a level r with
a proper prior, a workload effect w_k ~ N(0, tau^2) and noise eps_i ~ N(0, s^2 + floor_i^2). Given
(tau, s) everything is Gaussian and integrates in closed form from sums per workload; tau and s are
summed over a grid with proper priors. No maximum is taken anywhere, so a model pays for what it
could have explained and did not: BIC does not charge that, and lets a free gain beat an exact
constant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from calibrate.stats import Vector

Grid = NDArray[np.float64]

#: Width of the log-uniform prior of a gain: 20 decades, in units of ln.
GAIN_WIDTH = 20 * math.log(10)


@dataclass(frozen=True)
class Level:
    """One part of the prior of r: normal, or flat in the logarithm over 20 decades.

    Parameters
    ----------
    weight : share of the prior; the parts of a model add up to 1.
    mean, sd : of the normal distribution, in ln(ratio); `sd` None means flat.
    """

    weight: float
    mean: float = 0.0
    sd: float | None = None


@dataclass(frozen=True)
class Spread:
    """Prior of the two standard deviations, half-normal each.

    Parameters
    ----------
    workload : scale of tau, relative (0.02 is 2 %).
    run : scale of s, relative.
    least : smallest tau the model stands for; a smaller one belongs to another model.
    """

    workload: float
    run: float
    least: float = 0.0


@dataclass(frozen=True)
class Axes:
    """The grid of standard deviations: tau has shape (T,), s has shape (S,)."""

    tau: Vector
    s: Vector

    def log_prior(self, spread: Spread) -> Grid:
        """Return ln of the prior weight of every grid point, shape (T, S), total 1."""
        tau = _half_normal(self.tau, spread.workload)
        tau = np.where(self.tau < spread.least, -np.inf, tau)
        tau -= log_sum(tau)
        s = _half_normal(self.s, spread.run)
        return np.asarray(tau[:, None] + s[None, :], dtype=np.float64)


#: Ratio 1.4 a step: finer grids move no posterior in the third digit.
AXES = Axes(np.geomspace(5e-4, 2.0, 25), np.geomspace(5e-4, 2.0, 25))


@lru_cache(maxsize=64)
def _usual_prior(spread: Spread) -> Grid:
    """Return the weights of the usual grid, which every model of every column asks for."""
    return AXES.log_prior(spread)


def _half_normal(points: Vector, scale: float) -> Vector:
    """Return ln weights of a half-normal on a geometric grid, normalised over the grid."""
    # The density times the width of the cell, which grows with the point.
    weights = -0.5 * (points / scale) ** 2 + np.log(points)
    return np.asarray(weights - log_sum(weights), dtype=np.float64)


def log_sum(values: Grid) -> float:
    """Return ln(Sum exp(values)) without overflow."""
    top = float(values.max())
    return top + math.log(float(np.exp(values - top).sum()))


@dataclass(frozen=True)
class Sums:
    """What the data say for every (tau, s), a workload a row.

    Parameters
    ----------
    centre : subtracted from y - offset before anything else, for accuracy.
    n : runs of each workload, shape (K,).
    a, b, c : 1'V^-1 1, 1'V^-1 z and z'V^-1 z, shape (K, T, S), z = y - offset - centre.
    log_det : ln det V, shape (K, T, S).
    """

    centre: float
    n: Vector
    a: Grid
    b: Grid
    c: Grid
    log_det: Grid

    def only(self, k: int) -> Sums:
        """Return the sums of one workload."""
        part = slice(k, k + 1)
        return Sums(
            self.centre, self.n[part], self.a[part], self.b[part], self.c[part], self.log_det[part]
        )

    def total(self) -> Sums:
        """Return the sums added up to one row."""
        return Sums(
            self.centre,
            *(x.sum(axis=0, keepdims=True) for x in (self.n, self.a, self.b, self.c, self.log_det)),
        )

    def minus(self, part: Sums) -> Sums:
        """Return what is left without some of the runs."""
        return Sums(
            self.centre,
            self.n - part.n,
            self.a - part.a,
            self.b - part.b,
            np.maximum(self.c - part.c, 0.0),
            self.log_det - part.log_det,
        )


def sums(z: Vector, code: NDArray[np.intp], floor: Vector, axes: Axes = AXES) -> Sums:
    """Reduce the runs to sums per workload.

    Parameters
    ----------
    z : y - offset, ln, shape (n,).
    code : number of the workload of each run, 0 to K-1, shape (n,).
    floor : sd that a run has from resolution alone, relative, shape (n,).
    axes : the grid.

    Notes
    -----
    V = diag(s^2 + floor^2) + tau^2 11' within a workload; its inverse by Sherman-Morrison. The
    scatter about the workload's own mean is kept apart, so nothing is lost to cancellation.
    """
    ordered = np.sort(z)  # the median; numpy's own takes twenty times as long for a few runs
    centre = 0.5 * float(ordered[(z.size - 1) // 2] + ordered[z.size // 2])
    z = z - centre
    member = np.asarray(np.eye(int(code.max()) + 1)[:, code])
    variance = axes.s[:, None] ** 2 + floor[None, :] ** 2
    weight = 1.0 / variance
    w = member @ weight.T
    mean = (member @ (weight * z).T) / w
    own = member @ ((z[:, None] - mean[code]) ** 2 * weight.T)
    log_v = member @ np.log(variance).T
    shrink = 1.0 + axes.tau[None, :, None] ** 2 * w[:, None, :]
    a = w[:, None, :] / shrink
    b = a * mean[:, None, :]
    c = own[:, None, :] + b * mean[:, None, :]
    return Sums(centre, member.sum(axis=1), a, b, c, log_v[:, None, :] + np.log(shrink))


@dataclass(frozen=True)
class Posterior:
    """What a model makes of the data.

    Parameters
    ----------
    log_evidence : ln of the marginal likelihood of y.
    weight : posterior weight of every (part of the level prior, tau, s), shape (L, T, S), total 1.
    mean, variance : of the level r there, same shape, relative to `Sums.centre`.
    level, level_sd : posterior mean and sd of r, ln(ratio).
    tau, s : posterior means of the two standard deviations, relative.
    """

    log_evidence: float
    weight: Grid
    mean: Grid
    variance: Grid
    level: float
    level_sd: float
    tau: float
    s: float


def posterior(
    data: Sums, shift: float, level: Sequence[Level], spread: Spread, axes: Axes = AXES
) -> Posterior:
    """Integrate a model in closed form over r and by summing over (tau, s).

    Parameters
    ----------
    data : sums of the runs.
    shift : constant part of the model, ln (of a catalogue scale, or 0).
    level, spread : the priors.
    axes : the grid `data` was made on.
    """
    a, b = data.a.sum(axis=0), data.b.sum(axis=0)
    gls = b / a
    rest = np.maximum(data.c.sum(axis=0) - b * gls, 0.0)
    n = float(data.n.sum())
    base = -0.5 * (n * math.log(2 * math.pi) + data.log_det.sum(axis=0) + rest)
    prior = _usual_prior(spread) if axes is AXES else axes.log_prior(spread)
    base = base + 0.5 * np.log(2 * math.pi / a) + prior
    where = data.centre - shift
    terms, means, variances = [], [], []
    for part in level:
        if part.sd is None:
            terms.append(base + math.log(part.weight / GAIN_WIDTH))
            means.append(gls)
            variances.append(1 / a)
            continue
        total = part.sd**2 + 1 / a
        gap = gls + where - part.mean
        likely = -0.5 * (gap**2 / total + np.log(2 * math.pi * total))
        terms.append(base + likely + math.log(part.weight))
        means.append(part.mean - where + gap * part.sd**2 / total)
        variances.append(part.sd**2 / a / total)
    return _summary(np.stack(terms), np.stack(means), np.stack(variances), where, axes)


def _summary(terms: Grid, mean: Grid, variance: Grid, where: float, axes: Axes) -> Posterior:
    """Normalise the weights and take the moments."""
    evidence = log_sum(terms)
    weight = np.exp(terms - evidence)
    centre = float((weight * mean).sum())
    sd = math.sqrt(float((weight * (variance + (mean - centre) ** 2)).sum()))
    tau = float((weight.sum(axis=(0, 2)) * axes.tau).sum())
    s = float((weight.sum(axis=(0, 1)) * axes.s).sum())
    return Posterior(evidence, weight, mean, variance, centre + where, sd, tau, s)


def predictive_p(data: Sums, fit: Posterior) -> float:
    """Return the posterior predictive p-value of the chi-square discrepancy.

    A small value says that the runs scatter more than the model's priors let them. The
    discrepancy is (y - offset - r)'V^-1(y - offset - r), averaged over the posterior (Gelman, Meng
    & Stern, Statistica Sinica 1996;6:733, section 2).
    """
    from scipy.special import gammaincc

    a, b, c = data.a.sum(axis=0), data.b.sum(axis=0), data.c.sum(axis=0)
    found = c - 2 * b * fit.mean + a * (fit.mean**2 + fit.variance)
    n = float(data.n.sum())
    return float((fit.weight * gammaincc(n / 2, np.maximum(found, 0.0) / 2)).sum())


def held_out_p(
    data: Sums, shift: float, level: Sequence[Level], spread: Spread, axes: Axes = AXES
) -> float | None:
    """Return the smallest p-value of a workload's mean predicted from the other workloads.

    Two-sided and multiplied by the number of workloads (Bonferroni), at most 1; None with one
    workload.
    """
    from scipy.special import ndtr

    count = data.n.size
    if count < 2:
        return None
    smallest = 1.0
    whole = data.total()
    for k in range(count):
        own = data.only(k)
        fit = posterior(whole.minus(own), shift, level, spread, axes)
        # 1/a is tau^2 + 1/w: the variance of a workload's mean about the level.
        away = np.abs(own.b[0] / own.a[0] - fit.mean) / np.sqrt(fit.variance + 1 / own.a[0])
        smallest = min(smallest, float((fit.weight * 2 * ndtr(-away)).sum()))
    return min(1.0, smallest * count)
