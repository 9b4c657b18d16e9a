"""Repeats of a measurement that are looked at while they go on, until their mean is known.

What an interval takes for granted is looked into: that no single repeat is of another kind than the
rest, that neighbours do not err alike, and that the value stands still.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.estimate import Estimate, Vector, check_level, measured, t_estimate
from calibrate.stats.quantile import t_quantile, t_tail
from calibrate.stats.sequence import (
    best_rho,
    confidence_sequence,
    mixture_half_width,
    smallest_from,
)
from calibrate.stats.serial import HIGHEST_LAG1, Autoregression

#: Repeats below which nothing is said.
LEAST_LOOK = 8
#: Probability of calling any of sound repeats a stray, and of calling it a drift at one look.
STRAY_P, DRIFT_P = 0.001, 0.0003
#: One in so many repeats may stray; where more do, they are no single strays.
STRAYS_ONE_IN = 8
#: Standard uncertainties of correlation and slope that are held against the repeats at each look:
#: chosen with tests/benchmarks/stopping.py, so that few repeats do not pass for independent.
CAUTION = 0.5
#: Mean of max(|z| - CAUTION, 0), z normal.
_CAUTIOUS_SLOPE = 0.3956


@dataclass(frozen=True)
class RepeatedMean:
    """The mean of repeats, and what was found of them.

    Parameters
    ----------
    mean : of the repeats that do not stray; its interval may be looked at after every repeat, holds
        for correlated repeats, and has half of a suspected change in it.
    strays : places of the single repeats that were left out, counted from 0.
    lag1 : correlation of neighbours that was reckoned with, 0 to 0.95; None with too few repeats.
    n_effective : number of independent repeats that tell as much.
    change : of the value over all repeats by a straight line; None with too few repeats.
    drift_p : probability of such a change by chance.
    """

    mean: Estimate
    strays: tuple[int, ...]
    lag1: float | None
    n_effective: float
    change: Estimate | None
    drift_p: float

    @property
    def drifts(self) -> bool:
        """Whether the value does not stand still."""
        return self.drift_p < DRIFT_P


def repeated_mean(
    values: ArrayLike, level: float = 0.95, n_opt: int = 30, step: float = 0.0
) -> RepeatedMean:
    """Return the mean of repeats, to be looked at after every one of them.

    Parameters
    ----------
    values : of the repeats in the order they came, any unit, shape (n,).
    level : probability that the interval holds the truth at all looks together.
    n_opt : number of independent repeats at which it should be narrowest.
    step : of what is measured; a value within two steps of the median does not stray.

    Returns
    -------
    RepeatedMean : without interval where the values do not bound the mean yet, or are all the same.

    Raises
    ------
    ValueError : values not finite; a level that is no probability; n_opt below 2; a negative step.

    Notes
    -----
    `confidence_sequence` (Wang & Ramdas, arXiv:2310.03722) with the effective number of repeats
    (Bayley & Hammersley, J R Stat Soc Suppl 1946;8:184) of first-order autoregressive noise. The
    slope is tested beside such noise, t with the effective number less two. Correlation and slope
    are uncertain themselves: the correlation is taken half its standard uncertainty higher, and the
    part of the slope that is above half its own widens the interval.
    """
    v = measured("values", values)
    out = strays(v, 2 * step)
    at = np.delete(np.arange(v.size, dtype=np.float64), list(out))
    kept = v[at.astype(np.intp)]
    plain = confidence_sequence(kept, level, n_opt)
    if kept.size < LEAST_LOOK or np.ptp(kept) <= 0:
        plain = replace(plain, low=None, high=None)
        return RepeatedMean(plain, out, None, float(kept.size), None, 1.0)
    noise = _Noise.beside(kept, np.ones((kept.size, 1)))
    number = 1 / noise.variances[0]
    change, p = _change(at, kept, level)
    alpha = 1 - check_level(level)
    half = mixture_half_width(number, noise.sd, alpha, best_rho(n_opt, alpha))
    mean = replace(plain, u=noise.sd / math.sqrt(number), low=None, high=None)
    mean = replace(mean, method=f"{plain.method}, {number:.3g} effective repeats")
    if half is not None:
        half += max(abs(change.value) - CAUTION * (change.u or 0.0), 0.0) / 2
        mean = replace(mean, low=mean.value - half, high=mean.value + half)
    return RepeatedMean(mean, out, noise.lag1, number, change, p)


def strays(values: ArrayLike, least: float = 0.0) -> tuple[int, ...]:
    """Return which single values are of another kind than the rest.

    Parameters
    ----------
    values : of repeats, any unit, shape (n,).
    least : a value no farther than this from the median is none, in the unit of the values.

    Returns
    -------
    places : counted from 0, in their order; one in eight at most.

    Raises
    ------
    ValueError : values not finite; `least` below zero.

    Notes
    -----
    Generalised extreme studentised deviate at 0.001: Rosner, Technometrics 1983;25:165.
    """
    v = measured("values", values)
    if not least >= 0:
        raise ValueError(f"least is {least}; it is a distance, zero or above.")
    middle = float(np.median(v))
    places: list[int] = []
    count = 0
    for place, beyond in _farthest(v):
        places.append(place)
        if beyond and abs(v[place] - middle) > least:
            count = len(places)
    return tuple(sorted(places[:count]))


def _farthest(v: Vector) -> Iterator[tuple[int, bool]]:
    """Yield the places of the farthest values, one after another, and whether each is too far."""
    kept = np.arange(v.size)
    for _ in range(v.size // STRAYS_ONE_IN):
        mine, n = v[kept], kept.size
        sd = float(mine.std(ddof=1))
        if sd <= 0:
            return
        off = np.abs(mine - mine.mean())
        worst = int(np.argmax(off))
        t = t_quantile(1 - STRAY_P / (2 * n), n - 2)
        yield int(kept[worst]), bool(off[worst] / sd > (n - 1) * t / math.sqrt((n - 2 + t**2) * n))
        kept = np.delete(kept, worst)


@dataclass(frozen=True)
class _Noise:
    """First-order autoregressive noise beside a fit.

    Parameters
    ----------
    coefficients : of the fit, shape (p,).
    variances : of the coefficients, over the variance of the noise, shape (p,).
    lag1, sd : correlation of neighbours, with caution, and sd of the noise.
    """

    coefficients: Vector
    variances: Vector
    lag1: float
    sd: float

    @classmethod
    def beside(cls, values: Vector, design: Vector) -> _Noise:
        """Return the noise of values beside what a design, shape (n, p), explains of them."""
        inverse = np.linalg.pinv(design)
        residual = values - design @ (inverse @ values)
        squares = float(residual @ residual)
        process = Autoregression(np.linalg.qr(design)[0])
        seen = float(residual[:-1] @ residual[1:])
        lag1 = cautious(process.lag1(seen / squares), values.size) if squares > 0 else 0.0
        variances = np.array([process.variance(row, lag1) for row in inverse])
        sd = math.sqrt(squares / process.freedom(lag1))
        return cls(inverse @ values, variances, lag1, sd)


def cautious(lag1: float, n: int) -> float:
    """Return a correlation half its standard uncertainty higher, 0 to 0.95.

    Notes
    -----
    Its variance is (1 - lag1^2)/n: Bartlett, J R Stat Soc Suppl 1946;8:27.
    """
    least = max(lag1, 0.0)
    return min(least + CAUTION * math.sqrt((1 - least**2) / n), HIGHEST_LAG1)


def _change(at: Vector, values: Vector, level: float) -> tuple[Estimate, float]:
    """Return by how much a straight line rises over all repeats, and how likely by chance."""
    span = float(np.ptp(at))
    noise = _Noise.beside(values, np.stack([np.ones(at.size), (at - at.mean()) / span], axis=1))
    rise, u = float(noise.coefficients[1]), noise.sd * math.sqrt(float(noise.variances[1]))
    freedom = max(1 / float(noise.variances[0]) - 2, 1.0)
    p = 2 * t_tail(abs(rise) / u, freedom) if u > 0 else 0.0
    found = t_estimate(
        rise, u, freedom, level=level, method="least squares beside autoregressive noise, t",
        n_runs=at.size, n_clusters=at.size,
    )  # fmt: skip
    return found, min(p, 1.0)


def repeats_until(
    sd: float,
    half_width: float,
    lag1: float = 0.0,
    level: float = 0.95,
    n_opt: int = 30,
    most: int = 100_000,
) -> int:
    """Return after how many repeats `repeated_mean` is expected to be mean -+ half_width.

    Parameters
    ----------
    sd : expected sd of one repeat.
    half_width : wanted, in the same unit.
    lag1 : expected correlation of neighbouring repeats, 0 to 0.95.
    level, n_opt : see `repeated_mean`.
    most : larger numbers are refused.

    Returns
    -------
    n : number of repeats, at least 8.

    Raises
    ------
    ValueError : sd or half_width not above zero; lag1 out of range; more than `most` would be
        needed.

    Notes
    -----
    The half-width of `repeated_mean` with sd and correlation taken as known and no drift; large
    samples for the slope.
    """
    if not (0 < sd < math.inf and 0 < half_width < math.inf):
        raise ValueError("sd and half_width must be above zero.")
    if not 0 <= lag1 <= HIGHEST_LAG1:
        raise ValueError(f"lag1 is {lag1}; it lies between 0 and {HIGHEST_LAG1}.")
    alpha = 1 - check_level(level)
    rho = best_rho(n_opt, alpha)

    def enough(n: int) -> bool:
        number = effective_number(n, cautious(lag1, n))
        half = mixture_half_width(number, sd, alpha, rho)
        return half is not None and half + _slope_share(sd, number) <= half_width

    return smallest_from(LEAST_LOOK, enough, most)


def effective_number(n: int, lag1: float) -> float:
    """Return how many independent values tell as much of a mean as n that correlate."""
    tail = 2 * lag1 * (1 - lag1**n) / (n * (1 - lag1) ** 2)
    return n / ((1 + lag1) / (1 - lag1) - tail)


def _slope_share(sd: float, number: float) -> float:
    """Return how much the slope of repeats that stand still is expected to widen the interval."""
    return _CAUTIOUS_SLOPE * sd * math.sqrt(12 / number) / 2
