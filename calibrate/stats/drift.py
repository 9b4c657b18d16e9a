"""Has it changed? Between two calibrations, and over many."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.estimate import Estimate, Vector, check_level, measured, t_estimate
from calibrate.stats.line import least_squares, line_data

#: Sessions below which a chart has no limits of its own.
LEAST_SESSIONS = 5
#: Moving range of two normal values over their sd.
_D2 = 2 / math.sqrt(math.pi)


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
    """

    center: float
    sd: float
    smoothed: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    out: tuple[int, ...]


def ewma(
    values: ArrayLike, weight: float = 0.2, reach: float = 2.7, baseline: int | None = None
) -> ControlChart:
    """Return an exponentially weighted moving-average chart.

    Parameters
    ----------
    values : session means in the order of time, shape (n,), n at least 5.
    weight : of the newest session, 0 to 1.
    reach : limits in standard deviations of the smoothed mean.
    baseline : how many of the first sessions are taken to be in control; all unless given.

    Returns
    -------
    ControlChart : limits and the sessions outside of them, in the unit of the values.

    Raises
    ------
    ValueError : fewer than 5 sessions in the baseline; sessions without any spread.

    Notes
    -----
    Roberts, Technometrics 1959;1:239; Lucas & Saccucci 1990;32:1. The sd is from the moving range
    (mean |difference| of neighbours/1.128), which a shift or a trend hardly widens.
    """
    v = measured("values", values)
    first = v.size if baseline is None else baseline
    if not LEAST_SESSIONS <= first <= v.size:
        raise ValueError(f"A chart takes at least {LEAST_SESSIONS} sessions, there are {first}.")
    if not 0 < weight <= 1 or not reach > 0:
        raise ValueError("The weight lies between 0 and 1, and the reach above 0.")
    sd = float(np.abs(np.diff(v[:first])).mean()) / _D2
    if sd <= 0:
        raise ValueError("All sessions are the same: the spread is below the resolution.")
    center = float(v[:first].mean())
    smoothed, last = [], center
    for value in v:
        last += weight * (float(value) - last)
        smoothed.append(last)
    n = np.arange(1, v.size + 1)
    half = reach * sd * np.sqrt(weight / (2 - weight) * (1 - (1 - weight) ** (2 * n)))
    out = np.flatnonzero(np.abs(np.array(smoothed) - center) > half)
    return ControlChart(
        center,
        sd,
        tuple(smoothed),
        tuple((center - half).tolist()),
        tuple((center + half).tolist()),
        tuple(int(i) for i in out),
    )


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


def change_of_level(
    values: ArrayLike, level: float = 0.95, shuffles: int = 2000, seed: int = 0
) -> ChangeOfLevel:
    """Return the likeliest place of one change of level.

    Parameters
    ----------
    values : session means in the order of time, shape (n,), n at least 5.
    level : coverage probability of the step's interval, pooled t given the place.
    shuffles : permutations for the p-value.
    seed : of the shuffles.

    Returns
    -------
    ChangeOfLevel : the place, the step in the unit of the values, and its probability.

    Raises
    ------
    ValueError : fewer than 5 sessions; sessions without any spread.

    Notes
    -----
    The largest standardised cumulative sum; its p-value by shuffling the sessions (Taylor 2000;
    Worsley, Biometrika 1986;73:91, for the form).
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
    rng = np.random.default_rng(seed)
    shuffled = rng.permuted(np.tile(v, (shuffles, 1)), axis=1)
    largest = _scores(shuffled).max(axis=1)
    p = (1 + int((largest >= seen.max() * (1 - 1e-12)).sum())) / (1 + shuffles)
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


def _scores(table: Vector) -> Vector:
    """Return |standardised cumulative sum| before each place, shape (rows, n - 1)."""
    n = table.shape[1]
    k = np.arange(1, n)
    sums = np.cumsum(table - table.mean(axis=1, keepdims=True), axis=1)[:, :-1]
    return np.asarray(np.abs(sums) / np.sqrt(k * (n - k) / n))


def _pooled(before: Vector, after: Vector) -> tuple[float, float]:
    """Return the standard uncertainty of a difference of means with a common variance."""
    df = before.size + after.size - 2
    pooled = float(((before - before.mean()) ** 2).sum() + ((after - after.mean()) ** 2).sum()) / df
    return math.sqrt(pooled * (1 / before.size + 1 / after.size)), df
