"""Repeats that follow one another: correlation in time, and what it leaves of a mean.

Intervals count runs as independent. Where the noise of a meter wanders slowly (temperature, another
tenant), neighbouring runs err alike, and n runs tell less than n independent ones would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibrate.stats.estimate import Estimate, Vector, encode, measured

#: Repeats beyond the first of each workload below which nothing is said of correlation.
LEAST_REPEATS = 6
#: Probability of calling independent repeats correlated.
CORRELATED_P = 0.01
#: Runs that are looked at, the newest: more do not make the correlation better known.
_MOST = 400
#: Correlation up to which it is looked for; from there on it is a random walk.
HIGHEST_LAG1 = 0.95
_HALVINGS = 20


@dataclass(frozen=True)
class SerialCorrelation:
    """How much neighbouring runs err alike.

    Parameters
    ----------
    lag1 : correlation of neighbouring runs about the means of their workloads, without the bias of
        the estimated means; -0.95 to 0.95.
    p_value : probability that independent runs show one so large or larger.
    n : number of runs.
    n_effective : number of independent runs that would give the mean as well; at most n.
    sd : of one run about the mean of its workload, without the bias of the estimated means, in the
        unit of the values.
    """

    lag1: float
    p_value: float
    n: int
    n_effective: float
    sd: float

    @property
    def significant(self) -> bool:
        """Whether the runs are correlated beyond doubt: p below 0.01 (`CORRELATED_P`)."""
        return self.p_value < CORRELATED_P

    @property
    def sentence(self) -> str:
        """What it means for the reader."""
        return (
            f"Repeats are not independent: neighbouring runs correlate with {self.lag1:.2f} "
            f"(p = {self.p_value:.2g}); {self.n} runs tell as much as {self.n_effective:.0f} "
            "independent ones."
        )

    @property
    def extra_variance(self) -> float:
        """The variance of the mean that is missed where the runs count as independent."""
        return self.sd**2 * (1 / self.n_effective - 1 / self.n)


def serial_correlation(
    values: Sequence[float] | Vector,
    cluster: Sequence[str] | None = None,
    shuffles: int = 999,
    seed: int = 0,
) -> SerialCorrelation:
    """Return the correlation of runs that follow one another.

    Parameters
    ----------
    values : ln(ratio) or another quantity of every run, in the order of time, shape (n,).
    cluster : what the runs repeat, a label a run; all repeat the same unless given.
    shuffles : permutations for the p-value.
    seed : of the shuffles.

    Returns
    -------
    SerialCorrelation : the correlation at lag one, its probability, and the effective number.

    Raises
    ------
    ValueError : fewer than 6 repeats beyond the first of each cluster; values not finite or all
        the same within their clusters.

    Notes
    -----
    The lag-one coefficient of the residuals (von Neumann, Ann Math Stat 1941;12:367), its p-value
    by shuffling within clusters. Estimated means make it too low (Marriott & Pope, Biometrika
    1954;41:390): the first-order autoregression is taken under which the coefficient that is seen
    is the expected one. It gives the variance of the mean, and with it the effective number (Bayley
    & Hammersley, J R Stat Soc Suppl 1946;8:184).
    """
    v = measured("values", values)[-_MOST:]
    labels = ["" for _ in v] if cluster is None else list(cluster)[-_MOST:]
    names, code = encode(labels, v.size)
    if v.size - len(names) < LEAST_REPEATS:
        raise ValueError(
            f"{v.size} runs of {len(names)} workload(s): correlation takes at least "
            f"{LEAST_REPEATS} repeats beyond the first of each."
        )
    sizes = np.bincount(code)
    residual = v - (np.bincount(code, weights=v) / sizes)[code]
    squares = float(residual @ residual)
    if squares <= (1e-12 * float(np.abs(v).max())) ** 2 * v.size:
        raise ValueError("All repeats are identical: the spread is below the resolution.")
    seen = float(residual[:-1] @ residual[1:])
    basis = np.eye(len(names))[code] / np.sqrt(sizes)
    process = Autoregression(basis)
    lag1 = process.lag1(seen / squares)
    weights = (1 / sizes / len(names))[code]
    inflation = process.variance(weights, max(lag1, 0.0)) / process.variance(weights, 0.0)
    return SerialCorrelation(
        lag1=lag1,
        p_value=_as_large(residual, code, seen, shuffles, seed),
        n=len(values),
        n_effective=min(len(values) / inflation, float(len(values))),
        sd=float(np.sqrt(squares / process.freedom(max(lag1, 0.0)))),
    )


def _as_large(
    residual: Vector, code: NDArray[np.intp], seen: float, shuffles: int, seed: int
) -> float:
    """Return the share of shuffles within clusters with neighbours as much alike."""
    rng = np.random.default_rng(seed)
    table = np.tile(residual, (shuffles, 1))
    for each in np.unique(code):
        mine = np.flatnonzero(code == each)
        table[:, mine] = rng.permuted(table[:, mine], axis=1)
    sums = (table[:, :-1] * table[:, 1:]).sum(axis=1)
    return float(1 + (sums >= seen - 1e-12 * abs(seen)).sum()) / (1 + shuffles)


class Autoregression:
    """First-order autoregressive noise beside means or a line that were estimated from it.

    Parameters
    ----------
    basis : an orthonormal basis of what was fitted, shape (n, p).
    """

    def __init__(self, basis: Vector) -> None:
        self._basis = basis
        place = np.arange(len(basis))
        self._apart = np.abs(place[:, None] - place[None, :])

    def _covariance(self, lag1: float) -> Vector:
        return np.asarray(np.power(lag1, np.arange(len(self._apart)))[self._apart])

    def lag1(self, seen: float) -> float:
        """Return the correlation under which the residuals are expected to show what is seen."""
        low, high = -HIGHEST_LAG1, HIGHEST_LAG1
        if seen >= self._expected(high):
            return high
        if seen <= self._expected(low):
            return low
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._expected(middle) < seen else (low, middle)
        return (low + high) / 2

    def _expected(self, lag1: float) -> float:
        """Return the expected products of neighbouring residuals over the expected squares."""
        q, spread = self._basis, self._covariance(lag1)
        s = spread @ q
        g = q.T @ s
        products = (len(q) - 1) * lag1 - (q[:-1] * s[1:]).sum() - (s[:-1] * q[1:]).sum()
        products += ((q[:-1] @ g) * q[1:]).sum()
        return float(products / (len(q) - np.trace(g)))

    def freedom(self, lag1: float) -> float:
        """Return the expected sum of squared residuals over the variance of one value."""
        q = self._basis
        return float(len(q) - np.trace(q.T @ self._covariance(lag1) @ q))

    def variance(self, weights: Vector, lag1: float) -> float:
        """Return the variance of a weighted sum of the values over that of one value."""
        return float(weights @ self._covariance(lag1) @ weights)


def widened(found: Estimate, variance: float, check: str) -> Estimate:
    """Return a ratio with a variance of its logarithm added.

    Parameters
    ----------
    found : a ratio with its standard uncertainty and interval.
    variance : of ln(ratio), zero or above, to be added to that in `found`.
    check : a sentence that says why.

    Returns
    -------
    Estimate : the same ratio; its interval is wider by the same factor on both sides.

    Raises
    ------
    ValueError : a variance below zero.

    Notes
    -----
    JCGM 100:2008, 5.1.2, on logarithms.
    """
    if not variance >= 0:
        raise ValueError(f"The variance {variance} is below zero.")
    checks = (*found.checks, check)
    if found.u is None or found.low is None or found.high is None:
        return replace(found, checks=checks)
    u = found.u / found.value
    more = float(np.sqrt(u**2 + variance) / u) if u > 0 else 1.0
    return replace(
        found,
        u=found.u * more,
        low=found.value * (found.low / found.value) ** more,
        high=found.value * (found.high / found.value) ** more,
        checks=checks,
    )
