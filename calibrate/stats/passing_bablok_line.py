"""Passing-Bablok lines: a median of the slopes of all pairs of points.

Lines for errors in both variables that need no variance ratio and that outliers do not move.
`passing_bablok` is the equivariant form of 1988: a factor on x or y multiplies the line, and
exchanging x and y inverts it. `passing_bablok_1983` is the first form, which holds only for slopes
near one; it is here to compare with what other programs and papers print.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.estimate import Estimate, Vector, check_level, t_estimate
from calibrate.stats.inversions import (
    Index,
    concordance_of_each,
    count_inversions,
    inversions_of_each,
    inverted_pairs,
)
from calibrate.stats.line import Line, line_data
from calibrate.stats.quantile import normal_quantile, t_quantile

#: Slopes listed and sorted at once: 16 bytes each in a few arrays.
_BUDGET = 2_000_000
#: Pairs drawn to find out roughly where an order statistic is.
_SAMPLE = 200_000
#: Quantiles of normal scores from which McKean & Schrader take a standard error.
_SPAN = 1.4
#: Slopes closer than this, relative, are one: decimal data make the same slope in many roundings.
_SAME = 1e-10
#: Points of which the form of 1983 lists all pairs.
_MOST_PAIRED = 3000
#: Slopes outside 1/this to this are not what the form of 1983 is for.
_NEAR_ONE = 1.5


def passing_bablok(x: ArrayLike, y: ArrayLike, level: float = 0.95) -> Line:
    """Fit y = a + b x as the equivariant Passing-Bablok line.

    Parameters
    ----------
    x, y : both with error, any units, shape (n,), n at least 5, one pair a run. Replicates of
        one truth must be averaged first: slopes between them are noise.
    level : coverage probability of the t intervals, n - 2 degrees of freedom.

    Returns
    -------
    Line : a check says so where x and y are not clearly associated; the sign of the slope is
        that of Kendall's tau.

    Raises
    ------
    ValueError : as in `line_data`; x and y are not associated at all; most pairs are tied in x
        or in y, so that the slope is infinite or zero.

    Notes
    -----
    b = median |dy/dx|, a = median(y - b x): Bablok, Passing, Bender & Schneider, J Clin Chem
    Clin Biochem 1988;26:783. b is where tau(y - bx, y + bx) = 0, so the variance of tau gives
    that of b: Dufey, Int J Biostat 2020;16:20190157. O(n log n) time: after Raymaekers & Dufey,
    arXiv:2202.08060. The interval is by the standard error, which holds at n = 20 and more.
    """
    vx, vy = line_data(x, y, minimum=5)
    n, df = vx.size, vx.size - 2
    t = t_quantile(0.5 + check_level(level) / 2, df)
    association = int(concordance_of_each(vx, vy).sum())
    if association == 0:
        raise ValueError("x and y are not associated: no line can be fitted.")
    sign = math.copysign(1.0, association)
    vy = sign * vy
    slopes = AbsoluteSlopes(vx, vy)
    slope = slopes.median()
    if not 0.0 < slope < math.inf:
        raise ValueError("Most points are tied in x or in y: the slope is zero or infinite.")
    tau_sd = _tau_sd(vx, vy, slope)
    share = min(t * tau_sd, 1 - 1e-8)
    low, high = slopes.quantile((1 - share) / 2), slopes.quantile((1 + share) / 2)
    u = (high - low) / (2 * t) if high < math.inf else None
    intercept, u_intercept = _intercept(vx, vy, slope, u, tau_sd)
    checks = _checks(n, share, association)

    def made(value: float, each: float | None) -> Estimate:
        return t_estimate(
            sign * value,
            each,
            df,
            level=level,
            method="equivariant Passing-Bablok, variance of Kendall's tau, t",
            n_runs=n,
            n_clusters=n,
            checks=checks,
        )

    return Line(made(intercept, u_intercept), made(slope, u))


def passing_bablok_1983(x: ArrayLike, y: ArrayLike, level: float = 0.95) -> Line:
    """Fit y = a + b x as Passing and Bablok first did.

    Parameters
    ----------
    x, y : both with error, in one unit, shape (n,), n from 5 to 3000, one pair a run.
    level : coverage probability of the intervals.

    Returns
    -------
    Line : intervals by ranks, without standard uncertainty. No interval, and a check, where one
        would pass a vertical line. Another check where the slope is far from one, for which the
        method is not made.

    Raises
    ------
    ValueError : as in `line_data`; more than 3000 points; half of the slopes or more below -1, or
        vertical, so that x and y do not rise together.

    Notes
    -----
    Passing & Bablok, J Clin Chem Clin Biochem 1983;21:709. N slopes of pairs without those that
    coincide and those of slope -1; K slopes below -1; b is the median shifted by K, the mean of
    the middle two where N is even (programs that take the mean of their angles differ by little);
    its ranks are (N -+ z sqrt(n (n - 1) (2 n + 5)/18))/2 + K. a = median(y - b x), its limits the
    same with the limits of b. Changing the unit of y changes the line by more than the unit: the
    weight that the angle -45 degrees has is what makes it.
    """
    vx, vy = line_data(x, y, minimum=5)
    n = vx.size
    if n > _MOST_PAIRED:
        raise ValueError(
            f"{n} points are too many for this form, which lists all pairs (at most "
            f"{_MOST_PAIRED}). Use `passing_bablok`."
        )
    slopes = _turned_slopes(vx, vy)
    middle = slopes[[(slopes.size - 1) // 2, slopes.size // 2]]
    if not (middle > -1).all() or not np.isfinite(middle).all():
        raise ValueError("x and y do not rise together: the form of 1983 has no line for them.")
    b = float(middle.mean())
    z = normal_quantile(0.5 + check_level(level) / 2)
    reach = z * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    first = max(round((slopes.size - reach) / 2), 1)
    least, most = float(slopes[first - 1]), float(slopes[slopes.size - first])
    known = -1 < least <= most < math.inf
    checks = _first_form_checks(b, n, known=known)

    def made(value: float, ends: tuple[float, float]) -> Estimate:
        low, high = ends if known else (None, None)
        return Estimate(value, None, low, high, level, "Passing-Bablok 1983, ranks", n, n, checks)

    def level_of(slope: float) -> float:
        return float(np.median(vy - slope * vx)) if math.isfinite(slope) else math.nan

    return Line(made(level_of(b), (level_of(most), level_of(least))), made(b, (least, most)))


def _turned_slopes(x: Vector, y: Vector) -> Vector:
    """Return the slopes of all pairs in the order of their angle, from -45 to 135 degrees."""
    i, j = np.triu_indices(x.size, 1)
    dx, dy = x[i] - x[j], y[i] - y[j]
    some = (dx != 0) | (dy != 0)
    with np.errstate(divide="ignore", over="ignore"):
        found = np.where(dx[some] == 0, math.inf, dy[some] / dx[some])
    # A slope of -1 is as far from one as from the other end of the order, and is left out.
    found = np.sort(found[np.abs(found + 1) > _SAME])
    return np.roll(found, -int((found < -1).sum()))


def _first_form_checks(slope: float, n: int, *, known: bool) -> tuple[str, ...]:
    """Return what to know before relying on the form of 1983."""
    found = []
    if not 1 / _NEAR_ONE < slope < _NEAR_ONE:
        found.append(
            f"The slope {slope:.3g} is far from one, where this form is not valid: scale y, or use "
            "the equivariant form."
        )
    if n < 20:
        found.append(f"Only {n} points: the interval is too narrow below about 20.")
    if not known:
        found.append("The slopes scatter so much that there is no interval.")
    return tuple(found)


def _tau_sd(x: Vector, y: Vector, slope: float) -> float:
    """Return the sd of Kendall's tau between y - bx and y + bx (Dufey 2020, section 3)."""
    n = x.size
    x, y = x - np.median(x), y - np.median(y)
    steep, flat = slope * (1 + _SAME) * x, slope * (1 - _SAME) * x
    above = inversions_of_each(y - steep, -(y + steep))
    below = inversions_of_each(y - flat, y + flat)
    score = (above - below).astype(np.float64)
    pairs = n * (n - 1)
    variance = (4 * float((score**2).sum()) - 2 * pairs) / (pairs * (n - 2) * (n - 3))
    return math.sqrt(max(variance, 0.0))


