"""Intervals that hold at every look: measure on until it is known well enough, and stop.

An ordinary 95 % interval that is looked at after every run misses the truth at some time in
nearly half of all campaigns. These do so in at most 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from numpy.typing import ArrayLike

from calibrate.stats.estimate import Estimate, check_level, measured
from calibrate.stats.quantile import t_quantile


def best_rho(v_opt: float, alpha: float = 0.05) -> float:
    """Return the setting of the boundary that makes it narrowest near a variance.

    Parameters
    ----------
    v_opt : variance of the sum at which it should be narrowest, above zero.
    alpha : probability of ever missing the truth.

    Returns
    -------
    rho : in the unit of the variance.

    Raises
    ------
    ValueError : a variance not above zero, alpha out of range.

    Notes
    -----
    Howard, Ramdas, McAuliffe & Sekhon, Ann Stat 2021;49:1055, section 3.5.
    """
    _check(v_opt, alpha)
    return v_opt / (2 * math.log(1 / alpha) + math.log1p(2 * math.log(1 / alpha)))


def normal_mixture_bound(v: float, rho: float, alpha: float = 0.05) -> float:
    """Return the two-sided boundary that a sum of variance v never crosses, but for alpha.

    Parameters
    ----------
    v : variance of the sum so far, in the squared unit of the sum.
    rho : see `best_rho`.
    alpha : probability of ever crossing it.

    Returns
    -------
    bound : on the absolute sum, in its unit.

    Raises
    ------
    ValueError : rho not above zero, a negative variance, alpha out of range.

    Notes
    -----
    Howard et al. 2021, equation 14.
    """
    _check(rho, alpha)
    if v < 0:
        raise ValueError(f"The variance {v} is below zero.")
    return math.sqrt((v + rho) * math.log((v + rho) / (rho * alpha**2)))


def log_mixture(s: float, v: float, rho: float) -> float:
    """Return ln of the martingale of `normal_mixture_bound` for a sum s of variance v.

    It is the evidence against a mean of zero: above ln(1/alpha) at any time, zero is refuted.

    Parameters
    ----------
    s : sum of the values less their supposed mean, any unit.
    v : its variance, in that unit squared.
    rho : see `best_rho`.

    Returns
    -------
    evidence : ln of the martingale, a pure number.

    Raises
    ------
    ValueError : rho not above zero.

    Notes
    -----
    Howard et al. 2021, equation 14, solved for alpha.
    """
    _check(rho, 0.5)
    return 0.5 * math.log(rho / (v + rho)) + s**2 / (2 * (v + rho))


def stitched_bound(v: float, v_min: float, scale: float, alpha: float = 0.05) -> float:
    """Return the one-sided boundary for sums with heavier tails than normal.

    Parameters
    ----------
    v : variance of the sum so far.
    v_min : variance from which on it shall hold, above zero.
    scale : of the exponential tail (sub-gamma), in the unit of the sum, zero or above.
    alpha : probability of ever crossing it.

    Returns
    -------
    bound : on the sum, in its unit.

    Raises
    ------
    ValueError : v_min not above zero, alpha out of range.

    Notes
    -----
    Howard et al. 2021, equation 10 (polynomial stitching, s = 1.4, eta = 2).
    """
    from scipy.special import zeta

    _check(v_min, alpha)
    power, step = 1.4, 2.0
    use = max(v, v_min)
    log = power * math.log(math.log(step * use / v_min))
    log += math.log(float(zeta(power, 1)) / (alpha * math.log(step) ** power))
    root = (step**0.25 + step**-0.25) / math.sqrt(2)
    slope = scale * (math.sqrt(step) + 1) / 2
    return math.sqrt(root**2 * use * log + (slope * log) ** 2) + slope * log


def confidence_sequence(values: ArrayLike, level: float = 0.95, n_opt: int = 30) -> Estimate:
    """Return the mean with an interval that may be looked at after every value.

    Parameters
    ----------
    values : independent, in the order they came, any unit, shape (n,).
    level : probability that the interval holds the truth at all looks together.
    n_opt : number of values at which it should be narrowest; chosen before the first.

    Returns
    -------
    Estimate : without interval where the values do not bound it yet (below about 8), or are all
        the same.

    Raises
    ------
    ValueError : values not finite; a level that is no probability; n_opt below 2.

    Notes
    -----
    Wang & Ramdas, arXiv:2310.03722, section 4, after Lai, Ann Stat 1976;4:265. The Bayes factor of
    the t test with a normal prior on mean/sd is a martingale whatever the sd, from the second
    value on, so by Ville's inequality it passes 1/alpha with probability alpha at most. It needs
    normal values, and no burn-in that the asymptotic sequences have.
    """
    v = measured("values", values)
    alpha = 1 - check_level(level)
    if n_opt < 2:
        raise ValueError(f"n_opt is {n_opt}; plan for at least 2 values.")
    n, mean = v.size, float(v.mean())
    sd = float(v.std(ddof=1)) if n > 1 else 0.0
    u = sd / math.sqrt(n) if n > 1 else None
    half = None if sd == 0.0 else mixture_half_width(n, sd, alpha, best_rho(n_opt, alpha))
    checks = []
    if n > 1 and sd == 0.0:
        checks.append("All values are identical: the spread is below the resolution, not zero.")
    elif half is None:
        checks.append(f"{n} values do not bound it yet at this level.")
    low, high = (None, None) if half is None else (mean - half, mean + half)
    return Estimate(
        mean, u, low, high, level, "confidence sequence, t mixture", n, n, tuple(checks)
    )


def mixture_half_width(n: float, sd: float, alpha: float, rho: float) -> float | None:
    """Return the half-width after n values, or None where it has no bound yet.

    With g = rho/(n + rho) and T = t^2/(n - 1) the martingale is
    sqrt(g) ((1 + T)/(1 + g T))^(n/2); the interval ends where it reaches 1/alpha.
    """
    g = rho / (n + rho)
    q = (alpha**2 * g) ** (-1 / n)
    if q * g >= 1:
        return None
    return sd * math.sqrt((q - 1) / (1 - q * g) * (n - 1) / n)


def _check(positive: float, alpha: float) -> None:
    """Refuse what is no variance or no probability."""
    if not 0 < positive < math.inf:
        raise ValueError(f"{positive} is not a variance above zero.")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; a probability lies between 0 and 1.")


def runs_needed(sd: float, half_width: float, level: float = 0.95, most: int = 1_000_000) -> int:
    """Return how many independent values give a t interval of mean -+ half_width.

    Parameters
    ----------
    sd : expected sd of one value.
    half_width : wanted, in the same unit.
    level : coverage probability.
    most : larger numbers are refused.

    Returns
    -------
    n : number of values, at least 2.

    Raises
    ------
    ValueError : sd or half_width not above zero; more than `most` would be needed.

    Notes
    -----
    Smallest n with t_{n-1} sd/sqrt(n) <= half_width. The sd is taken as known; if it is from a
    pilot of few runs, plan with its upper limit.
    """
    if not (0 < sd < math.inf and 0 < half_width < math.inf):
        raise ValueError("sd and half_width must be above zero.")
    p = 0.5 + check_level(level) / 2

    def enough(n: int) -> bool:
        return t_quantile(p, n - 1) * sd <= half_width * math.sqrt(n)

    return smallest_from(2, enough, most)


def smallest_from(least: int, enough: Callable[[int], bool], most: int) -> int:
    """Return the smallest number from `least` on that is enough, or refuse more than `most`."""
    high = least
    while not enough(high):
        high *= 2
        if high > 2 * most:
            raise ValueError(
                f"More than {most} runs would be needed. Make the runs longer or the demand lower."
            )
    low = max(high // 2, least)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return high


def repeats_expected(
    sd: float, half_width: float, level: float = 0.95, n_opt: int = 30, most: int = 1_000_000
) -> int:
    """Return after how many values a confidence sequence is expected to be mean -+ half_width.

    Parameters
    ----------
    sd : expected sd of one value.
    half_width : wanted, in the same unit.
    level, n_opt : see `confidence_sequence`.
    most : larger numbers are refused.

    Returns
    -------
    n : number of values, at least 2.

    Raises
    ------
    ValueError : sd or half_width not above zero; more than `most` would be needed.

    Notes
    -----
    The width of `confidence_sequence` with the sd taken as known: Wang & Ramdas,
    arXiv:2310.03722, section 4.
    """
    if not (0 < sd < math.inf and 0 < half_width < math.inf):
        raise ValueError("sd and half_width must be above zero.")
    alpha = 1 - check_level(level)
    rho = best_rho(n_opt, alpha)

    def enough(n: int) -> bool:
        half = mixture_half_width(n, sd, alpha, rho)
        return half is not None and half <= half_width

    return smallest_from(2, enough, most)
