"""One value from several references that do not quite agree."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.estimate import Estimate, Vector, check_level, measured
from calibrate.stats.line import positive_weights
from calibrate.stats.quantile import chi2_tail, normal_quantile, t_quantile


@dataclass(frozen=True)
class Consensus:
    """The value on which references agree.

    Parameters
    ----------
    value : with standard uncertainty and interval.
    between_sd : sd of what the stated uncertainties do not explain, in the unit of the values.
    chi2 : weighted sum of squares about the mean with stated uncertainties alone.
    p_value : probability of one this large if they are right.
    weights : of each reference, adding up to 1.
    """

    value: Estimate
    between_sd: float
    chi2: float
    p_value: float
    weights: tuple[float, ...]


def consensus(values: ArrayLike, u: ArrayLike, level: float = 0.95) -> Consensus:
    """Return the random-effects mean of several independent references.

    Parameters
    ----------
    values : one a reference (ln of a factor, for factors), shape (k,), k at least 2.
    u : standard uncertainty of each, above zero, shape (k,).
    level : coverage probability.

    Returns
    -------
    Consensus : the mean, in the unit of the values, and what the uncertainties do not explain.

    Raises
    ------
    ValueError : fewer than two values; an uncertainty that is not above zero.

    Notes
    -----
    Mandel & Paule, Anal Chem 1970;42:1194 (between-reference variance), with the standard
    uncertainty and t interval of Knapp & Hartung, Stat Med 2003;22:2693, which here do not fall
    below what the stated uncertainties give. Not statsmodels' combine_effects: it ends its search
    for the variance when the equation holds to 1e-5, and set finer it may take a rounding error
    for the sign that there is no variance between references.
    """
    v = measured("values", values)
    k = v.size
    if k < 2:
        raise ValueError("One reference is no consensus. Give at least two.")
    variance = positive_weights("u", u, k) ** 2
    chi2 = _q(v, variance, 0.0)
    between = _between(v, variance)
    w = 1 / (variance + between)
    mean = float(w @ v / w.sum())
    # Knapp and Hartung's factor may fall below 1; no luck makes references better than stated.
    factor = math.sqrt(_q(v, variance, between) / (k - 1))
    unit, p = 1 / math.sqrt(float(w.sum())), 0.5 + check_level(level) / 2
    reach = max(t_quantile(p, k - 1) * factor, normal_quantile(p)) * unit
    estimate = Estimate(
        mean,
        max(factor, 1.0) * unit,
        mean - reach,
        mean + reach,
        level,
        "random effects, Mandel-Paule; wider of Knapp-Hartung t and stated uncertainties",
        k,
        k,
        ("Two references only: the interval is wide for that reason.",) if k == 2 else (),
    )
    return Consensus(
        estimate,
        math.sqrt(between),
        chi2,
        chi2_tail(chi2, k - 1),
        tuple(float(x) for x in w / w.sum()),
    )


def _q(v: Vector, variance: Vector, between: float) -> float:
    """Return the weighted sum of squares about the weighted mean."""
    w = 1 / (variance + between)
    return float(w @ (v - w @ v / w.sum()) ** 2)


def _between(v: Vector, variance: Vector) -> float:
    """Return the between-reference variance at which the sum of squares is what is expected."""
    from scipy.optimize import brentq

    df = v.size - 1
    if _q(v, variance, 0.0) <= df:
        return 0.0
    high = float(np.var(v, ddof=1)) + float(variance.max())
    while _q(v, variance, high) > df:
        high *= 2
    return float(
        brentq(lambda t: _q(v, variance, t) - df, 0.0, high, xtol=1e-15 * high, rtol=1e-12)
    )
