"""A line through the origin, y = b x: one factor and no offset, for energies in joules.

`line_through_origin` takes x for free of error, `deming_through_origin` takes errors in both.
Where errors are in proportion to the values, the factor is the geometric mean ratio, `mean_ratio`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.deming_line import clusters, slopes, variance_ratio
from calibrate.stats.estimate import TINY, Estimate, Vector, check_level, measured, t_estimate
from calibrate.stats.line import OriginLine, positive_weights


def line_through_origin(
    x: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None, level: float = 0.95
) -> OriginLine:
    """Fit y = b x by (weighted) least squares, x free of error.

    Parameters
    ----------
    x, y : any units, shape (n,), n at least 2. They may be constant, but not zero throughout.
    weights : 1/variance of y up to a common factor, shape (n,); all the same unless given. With
        1/x the slope is the ratio of sums, with 1/x^2 the mean of the ratios y/x.
    level : coverage probability of the t interval, n - 1 degrees of freedom.

    Returns
    -------
    OriginLine : slope in the unit of y over that of x; the intercept is zero by assumption and
        has no uncertainty.

    Raises
    ------
    ValueError : fewer than 2 points, not finite, not the same number, x or y zero throughout; a
        weight is not above zero; a level that is no probability.

    Notes
    -----
    Eisenhauer, Teaching Statistics 2003;25:76; computed by statsmodels' WLS. The line has no
    intercept to take up an offset: test for one with `deming` or `exponent` first.
    """
    from statsmodels.regression.linear_model import WLS

    vx, vy = _data(x, y)
    w = np.ones(vx.size) if weights is None else positive_weights("weights", weights, vx.size)
    # In units of the largest value, and of the mean weight, no square overflows.
    unit_x, unit_y = float(np.abs(vx).max()), float(np.abs(vy).max())
    fit = WLS(vy / unit_y, vx / unit_x, w / w.mean()).fit()
    scale = unit_y / unit_x
    return _line(
        float(fit.params[0]) * scale,
        float(fit.bse[0]) * scale,
        "least squares through the origin, t",
        (vx.size, vx.size),
        level,
        residual_sd=math.sqrt(float(fit.scale)) * unit_y,
    )


def deming_through_origin(
    x: ArrayLike,
    y: ArrayLike,
    *,
    var_ratio_x_over_y: float = 1.0,
    cluster: Sequence[str] | None = None,
    level: float = 0.95,
) -> OriginLine:
    """Fit y = b x where both have errors of constant variance.

    Parameters
    ----------
    x, y : any units, shape (n,), n at least 2. They may be constant, but not zero throughout.
    var_ratio_x_over_y : variance of the errors of x over that of the errors of y, in the units
        given.
    cluster : label a point; all points of a label are left out together. Each its own unless given.
    level : coverage probability of the t interval.

    Returns
    -------
    OriginLine : slope with its standard uncertainty by the jackknife, t with (clusters - 1)
        degrees of freedom; the intercept is zero by assumption and has no uncertainty.

    Raises
    ------
    ValueError : as in `line_through_origin`; a ratio that is not above zero; fewer than 2
        clusters; x and y whose products add up to nothing.

    Notes
    -----
    Deming, Statistical Adjustment of Data, 1943: b makes the sum of (y - b x)^2/(1 + r b^2)
    smallest, which is Deming's solution with sums about zero in place of sums about the mean.
    Jackknife as in Linnet, Stat Med 1990;9:1463.
    """
    vx, vy = _data(x, y)
    ratio = variance_ratio(var_ratio_x_over_y)
    code, k = clusters(cluster, vx.size, least=2)
    unit_x, unit_y = float(np.abs(vx).max()), float(np.abs(vy).max())
    sx, sy = vx / unit_x, vy / unit_y
    each = np.stack([np.bincount(code, p, minlength=k) for p in (sx * sx, sy * sy, sx * sy)])
    ratio *= (unit_y / unit_x) ** 2
    total = each.sum(axis=1, keepdims=True)
    whole = float(slopes(total, ratio)[0])
    without = slopes(total - each, ratio)
    u = math.sqrt((k - 1) / k * float(((without - without.mean()) ** 2).sum()))
    scale = unit_y / unit_x
    return _line(
        whole * scale, u * scale, "Deming through the origin, jackknife, t", (vx.size, k), level
    )


def _data(x: ArrayLike, y: ArrayLike) -> tuple[Vector, Vector]:
    """Return x and y as vectors of the same shape (n,), or refuse them."""
    out = measured("x", x), measured("y", y)
    if out[0].size != out[1].size:
        raise ValueError(f"There are {out[0].size} values of x for {out[1].size} of y.")
    if out[0].size < 2:
        raise ValueError("A line through the origin needs at least 2 points, there is 1.")
    for name, values in zip("xy", out, strict=True):
        if float(np.abs(values).max()) <= TINY:
            raise ValueError(f"All values of {name} are zero: no line can be fitted.")
    return out


def _line(
    slope: float,
    u: float,
    method: str,
    counts: tuple[int, int],
    level: float,
    residual_sd: float | None = None,
) -> OriginLine:
    """Return the line; `counts` are runs and clusters, with one parameter fitted."""
    n_runs, n_clusters = counts
    fitted = t_estimate(
        slope,
        u,
        n_clusters - 1,
        level=check_level(level),
        method=method,
        n_runs=n_runs,
        n_clusters=n_clusters,
    )
    fixed = Estimate(0.0, None, None, None, level, "zero by assumption", n_runs, n_clusters)
    return OriginLine(fixed, fitted, residual_sd=residual_sd)
