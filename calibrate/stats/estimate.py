"""The form of every statistical result, and the inputs that are refused.

A result is finite or it is None: no NaN and no infinity leaves this package.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibrate.stats.quantile import t_quantile

Vector = NDArray[np.float64]

#: Largest magnitude, and smallest spread, taken for measurements: their squares are still numbers.
HUGE, TINY = 1e100, 1e-100

#: Largest |ln(ratio)| taken for a measurement; exp() of it is still far from overflow.
MAX_LOG = 300.0


@dataclass(frozen=True)
class Estimate:
    """A number with what is needed to trust it, or not.

    Parameters
    ----------
    value : the estimate.
    u : standard uncertainty in the unit of `value`; None where the data cannot give one.
    low, high : limits of the interval at `level`; both None where the data cannot give them.
    level : coverage probability of the interval, for example 0.95.
    method : how the interval was made, in words.
    n_runs : runs used.
    n_clusters : workloads they came from.
    checks : what to know before relying on it, one sentence each.
    """

    value: float
    u: float | None
    low: float | None
    high: float | None
    level: float
    method: str
    n_runs: int
    n_clusters: int
    checks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        numbers = [x for x in (self.value, self.u, self.low, self.high) if x is not None]
        if not all(math.isfinite(x) for x in numbers):
            raise ValueError("An estimate must be finite; what is not known is None.")
        if (self.low is None) != (self.high is None):
            raise ValueError("An interval has two limits or none.")

    def covers(self, value: float) -> bool:
        """Return whether a value lies in the interval; False where there is none."""
        return self.low is not None and self.high is not None and self.low <= value <= self.high


def ratio_estimate(
    mean_log: float,
    u_log: float | None,
    half: tuple[float, float] | None,
    *,
    level: float,
    method: str,
    n_runs: int,
    n_clusters: int,
    checks: Sequence[str] = (),
) -> Estimate:
    """Turn a result for ln(ratio) into one for the ratio.

    Parameters
    ----------
    mean_log : estimate of ln(ratio).
    u_log : its standard uncertainty, or None. The ratio gets value * u_log (first order).
    half : lower and upper limit of ln(ratio), or None. Limits whose exponential is not a usable
        number (a few runs that disagree by decades) become None, and a check says so.
    level, method, n_runs, n_clusters, checks : see `Estimate`.

    Returns
    -------
    Estimate : of the ratio, a pure number.

    Raises
    ------
    ValueError : a number that is not finite.

    Notes
    -----
    JCGM 100:2008, 5.1.2, for the standard uncertainty; limits are transformed as they are.
    """
    notes = list(checks)
    value = math.exp(mean_log)
    u = None if u_log is None else value * u_log
    if half is not None and max(abs(half[0]), abs(half[1])) > MAX_LOG:
        notes.append("The interval spans more than 130 decades and is not shown.")
        half = None
    low, high = (None, None) if half is None else (math.exp(half[0]), math.exp(half[1]))
    return Estimate(value, u, low, high, level, method, n_runs, n_clusters, tuple(notes))


def t_estimate(
    value: float,
    u: float | None,
    df: float,
    *,
    level: float,
    method: str,
    n_runs: int,
    n_clusters: int,
    checks: Sequence[str] = (),
) -> Estimate:
    """Return value -+ t u.

    Parameters
    ----------
    value, u : the estimate and its standard uncertainty, any unit; u None gives no interval.
    df : degrees of freedom of u; infinity makes a normal interval.
    level, method, n_runs, n_clusters, checks : see `Estimate`.

    Returns
    -------
    Estimate : in the unit of `value`.

    Raises
    ------
    ValueError : the level is not a probability.

    Notes
    -----
    JCGM 100:2008, G.3.
    """
    check_level(level)
    reach = None if u is None else t_quantile(0.5 + level / 2, df) * u
    low, high = (None, None) if reach is None else (value - reach, value + reach)
    return Estimate(value, u, low, high, level, method, n_runs, n_clusters, tuple(checks))


def check_level(level: float) -> float:
    """Return the coverage probability, or refuse one outside 0 to 1."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"The level {level} is not a probability between 0 and 1.")
    return level


def finite_vector(name: str, values: ArrayLike) -> Vector:
    """Return values as floats, shape (n,), or refuse empty, many-dimensional, non-finite ones."""
    out = np.asarray(values, dtype=np.float64)
    if out.ndim != 1 or out.size == 0:
        raise ValueError(f"{name} must be a list with at least one value.")
    bad = np.flatnonzero(~np.isfinite(out))
    if bad.size:
        raise ValueError(f"{name} is not a finite number in run {bad[0]}; leave that run out.")
    return out


def measured(name: str, values: ArrayLike) -> Vector:
    """Return values as `finite_vector` does, or refuse those whose squares are no numbers."""
    out = finite_vector(name, values)
    largest = float(np.abs(out).max())
    if largest > HUGE:
        raise ValueError(f"{name} reaches {largest:g}, which is no measurement; check units.")
    return out


def log_ratio(probe_j: ArrayLike, reference_j: ArrayLike) -> Vector:
    """Return d = ln(probe/reference) of every run.

    Parameters
    ----------
    probe_j, reference_j : energies of the same runs, J, shape (n,).

    Returns
    -------
    d : shape (n,).

    Raises
    ------
    ValueError : an energy is not finite or not above zero, or the lists differ in length.
    """
    probe, reference = finite_vector("probe_j", probe_j), finite_vector("reference_j", reference_j)
    if probe.size != reference.size:
        raise ValueError(f"There are {probe.size} probe values for {reference.size} references.")
    for name, values in (("probe_j", probe), ("reference_j", reference)):
        bad = np.flatnonzero(values <= 0)
        if bad.size:
            raise ValueError(
                f"{name} is {values[bad[0]]:g} J in run {bad[0]}; a ratio needs energies above "
                "zero. Leave that run out and report it."
            )
    return np.asarray(np.log(probe) - np.log(reference), dtype=np.float64)


def encode(cluster: Sequence[str], n: int) -> tuple[list[str], NDArray[np.intp]]:
    """Number the workload labels in sorted order.

    Parameters
    ----------
    cluster : one label a run.
    n : number of runs expected.

    Returns
    -------
    labels : the distinct labels, sorted, k of them.
    code : index into `labels` for every run, shape (n,).

    Raises
    ------
    ValueError : not as many labels as runs.
    """
    if len(cluster) != n:
        raise ValueError(f"There are {len(cluster)} workload labels for {n} runs.")
    labels = sorted({str(label) for label in cluster})
    place = {label: i for i, label in enumerate(labels)}
    return labels, np.asarray([place[str(label)] for label in cluster], dtype=np.intp)
