"""Limits of agreement for data that `limits_of_agreement` is not for.

constant_truth    each meter repeated on its own while the truth stood still
level_dependent   limits that widen with the level
limits_together   an interval for both limits at once
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.agreement import mover_limits
from calibrate.stats.estimate import Estimate, Vector, check_level, encode, measured
from calibrate.stats.line import Line, least_squares
from calibrate.stats.quantile import normal_quantile, t_tail
from calibrate.stats.tolerance import tolerance_factor


@dataclass(frozen=True)
class ConstantTruthLimits:
    """Limits of agreement on the scale of the values.

    Parameters
    ----------
    bias : mean of x - y, with its interval.
    lower, upper : limits, each with the interval of the limit alone.
    sd : of a difference of single readings.
    """

    bias: Estimate
    lower: Estimate
    upper: Estimate
    sd: float


def constant_truth(
    x: ArrayLike,
    x_subject: Sequence[str],
    y: ArrayLike,
    y_subject: Sequence[str],
    level: float = 0.95,
    coverage: float = 0.95,
) -> ConstantTruthLimits:
    """Return limits for single differences x - y from repeated readings of a constant truth.

    Parameters
    ----------
    x, y : readings (ln of joules, for ratios), shape (n,) and (m,). They need not be paired, and
        subjects may have different numbers of them.
    x_subject, y_subject : label a reading of what was measured; both meters must have all.
    level : coverage probability of the intervals.
    coverage : share of differences between the limits.

    Returns
    -------
    ConstantTruthLimits : in the unit of the readings.

    Raises
    ------
    ValueError : subjects differ between the meters, or there is one only; no reading repeated.

    Notes
    -----
    Bland & Altman, Stat Methods Med Res 1999;8:135, sections 5.1 and 5.2; intervals by Zou, Stat
    Methods Med Res 2013;22:630.
    """
    one, other = measured("x", x), measured("y", y)
    labels, code = encode(x_subject, one.size)
    same, code_y = encode(y_subject, other.size)
    if labels != same:
        raise ValueError("The two meters did not measure the same subjects; leave out the others.")
    k = len(labels)
    if k < 2:
        raise ValueError("There is one subject: its limits are no limits for others.")
    parts_x, parts_y = _within(one, code, k), _within(other, code_y, k)
    d = parts_x[0] - parts_y[0]
    of_means = float(d.var(ddof=1))
    terms = [(of_means, k - 1)]
    terms += [(share * within, df) for _, share, within, df in (parts_x, parts_y) if df > 0]
    sd = math.sqrt(sum(value for value, _ in terms))
    z, mean = normal_quantile(0.5 + coverage / 2), float(d.mean())
    n = one.size + other.size
    ends = mover_limits(mean, of_means / k, terms, z, check_level(level))
    half = normal_quantile(0.5 + level / 2) * math.sqrt(of_means / k)
    made = [
        Estimate(value, u, *interval, level, f"{what}; MOVER, truth constant", n, k)
        for value, u, interval, what in (
            (mean, math.sqrt(of_means / k), (mean - half, mean + half), "mean difference"),
            (mean - z * sd, None, ends[0], "lower limit"),
            (mean + z * sd, None, ends[1], "upper limit"),
        )
    ]
    return ConstantTruthLimits(made[0], made[1], made[2], sd)


def _within(values: Vector, code: Any, k: int) -> tuple[Vector, float, float, int]:
    """Return the means, 1 - mean(1/m), variance within, and its degrees of freedom."""
    size = np.bincount(code, minlength=k)
    means = np.bincount(code, weights=values, minlength=k) / size
    df = values.size - k
    within = float(((values - means[code]) ** 2).sum()) / df if df else 0.0
    return means, float(1 - np.mean(1 / size)), within, df


@dataclass(frozen=True)
class LevelDependent:
    """Limits of agreement b0 + b1 A -+ z sqrt(pi/2) (c0 + c1 A) at the level A = (x + y)/2.

    Parameters
    ----------
    bias : the line of the difference over the level.
    spread : the line of the absolute residual over the level.
    z : multiple of the sd.
    p_bias, p_spread : probability of slopes as large by chance; above 0.05 plain limits will do.
    residual_sd : about the line of the bias.
    """

    bias: Line
    spread: Line
    z: float
    p_bias: float
    p_spread: float
    residual_sd: float

    def at(self, level: ArrayLike) -> tuple[Vector, Vector]:
        """Return lower and upper limits at levels A. They close where the spread would be < 0."""
        middle = self.bias.at(level)
        reach = self.z * math.sqrt(math.pi / 2) * np.maximum(self.spread.at(level), 0.0)
        return middle - reach, middle + reach


def level_dependent(
    x: ArrayLike, y: ArrayLike, level: float = 0.95, coverage: float = 0.95
) -> LevelDependent:
    """Return limits of agreement for x - y that go with the level.

    Parameters
    ----------
    x, y : of the same runs and unit (ln of joules: try this first), shape (n,), n at least 3.
    level : coverage probability of the lines' intervals.
    coverage : share of differences between the limits.

    Returns
    -------
    LevelDependent : lines of bias and spread over the level, in the unit of the values.

    Raises
    ------
    ValueError : fewer than 3 runs, all levels the same, or differences that are all the same.

    Notes
    -----
    Bland & Altman, Stat Methods Med Res 1999;8:135, section 3.2.
    """
    one, other = measured("x", x), measured("y", y)
    if one.size != other.size:
        raise ValueError(f"There are {one.size} values of x for {other.size} of y.")
    d, middle = one - other, (one + other) / 2
    bias = least_squares(middle, d, level=level)
    away = np.abs(d - bias.at(middle))
    spread = least_squares(middle, away, level=level)
    df = one.size - 2
    p = [
        2 * t_tail(abs(line.slope.value) / (line.slope.u or 1e-300), df) for line in (bias, spread)
    ]
    z = normal_quantile(0.5 + check_level(coverage) / 2)
    return LevelDependent(bias, spread, z, p[0], p[1], float(bias.residual_sd or 0.0))


def limits_together(
    d: ArrayLike, level: float = 0.95, coverage: float = 0.95
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return intervals that hold the pair of limits mean -+ z sd together.

    Parameters
    ----------
    d : independent differences, shape (n,), n at least 2.
    level : coverage probability of the pair.
    coverage : share of differences between the limits.

    Returns
    -------
    lower, upper : outer and inner end of each limit; the limits are centred on the sample mean.

    Raises
    ------
    ValueError : fewer than 2 differences, not finite; a probability out of range.

    Notes
    -----
    Carkeet, Optom Vis Sci 2015;92:e71: exact two-sided tolerance factors at both tails.
    """
    values = measured("d", d)
    tail = (1 - check_level(level)) / 2
    far = tolerance_factor(values.size, 1 - tail, coverage)
    near = tolerance_factor(values.size, tail, coverage)
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    return (mean - far * sd, mean - near * sd), (mean + near * sd, mean + far * sd)
