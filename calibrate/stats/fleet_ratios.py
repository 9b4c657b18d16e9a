"""Many machines at once: each node's ratio, what the fleet does, and which nodes do not.

A fleet is a matrix, nodes by runs. Everything is done on whole matrices, so that ten thousand
nodes take a moment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibrate.stats.estimate import HUGE, MAX_LOG, Estimate, Vector, check_level, ratio_estimate
from calibrate.stats.quantile import t_quantile

#: Runs of a node below which it has no interval of its own.
LEAST_RUNS = 3


@dataclass(frozen=True)
class Fleet:
    """The ratios of many nodes.

    Parameters
    ----------
    ratio, low, high : geometric mean ratio of each node and its interval, shape (nodes,); NaN
        where a node has no runs, or too few for an interval.
    runs : runs of each, shape (nodes,).
    mean : geometric mean over nodes; t interval with the node as the unit.
    within_sd, between_sd : sd of ln(ratio) between runs of a node, and between nodes.
    odd : nodes that differ from the others more than chance allows, the most so first.
    p_value : of each node against the fleet, corrected for the number of nodes (Holm), NaN where
        it cannot be said, shape (nodes,).
    """

    ratio: Vector
    low: Vector
    high: Vector
    runs: NDArray[np.intp]
    mean: Estimate
    within_sd: float | None
    between_sd: float | None
    odd: tuple[int, ...]
    p_value: Vector


def fleet(d: ArrayLike, level: float = 0.95, alpha: float = 0.01) -> Fleet:
    """Return the ratio of every node, and the nodes that are odd.

    Parameters
    ----------
    d : ln(probe/reference), shape (nodes, runs); NaN where a node lacks a run. At least 2 nodes
        with runs.
    level : coverage probability of the intervals.
    alpha : probability of calling any node odd where none is.

    Returns
    -------
    Fleet : of each node and of all of them.

    Raises
    ------
    ValueError : not a matrix, infinite, beyond 130 decades, fewer than two nodes with runs.

    Notes
    -----
    The interval of a node is t, bent for skewness: mean + u (t + g (2 t^2 + 1)/(6 sqrt n)), which
    is the BCa interval of a mean to second order without resampling (Hall, The Bootstrap and
    Edgeworth Expansion 1992, section 3.6; DiCiccio & Efron 1996, section 4). A node is odd by a
    robust score: its distance from the median over the spread of nodes (median absolute
    deviation), two-sided normal, Holm.
    """
    table = np.asarray(d, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError("d must be a matrix, nodes by runs.")
    there = ~np.isnan(table)
    if not np.abs(table, where=there, out=np.zeros_like(table)).max(initial=0.0) <= MAX_LOG:
        raise ValueError("A ratio of more than 130 decades is not a measurement; check the units.")
    runs = there.sum(axis=1)
    if (runs > 0).sum() < 2:
        raise ValueError("A fleet takes at least two nodes with runs.")
    check_level(level)
    mean, sd, skew = _moments(table, there, runs)
    low, high = _intervals(mean, sd, skew, runs, level)
    some = runs > 0
    between, within = _components(mean, sd, runs)
    count = int(some.sum())
    u = float(mean[some].std(ddof=1)) / math.sqrt(count)
    reach = t_quantile(0.5 + level / 2, count - 1) * u
    center = float(mean[some].mean())
    overall = ratio_estimate(
        center,
        u,
        (center - reach, center + reach),
        level=level,
        method="geometric mean of nodes, t on nodes",
        n_runs=int(runs.sum()),
        n_clusters=count,
    )
    p = _odd(mean, some)
    far = [int(i) for i in np.argsort(np.where(np.isnan(p), 2.0, p), kind="stable") if p[i] < alpha]
    ratio = np.exp(mean)
    return Fleet(ratio, np.exp(low), np.exp(high), runs, overall, within, between, tuple(far), p)


def _moments(
    table: Vector, there: NDArray[np.bool_], runs: NDArray[np.intp]
) -> tuple[Vector, Vector, Vector]:
    """Return mean, sd and skewness of each node, NaN where there are too few runs."""
    n = runs.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, table, 0.0).sum(axis=1) / n
        away = np.where(there, table - mean[:, None], 0.0)
        second, third = (away**2).sum(axis=1), (away**3).sum(axis=1)
        sd = np.sqrt(second / (n - 1))
        skew = np.where(second > 0, (third / n) / (second / n) ** 1.5, 0.0)
    return mean, np.where(n > 1, sd, np.nan), skew


def _intervals(
    mean: Vector, sd: Vector, skew: Vector, runs: NDArray[np.intp], level: float
) -> tuple[Vector, Vector]:
    """Return the limits of each node, NaN where it has too few runs."""
    sizes, place = np.unique(runs, return_inverse=True)
    quantile = np.array(
        [t_quantile(0.5 + level / 2, int(n) - 1) if n >= LEAST_RUNS else np.nan for n in sizes]
    )[place]
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(runs.astype(np.float64))
        u, bend = sd / root, skew * (2 * quantile**2 + 1) / (6 * root)
        # With few runs the skewness is hardly known: it never turns an end around.
        bend = np.clip(bend, -quantile / 2, quantile / 2)
    return mean + u * (bend - quantile), mean + u * (bend + quantile)


def _components(
    mean: Vector, sd: Vector, runs: NDArray[np.intp]
) -> tuple[float | None, float | None]:
    """Return the sd between nodes and within them."""
    some, more = runs > 0, runs > 1
    if not more.any():
        return None, None
    df = (runs[more] - 1).astype(np.float64)
    within = float((df * sd[more] ** 2).sum() / df.sum())
    spread = float(mean[some].var(ddof=1)) - within * float((1 / runs[some]).mean())
    return math.sqrt(max(spread, 0.0)), math.sqrt(within)


def _odd(mean: Vector, some: NDArray[np.bool_]) -> Vector:
    """Return the corrected probability of each node's distance from the others."""
    from scipy.special import ndtr
    from statsmodels.stats.multitest import multipletests

    out = np.full(mean.size, np.nan)
    values = mean[some]
    away = np.abs(values - np.median(values))
    spread = float(np.median(away)) * 1.4826
    if spread <= 0 or spread > HUGE:
        return out
    p = 2 * ndtr(-away / spread)
    out[some] = multipletests(p, method="holm")[1]
    return out
