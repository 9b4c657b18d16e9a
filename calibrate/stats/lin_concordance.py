"""Lin's concordance: how near the pairs of two meters are to the line of identity."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.estimate import Estimate, check_level
from calibrate.stats.line import line_data
from calibrate.stats.quantile import normal_quantile


@dataclass(frozen=True)
class Concordance:
    """Lin's coefficient and its parts.

    Parameters
    ----------
    coefficient : rho_c, -1 to 1; interval through the inverse hyperbolic tangent.
    correlation : Pearson's r, the part that is scatter.
    bias_correction : C_b, 0 to 1, the part that is bias.
    scale_shift : sd of y over sd of x.
    location_shift : (mean y - mean x)/sqrt(sd x sd y).
    """

    coefficient: Estimate
    correlation: float
    bias_correction: float
    scale_shift: float
    location_shift: float


def concordance(x: ArrayLike, y: ArrayLike, level: float = 0.95) -> Concordance:
    """Return Lin's concordance correlation coefficient.

    It depends on how wide the range is, and near zero it tells meters that are 10 % apart from
    meters that are a thousandfold apart no more: the limits of agreement say more.

    Parameters
    ----------
    x, y : the same unit, shape (n,), n at least 4, neither constant.
    level : coverage probability of the interval.

    Returns
    -------
    Concordance : pure numbers; no interval where x and y are all but proportional.

    Raises
    ------
    ValueError : as in `line_data`.

    Notes
    -----
    Lin, Biometrics 1989;45:255, with the variance as corrected in 2000;56:324. Moments have the
    divisor n, the variance n - 2 (as epiR's epi.ccc).
    """
    vx, vy = line_data(x, y, minimum=4)
    n = vx.size
    mean_x, mean_y = float(vx.mean()), float(vy.mean())
    sd_x, sd_y = float(vx.std()), float(vy.std())
    r = float(np.clip(np.mean((vx - mean_x) / sd_x * ((vy - mean_y) / sd_y)), -1, 1))
    scale, shift = sd_y / sd_x, (mean_y - mean_x) / math.sqrt(sd_x) / math.sqrt(sd_y)
    c_b = 2 / (scale + 1 / scale + shift**2)
    rho = r * c_b
    u, half = _interval(r, rho, shift, n, check_level(level))
    checks = []
    if min(vx.min(), vy.min()) <= 0 or vx.max() < 10 * vx.min():
        checks.append("The range is less than a decade: the coefficient says more of it than of x.")
    low, high = half or (None, None)
    coefficient = Estimate(
        rho,
        u,
        low,
        high,
        level,
        "Lin's concordance, inverse hyperbolic tangent",
        n,
        n,
        tuple(checks),
    )
    return Concordance(coefficient, r, c_b, scale, shift)


def _interval(
    r: float, rho: float, shift: float, n: int, level: float
) -> tuple[float | None, tuple[float, float] | None]:
    """Return the standard error of the coefficient and its interval (Lin 2000)."""
    if abs(r) >= 1 - 1e-12 or abs(r) < 1e-12 or abs(rho) >= 1 - 1e-12:
        return None, None
    variance = (
        (1 - r**2) * rho**2 * (1 - rho**2) / r**2
        + 2 * rho**3 * (1 - rho) * shift**2 / r
        - rho**4 * shift**4 / (2 * r**2)
    ) / (n - 2)
    if variance <= 0:
        return None, None
    u = math.sqrt(variance)
    reach = normal_quantile(0.5 + level / 2) * u / (1 - rho**2)
    return u, (math.tanh(math.atanh(rho) - reach), math.tanh(math.atanh(rho) + reach))
