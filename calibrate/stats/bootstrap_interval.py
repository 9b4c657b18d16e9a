"""Bootstrap intervals: bias-corrected and accelerated, over runs or over clusters.

The statistic must be a smooth function of sums (a mean log ratio, a ratio of sums): then a
resample is a vector of counts, and a thousand of them are one matrix product.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.estimate import (
    HUGE,
    Estimate,
    Vector,
    check_level,
    encode,
    measured,
    t_estimate,
)
from calibrate.stats.quantile import normal_quantile, normal_tail
from calibrate.threads import in_threads

#: Takes sums, shape (..., columns), and returns the statistic, shape (...).
Statistic = Callable[[Vector], Vector]

#: With fewer clusters resampling them does not show their spread.
LEAST_CLUSTERS = 8
#: Resamples a row from which on regression finds its influence.
_MANY = 100
#: Weight that is moved to a row to see what it does.
_NUDGE = 1e-5
#: Counts made at once.
_CELLS = 1_000_000


def mean_of(sums: Vector) -> Vector:
    """Return the mean from the columns (sum of values, number of values).

    Parameters
    ----------
    sums : shape (..., 2), any unit.

    Returns
    -------
    mean : shape (...), in the unit of the values.

    Raises
    ------
    Nothing : a number of zero gives NaN, which `bootstrap` refuses.
    """
    return np.asarray(sums[..., 0] / sums[..., 1])


def bootstrap(
    rows: ArrayLike,
    statistic: Statistic,
    *,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
    n_runs: int | None = None,
) -> Estimate:
    """Return a statistic of column sums with its BCa interval.

    Parameters
    ----------
    rows : one row a unit that is drawn (a run, or the sums over a cluster), shape (n, columns),
        n at least 8.
    statistic : of the column sums.
    resamples : at least 1000.
    level : coverage probability.
    seed : of the resampling.
    n_runs : runs behind the rows; one each unless given.

    Returns
    -------
    Estimate : `u` is the sd of the resampled statistic.

    Raises
    ------
    ValueError : too few rows or resamples; a statistic that is not a finite number.

    Notes
    -----
    Efron, JASA 1987;82:171, equations 6.5 to 6.7; DiCiccio & Efron, Stat Sci 1996;11:189. The
    acceleration needs the influence of each row: by regression of the resampled statistic on how
    often a row was drawn where there are 100 resamples a row (Davison & Hinkley 1997, section
    2.7.4), else the derivative by the weight of the row.
    """
    table = np.atleast_2d(np.asarray(rows, dtype=np.float64))
    n = table.shape[0]
    if table.ndim != 2 or not np.isfinite(table).all() or np.abs(table).max() > HUGE:
        raise ValueError("rows must be a table of finite numbers, one row a run or cluster.")
    if n < LEAST_CLUSTERS:
        raise ValueError(
            f"There are {n} independent units; below {LEAST_CLUSTERS} a bootstrap interval is too "
            "narrow. Use t on their means, or measure more."
        )
    if resamples < 1000:
        raise ValueError(f"{resamples} resamples do not show the tails; take at least 1000.")
    check_level(level)
    sums = table.sum(axis=0)
    value = float(statistic(sums))
    if resamples >= _MANY * n:
        drawn, influence = _counted(table, statistic, resamples, seed)
    else:
        drawn = _drawn(table, statistic, resamples, seed)
        influence = _influence(table, sums, statistic)
    if not (math.isfinite(value) and np.isfinite(drawn).all() and np.isfinite(influence).all()):
        raise ValueError("The statistic is not a finite number for every resample; check zeros.")
    shares, checks = _shares(value, drawn, influence, level)
    low, high = (float(q) for q in np.quantile(drawn, shares))
    return Estimate(
        value,
        float(drawn.std(ddof=1)),
        low,
        high,
        level,
        f"BCa bootstrap, {resamples} resamples",
        n if n_runs is None else n_runs,
        n,
        checks,
    )


def cluster_mean(
    values: ArrayLike,
    cluster: Sequence[str],
    *,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Return the mean over all values with an interval that knows they come in clusters.

    Parameters
    ----------
    values : any unit, shape (n,).
    cluster : label a value; values of one label share an error.
    resamples, level, seed : see `bootstrap`.

    Returns
    -------
    Estimate : clusters are drawn whole; with fewer than 8 the interval is t on the cluster means
        and a check says so.

    Raises
    ------
    ValueError : values that are not finite; one cluster only.

    Notes
    -----
    Cameron, Gelbach & Miller, Rev Econ Stat 2008;90:414: few clusters.
    """
    v = measured("values", values)
    labels, code = encode(cluster, v.size)
    k = len(labels)
    if k < 2:
        raise ValueError("All values are of one cluster: nothing shows how clusters differ.")
    sums = np.bincount(code, weights=v, minlength=k)
    counts = np.bincount(code, minlength=k).astype(np.float64)
    if k >= LEAST_CLUSTERS:
        rows = np.stack([sums, counts], axis=1)
        return bootstrap(rows, mean_of, resamples=resamples, level=level, seed=seed, n_runs=v.size)
    means = sums / counts
    return t_estimate(
        float(means.mean()),
        float(means.std(ddof=1)) / math.sqrt(k),
        k - 1,
        level=check_level(level),
        method="t on cluster means",
        n_runs=v.size,
        n_clusters=k,
        checks=(f"Only {k} clusters: too few to resample; each counts once.",),
    )


