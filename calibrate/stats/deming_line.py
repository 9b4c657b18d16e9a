"""Deming's line: both variables have errors, and the ratio of their variances is known.

`deming` takes errors of constant size, `weighted_deming` errors in proportion to the value, as
meters have them. Uncertainty comes from leaving out one cluster at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.estimate import HUGE, TINY, Estimate, Vector, check_level, encode
from calibrate.stats.inversions import Index
from calibrate.stats.line import Line, line_data, line_of
from calibrate.stats.quantile import t_tail

#: Change of the slope, relative, at which the weights have settled; steps at most.
_SETTLED, _STEPS = 1e-12, 200
#: Weights held in memory at once.
_CELLS = 1_000_000
#: Below this many degrees of freedom a jackknife is no better than a guess.
_FEW = 8


def deming(
    x: ArrayLike,
    y: ArrayLike,
    *,
    var_ratio_x_over_y: float = 1.0,
    cluster: Sequence[str] | None = None,
    level: float = 0.95,
) -> Line:
    """Fit y = a + b x where both have errors of constant variance.

    Parameters
    ----------
    x, y : any units, shape (n,), n at least 3.
    var_ratio_x_over_y : variance of the errors of x over that of the errors of y, in the units
        given. Other programs take the inverse: it is in the name for that reason.
    cluster : label a point; all points of a label are left out together. Each its own unless given.
    level : coverage probability of the t intervals.

    Returns
    -------
    Line : standard uncertainties by the jackknife, t with (clusters - 2) degrees of freedom.

    Raises
    ------
    ValueError : as in `line_data`; a ratio that is not above zero; fewer than 3 clusters; x and y
        that are not associated.

    Notes
    -----
    Linnet, Stat Med 1990;9:1463 (jackknife). The n fits with one cluster left out are made from
    downdated sums, so all of them together take one pass.
    """
    vx, vy = line_data(x, y)
    ratio = variance_ratio(var_ratio_x_over_y)
    code, k = clusters(cluster, vx.size)
    return _jackknifed(
        _solve(_sums_of_each(vx, vy, np.zeros_like(code), 1), ratio),
        _solve(_downdated(_sums_of_each(vx, vy, code, k)), ratio),
        "Deming, jackknife, t",
        vx.size,
        level,
    )


def weighted_deming(
    x: ArrayLike,
    y: ArrayLike,
    *,
    var_ratio_x_over_y: float = 1.0,
    cluster: Sequence[str] | None = None,
    level: float = 0.95,
) -> Line:
    """Fit y = a + b x where both have errors in proportion to their values.

    Parameters
    ----------
    x, y, var_ratio_x_over_y, cluster, level : as in `deming`; x and y above zero and in one
        unit: the published weights add them. Where the slope is far from 1, scale y first.

    Returns
    -------
    Line : as in `deming`.

    Raises
    ------
    ValueError : as in `deming`; a value that is not above zero; weights that do not settle.

    Notes
    -----
    Linnet, Stat Med 1990;9:1463 and Clin Chem 1993;39:424: weights 1/((X + r Y)/(1 + r))^2 at the
    estimated true values X and Y, iterated until they settle. The iteration stops at 1e-12 of the
    slope; published programs stop earlier and agree to 1e-5.
    """
    vx, vy = line_data(x, y)
    for name, values in (("x", vx), ("y", vy)):
        if values.min() <= 0:
            raise ValueError(f"{name} has a value of zero or below: errors cannot go with it.")
    ratio = variance_ratio(var_ratio_x_over_y)
    code, k = clusters(cluster, vx.size)
    block = max(1, _CELLS // vx.size)
    without = [
        _iterate(vx, vy, (code != np.arange(i, min(i + block, k))[:, None]).astype(float), ratio)
        for i in range(0, k, block)
    ]
    return _jackknifed(
        _iterate(vx, vy, np.ones((1, vx.size)), ratio),
        np.concatenate(without, axis=1),
        "weighted Deming (constant relative errors), jackknife, t",
        vx.size,
        level,
    )


def exponent(
    x: ArrayLike,
    y: ArrayLike,
    *,
    var_ratio_x_over_y: float = 1.0,
    cluster: Sequence[str] | None = None,
    level: float = 0.95,
) -> tuple[Estimate, float]:
    """Return the power p in y = c x^p, and the probability of one as far from 1 by chance.

    A meter that needs only a factor has p = 1. An offset bends the line below 1 (too much) or
    above (too little), and so does what is not linear.

    Parameters
    ----------
    x, y, var_ratio_x_over_y, cluster, level : as in `deming`, of ln x and ln y: x and y above
        zero, the variances relative.

    Returns
    -------
    p : the exponent.
    p_value : two-sided, for p = 1.

    Raises
    ------
    ValueError : as in `deming`; a value that is not above zero.

    Notes
    -----
    Deming's line of the logarithms, as in `deming`; t test of its slope against 1.
    """
    vx, vy = line_data(x, y)
    if min(vx.min(), vy.min()) <= 0:
        raise ValueError("A power law needs values above zero; leave the others out and say so.")
    line = deming(
        np.log(vx), np.log(vy), var_ratio_x_over_y=var_ratio_x_over_y, cluster=cluster, level=level
    )
    slope = line.slope
    if not slope.u:
        return slope, 1.0 if abs(slope.value - 1) < 1e-9 else 0.0
    return slope, 2 * t_tail(abs(slope.value - 1) / slope.u, slope.n_clusters - 2)


def variance_ratio(given: float) -> float:
    """Return the variance ratio, or refuse what is none."""
    if not TINY < given < HUGE:
        raise ValueError(f"var_ratio_x_over_y is {given}; a ratio of variances is above zero.")
    return given


def clusters(cluster: Sequence[str] | None, n: int, least: int = 3) -> tuple[Index, int]:
    """Return a number for the cluster of each point, and how many clusters there are."""
    if cluster is None:
        return np.arange(n), n
    labels, code = encode(cluster, n)
    if len(labels) < least:
        raise ValueError(
            f"The number of clusters is {len(labels)}; a line's uncertainty needs at least "
            f"{least}. Measure more workloads."
        )
    return code, len(labels)


def _sums_of_each(x: Vector, y: Vector, code: Index, k: int) -> Vector:
    """Return of each cluster: points, means of x and y, and squares about them, shape (6, k)."""

    def total(values: Vector) -> Vector:
        return np.asarray(np.bincount(code, weights=values, minlength=k), dtype=np.float64)

    count = np.bincount(code, minlength=k).astype(np.float64)
    mean_x, mean_y = total(x) / count, total(y) / count
    dx, dy = x - mean_x[code], y - mean_y[code]
    return np.stack([count, mean_x, mean_y, total(dx**2), total(dy**2), total(dx * dy)])


def _downdated(each: Vector) -> Vector:
    """Return the sums of all clusters but one, for each one, shape (6, k).

    Sums about the common mean lose the square of the distance of the cluster that is left out
    (Chan, Golub & LeVeque 1983, equation 2.1, backwards).
    """
    w, mx, my = each[:3]
    total = w.sum()
    all_x, all_y = float(w @ mx) / total, float(w @ my) / total
    rest = total - w
    dx, dy = mx - all_x, my - all_y
    pull = w * total / rest
    products = ((dx, dx), (dy, dy), (dx, dy))
    squares = [
        float((each[3 + i] + w * a * b).sum()) - each[3 + i] - pull * a * b
        for i, (a, b) in enumerate(products)
    ]
    return np.stack([rest, all_x - w * dx / rest, all_y - w * dy / rest, *squares])


def _solve(sums: Vector, ratio: float) -> Vector:
    """Return intercepts and slopes, shape (2, k)."""
    slope = slopes(sums[3:], ratio)
    return np.stack([sums[2] - slope * sums[1], slope])


def slopes(squares: Vector, ratio: float) -> Vector:
    """Return the slopes of sums of squares of x, of y, and of products, shape (3, k)."""
    # In units in which both errors are the same, the slope is that of the major axis.
    unit = math.sqrt(ratio)
    u, q, p = squares[0], ratio * squares[1], unit * squares[2]
    if np.any(np.abs(p) <= 1e-14 * np.sqrt(np.maximum(u * q, TINY * TINY))):
        raise ValueError("x and y are not associated: no line can be fitted.")
    far = np.hypot(q - u, 2 * p)
    # The form without a difference of near numbers.
    steep = np.where(q >= u, (q - u + far) / (2 * p), 2 * p / (u - q + far))
    return np.asarray(steep / unit)


def _iterate(x: Vector, y: Vector, keep: Vector, ratio: float) -> Vector:
    """Return intercepts and slopes of weighted fits, shape (2, k).

    Parameters
    ----------
    keep : 1 for the points of each fit, else 0, shape (k, n).
    """
    weights = keep.copy()
    slope_before = np.full(keep.shape[0], np.inf)
    for _ in range(_STEPS):
        line = _solve(_weighted_sums(x, y, weights), ratio)
        a, b = line[0][:, None], line[1][:, None]
        if np.all(np.abs(line[1] - slope_before) <= _SETTLED * np.abs(line[1])):
            return line
        slope_before = line[1]
        distance = y - a - b * x
        true_x = x + ratio * b * distance / (1 + ratio * b**2)
        true_y = y - distance / (1 + ratio * b**2)
        level = (true_x + ratio * true_y) / (1 + ratio)
        if np.any((level <= 0) & (keep > 0)):
            raise ValueError(
                "The line gives a true value of zero or below: errors are not in proportion to "
                "the values. Use `deming`."
            )
        weights = keep / np.where(keep > 0, level, 1.0) ** 2
    raise ValueError("The weights do not settle: too few points, or no line. Use `deming`.")


def _weighted_sums(x: Vector, y: Vector, w: Vector) -> Vector:
    """Return the sums for each row of weights, shape (6, k)."""
    weight = w.sum(axis=1)
    mean_x, mean_y = w @ x / weight, w @ y / weight
    dx, dy = x - mean_x[:, None], y - mean_y[:, None]
    squares = [(w * a * b).sum(axis=1) for a, b in ((dx, dx), (dy, dy), (dx, dy))]
    return np.stack([weight, mean_x, mean_y, *squares])


def _jackknifed(whole: Vector, without: Vector, method: str, n: int, level: float) -> Line:
    """Return the line with the spread of the fits that leave out one cluster."""
    k = without.shape[1]
    pseudo = k * whole - (k - 1) * without
    covariance = np.cov(pseudo) / k
    df = k - 2
    checks = (
        (f"Only {k} clusters: the uncertainty itself is uncertain.",) if df < _FEW else ()
    )  # fmt: skip
    return line_of(
        (float(whole[0, 0]), float(whole[1, 0])),
        (float(covariance[0, 0]), float(covariance[1, 1])),
        df,
        level=check_level(level),
        method=method,
        n_runs=n,
        n_clusters=k,
        covariance=float(covariance[0, 1]),
        checks=checks,
    )
