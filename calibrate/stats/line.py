"""A straight line y = intercept + slope x: its form, the inputs refused, ordinary least squares.

Ordinary least squares takes x for free of error. Where it is not, `deming`, `york` and
`passing_bablok` are the estimators; this one is what they are checked with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.estimate import (
    HUGE,
    TINY,
    Estimate,
    Vector,
    finite_vector,
    measured,
    t_estimate,
)


@dataclass(frozen=True)
class Line:
    """y = intercept + slope x.

    Parameters
    ----------
    intercept : in the unit of y.
    slope : in the unit of y over that of x.
    covariance : of intercept and slope; None where there is no uncertainty.
    residual_sd : sd of y about the line, in the unit of y; None where it means nothing.
    """

    intercept: Estimate
    slope: Estimate
    covariance: float | None = None
    residual_sd: float | None = None

    def at(self, x: ArrayLike) -> Vector:
        """Return the line at x, shape as x."""
        return np.asarray(self.intercept.value + self.slope.value * np.asarray(x, dtype=float))


@dataclass(frozen=True)
class OriginLine(Line):
    """y = slope x: the intercept is zero by assumption and has no uncertainty.

    Parameters
    ----------
    intercept, slope, covariance, residual_sd : as in `Line`.
    """


def line_data(x: ArrayLike, y: ArrayLike, minimum: int = 3) -> tuple[Vector, Vector]:
    """Return x and y as vectors of the same shape (n,), or refuse what no line goes through.

    Raises
    ------
    ValueError : fewer than `minimum` points, not finite, not the same number, magnitudes whose
        squares overflow, or x or y that is constant.
    """
    out = measured("x", x), measured("y", y)
    if out[0].size != out[1].size:
        raise ValueError(f"There are {out[0].size} values of x for {out[1].size} of y.")
    if out[0].size < minimum:
        raise ValueError(f"A line needs at least {minimum} points, there are {out[0].size}.")
    for name, values in zip("xy", out, strict=True):
        largest = float(np.abs(values).max())
        # A spread of some rounding errors is none: dividing by it would print noise.
        if float(np.ptp(values)) <= max(TINY, 8 * np.finfo(float).eps * largest):
            raise ValueError(f"All values of {name} are the same: no line can be fitted.")
    return out


def positive_weights(name: str, values: ArrayLike, n: int) -> Vector:
    """Return n weights or uncertainties, all above zero, or refuse them."""
    out = finite_vector(name, values)
    if out.size != n:
        raise ValueError(f"There are {out.size} values of {name} for {n} points.")
    bad = np.flatnonzero((out < TINY) | (out > HUGE))
    if bad.size:
        raise ValueError(f"{name} is {out[bad[0]]:g} at point {bad[0]}; it must be above zero.")
    return out


def line_of(
    coefficients: tuple[float, float],
    variances: tuple[float, float] | None,
    df: float,
    *,
    level: float,
    method: str,
    n_runs: int,
    n_clusters: int | None = None,
    covariance: float | None = None,
    residual_sd: float | None = None,
    checks: Sequence[str] = (),
) -> Line:
    """Return a line with t intervals.

    Parameters
    ----------
    coefficients : intercept and slope.
    variances : of both, or None.
    df : degrees of freedom of the variances; infinity makes normal intervals.
    level, method, n_runs, n_clusters, checks : see `Estimate`; a cluster is a run unless given.
    covariance, residual_sd : see `Line`.
    """
    u = (None, None) if variances is None else tuple(math.sqrt(max(v, 0.0)) for v in variances)
    ends = [
        t_estimate(
            value,
            each,
            df,
            level=level,
            method=method,
            n_runs=n_runs,
            n_clusters=n_runs if n_clusters is None else n_clusters,
            checks=checks,
        )
        for value, each in zip(coefficients, u, strict=True)
    ]
    return Line(ends[0], ends[1], covariance, residual_sd)


def least_squares(
    x: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None, level: float = 0.95
) -> Line:
    """Fit y = a + b x by (weighted) least squares, x free of error.

    Parameters
    ----------
    x, y : shape (n,), n at least 3.
    weights : 1/variance of y up to a common factor, shape (n,); all the same unless given.
    level : coverage probability of the t intervals, n - 2 degrees of freedom.

    Returns
    -------
    Line : with the covariance of intercept and slope, and the sd about the line.

    Raises
    ------
    ValueError : as in `line_data`; a weight is not above zero.

    Notes
    -----
    Draper & Smith, Applied Regression Analysis, sections 1.2-1.4 and 9.2.
    """
    vx, vy = line_data(x, y)
    n = vx.size
    w = np.ones(n) if weights is None else positive_weights("weights", weights, n)
    w = w / w.mean()
    mean_x, mean_y = float(np.average(vx, weights=w)), float(np.average(vy, weights=w))
    dx, dy = vx - mean_x, vy - mean_y
    sxx = float((w * dx**2).sum())
    slope = float((w * dx * dy).sum()) / sxx
    variance = float((w * (dy - slope * dx) ** 2).sum()) / (n - 2)
    of_slope = variance / sxx
    return line_of(
        (mean_y - slope * mean_x, slope),
        (variance / n + mean_x**2 * of_slope, of_slope),
        n - 2,
        level=level,
        method="least squares, t",
        n_runs=n,
        covariance=-mean_x * of_slope,
        residual_sd=math.sqrt(variance),
    )
