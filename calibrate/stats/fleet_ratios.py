"""Many machines at once: each node's ratio, what the fleet does, and which nodes do not.

A fleet is a matrix, nodes by runs. Everything is done on whole matrices, so that ten thousand
nodes take a moment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibrate.stats.estimate import HUGE, MAX_LOG, Estimate, Vector, check_level, ratio_estimate
from calibrate.stats.quantile import t_quantile

#: Runs of a node below which it has no interval of its own.
LEAST_RUNS = 3
#: Tails of sound nodes: those of t with so many degrees of freedom. Fleets without an odd node that
#: are drawn to count how far chance goes, and the nodes up to which they are.
_TAIL_DF, _DRAWS, _MOST_DRAWN = 5, 20_000, 200
#: Median absolute deviation of a normal distribution in its sd.
_MAD = 1.4826


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
    p_value : of each node: the probability that any node of a sound fleet is as far out, NaN where
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
    deviation; Iglewicz & Hoaglin, How to Detect and Handle Outliers 1993), which a few odd nodes
    do not widen. With few nodes that spread is badly known, and sound nodes stray more than a
    normal law says: how far the farthest goes by chance is counted in 20 000 simulated fleets of as
    many nodes, whose tails are those of t with 5 degrees of freedom. Above 200 nodes the spread is
    known, and the tail of that distribution is taken with Holm's correction. With normal nodes a
    node is called odd less often than `alpha`.
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
    p = np.full(mean.size, np.nan)
    p[some] = _odd(mean[some], _relative_sd(mean[some], runs[some], within))
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


def _relative_sd(values: Vector, runs: NDArray[np.intp], within: float | None) -> Vector:
    """Return the sd of each node's mean, relative to the median one.

    The spread between nodes is that of most of them, so that an odd node does not widen it.
    """
    of_runs = (within or 0.0) ** 2 / runs
    spread = _MAD * float(np.median(np.abs(values - np.median(values))))
    between = max(spread**2 - float(np.median(of_runs)), 0.0)
    sd = np.sqrt(between + of_runs)
    middle = float(np.median(sd))
    return np.asarray(sd / middle) if middle > 0 else np.ones(runs.size)


def _odd(values: Vector, sd: Vector) -> Vector:
    """Return of each node the probability that one of a sound fleet is as far out."""
    from scipy.special import stdtr, stdtrit
    from statsmodels.stats.multitest import multipletests

    away = np.abs(values - np.median(values)) / sd
    spread = _MAD * float(np.median(away))
    if spread <= 0 or spread > HUGE:
        return np.full(values.size, np.nan)
    score = away / spread
    if values.size > _MOST_DRAWN:
        # The score is in units of _MAD times the median of |t|.
        tail = 2 * stdtr(_TAIL_DF, -score * _MAD * stdtrit(_TAIL_DF, 0.75))
        return np.asarray(multipletests(tail, method="holm")[1])
    chance = _farthest_by_chance(values.size)
    beyond = chance.size - np.searchsorted(chance, score * (1 - 1e-12))
    return np.asarray((1 + beyond) / (1 + chance.size))


@lru_cache(maxsize=16)
def _farthest_by_chance(nodes: int) -> Vector:
    """Return the score of the farthest node of each of many sound fleets, sorted."""
    fleets = np.random.default_rng(nodes).standard_t(_TAIL_DF, (_DRAWS, nodes))
    away = np.abs(fleets - np.median(fleets, axis=1, keepdims=True))
    return np.sort(away.max(axis=1) / (_MAD * np.median(away, axis=1)))
