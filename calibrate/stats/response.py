"""How a meter responds: how often it is renewed, what it averages over, how late it is.

All from a meter's own readings, some beside a finer reference; what the readings do not show is
refused with the reason. Times are in seconds on one clock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.alignment import Alignment, align
from calibrate.stats.estimate import Estimate, Vector, encode, measured, t_estimate
from calibrate.stats.interval_errors import error_ratio, whitened
from calibrate.stats.line import least_squares, line_data
from calibrate.stats.quantile import chi2_quantile

#: Renewals below which a period is a guess.
_LEAST = 8
#: Readings in the shortest period that is looked for.
_WIDE = 5
#: Share of readings with a new value above which renewals are faster than readings.
_TOO_FAST = 0.8
#: Jitter of a period, over itself, beyond which renewals keep no beat.
_JITTER = 0.15
#: Floating-point errors of a difference, in units of the largest value.
_ROUND = 4e-16


def renewals(at_s: ArrayLike, value: ArrayLike) -> tuple[Vector, Vector]:
    """Return when the value became another, and what it was then.

    Parameters
    ----------
    at_s : instants of the readings, increasing, shape (n,).
    value : joules or watts, shape (n,).

    Returns
    -------
    at_s : middle between the last reading of the old value and the first of the new, shape (k,).
    value : the new values, shape (k,).

    Raises
    ------
    ValueError : not as many of both, or instants that do not increase.
    """
    t, v = instants_and_values(at_s, value)
    new = np.flatnonzero(np.diff(v) != 0) + 1
    return (t[new] + t[new - 1]) / 2, v[new]


def update_period(at_s: ArrayLike, value: ArrayLike, level: float = 0.95) -> Estimate:
    """Return how often a meter is renewed, s.

    Parameters
    ----------
    at_s, value : its readings, shape (n,). The power must not be so steady that a renewal may
        bring the same value.
    level : coverage probability.

    Returns
    -------
    Estimate : s.

    Raises
    ------
    ValueError : fewer than 8 renewals; new values at most readings, so that it is renewed at least
        as often as it is read.

    Notes
    -----
    Generalised least squares of the gaps between renewals over how many periods each is: a gap of
    several (a renewal that brought the same value) counts for as many. Renewals that keep a beat
    are off by what readings show of them; where each period has a jitter of its own, the instants
    walk away from the beat. The shares of both are found by restricted maximum likelihood.
    """
    t, _ = instants_and_values(at_s, value)
    when, shown = renewals(at_s, value)
    if when.size < _LEAST:
        raise ValueError(
            f"The value changed {when.size} times; a period takes {_LEAST}. Record for longer, "
            "under a load that changes."
        )
    if when.size > _TOO_FAST * (t.size - 1):
        step = float(np.median(np.diff(t)))
        raise ValueError(
            f"The value is new at nearly every reading: it is renewed every {step:.3g} s or more "
            "often. Read it more often."
        )
    read_s = float(np.median(np.diff(t)))
    gaps = np.diff(when)
    count, whole = counted(when, read_s)
    if not whole and np.unique(shown).size < _LEAST:
        raise ValueError(
            f"The value has {np.unique(shown).size} levels only, and the times between its changes "
            "no common measure: a renewal that brings the same value cannot be seen. Record under "
            "a load that changes more."
        )
    turns = np.diff(count)
    middle = float(gaps.sum() / turns.sum())
    away = np.abs(gaps - turns * middle) / np.sqrt(turns)
    if float(np.quantile(away, 0.9)) > 1.5 * read_s + _JITTER * middle:
        raise ValueError(
            f"The renewals keep no beat that readings every {read_s:.3g} s could show. Read it "
            "more often, or under a load that changes faster."
        )
    ratio = error_ratio(turns[:, None], gaps, turns)
    white, _ = whitened(np.column_stack([turns, gaps]), turns, ratio)
    own, seen = white.T
    period = float(own @ seen) / float(own @ own)
    df = when.size - 2
    variance = float(((seen - period * own) ** 2).sum()) / df / float(own @ own)
    # Renewals that keep step with the readings are off alike, up to a reading at either end.
    ends = read_s / math.sqrt(6) / float(turns.sum())
    return t_estimate(
        period, math.hypot(math.sqrt(variance), ends), df, level=level,
        method="gaps between renewals over their periods, generalised least squares, t",
        n_runs=when.size, n_clusters=1,
    )  # fmt: skip


def counted(when: Vector, read_s: float) -> tuple[Vector, bool]:
    """Return the number of each renewal, and whether gaps are whole periods but for reading.

    A gap of several periods counts for as many. Where the load changes seldom most renewals bring
    nothing new. So the period is the median gap, or the largest whole part of it of which all gaps
    are multiples, up to a reading's distance.
    """
    gaps = np.diff(when)
    middle, whole = float(np.median(gaps)), True
    for part in range(1, max(int(middle / (_WIDE * read_s)), 1) + 1):
        turns = gaps / middle * part
        away = np.abs(turns - np.round(turns)) * middle / part
        if float(np.quantile(away, 0.98)) <= 1.2 * read_s:
            break
    else:
        turns, whole = gaps / middle, False
    return np.concatenate([[0.0], np.cumsum(np.maximum(np.round(turns), 1.0))]), whole


def resolution(value: ArrayLike) -> Estimate:
    """Return the smallest step that all changes are multiples of, in the unit of the value.

    Parameters
    ----------
    value : readings, shape (n,), of which at least 8 differ from the one before.

    Returns
    -------
    Estimate : the step, without interval: it is found or not.

    Raises
    ------
    ValueError : fewer than 8 changes; steps without a common measure: it is finer than the
        numbers it comes in.

    Notes
    -----
    Euclid's algorithm on the sizes of the steps, with an allowance for rounding; decimal numbers
    are first counted in their last digit, which is exact.
    """
    v = measured("value", value)
    steps = np.unique(np.abs(np.diff(v)))
    steps = steps[steps > 0]
    changes = int(np.count_nonzero(np.diff(v)))
    if changes < _LEAST:
        raise ValueError(f"The value changed {changes} times; a resolution takes {_LEAST}.")
    error = 8 * _ROUND * float(np.abs(v).max())
    common = _decimal(v) or float(steps[0])
    for step in () if _decimal(v) else steps[1:]:
        common = _common(common, float(step), error)
        if common <= 16 * error:
            raise ValueError("The steps have no common measure: it is finer than its numbers.")
        # The largest step so far knows its part best: errors do not add up from step to step.
        common = float(step) / round(float(step) / common)
    return Estimate(
        common, None, None, None, 0.95, "greatest common step", v.size, 1,
        () if steps.size > 2 else ("Few different steps: it may be finer.",),
    )  # fmt: skip


def _decimal(v: Vector) -> float | None:
    """Return the common step of decimal numbers (a kernel's microjoules), which are exact."""
    for digits in range(10):
        counts = v * 10.0**digits
        whole = np.round(counts)
        if np.abs(counts - whole).max() <= min(4 * _ROUND * float(np.abs(counts).max()), 0.01):
            if np.abs(whole).max() > 2**53:
                return None
            return int(np.gcd.reduce(np.abs(np.diff(whole)).astype(np.int64))) / 10.0**digits
    return None


def _common(one: float, other: float, error: float) -> float:
    """Return the greatest common measure of two numbers that are known to an error."""
    one, other = max(one, other), min(one, other)
    while other > 8 * error:
        rest = math.fmod(one, other)
        one, other = other, min(rest, other - rest)
    return one


def counter_lag(
    at_s: ArrayLike, joules: ArrayLike, reference_at_s: ArrayLike, reference_j: ArrayLike
) -> Alignment:
    """Return how late a counter is, from its renewals beside a finer reference.

    Parameters
    ----------
    at_s, joules : readings of the counter: instants, s, and energy, J, shape (n,).
    reference_at_s, reference_j : the same of the finer reference, shape (m,).

    Returns
    -------
    Alignment : as `align` gives.

    Raises
    ------
    ValueError : as in `align`; instants that do not increase.

    Notes
    -----
    `align`, of a counter that is new at every reading as it is. One that is renewed less often
    than it is read is taken at its renewals alone, so that the time it stands still is no lag.
    """
    t, v = instants_and_values(at_s, joules)
    step = float(np.median(np.diff(t)))
    when, new = renewals(t, v)
    if when.size >= _TOO_FAST * (t.size - 1):
        return align(reference_at_s, reference_j, t, v)
    found = align(reference_at_s, reference_j, when, new)
    # A renewal is known to a reading's distance, and not better where the two keep step.
    lag = found.lag_s
    wide = t_estimate(
        lag.value,
        math.hypot(lag.u or 0.0, step / math.sqrt(12)),
        math.inf,
        level=lag.level,
        method=f"{lag.method}; at renewals",
        n_runs=1,
        n_clusters=1,
        checks=lag.checks,
    )
    return replace(found, lag_s=wide)


def noise_w(at_s: ArrayLike, joules: ArrayLike, over_s: float = 1.0) -> Estimate:
    """Return the sd of the power over a time, under a steady load, W.

    Parameters
    ----------
    at_s, joules : readings and cumulative energy (a power meter's integrated), shape (n,).
    over_s : averaging time.

    Returns
    -------
    Estimate : W.

    Raises
    ------
    ValueError : fewer than 8 stretches of that length.

    Notes
    -----
    The Allan deviation: differences of neighbours over sqrt(2), so that a slow drift is no noise
    (IEEE 1139). Neighbouring differences share a stretch, so that n of them tell as much as 2 n/3:
    u is value sqrt(3/(4 n)), and the interval chi-square with 2 n/3 degrees of freedom (Lesage &
    Audoin, IEEE Trans Instrum Meas 1973;22:157).
    """
    t, e = instants_and_values(at_s, joules)
    edges = np.arange(t[0], t[-1], over_s)
    if edges.size < _LEAST + 1:
        raise ValueError(
            f"There are {max(edges.size - 1, 0)} stretches of {over_s:g} s; noise takes {_LEAST}. "
            "Record for longer."
        )
    watts = np.diff(np.interp(edges, t, e)) / over_s
    steps = np.diff(watts)
    value = float(np.sqrt(np.mean(steps**2) / 2))
    df = 2 * steps.size / 3
    low, high = (value * math.sqrt(df / chi2_quantile(p, df)) for p in (0.975, 0.025))
    return Estimate(
        value, value * math.sqrt(3 / (4 * steps.size)), low, high, 0.95,
        f"Allan deviation at {over_s:g} s, chi-square", steps.size, 1,
    )  # fmt: skip


@dataclass(frozen=True)
class Linearity:
    """How far a meter is from a straight line over its range.

    Parameters
    ----------
    gain, offset_w : of the line through the means of the levels, meter over reference.
    worst_w : largest deviation of a level from the line, W.
    worst_at_w : the level at which that is.
    """

    gain: Estimate
    offset_w: Estimate
    worst_w: float
    worst_at_w: float


def linearity(
    reference_w: ArrayLike,
    meter_w: ArrayLike,
    load: Sequence[str] | None = None,
    level: float = 0.95,
) -> Linearity:
    """Return gain, offset and the largest deviation from the line of some levels of power.

    Parameters
    ----------
    reference_w, meter_w : mean power of each reading by both, shape (n,).
    load : label of the load of each reading, n of them; at least 3 different ones. Readings of one
        load share its deviation from the line: they are one level, whose mean is taken. None makes
        each reading a level.
    level : coverage probability.

    Returns
    -------
    Linearity : gain, a pure number, offset and largest deviation, W.

    Raises
    ------
    ValueError : as in `line_data`; fewer than 3 levels.

    Notes
    -----
    Least squares as in `least_squares`, through the means of the levels: Draper & Smith, Applied
    Regression Analysis, 1.2-1.4, and 2.1 for repeats, which measure noise and no deviation.
    """
    vx, vy = measured("reference_w", reference_w), measured("meter_w", meter_w)
    labels, code = encode([str(i) for i in range(vx.size)] if load is None else load, vx.size)
    if vy.size == vx.size:  # else `line_data` says so
        size = np.bincount(code)
        vx, vy = (np.bincount(code, weights=each) / size for each in (vx, vy))
    x, y = line_data(vx, vy)
    line = least_squares(x, y, level=level)
    away = y - line.at(x)
    worst = int(np.argmax(np.abs(away)))
    gain, offset = (
        replace(each, n_runs=code.size, n_clusters=len(labels))
        for each in (line.slope, line.intercept)
    )
    return Linearity(gain, offset, float(away[worst]), float(x[worst]))


def deficit(
    seconds: ArrayLike, meter_j: ArrayLike, reference_j: ArrayLike, level: float = 0.95
) -> Estimate:
    """Return the time at the ends of a measurement that a meter does not see, s.

    Parameters
    ----------
    seconds : lengths of measurements, shape (n,), n at least 4, over a range of 3 or more.
    meter_j, reference_j : energies of each, J.
    level : coverage probability.

    Returns
    -------
    Estimate : s; negative where the meter sees more than the measurement.

    Raises
    ------
    ValueError : as in `line_data`; lengths that are too alike to tell a deficit from a factor.

    Notes
    -----
    meter/(reference power) = gain (seconds - deficit) is a line over the seconds, whose zero is
    the deficit; its uncertainty to first order, with the covariance.
    """
    t = measured("seconds", seconds)
    meter, reference = measured("meter_j", meter_j), measured("reference_j", reference_j)
    if t.min() <= 0 or reference.min() <= 0 or t.max() < 3 * t.min():
        raise ValueError(
            "A deficit takes runs whose lengths differ at least threefold, with energy in each."
        )
    x, y = line_data(t, meter * t / reference, minimum=4)
    line = least_squares(x, y, level=level)
    a, b = line.intercept, line.slope
    if b.value <= 0:
        raise ValueError("The meter does not show more for longer runs: there is no deficit.")
    value = -a.value / b.value
    variance = (
        (a.u or 0.0) ** 2 + value**2 * (b.u or 0.0) ** 2 + 2 * value * (line.covariance or 0.0)
    ) / b.value**2
    return t_estimate(
        value, math.sqrt(max(variance, 0.0)), x.size - 2, level=level,
        method="zero of the line over the length, t", n_runs=x.size, n_clusters=x.size,
    )  # fmt: skip


def instants_and_values(at_s: ArrayLike, value: ArrayLike) -> tuple[Vector, Vector]:
    """Return instants and values, or refuse them."""
    t, v = measured("at_s", at_s), measured("value", value)
    if t.size != v.size or t.size < 2:
        raise ValueError(f"There are {t.size} instants for {v.size} values; it takes two of both.")
    if (np.diff(t) <= 0).any():
        raise ValueError("The instants do not increase; sort the readings.")
    return t, v


def integrate(at_s: Sequence[float] | Vector, watts: Sequence[float] | Vector) -> Vector:
    """Return cumulative joules of power readings, each held until the next.

    Parameters
    ----------
    at_s : instants, increasing, s, shape (n,), n at least 2.
    watts : power at each, W, shape (n,).

    Returns
    -------
    joules : since the first instant, J, shape (n,).

    Raises
    ------
    ValueError : not as many of both, not finite, or instants that do not increase.
    """
    t, w = instants_and_values(at_s, watts)
    return np.concatenate([[0.0], np.cumsum(np.diff(t) * w[:-1])])
