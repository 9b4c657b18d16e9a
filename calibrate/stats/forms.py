"""Forms of a correction beyond one factor: an offset, a line, a factor for each range of load.

Each workload is held out once to show what is left on one that was not measured. Every run counts
by its power, so that runs of different length can be mixed; workloads have weight one each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibrate.stats.agreement import MeanCorrection, correction
from calibrate.stats.estimate import Estimate, Vector, check_level, encode, measured, t_estimate

#: Least ratio of powers over which a line has a slope worth fitting.
SPAN = 1.3
#: Workloads that a line and each range of load take.
FOR_A_LINE, FOR_A_RANGE = 4, 3
_MOST_RANGES = 3

Table = tuple[Vector, Vector, tuple[str, ...], NDArray[np.intp]]
Apply = Callable[[Vector], Vector]


@dataclass(frozen=True, eq=False)
class Offset:
    """A constant power that a meter has too much.

    Parameters
    ----------
    offset_w : W; its interval is its own.
    held_out : workload -> relative error left by the offset of the others.
    """

    offset_w: Estimate
    held_out: dict[str, float]


@dataclass(frozen=True, eq=False)
class GainOffset:
    """A gain and a constant power: probe = gain * reference + offset_w.

    Parameters
    ----------
    gain, offset_w : estimates, the offset in W; their intervals are their own.
    covariance : of (gain, offset_w), shape (2, 2).
    scatter : relative standard deviation of a workload about the line.
    df : degrees of freedom of all of these.
    held_out : workload -> relative error left by the line through the others.
    """

    gain: Estimate
    offset_w: Estimate
    covariance: tuple[tuple[float, float], tuple[float, float]]
    scatter: float
    df: int
    held_out: dict[str, float]


@dataclass(frozen=True, eq=False)
class ByLoad:
    """A factor for each range of load, told apart by what the probe itself reports.

    Parameters
    ----------
    below_w : the probe's power at which a range ends, W, ascending; one fewer than ranges.
    factors : the correction of each range.
    held_out : workload -> relative error left by the others of its range.
    """

    below_w: tuple[float, ...]
    factors: tuple[MeanCorrection, ...]
    held_out: dict[str, float]


def fit_offset(
    probe_w: ArrayLike, reference_w: ArrayLike, workload: Sequence[str], level: float = 0.95
) -> Offset:
    """Return the constant power to subtract.

    Parameters
    ----------
    probe_w, reference_w : mean power of each run, W, shape (n,).
    workload : label a run, n of them; at least 3 different ones.
    level : coverage probability.

    Returns
    -------
    Offset : the constant power, W, and what it leaves on each workload.

    Raises
    ------
    ValueError : a power that is not positive, or too few workloads.

    Notes
    -----
    What workloads differ by is relative, as in `fit_gain_offset` with a gain of 1: probe/reference
    - 1 = offset/reference + error by least squares over workload means, k - 1 degrees of freedom.
    """
    p, r, labels, code = _table(probe_w, reference_w, workload, 3, "an offset")
    y, x = _means(p / r - 1, code), _means(1 / r, code)
    k, size = len(labels), float(x @ x)
    b = float(x @ y) / size
    scatter = float(np.linalg.norm(y - b * x)) / math.sqrt(k - 1)
    found = t_estimate(
        b,
        scatter / math.sqrt(size),
        k - 1,
        level=check_level(level),
        method="relative least squares over workload means, gain 1",
        n_runs=p.size,
        n_clusters=k,
    )

    def fit(keep: NDArray[np.bool_]) -> Apply:
        part = _codes(code[keep])
        more, inverse = _means((p / r)[keep] - 1, part), _means(1 / r[keep], part)
        watts = float(inverse @ more) / float(inverse @ inverse)
        return lambda shown: shown - watts

    return Offset(found, _held_out(p, r, labels, code, fit))


def fit_gain_offset(
    probe_w: ArrayLike, reference_w: ArrayLike, workload: Sequence[str], level: float = 0.95
) -> GainOffset:
    """Return the line to invert.

    Parameters
    ----------
    probe_w, reference_w, workload, level : as for `fit_offset`, of at least 4 workloads whose power
        by the reference differs by `SPAN`.

    Returns
    -------
    GainOffset : gain, a pure number, and offset, W, with their covariance.

    Raises
    ------
    ValueError : a power that is not positive, too few workloads, too little difference, or a gain
        that is not above zero.

    Notes
    -----
    What workloads differ by is relative, so that probe/reference = gain + offset/reference + error
    has errors of one size: ordinary least squares over workload means, k - 2 degrees of freedom
    (Draper & Smith, Applied Regression Analysis, section 9.2). The reference is taken as exact;
    where it is not, see `calibrate.stats.york`.
    """
    p, r, labels, code = _table(probe_w, reference_w, workload, FOR_A_LINE, "a line")
    y, x = _means(p / r, code), _means(1 / r, code)
    if float(x.max() / x.min()) < SPAN:
        raise ValueError(
            f"The loads differ by a factor of {float(x.max() / x.min()):.3g} in power only; a line "
            f"takes {SPAN:g}."
        )
    (a, b), residual, covariance = _line(x, y)
    if a <= 0:
        raise ValueError(f"The gain of the line is {a:.3g}: the probe does not follow the load.")
    df = len(labels) - 2
    scatter = math.sqrt(float(residual @ residual) / df)

    def one(value: float, variance: float) -> Estimate:
        return t_estimate(
            value, math.sqrt(variance), df, level=check_level(level),
            method="relative least squares over workload means", n_runs=p.size,
            n_clusters=len(labels),
        )  # fmt: skip

    def fit(keep: NDArray[np.bool_]) -> Apply:
        part = _codes(code[keep])
        (gain, watts), _, _ = _line(_means(1 / r[keep], part), _means((p / r)[keep], part))
        return lambda shown: (shown - watts) / max(gain, 1e-9)

    c = scatter**2 * covariance
    return GainOffset(
        one(a, float(c[0, 0])),
        one(b, float(c[1, 1])),
        ((float(c[0, 0]), float(c[0, 1])), (float(c[1, 0]), float(c[1, 1]))),
        scatter,
        df,
        _held_out(p, r, labels, code, fit),
    )


def fit_by_load(
    probe_w: ArrayLike, reference_w: ArrayLike, workload: Sequence[str], level: float = 0.95
) -> ByLoad:
    """Return a factor for each of two or three ranges of what the probe reports.

    Parameters
    ----------
    probe_w, reference_w, workload, level : as for `fit_offset`, of at least 6 workloads.

    Returns
    -------
    ByLoad : the ranges, W, and the correction of each.

    Raises
    ------
    ValueError : a power that is not positive, or too few workloads.

    Notes
    -----
    Ranges end between neighbouring workloads, where the largest error of a workload held out is
    smallest; each has at least 3 workloads.
    """
    p, r, _, code = _table(probe_w, reference_w, workload, 2 * FOR_A_RANGE, "two ranges")
    means = np.exp(_means(np.log(p), code))
    order = np.argsort(means)
    k = order.size
    best: ByLoad | None = None
    for more in range(1, _MOST_RANGES):
        for cuts in combinations(range(FOR_A_RANGE, k - FOR_A_RANGE + 1), more):
            sizes = np.diff([0, *cuts, k])
            if int(sizes.min()) < FOR_A_RANGE:
                continue
            ends = tuple(float(math.sqrt(means[order[c - 1]] * means[order[c]])) for c in cuts)
            found = _split(p, r, workload, ends, level)
            if found and (
                best is None or worst_held_out(found.held_out) < worst_held_out(best.held_out)
            ):
                best = found
    if best is None:
        raise ValueError("No split leaves three workloads in each range of load.")
    return best


def worst_held_out(held_out: dict[str, float]) -> float:
    """Return the largest error without its sign.

    Parameters
    ----------
    held_out : workload -> relative error left, at least one.

    Returns
    -------
    worst : 0.01 is 1 %.

    Raises
    ------
    ValueError : no workload.
    """
    return max(abs(error) for error in held_out.values())


def _split(
    p: Vector, r: Vector, workload: Sequence[str], ends: tuple[float, ...], level: float
) -> ByLoad | None:
    """Return the factors of ranges that end there, or None where one has too few workloads."""
    place = np.searchsorted(ends, p, side="right")
    names = np.asarray(workload)
    factors, held = [], dict[str, float]()
    for number in range(len(ends) + 1):
        inside = place == number
        if len(set(names[inside])) < FOR_A_RANGE:
            return None
        found = correction(np.log(p[inside] / r[inside]), list(names[inside]), level)
        factors.append(found)
        for name, error in (found.held_out or {}).items():
            if abs(error) >= abs(held.get(name, 0.0)):  # a workload may be in two ranges
                held[name] = error
    return ByLoad(ends, tuple(factors), held)


def _table(
    probe_w: ArrayLike, reference_w: ArrayLike, workload: Sequence[str], least: int, what: str
) -> Table:
    """Check the input and return it with the labels and each run's place among them."""
    p, r = measured("probe_w", probe_w), measured("reference_w", reference_w)
    if float(min(p.min(), r.min())) <= 0:
        raise ValueError("A power is not above zero; leave such runs out, or do not correct.")
    if p.size != r.size:
        raise ValueError(f"probe_w has {p.size} runs and reference_w {r.size}.")
    labels, code = encode(workload, p.size)
    if len(labels) < least:
        raise ValueError(f"{len(labels)} workloads are too few for {what}, which takes {least}.")
    return p, r, tuple(labels), code


def _means(values: Vector, code: NDArray[np.intp]) -> Vector:
    """Return the mean of each workload, shape (k,)."""
    return np.asarray(np.bincount(code, weights=values) / np.bincount(code))


def _codes(code: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return numbers without gaps."""
    return np.asarray(np.unique(code, return_inverse=True)[1], dtype=np.intp)


def _line(x: Vector, y: Vector) -> tuple[tuple[float, float], Vector, NDArray[np.float64]]:
    """Return (a, b) of y = a + b x, the residuals, and the covariance for errors of size one."""
    columns = np.stack([np.ones_like(x), x], axis=1)
    found = np.linalg.lstsq(columns, y, rcond=None)[0]
    inverse = np.linalg.pinv(columns.T @ columns)
    return (float(found[0]), float(found[1])), y - columns @ found, inverse


def _held_out(
    p: Vector,
    r: Vector,
    labels: tuple[str, ...],
    code: NDArray[np.intp],
    fit: Callable[[NDArray[np.bool_]], Apply],
) -> dict[str, float]:
    """Return the mean relative error of each workload under what the others give."""
    return {
        label: float(np.mean(fit(code != number)(p[code == number]) / r[code == number] - 1))
        for number, label in enumerate(labels)
    }