def _intercept(
    x: Vector, y: Vector, slope: float, u_slope: float | None, tau_sd: float
) -> tuple[float, float | None]:
    """Return median(y - bx) and its standard uncertainty (Dufey 2020, section 4)."""
    z = y - slope * x
    intercept = float(np.median(z))
    if u_slope is None:
        return intercept, None
    n = x.size
    # The sd of a median for a fixed slope, from two order statistics (McKean & Schrader 1984).
    rank = round((n + 1) / 2 - _SPAN * math.sqrt(n / 4))
    spread = np.sort(z)
    fixed = float(spread[n - rank] - spread[rank - 1]) / (2 * _SPAN)
    if u_slope == 0.0 or tau_sd == 0.0:
        return intercept, fixed
    # How the errors of the intercept and of tau go together.
    z, along = z - intercept, y + slope * x
    same = _SAME * float(np.abs(y).max())
    level, zero = _levels(z, same), np.abs(z) < same
    sides = ((z > 0) & ~zero, (z < 0) & ~zero)
    parts = [int(concordance_of_each(level[side], along[side]).sum()) for side in sides]
    together = 2 * (parts[0] - parts[1]) / (n * (n - 1)) / (math.sqrt(n) * tau_sd)
    turn = _SPAN * u_slope
    lever = float(np.median(y - (slope - turn) * x) - np.median(y - (slope + turn) * x)) / 2 / turn
    lever -= fixed / u_slope * together
    apart = math.sqrt(max(1 - together**2, 0.0))
    return intercept, math.hypot(fixed * apart, u_slope * lever)  # whose squares may be too large


