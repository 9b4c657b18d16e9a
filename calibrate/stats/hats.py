"""Error variances of several meters without any reference.

The three-cornered hat and collocation take the errors of the meters for independent. Meters that
read one counter share its errors, and then the answer is wrong without any sign of it: a family
may take part once, unless its common error is among what is estimated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.estimate import Vector, check_level, measured
from calibrate.stats.quantile import t_quantile

#: Runs below which variances of differences say nothing.
LEAST_RUNS = 10
#: Groups of runs that are left out in turn, and how many of them must have a solution.
_GROUPS, _LEAST_GROUPS = 40, 8
#: Rounding errors of a variance, over itself: some for the sums, some for the differences of it.
_ROUND = 32 * float(np.finfo(float).eps)
#: Where covariances divide, they must be clearly not zero: correlation at least.
_LEAST_CORRELATION = 0.05


@dataclass(frozen=True)
class Hats:
    """Error variances without a reference.

    Parameters
    ----------
    names : of the meters, k of them.
    variances : of each meter's error, shape (k,), in the squared unit of the values (for
        collocation in the unit of the first meter). None where the estimate is negative: the
        errors are not independent, or the variance is too small to be seen.
    raw : the estimates as they came, negative ones too.
    gains : response of each meter to the signal over that of the first; all 1 for the hat.
    signal_variance : of what they all measure, in the squared unit of the first; None for the hat.
    common : pairs of one family -> covariance of their errors, estimated with the rest.
    misfit : largest difference between a covariance and the model's, over the signal's variance;
        None where there are no more equations than unknowns.
    n_runs : runs used.
    checks : what to know, one sentence each.
    intervals : of each variance; zero is the least. None where only a covariance matrix was given.
    level : coverage probability of the intervals.
    rounding : what the rounding of the numbers leaves of each variance, a difference of large ones;
        what is smaller comes out as zero.
    """

    names: tuple[str, ...]
    variances: tuple[float | None, ...]
    raw: tuple[float, ...]
    gains: tuple[float, ...]
    signal_variance: float | None
    common: dict[tuple[str, str], float]
    misfit: float | None
    n_runs: int
    checks: tuple[str, ...] = ()
    intervals: tuple[tuple[float, float], ...] | None = None
    level: float = 0.95
    rounding: tuple[float, ...] = ()


def three_cornered_hat(
    values: Mapping[str, ArrayLike],
    families: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Hats:
    """Return the error variance of each of three or more meters with the same gain.

    Parameters
    ----------
    values : meter -> its value a run, all of the same runs, any unit (ln of joules for meters
        that differ by factors), shape (n,), n at least 10.
    families : meter -> source family; two meters of one are refused.
    level : coverage probability of the intervals.

    Returns
    -------
    Hats : error variances in the squared unit of the values; all gains are 1.

    Raises
    ------
    ValueError : fewer than three meters, two of one family, fewer than 10 runs, values that are
        not finite or not as many.

    Notes
    -----
    Grubbs, JASA 1948;43:243, and Technometrics 1973;15:53. With more than three meters the least
    squares solution of all differences (Tavella & Premoli, Metrologia 1994;30:479). For the
    intervals see `_jackknife`.
    """
    names, table = _table(values, 3)
    _refuse_one_family(names, families)
    found = _hat(names, table)
    return _jackknife(found, table, lambda part: _hat(names, part), check_level(level))


def _hat(names: tuple[str, ...], table: Vector) -> Hats:
    """Return the three-cornered hat of values of shape (k, n)."""
    k = len(names)
    pairs = list(combinations(range(k), 2))
    design = np.zeros((len(pairs), k))
    seen = np.empty(len(pairs))
    for row, (i, j) in enumerate(pairs):
        design[row, [i, j]] = 1.0
        seen[row] = float(np.var(table[i] - table[j], ddof=1))
    raw: Vector = np.asarray(np.linalg.lstsq(design, seen, rcond=None)[0], dtype=np.float64)
    misfit = None
    if len(pairs) > k and seen.max() > 0:
        misfit = float(np.abs(design @ raw - seen).max() / seen.max())
    most = math.sqrt(float(seen.max()))
    rounding = np.full(k, _ROUND * most * (most + float(np.abs(table).max())))
    return _hats(names, raw, np.ones(k), None, {}, misfit, table.shape[1], rounding)


def collocation(
    values: Mapping[str, ArrayLike],
    families: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Hats:
    """Return error variance and gain of each of three or more meters.

    Parameters
    ----------
    values : as in `three_cornered_hat`, but gains may differ.
    families : meter -> source family. Two of one family may take part where there are at least
        two meters of other families: the covariance of their errors is then estimated too.
    level : coverage probability of the intervals.

    Returns
    -------
    Hats : error variances and gains, in the unit of the first meter.

    Raises
    ------
    ValueError : fewer than three families (three meters) or a design that does not identify the
        model; meters that are not associated; otherwise as in `three_cornered_hat`.

    Notes
    -----
    Stoffelen, J Geophys Res 1998;103:7755; McColl et al., Geophys Res Lett 2014;41:6229; with
    families extended as by Gruber et al., J Geophys Res Atmos 2016;121:1208.
    """
    names, table = _table(values, 3)

    def once(part: Vector) -> Hats:
        return collocation_of(names, np.cov(part), part.shape[1], families)

    return _jackknife(once(table), table, once, check_level(level))


def _jackknife(found: Hats, table: Vector, once: Callable[[Vector], Hats], level: float) -> Hats:
    """Return the result with intervals, from leaving out groups of runs.

    On cube roots, on which an estimated variance is nearly normal (Wilson & Hilferty, PNAS
    1931;17:684), unless it is hardly above zero; delete-a-group jackknife with up to 40 groups of
    neighbours (Kott, J Off Stat 2001;17:521), t with one degree of freedom fewer. Groups that
    cannot be solved are skipped. With 30 runs and more 90 to 95 % cover.
    """
    n = table.shape[1]
    groups = np.array_split(np.arange(n), min(n, _GROUPS))
    parts = []
    for group in groups:
        try:
            parts.append(once(np.delete(table, group, axis=1)).raw)
        except (ValueError, np.linalg.LinAlgError):
            continue
    if len(parts) < _LEAST_GROUPS:
        return found
    times = t_quantile((1 + level) / 2, len(parts) - 1)
    ends = [
        _ends(value, np.array(column), times, rounding)
        for value, column, rounding in zip(
            found.raw, np.transpose(parts), found.rounding, strict=True
        )
    ]
    return replace(found, intervals=tuple(ends), level=level)


def _ends(value: float, parts: Vector, times: float, rounding: float) -> tuple[float, float]:
    """Return the interval of a variance from what is found without each group."""
    g = parts.size

    def half(each: Vector) -> float:
        # hypot: the square of a variance of large numbers is no number.
        return times * math.sqrt((g - 1) / g) * math.hypot(*(each - each.mean()))

    plain, root = half(parts), float(np.cbrt(value))
    if value < plain:
        return max(value - plain, 0.0), max(value + plain, rounding)
    width = half(np.cbrt(parts))
    return max(root - width, 0.0) ** 3, max((root + width) ** 3, rounding)


def collocation_of(
    names: Sequence[str],
    covariance: ArrayLike,
    n_runs: int,
    families: Mapping[str, str] | None = None,
) -> Hats:
    """Return what `collocation` does from a covariance matrix, shape (k, k).

    Parameters
    ----------
    names : of the meters, k of them.
    covariance : of their values, shape (k, k), any unit.
    n_runs : runs that it is from.
    families : see `collocation`.

    Returns
    -------
    Hats : as `collocation` gives, without intervals.

    Raises
    ------
    ValueError : as in `collocation`; a covariance that is not finite or not of that shape.

    Notes
    -----
    As in `collocation`.
    """
    c = np.asarray(covariance, dtype=np.float64)
    k = len(names)
    if c.shape != (k, k) or not np.isfinite(c).all() or (np.diag(c) <= 0).any():
        raise ValueError("The covariance must be finite, (k, k), and no meter constant.")
    # In units of each meter's own spread all entries are of size one.
    sd = np.sqrt(np.diag(c))
    unit = c / np.outer(sd, sd)
    free = _free_pairs(names, families)
    if np.abs([unit[i, j] for i, j in free]).min() < _LEAST_CORRELATION:
        raise ValueError("Some meters are hardly associated: there is no common signal to use.")
    gain, misfit = _one_factor(unit, free)
    absolute = gain * sd
    scale = float(absolute[0])
    # Error variances in the unit of the first meter.
    raw = (np.diag(c) - absolute**2) / (absolute / scale) ** 2
    rounding = _ROUND * np.diag(c) / (absolute / scale) ** 2
    shared = {
        (names[i], names[j]): float(c[i, j] - absolute[i] * absolute[j])
        / float(absolute[i] * absolute[j] / scale**2)
        for i, j in combinations(range(k), 2)
        if (i, j) not in free
    }
    return _hats(tuple(names), raw, absolute / scale, scale**2, shared, misfit, n_runs, rounding)


def _free_pairs(names: Sequence[str], families: Mapping[str, str] | None) -> list[tuple[int, int]]:
    """Return the pairs of independent meters, or refuse a design that does not identify them."""
    family = [(families or {}).get(name, name) for name in names]
    k = len(names)
    free = [(i, j) for i, j in combinations(range(k), 2) if family[i] != family[j]]
    # ln|c_ij| = ln g_i + ln g_j: solvable where every gain follows from the pairs.
    design = np.zeros((len(free), k))
    for row, (i, j) in enumerate(free):
        design[row, [i, j]] = 1.0
    if not free or np.linalg.matrix_rank(design) < k:
        raise ValueError(
            "There are not three independent families among these meters (those that read one "
            "counter share its errors). Add a meter with a source of its own."
        )
    return free


def _one_factor(unit: Vector, free: list[tuple[int, int]]) -> tuple[Vector, float | None]:
    """Return the loadings g with unit_ij = g_i g_j over the free pairs, and the largest misfit."""
    k = unit.shape[0]
    signs = np.sign(unit[0])
    signs[0] = 1.0
    for i, j in free:
        # A meter of the first one's family gets its sign from one it is independent of.
        if (0, j) not in free:
            signs[j] = signs[i] * np.sign(unit[i, j])
    design = np.zeros((len(free), k))
    seen = np.empty(len(free))
    for row, (i, j) in enumerate(free):
        design[row, [i, j]] = 1.0
        seen[row] = abs(unit[i, j])
    log_gain = np.linalg.lstsq(design, np.log(seen), rcond=None)[0]
    gain = np.exp(log_gain)
    if len(free) > k:
        # Covariances, not their logarithms, have errors of one size.
        for _ in range(50):
            model = np.array([gain[i] * gain[j] for i, j in free])
            slope = np.zeros((len(free), k))
            for row, (i, j) in enumerate(free):
                slope[row, i], slope[row, j] = gain[j], gain[i]
            step = np.linalg.lstsq(slope, seen - model, rcond=None)[0]
            gain = gain + step
            if np.abs(step).max() < 1e-14:
                break
    products = np.array([gain[i] * gain[j] for i, j in free])
    misfit = float(np.abs(products - seen).max()) if len(free) > k else None
    return gain * signs, misfit


def _table(values: Mapping[str, ArrayLike], least: int) -> tuple[tuple[str, ...], Vector]:
    """Return the names and the values, shape (k, n), or refuse them."""
    names = tuple(values)
    if len(names) < least:
        raise ValueError(f"There are {len(names)} meters; without a reference it takes {least}.")
    rows = [np.asarray(values[name], dtype=np.float64) for name in names]
    if any(row.ndim != 1 or row.size != rows[0].size for row in rows):
        raise ValueError("Every meter must have one value for each of the same runs.")
    if rows[0].size < LEAST_RUNS:
        raise ValueError(f"{rows[0].size} runs do not show variances; take at least {LEAST_RUNS}.")
    for name, row in zip(names, rows, strict=True):
        measured(name, row)
    return names, np.stack(rows)


def _refuse_one_family(names: Sequence[str], families: Mapping[str, str] | None) -> None:
    """Refuse two meters that share a source."""
    seen: dict[str, str] = {}
    for name in names:
        family = (families or {}).get(name, name)
        if family in seen:
            raise ValueError(
                f"{seen[family]} and {name} both read {family}: they share its errors, which the "
                "three-cornered hat would take for signal. Leave one out, or use collocation with "
                "two more meters."
            )
        seen[family] = name


def _hats(
    names: tuple[str, ...],
    raw: Vector,
    gains: Vector,
    signal: float | None,
    common: dict[tuple[str, str], float],
    misfit: float | None,
    n_runs: int,
    rounding: Vector,
) -> Hats:
    """Return the result, negative variances taken out; what rounding alone leaves is zero."""
    raw = np.where(np.abs(raw) <= rounding, 0.0, raw)
    checks = [
        f"The error variance of {name} comes out negative: its errors go with those of another "
        "meter, or it is too small to be seen."
        for name, value in zip(names, raw, strict=True)
        if value < 0
    ]
    checks += [
        f"The error variance of {name} is below what the rounding of these numbers shows."
        for name, value in zip(names, raw, strict=True)
        if value == 0
    ]
    checks.append("A bias that all meters share cannot be seen.")
    return Hats(
        names,
        tuple(float(v) if v >= 0 else None for v in raw),
        tuple(float(v) for v in raw),
        tuple(float(g) for g in gains),
        signal if signal is None or math.isfinite(signal) else None,
        common,
        misfit,
        n_runs,
        tuple(checks),
        rounding=tuple(float(r) for r in rounding),
    )
