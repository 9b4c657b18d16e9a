"""Limits that hold a stated share of all runs, with a stated confidence."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.estimate import Estimate, check_level, measured
from calibrate.stats.quantile import t_quantile

#: Nodes of the quadrature, and how many sd of the mean it reaches.
_NODES, _REACH = 120, 8.0


def tolerance_factor(n: int, confidence: float = 0.95, content: float = 0.95) -> float:
    """Return k so that mean -+ k s holds a share of a normal population with a confidence.

    Parameters
    ----------
    n : independent values, at least 2.
    confidence : probability that at least `content` of the population is between the limits.
    content : share of the population, 0 to 1.

    Returns
    -------
    k : pure number.

    Raises
    ------
    ValueError : fewer than 2 values; a probability out of range.

    Notes
    -----
    Exact: Odeh 1978, as used for limits of agreement by Carkeet, Optom Vis Sci 2015;92:e71. The
    integral over the error of the mean is by Gauss-Legendre quadrature.
    """
    from scipy.optimize import brentq
    from scipy.special import chdtrc, chndtrix

    if n < 2:
        raise ValueError("Tolerance limits need at least 2 values: one has no spread.")
    check_level(confidence)
    check_level(content)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    w = (nodes + 1) / 2 * _REACH / math.sqrt(n)
    weights = weights * _REACH / math.sqrt(n) / 2 * np.exp(-n * w**2 / 2)
    # The half-width R that holds `content` about a centre that is off by w.
    square = np.array([float(chndtrix(content, 1, float(each) ** 2)) for each in w])
    scale = math.sqrt(2 * n / math.pi)

    def excess(log_k: float) -> float:
        held = chdtrc(n - 1, (n - 1) * square / math.exp(2 * log_k))
        return scale * float(weights @ held) - confidence

    return math.exp(float(brentq(excess, math.log(1e-3), math.log(1e9), xtol=1e-12)))


def tolerance_limits(
    values: ArrayLike, confidence: float = 0.95, content: float = 0.95
) -> Estimate:
    """Return the mean with limits that hold a share of the population with a confidence.

    Parameters
    ----------
    values : independent and normal, any unit, shape (n,), n at least 2.
    confidence, content : see `tolerance_factor`.

    Returns
    -------
    Estimate : `level` is the content; `u` that of the mean.

    Raises
    ------
    ValueError : fewer than 2 values, not finite; a probability out of range.

    Notes
    -----
    Odeh 1978; Carkeet, Optom Vis Sci 2015;92:e71: see `tolerance_factor`.
    """
    v = measured("values", values)
    k = tolerance_factor(v.size, confidence, content)
    mean, sd = float(v.mean()), float(v.std(ddof=1))
    checks = () if sd > 0 else ("All values are identical: the spread is below the resolution.",)
    return Estimate(
        mean,
        sd / math.sqrt(v.size),
        mean - k * sd,
        mean + k * sd,
        content,
        f"tolerance limits, {100 * confidence:g} % confidence, normal",
        v.size,
        v.size,
        checks,
    )


def one_sided_bound(n: int, confidence: float = 0.95, content: float = 0.95) -> float:
    """Return k so that mean + k s is above a share of a normal population with a confidence.

    Parameters
    ----------
    n : independent values, at least 2.
    confidence : probability that the bound holds.
    content : share of the population below it, 0 to 1.

    Returns
    -------
    k : pure number.

    Raises
    ------
    ValueError : fewer than 2 values; a probability out of range.

    Notes
    -----
    Exact, noncentral t (Hahn & Meeker, Statistical Intervals, section 4.6).
    """
    from scipy.special import nctdtrit, ndtri

    if n < 2:
        raise ValueError("Tolerance limits need at least 2 values: one has no spread.")
    check_level(confidence)
    shift = float(ndtri(check_level(content))) * math.sqrt(n)
    found = float(nctdtrit(n - 1, shift, confidence)) / math.sqrt(n)
    # Far beyond any table the search in the library gives up; the normal limit is exact there.
    return (
        found
        if math.isfinite(found)
        else float(ndtri(content)) + t_quantile(confidence, n - 1) / math.sqrt(n)
    )