def _levels(z: Vector, same: float) -> Vector:
    """Return numbers in the order of z, equal where z is but for rounding: points on the line."""
    order = np.argsort(z, kind="stable")
    out = np.empty(z.size)
    out[order] = np.concatenate([[0.0], np.cumsum(np.diff(z[order]) > same)])
    return out


def _checks(n: int, share: float, association: int) -> tuple[str, ...]:
    """Return what to know before relying on the line."""
    found = []
    if n < 20:
        found.append(f"Only {n} points: the interval is too narrow below about 20.")
    # Under independence the sd of S is sqrt(n(n-1)(2n+5)/18); the sum counts every pair twice. Of
    # few points not even all pairs in one order reach three of them.
    clear = min(3 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18), n * (n - 1) / 2)
    if abs(association) / 2 < clear:
        found.append("x and y are hardly associated: the sign of the slope is uncertain.")
    if share >= 0.99:
        found.append("The slopes scatter so much that the interval is that of all slopes.")
    return tuple(found)


class AbsoluteSlopes:
    """The |dy/dx| of all pairs of points, never all in memory.

    Parameters
    ----------
    x, y : shape (n,). Pairs tied in both have no slope and are left out.
    """

    def __init__(self, x: Vector, y: Vector) -> None:
        self.x, self.y = x, y
        # Only differences matter; small numbers have small rounding errors.
        self._x, self._y = x - np.median(x), y - np.median(y)
        _, copies = np.unique(np.stack([x, y]), axis=1, return_counts=True)
        self.count = x.size * (x.size - 1) // 2 - int((copies * (copies - 1) // 2).sum())

    def median(self) -> float:
        """Return the median.

        Of an even number it is the geometric mean of the two in the middle: only that is the same
        line when x and y are scaled or exchanged. Others average the angles, which near a slope
        of one differs in the ninth digit.
        """
        one, two = self.ordered((self.count - 1) // 2, self.count // 2)
        return one if one == two else math.sqrt(one) * math.sqrt(two)

    def quantile(self, share: float) -> float:
        """Return the order statistic nearest to a share of the slopes."""
        k = min(max(round(share * self.count), 1), self.count) - 1
        return self.ordered(k, k)[0]

    def ordered(self, k: int, then: int) -> tuple[float, float]:
        """Return the order statistics k and `then`, counted from 0, k <= then."""
        if self.count <= _BUDGET:
            return float(self._all[k]), float(self._all[then])
        low, high, skipped = self._bracket(k, then)
        if np.nextafter(low, math.inf) >= high:
            return low, low
        inside = self.between(low, high)
        inside = np.sort(inside[(inside >= low) & (inside < high)])
        one, two = (float(inside[min(i - skipped, inside.size - 1)]) for i in (k, then))
        return one, two

    @cached_property
    def _all(self) -> Vector:
        """Return all slopes in order; only where they are few."""
        return np.sort(self._of(*np.triu_indices(self.x.size, 1)))

    @cached_property
    def _sample(self) -> Vector:
        """Return the slopes of pairs drawn at random, in order. They only speed the search up."""
        pairs = np.random.default_rng(0).integers(0, self.x.size, size=(2, _SAMPLE))
        return np.sort(self._of(pairs[0], pairs[1]))

    def _bracket(self, k: int, then: int) -> tuple[float, float, int]:
        """Return low, high with the order statistics in [low, high), and how many are below low.

        At most `_BUDGET` slopes are in it, or low and high are neighbouring numbers.
        """
        low, high, under, upto = 0.0, math.inf, 0, self.count
        pivots = self._guess(k)
        halving = False
        while upto - under > _BUDGET and np.nextafter(low, math.inf) < high:
            if not pivots:
                pivots = [_middle(low, high)] if halving else _aim(low, high, under, upto, k)
                halving = not halving
            pivot = pivots.pop()
            if not low < pivot < high:
                continue
            count = self.below(pivot)
            if count <= k:
                low, under = pivot, count
            elif count > then:
                high, upto = pivot, count
            else:  # between the two order statistics: they are neighbours on either side
                pivots.append(_middle(low, pivot))
        return low, high, under

    def _guess(self, k: int) -> list[float]:
        """Return limits between which the sample puts the order statistic, off any slope."""
        share, size = k / self.count, self._sample.size
        reach = 5 * math.sqrt(share * (1 - share) / size) + 2 / size
        ends = [int((share - reach) * size), int((share + reach) * size)]
        return [
            float(self._sample[min(max(end, 0), size - 1)]) * nudge
            for end, nudge in zip(ends, (1 - _SAME, 1 + _SAME), strict=True)
        ]

    def below(self, limit: float) -> int:
        """Return how many are below the limit: pairs ordered oppositely by y - tx and y + tx."""
        if limit == math.inf:
            return self.count
        turn = limit * self._x
        return count_inversions(self._y - turn, self._y + turn)

    def between(self, low: float, high: float) -> Vector:
        """Return those in [low, high), unsorted; a few more at the ends for rounding."""
        parts = [
            # y - tx puts a pair with slope s into order of x where t < s: it turns between.
            self._of(*inverted_pairs(y - low * self._x, y - high * self._x))
            for y in (self._y, -self._y)
        ]
        return np.concatenate(parts)

    def _of(self, i: Index, j: Index) -> Vector:
        """Return the slopes of these pairs."""
        dx, dy = np.abs(self.x[i] - self.x[j]), np.abs(self.y[i] - self.y[j])
        some = (dx > 0) | (dy > 0)
        with np.errstate(divide="ignore"):
            return np.asarray(dy[some] / dx[some])


def _middle(low: float, high: float) -> float:
    """Return the number half way from low to high in the order of floating-point numbers."""
    bits = np.array([low, high]).view(np.int64)
    return float(np.array([bits[0] + (bits[1] - bits[0]) // 2]).view(np.float64)[0])


def _aim(low: float, high: float, under: int, upto: int, k: int) -> list[float]:
    """Return two numbers that should have rank k between them, slopes taken as evenly spread."""
    if high == math.inf:
        return [_middle(low, high)]
    inside = upto - under
    margin = 4 * math.sqrt(inside)
    ranks = (k - under - margin, k - under + margin)
    return [low + (high - low) * min(max(r / inside, 0.0), 1.0) for r in ranks]
