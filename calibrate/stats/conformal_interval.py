"""What to expect of the next run without assuming any distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.estimate import Estimate, Vector, check_level, encode, measured


def conformal(d: ArrayLike, cluster: Sequence[str] | None = None, level: float = 0.95) -> Estimate:
    """Return the mean of d with an interval for the next value.

    Parameters
    ----------
    d : ln(probe/reference) a run, shape (n,).
    cluster : workload a run. Where given, the next value is of a workload that was not measured:
        each is left out in turn and has weight one, shared by its runs, since runs of one
        workload cannot be exchanged with those of another.
    level : coverage probability to expect. 95 % takes 19 runs (or workloads).

    Returns
    -------
    Estimate : no interval, and a check, where there are too few values or workloads.

    Raises
    ------
    ValueError : d not finite; a level that is no probability.

    Notes
    -----
    Jackknife+: Barber, Candes, Ramdas & Tibshirani, Ann Stat 2021;49:486, Theorem 1. With
    alpha = 1 - level, the guarantee for any distribution is 1 - 2 alpha and no more, which the
    method says in words; about 1 - alpha is what is seen in practice. Over workloads: Dunn,
    Wasserman & Ramdas, JASA 2023;118:2491, section 3 (pooled over groups). Both take the next run
    (or workload) for exchangeable with those that were measured: drawn in the same way, in any
    order. That is an assumption about what the user runs next, which no runs can show.
    """
    v = measured("d", d)
    alpha = 1 - check_level(level)
    labels, code = encode([str(i) for i in range(v.size)] if cluster is None else cluster, v.size)
    k = len(labels)
    needed = math.ceil(1 / alpha - 1e-9) - 1
    unit = "runs" if cluster is None else "workloads"
    method = f"jackknife+ over {unit}, guaranteed {100 * guaranteed_level(level):.3g} %"
    if k < max(needed, 2):
        check = f"{k} {unit} are too few for a {100 * level:g} % interval, which needs {needed}."
        return Estimate(float(v.mean()), None, None, None, level, method, v.size, k, (check,))
    sums = np.bincount(code, weights=v, minlength=k)
    sizes = np.bincount(code, minlength=k)
    means = sums / sizes
    without = (means.sum() - means) / (k - 1)
    residual = np.abs(v - without[code])
    # Each workload has weight one, shared by its runs.
    weight = 1 / sizes[code] / (k + 1)
    low = -_upper(residual - without[code], weight, alpha)
    high = _upper(residual + without[code], weight, alpha)
    u = float(np.sqrt(np.average(residual**2, weights=weight)))
    return Estimate(float(means.mean()), u, low, high, level, method, v.size, k)


def guaranteed_level(level: float) -> float:
    """Return the coverage that jackknife+ guarantees at a level, for any distribution.

    Parameters
    ----------
    level : coverage probability to expect, 0 to 1.

    Returns
    -------
    share : 1 - 2 (1 - level), not below zero.

    Raises
    ------
    ValueError : a level that is no probability.

    Notes
    -----
    Barber, Candes, Ramdas & Tibshirani, Ann Stat 2021;49:486, Theorem 1.
    """
    return max(0.0, 1 - 2 * (1 - check_level(level)))


def _upper(values: Vector, weight: Vector, alpha: float) -> float:
    """Return the smallest value with weight of at least 1 - alpha at or below it."""
    order = np.argsort(values)
    reached = np.cumsum(weight[order])
    place = int(np.searchsorted(reached, 1 - alpha - 1e-12))
    return float(values[order][min(place, values.size - 1)])