def _counted(
    table: Vector, statistic: Statistic, resamples: int, seed: int
) -> tuple[Vector, Vector]:
    """Return the statistic of resamples, shape (resamples,), and the influence of each row."""
    n, rng = table.shape[0], np.random.default_rng(seed)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)
    out = np.asarray(statistic(counts @ table), dtype=np.float64)
    return out, (out - out.mean()) @ (counts - 1)


def _drawn(table: Vector, statistic: Statistic, resamples: int, seed: int) -> Vector:
    """Return the statistic of resamples, shape (resamples,).

    Blocks have random numbers of their own, so the result does not depend on the threads.
    """
    n, columns = table.shape
    block = max(1, _CELLS // n)
    sizes = [min(block, resamples - start) for start in range(0, resamples, block)]
    seeds = np.random.SeedSequence(seed).spawn(len(sizes))
    varies = np.ptp(table, axis=0) > 0

    def one(part: tuple[int, np.random.SeedSequence]) -> Vector:
        size, source = part
        draws = np.random.default_rng(source).integers(0, n, size=(size, n), dtype=np.int32)
        sums = np.empty((size, columns))
        for c in range(columns):
            column = np.ascontiguousarray(table[:, c])
            sums[:, c] = column.take(draws).sum(axis=1) if varies[c] else n * column[0]
        return np.asarray(statistic(sums), dtype=np.float64)

    parts = list(zip(sizes, seeds, strict=True))
    return np.concatenate(in_threads(one, parts, (os.cpu_count() or 1) + 4))


def _influence(table: Vector, sums: Vector, statistic: Statistic) -> Vector:
    """Return the derivative of the statistic by the weight of each row, shape (n,)."""
    toward = _NUDGE * (table.shape[0] * table - sums)
    two = np.asarray(statistic(sums + toward)), np.asarray(statistic(sums - toward))
    return np.asarray((two[0] - two[1]) / (2 * _NUDGE), dtype=np.float64)


def _shares(
    value: float, drawn: Vector, influence: Vector, level: float
) -> tuple[list[float], tuple[str, ...]]:
    """Return which quantiles of the resampled statistic are the limits (BCa)."""
    tails = [(1 - level) / 2, (1 + level) / 2]
    # Ties with the estimate count half: a statistic of few distinct values is not biased by them.
    below = float((drawn < value).mean() + (drawn == value).mean() / 2)
    size = float((influence**2).sum())
    if not 0 < below < 1 or size == 0.0:
        return tails, ("No spread to correct for bias: plain percentiles.",)
    bias = normal_quantile(below)
    bend = float((influence**3).sum()) / (6 * size**1.5)
    out = []
    for tail in tails:
        z = bias + normal_quantile(tail)
        out.append(1 - normal_tail(bias + z / (1 - bend * z)))
    return out, ()
