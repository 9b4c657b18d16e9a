"""Does a straight line, or one factor, describe the meter? Tests that say no."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.agreement import components
from calibrate.stats.estimate import encode
from calibrate.stats.line import least_squares, line_data
from calibrate.stats.quantile import f_tail


@dataclass(frozen=True)
class LackOfFit:
    """Scatter about a model against scatter of repeats.

    Parameters
    ----------
    statistic : F, or the CUSUM's maximum.
    df : degrees of freedom of F; None for the CUSUM.
    p_value : probability of a statistic this large if the model holds.
    method : in words.
    """

    statistic: float
    df: tuple[int, int] | None
    p_value: float
    method: str


def lack_of_fit(x: ArrayLike, y: ArrayLike, cluster: Sequence[str]) -> LackOfFit:
    """Test a straight line against the spread of repeats.

    Parameters
    ----------
    x, y : shape (n,). Readings of one cluster repeat one x; where theirs differ a little, the
        cluster's mean is taken.
    cluster : label a reading; at least 3 clusters, one of them repeated.

    Returns
    -------
    LackOfFit : F; a small probability speaks against a straight line.

    Raises
    ------
    ValueError : as in `line_data`; fewer than 3 clusters; no repeats, or repeats without spread.

    Notes
    -----
    F = (SS_lof/(k - 2))/(SS_pure/(n - k)): Draper & Smith, Applied Regression Analysis, section
    2.1.
    """
    vx, vy = line_data(x, y)
    labels, code = encode(cluster, vx.size)
    k, n = len(labels), vx.size
    if k < 3 or n == k:
        raise ValueError("Lack of fit takes at least 3 clusters, and repeats in one of them.")
    size = np.bincount(code, minlength=k)
    mean_x = np.bincount(code, weights=vx, minlength=k) / size
    mean_y = np.bincount(code, weights=vy, minlength=k) / size
    line = least_squares(mean_x[code], vy)
    pure = float(((vy - mean_y[code]) ** 2).sum())
    if pure == 0.0:
        raise ValueError("The repeats have no spread: it is below the resolution.")
    off = float((size * (mean_y - line.at(mean_x)) ** 2).sum())
    statistic = (off / (k - 2)) / (pure / (n - k))
    return LackOfFit(
        statistic, (k - 2, n - k), f_tail(statistic, k - 2, n - k), "F, line against repeats"
    )


def one_factor(d: ArrayLike, cluster: Sequence[str]) -> LackOfFit:
    """Test whether one factor serves all workloads: one-way analysis of variance of ln(ratio).

    Parameters
    ----------
    d : ln(probe/reference) a run, shape (n,).
    cluster : workload a run; at least 2, one of them repeated.

    Returns
    -------
    LackOfFit : F; a small probability speaks against one factor for all.

    Raises
    ------
    ValueError : one workload; no repeats, or repeats without spread.

    Notes
    -----
    Fisher, Statistical Methods for Research Workers, 1925, chapter VII.
    """
    c = components(d, cluster)
    if c.k < 2 or not c.ms_within or c.ms_between is None:
        raise ValueError("The test takes at least 2 workloads, and repeats that differ.")
    statistic = c.ms_between / c.ms_within
    df = c.k - 1, c.n - c.k
    return LackOfFit(statistic, df, f_tail(statistic, *df), "F, workloads against repeats")


def cusum(x: ArrayLike, y: ArrayLike, slope: float, intercept: float) -> LackOfFit:
    """Test a line by the order of the points above and below it.

    Parameters
    ----------
    x, y : shape (n,), n at least 5.
    slope, intercept : of the line (for example of `passing_bablok`).

    Returns
    -------
    LackOfFit : the largest sum; a small probability speaks against a straight line.

    Raises
    ------
    ValueError : as in `line_data`; all points on the line or on one side of it.

    Notes
    -----
    Passing & Bablok, J Clin Chem Clin Biochem 1983;21:709: scores sqrt(n-/n+) and -sqrt(n+/n-)
    in order along the line; the largest cumulative sum over sqrt(n), a bridge, against the
    distribution of Kolmogorov.
    """
    from scipy.special import kolmogorov

    vx, vy = line_data(x, y, minimum=5)
    away = vy - intercept - slope * vx
    scale = 1e-12 * float(np.abs(vy).max())
    above, below = away > scale, away < -scale
    plus, minus = int(above.sum()), int(below.sum())
    if not plus or not minus:
        raise ValueError("All points are on one side of the line, or on it: nothing to test.")
    score = np.where(above, math.sqrt(minus / plus), np.where(below, -math.sqrt(plus / minus), 0.0))
    # Along the line: by the projection on it, in units in which both axes have the same spread.
    along = np.argsort(vy + slope * vx, kind="stable")
    # Scores have mean 0 and variance 1 a point; the sum is a bridge, scaled by sqrt(n).
    statistic = float(np.abs(np.cumsum(score[along])).max()) / math.sqrt(plus + minus)
    return LackOfFit(statistic, None, float(kolmogorov(statistic)), "CUSUM of sides")
