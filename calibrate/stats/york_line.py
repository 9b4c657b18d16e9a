"""York's line: every point has its own uncertainty in x and in y, which may be correlated."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.estimate import Vector, check_level, finite_vector
from calibrate.stats.line import Line, line_data, line_of, positive_weights
from calibrate.stats.quantile import chi2_tail

#: Change of the slope, relative, at which the search has settled; steps at most.
_SETTLED, _STEPS = 1e-14, 500
#: Directions of a line that are tried, and precise points of which each pair has a line tried.
_DIRECTIONS, _POINTS = 60, 10
#: A line whose chi2 is larger by less than this is no worse, at 95 % (chi2 of one degree).
_NEARLY = 3.84


@dataclass(frozen=True)
class YorkLine:
    """A line, and whether the stated uncertainties explain the scatter about it.

    Parameters
    ----------
    line : standard uncertainties as the points' own say (normal intervals).
    scaled : the same line, standard uncertainties times sqrt(chi2/(n-2)) (t intervals): for
        points whose uncertainties are known up to a common factor.
    chi2 : weighted sum of squares about the line, pure number.
    df : n - 2.
    p_value : probability of a chi2 this large if line and uncertainties are right; below 0.05 a
        straight line, or the uncertainties, are doubtful.
    """

    line: Line
    scaled: Line
    chi2: float
    df: int
    p_value: float


def york(
    x: ArrayLike,
    y: ArrayLike,
    u_x: ArrayLike,
    u_y: ArrayLike,
    r: ArrayLike | None = None,
    level: float = 0.95,
) -> YorkLine:
    """Fit y = a + b x by the unified equations.

    Parameters
    ----------
    x, y : any units, shape (n,), n at least 3.
    u_x, u_y : standard uncertainty of each, in their units, above zero, shape (n,).
    r : correlation of the two errors of a point, above -1 and below 1, shape (n,); none unless
        given.
    level : coverage probability of the intervals.

    Returns
    -------
    YorkLine : the line with stated and with scaled uncertainties, and chi-square.

    Raises
    ------
    ValueError : as in `line_data`; an uncertainty not above zero; a correlation out of range; no
        slope that fits better than a vertical line.

    Notes
    -----
    York, Evensen, Martinez & De Basabe Delgado, Am J Phys 2004;72:367, equations 13 to 15, solved
    from many slopes: chi2 may have several minima (Amen, 2012), of which the least is taken. The
    standard uncertainties are those at the adjusted points; others publish them at the observed
    points, which differs in the third digit for Pearson's data.
    """
    vx, vy = line_data(x, y)
    n = vx.size
    wx = 1 / positive_weights("u_x", u_x, n) ** 2
    wy = 1 / positive_weights("u_y", u_y, n) ** 2
    rho = np.zeros(n) if r is None else _correlations(r, n)
    # The middle of the data as origin: differences of near numbers stay exact.
    at_x, at_y = float(np.median(vx)), float(np.median(vy))
    vx, vy = vx - at_x, vy - at_y
    slope, *others = _minima(vx, vy, wx, wy, rho)
    weight, beta, mean_x, mean_y = _step(vx, vy, wx, wy, rho, slope)
    total = float(weight.sum())
    adjusted = mean_x + beta
    middle = float(weight @ adjusted) / total
    var_slope = 1 / float(weight @ (adjusted - middle) ** 2)
    lever = middle + at_x
    var_intercept = 1 / total + lever**2 * var_slope
    intercept = mean_y - slope * mean_x
    chi2 = float(weight @ (vy - intercept - slope * vx) ** 2)
    checks = _other_lines(chi2, n, [(s, _chi2(vx, vy, wx, wy, rho, s)) for s in others[:1]])
    here = (intercept + at_y - slope * at_x, slope)
    plain, wide = (
        line_of(
            here,
            (var_intercept * scale, var_slope * scale),
            df,
            level=check_level(level),
            method=f"York 2004, {how}",
            n_runs=n,
            covariance=-lever * var_slope * scale,
            checks=checks,
        )
        for scale, df, how in (
            (1.0, math.inf, "stated uncertainties, normal"),
            (chi2 / (n - 2), n - 2, "scaled by sqrt(chi2/df), t"),
        )
    )
    return YorkLine(plain, wide, chi2, n - 2, chi2_tail(chi2, n - 2))


def _other_lines(chi2: float, n: int, others: list[tuple[float, float]]) -> tuple[str, ...]:
    """Return a sentence for each other (slope, chi2) that these points do not rule out."""
    return tuple(
        f"Another line, of slope {slope:.4g}, fits nearly as well: chi2 {more:.4g} for {chi2:.4g}."
        for slope, more in others
        if more - chi2 < _NEARLY * max(1.0, chi2 / (n - 2))
    )


def _correlations(given: ArrayLike, n: int) -> Vector:
    """Return n correlations, or refuse them."""
    out = finite_vector("r", given)
    if out.size != n:
        raise ValueError(f"There are {out.size} values of r for {n} points.")
    if np.abs(out).max() >= 1:
        raise ValueError("A correlation in r is not between -1 and 1: one error gives the other.")
    return out


def _minima(x: Vector, y: Vector, wx: Vector, wy: Vector, rho: Vector) -> list[float]:
    """Return the slopes at which chi2 has a minimum, that of the least chi2 first.

    Between two slopes that are tried, chi2 has a minimum where its derivative goes from below zero
    to above; there the equations agree with themselves.
    """
    from scipy.optimize import brentq

    def fall(slope: float) -> float:
        """Return -1/2 of the derivative of chi2, up to a factor above zero."""
        weight, beta, mean_x, mean_y = _step(x, y, wx, wy, rho, slope)
        return float((weight / weight.max()) @ (beta * ((y - mean_y) - slope * (x - mean_x))))

    tried = _tried(x, y, wx, wy)
    falls = np.array([fall(slope) for slope in tried])
    found = [
        float(brentq(fall, tried[at], tried[at + 1], xtol=1e-300, rtol=_SETTLED, maxiter=_STEPS))
        for at in np.flatnonzero((falls[:-1] > 0) & (falls[1:] <= 0))
    ]
    least = min((_chi2(x, y, wx, wy, rho, slope) for slope in found), default=math.inf)
    steepest = [_chi2(x, y, wx, wy, rho, float(slope)) for slope in tried[[0, -1]]]
    if least > min(steepest):
        raise ValueError(
            "The line does not settle: x and y are hardly associated for their errors."
        )
    return sorted(found, key=lambda slope: _chi2(x, y, wx, wy, rho, slope))


def _tried(x: Vector, y: Vector, wx: Vector, wy: Vector) -> Vector:
    """Return slopes in order: of directions all around, and of lines through two precise points.

    The slope of a few precise points may be the best, and only close to it.
    """
    spread_x, spread_y = float(np.std(x)), float(np.std(y))
    angles = (np.arange(_DIRECTIONS) + 0.5) / _DIRECTIONS * math.pi - math.pi / 2
    around = np.tan(angles) * spread_y / spread_x
    precise = np.argsort(1 / (wx * spread_x**2) + 1 / (wy * spread_y**2), kind="stable")[:_POINTS]
    one, other = np.triu_indices(precise.size, 1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        through = np.subtract(*y[precise[[one, other]]]) / np.subtract(*x[precise[[one, other]]])
    slopes = np.concatenate([around, through, [np.polyfit(x, y, 1)[0]]])
    return np.unique(slopes[np.abs(slopes) <= np.abs(around).max()])


def _chi2(x: Vector, y: Vector, wx: Vector, wy: Vector, rho: Vector, slope: float) -> float:
    """Return the weighted sum of squares about the best line of a slope."""
    weight, _, mean_x, mean_y = _step(x, y, wx, wy, rho, slope)
    return float(weight @ ((y - mean_y) - slope * (x - mean_x)) ** 2)


def _step(
    x: Vector, y: Vector, wx: Vector, wy: Vector, rho: Vector, slope: float
) -> tuple[Vector, Vector, float, float]:
    """Return weights, adjustments and weighted means at a slope (equations 13b to 13e)."""
    both = np.sqrt(wx * wy)
    weight = wx * wy / (wx + slope**2 * wy - 2 * slope * rho * both)
    mean_x, mean_y = np.average(x, weights=weight), np.average(y, weights=weight)
    dx, dy = x - mean_x, y - mean_y
    beta = weight * (dx / wy + slope * dy / wx - (slope * dx + dy) * rho / both)
    return weight, beta, float(mean_x), float(mean_y)
