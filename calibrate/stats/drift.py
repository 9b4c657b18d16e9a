"""Has it changed? Between two calibrations, and over many."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.estimate import Estimate, Vector, check_level, measured, t_estimate
from calibrate.stats.line import least_squares, line_data

#: Sessions below which a chart has no limits of its own.
LEAST_SESSIONS = 5
#: Moving range of two normal values over their sd.
_D2 = 2 / math.sqrt(math.pi)
#: Sessions without a change, as many as are drawn to say how often chance does as much. Their
#: tails are those of t with so many degrees of freedom: sessions stray more than a normal law says.
_DRAWS, _MOST_VALUES, _TAIL_DF = 20_000, 4_000_000, 5


def en_number(one: float, expanded_one: float, other: float, expanded_other: float) -> float:
    """Return how far two results are apart in units of their expanded uncertainties.

    Parameters
    ----------
    one, other : the results (ln of factors).
    expanded_one, expanded_other : U, at 95 %, in the same unit.

    Returns
    -------
    en : |one - other|/sqrt(U1^2 + U2^2); up to 1 they agree.

    Raises
    ------
    ValueError : both uncertainties are zero, one is negative or not finite.

    Notes
    -----
    ISO 13528:2022, section 9.7.
    """
    both = math.hypot(expanded_one, expanded_other)
    if min(expanded_one, expanded_other) < 0 or not 0 < both < math.inf:
        raise ValueError("En takes two expanded uncertainties, at least one above zero.")
    if not (math.isfinite(one) and math.isfinite(other)):
        raise ValueError("En takes two finite results.")
    return abs(one - other) / both


@dataclass(frozen=True)
class Trend:
    """A straight change with time.

    Parameters
    ----------
    per_day : change of the value per day.
    p_value : of no trend at all, by rank correlation (Mann-Kendall).
    allowance : standard uncertainty for what may happen until the next calibration, in the unit
        of the value.
    """

    per_day: Estimate
    p_value: float
    allowance: float


def trend(
    at_days: ArrayLike, values: ArrayLike, next_days: float = 0.0, level: float = 0.95
) -> Trend:
    """Return the trend of session means.

    Parameters
    ----------
    at_days : when, in days, shape (n,), n at least 4.
    values : ln of the factor of each session, shape (n,).
    next_days : days until the next calibration, for the allowance.
    level : coverage probability.

    Returns
    -------
    Trend : the slope per day with its interval.

    Raises
    ------
    ValueError : as in `line_data`; next_days below zero.

    Notes
    -----
    Least squares with the session as the unit; Mann, Econometrica 1945;13:245. The allowance is
    |slope| T/sqrt(3): anywhere between now and the next calibration.
    """
    from scipy.stats import kendalltau

    if not 0 <= next_days < math.inf:
        raise ValueError(f"next_days is {next_days}; it is a time, zero or above.")
    t, v = line_data(at_days, values, minimum=4)
    slope = least_squares(t, v, level=level).slope
    p = float(kendalltau(t, v).pvalue)
    return Trend(slope, p if math.isfinite(p) else 1.0, abs(slope.value) * next_days / math.sqrt(3))


@dataclass(frozen=True)
class ControlChart:
    """An EWMA control chart of session means.

    Parameters
    ----------
    center, sd : of a session in control, from the sessions themselves.
    smoothed : exponentially weighted mean after each session, shape (n,).
    low, high : its limits at each session, shape (n,).
    out : sessions at which it is outside, counted from 0.
    p_value : probability that a chart of as many sessions comes as near its limits, or beyond, at
        any session, where nothing changed.
    """

    center: float
    sd: float
    smoothed: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    out: tuple[int, ...]
    p_value: float


def ewma(
    values: ArrayLike,
    weight: float = 0.2,
    reach: float | None = None,
    baseline: int | None = None,
    alpha: float = 0.01,
) -> ControlChart:
    """Return an exponentially weighted moving-average chart.

    Parameters
    ----------
    values : session means in the order of time, shape (n,), n at least 5.
    weight : of the newest session, 0 to 1.
    reach : limits in standard deviations of the smoothed mean; None takes the one that keeps
        `alpha`.
    baseline : how many of the first sessions are taken to be in control; all unless given.
    alpha : probability of any session outside where nothing changed.

    Returns
    -------
    ControlChart : limits and the sessions outside of them, in the unit of the values.

    Raises
    ------
    ValueError : fewer than 5 sessions in the baseline; sessions without any spread; a probability
        out of range.

    Notes
    -----
    Roberts, Technometrics 1959;1:239; Lucas & Saccucci 1990;32:1. The sd is from the moving range
    (mean |difference| of neighbours/1.128), which a shift or a trend hardly widens. The usual
    reach of 2.7 is for limits known beforehand and a run of hundreds of sessions; here the limits
    come from a few sessions, and `alpha` is for the chart as a whole. How often chance does as
    much is counted in 20 000 simulated charts of as many sessions, whose tails are those of t with
    5 degrees of freedom: with normal sessions the chart alarms less often than `alpha`.
    """
    v = measured("values", values)
    first = v.size if baseline is None else baseline
    if not LEAST_SESSIONS <= first <= v.size:
        raise ValueError(f"A chart takes at least {LEAST_SESSIONS} sessions, there are {first}.")
    if not 0 < weight <= 1 or not (reach is None or reach > 0):
        raise ValueError("The weight lies between 0 and 1, and the reach above 0.")
    check_level(alpha)
    center, sd, smoothed = _smoothed(v[None, :], weight, first)
    if sd[0] <= 0:
        raise ValueError("All sessions are the same: the spread is below the resolution.")
    scale = _widths(v.size, weight)
    chance = _farthest_by_chance(v.size, weight, first)
    if reach is None:
        reach = float(np.quantile(chance, 1 - alpha))
    half = reach * sd[0] * scale
    away = np.abs(smoothed[0] - center[0])
    return ControlChart(
        float(center[0]),
        float(sd[0]),
        tuple(smoothed[0].tolist()),
        tuple((center[0] - half).tolist()),
        tuple((center[0] + half).tolist()),
        tuple(int(i) for i in np.flatnonzero(away > half)),
        _share_as_large(float((away / scale).max() / sd[0]), chance),
    )


def _smoothed(table: Vector, weight: float, first: int) -> tuple[Vector, Vector, Vector]:
    """Return center, sd and smoothed means of charts, one a row: (rows,), (rows,), (rows, n)."""
    sd = np.abs(np.diff(table[:, :first], axis=1)).mean(axis=1) / _D2
    center = table[:, :first].mean(axis=1)
    out, last = np.empty_like(table), center
    for i in range(table.shape[1]):
        last = last + weight * (table[:, i] - last)
        out[:, i] = last
    return center, sd, out


def _widths(n: int, weight: float) -> Vector:
    """Return the sd of a smoothed mean over that of a session, after each session."""
    passed = np.arange(1, n + 1)
    return np.asarray(np.sqrt(weight / (2 - weight) * (1 - (1 - weight) ** (2 * passed))))


@lru_cache(maxsize=8)
def _farthest_by_chance(n: int, weight: float, first: int) -> Vector:
    """Return how far the farthest session of a chart is out, in sd, where nothing changed."""
    center, sd, smoothed = _smoothed(_unchanged(n), weight, first)
    away = np.abs(smoothed - center[:, None]) / _widths(n, weight)
    return np.asarray(away.max(axis=1) / sd)


@lru_cache(maxsize=2)
def _unchanged(n: int) -> Vector:
    """Return series of sessions without a change, shape (rows, n)."""
    rows = max(1000, min(_DRAWS, _MOST_VALUES // n))
    return np.random.default_rng(n).standard_t(_TAIL_DF, (rows, n))


def _share_as_large(seen: float, chance: Vector) -> float:
    """Return the probability of a statistic as large by chance, from simulated ones."""
    return (1 + int((chance >= seen * (1 - 1e-12)).sum())) / (1 + chance.size)


@dataclass(frozen=True)
class ChangeOfLevel:
    """Where a series of sessions changes its level.

    Parameters
    ----------
    first : the first session of the new level, counted from 0.
    step : new level less old one, with its interval.
    p_value : probability of a change this clear by chance.
    """

    first: int
    step: Estimate
    p_value: float


def change_of_level(values: ArrayLike, level: float = 0.95) -> ChangeOfLevel:
    """Return the likeliest place of one change of level.

    Parameters
    ----------
    values : session means in the order of time, shape (n,), n at least 5.
    level : coverage probability of the step's interval, pooled t given the place.

    Returns
    -------
    ChangeOfLevel : the place, the step in the unit of the values, and its probability.

    Raises
    ------
    ValueError : fewer than 5 sessions; sessions without any spread.

    Notes
    -----
    The largest standardised cumulative sum: Worsley, Biometrika 1986;73:91. Its p-value is counted
    in 20 000 simulated series without a change, whose tails are those of t with 5 degrees of
    freedom. Shuffling the sessions would assume less, but could not find a change before the tenth
    session, nor one in the latest.
    """
    v = measured("values", values)
    n = v.size
    if n < LEAST_SESSIONS:
        raise ValueError(
            f"A change is looked for in at least {LEAST_SESSIONS} sessions, there are {n}."
        )
    if float(np.ptp(v)) <= 0:
        raise ValueError("All sessions are the same: the spread is below the resolution.")
    check_level(level)
    seen = _scores(v[None, :])[0]
    first = int(np.argmax(seen)) + 1
    p = _share_as_large(float(seen.max()), _largest_by_chance(n))
    before, after = v[:first], v[first:]
    u, df = _pooled(before, after)
    step = t_estimate(
        float(after.mean() - before.mean()),
        u,
        df,
        level=level,
        method="difference of levels, pooled t given the place",
        n_runs=n,
        n_clusters=n,
    )
    return ChangeOfLevel(first, step, p)


@lru_cache(maxsize=8)
def _largest_by_chance(n: int) -> Vector:
    """Return the largest score of each simulated series without a change."""
    return np.asarray(_scores(_unchanged(n)).max(axis=1))


def _scores(table: Vector) -> Vector:
    """Return |cumulative sum| before each place, in sd of the series, shape (rows, n - 1)."""
    n = table.shape[1]
    k = np.arange(1, n)
    away = table - table.mean(axis=1, keepdims=True)
    sums = np.cumsum(away, axis=1)[:, :-1]
    sd = np.sqrt((away**2).mean(axis=1, keepdims=True))
    return np.asarray(np.abs(sums) / np.sqrt(k * (n - k) / n) / sd)


def _pooled(before: Vector, after: Vector) -> tuple[float, float]:
    """Return the standard uncertainty of a difference of means with a common variance."""
    df = before.size + after.size - 2
    pooled = float(((before - before.mean()) ** 2).sum() + ((after - after.mean()) ** 2).sum()) / df
    return math.sqrt(pooled * (1 / before.size + 1 / after.size)), df
