"""Uncertainty budget: what a factor's uncertainty is made of, and a Monte Carlo check of it.

A row is one thing that is not known exactly. First order (GUM) is quick and says which row to work
on; propagating the distributions (GUM supplement 1) says whether first order was good enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibrate.stats.estimate import HUGE, Estimate, Vector, check_level, finite_vector, t_estimate
from calibrate.stats.quantile import t_quantile

Matrix = NDArray[np.float64]
Shape = Literal["normal", "rectangular", "triangular"]
Correlations = Mapping[tuple[str, str], float]
Model = Callable[[Matrix], Vector]

#: Share of the squared contributions below which their sum is rounding, not uncertainty.
_CANCELLED = 1e-14
_BLOCK = 10_000


@dataclass(frozen=True)
class BudgetRow:
    """One source of uncertainty.

    Parameters
    ----------
    name : what is not known exactly.
    u : its standard uncertainty, in its own unit, at or above zero.
    sensitivity : change of the result with this input, unit of the result over that of `u`.
    df : degrees of freedom of `u`; None where `u` is taken as known.
    shape : distribution for the Monte Carlo check. A normal row with `df` is drawn from Student's
        t (JCGM 101, 6.4.9).

    Raises
    ------
    ValueError : u or df is negative or not finite, df is zero, or limits have degrees of freedom.

    Notes
    -----
    JCGM 100:2008, section 4: `from_readings` is an evaluation of type A, the others of type B.
    """

    name: str
    u: float
    sensitivity: float = 1.0
    df: float | None = None
    shape: Shape = "normal"

    def __post_init__(self) -> None:
        if not 0.0 <= self.u <= HUGE:
            raise ValueError(f"u of row {self.name!r} is {self.u}; it must be zero or above.")
        if not abs(self.sensitivity) <= HUGE:
            raise ValueError(f"The sensitivity of row {self.name!r} is {self.sensitivity}.")
        if self.df is not None and not 0.0 < self.df < math.inf:
            raise ValueError(
                f"Row {self.name!r} has {self.df} degrees of freedom; take one reading more, or "
                "leave df out where u is known."
            )
        if self.df is not None and self.shape != "normal":
            raise ValueError(f"Row {self.name!r} is {self.shape} with df; limits have no df.")

    @classmethod
    def from_readings(cls, name: str, readings: ArrayLike, sensitivity: float = 1.0) -> BudgetRow:
        """Return the row of a mean of independent readings, u = s/sqrt(n) (JCGM 100, 4.2).

        Parameters
        ----------
        name : of the row.
        readings : shape (n,), n at least 2, any unit.
        sensitivity : see `BudgetRow`.
        """
        values = finite_vector(name, readings)
        if values.size < 2:
            raise ValueError(f"Row {name!r} has one reading: there is no spread. Repeat it.")
        u = float(values.std(ddof=1)) / math.sqrt(values.size)
        return cls(name, u, sensitivity, df=float(values.size - 1))

    @classmethod
    def from_limits(cls, name: str, half_width: float, sensitivity: float = 1.0) -> BudgetRow:
        """Return the row of a value anywhere within -+ half_width, u = half_width/sqrt(3)."""
        return cls(name, half_width / math.sqrt(3), sensitivity, shape="rectangular")

    @classmethod
    def from_resolution(cls, name: str, step: float, sensitivity: float = 1.0) -> BudgetRow:
        """Return the row of a reading rounded to steps, u = step/sqrt(12) (JCGM 100, F.2.2.1)."""
        return cls.from_limits(name, step / 2, sensitivity)

    @classmethod
    def from_certificate(
        cls, name: str, expanded_u: float, k: float = 2.0, sensitivity: float = 1.0
    ) -> BudgetRow:
        """Return the row of a certified value, u = U/k (JCGM 100, 4.3.3)."""
        if not 0 < k < math.inf:
            raise ValueError(
                f"The coverage factor of row {name!r} is {k}; certificates state about 2."
            )
        return cls(name, expanded_u / k, sensitivity)


@dataclass(frozen=True)
class Budget:
    """Combined uncertainty and where it comes from.

    Parameters
    ----------
    total : the value with its combined standard uncertainty and interval value -+ `expanded_u`.
    expanded_u : U = k u, in the unit of the value.
    k : coverage factor.
    df : effective degrees of freedom; None where they are not limited.
    rows : as given.
    shares : row -> share of the combined variance; they add up to 1. A row that is correlated
        with another can have a negative one: it makes the result more certain.
    correlations : of pairs of rows, as given.
    """

    total: Estimate
    expanded_u: float
    k: float
    df: float | None
    rows: tuple[BudgetRow, ...]
    shares: dict[str, float]
    correlations: dict[tuple[str, str], float]


def budget(
    value: float,
    rows: Sequence[BudgetRow],
    correlations: Correlations | None = None,
    level: float = 0.95,
    n_runs: int = 0,
    n_clusters: int = 0,
) -> Budget:
    """Combine the rows of a budget to first order.

    Parameters
    ----------
    value : the result the budget is for.
    rows : at least one, names all different.
    correlations : (row, row) -> coefficient, -1 to 1; pairs not named are independent.
    level : coverage probability of the interval.
    n_runs, n_clusters : runs and workloads behind the value, 0 where none were counted.

    Returns
    -------
    Budget : the value with its combined uncertainty, and the share of each row.

    Raises
    ------
    ValueError : no rows, a name twice, correlations of unknown rows or that cannot all hold, no
        uncertainty at all, a level that is no probability.

    Notes
    -----
    JCGM 100:2008, equation 16 and G.4.1 (Welch-Satterthwaite). That formula is for independent
    terms: rows that are correlated are one term, with the degrees of freedom that they share, or
    the smallest where they differ. For values read together, n times each, this is exact.
    """
    if not math.isfinite(value) or abs(value) > HUGE:
        raise ValueError(f"The value {value} of the budget is no measurement.")
    matrix = _correlation_matrix(rows, correlations or {})
    terms = np.array([row.sensitivity * row.u for row in rows])
    scale = float(np.abs(terms).max())
    if not 0.0 < scale <= HUGE:
        raise ValueError(
            "No row adds any uncertainty. No result is exact: state at least the resolution."
            if scale == 0.0
            else f"A row contributes {scale:g}, which is no measurement; check units."
        )
    unit = terms / scale
    products = unit * (matrix @ unit)
    variance = float(products.sum())
    if variance <= _CANCELLED * float((unit**2).sum()):
        raise ValueError("The correlations cancel all uncertainty; check their signs.")
    u, shares = scale * math.sqrt(variance), products / variance
    groups = _groups(matrix)
    df = _effective_df(rows, shares, groups)
    total = t_estimate(
        value,
        u,
        math.inf if df is None else df,
        level=level,
        method="GUM first order; Welch-Satterthwaite, t",
        n_runs=n_runs,
        n_clusters=n_clusters,
        checks=_checks(rows, groups),
    )
    k = t_quantile(0.5 + level / 2, math.inf if df is None else df)
    by_name = {row.name: float(share) for row, share in zip(rows, shares, strict=True)}
    return Budget(total, k * u, k, df, tuple(rows), by_name, dict(correlations or {}))


def _correlation_matrix(rows: Sequence[BudgetRow], correlations: Correlations) -> Matrix:
    """Return the correlations of the rows, shape (rows, rows), or refuse them."""
    place = {row.name: i for i, row in enumerate(rows)}
    if not rows or len(place) < len(rows):
        raise ValueError("A budget needs at least one row, and every name once.")
    out = np.eye(len(rows))
    for (one, two), r in correlations.items():
        unknown = [name for name in (one, two) if name not in place]
        if unknown or one == two:
            raise ValueError(f"There is a correlation of {one!r} and {two!r}, which are no pair.")
        if not -1.0 <= r <= 1.0:
            raise ValueError(f"The correlation of {one!r} and {two!r} is {r}, not within -1 to 1.")
        out[place[one], place[two]] = out[place[two], place[one]] = r
    if correlations and float(np.linalg.eigvalsh(out)[0]) < -1e-6:
        raise ValueError("These correlations cannot all hold at once; take them from the data.")
    return out


def _groups(matrix: Matrix) -> list[list[int]]:
    """Return the sets of rows that are linked by correlations, each row in one of them."""
    left, found = set(range(len(matrix))), []
    while left:
        group, edge = set(), {min(left)}
        while edge:
            group |= edge
            edge = {int(j) for i in edge for j in np.flatnonzero(matrix[i])} - group
        left -= group
        found.append(sorted(group))
    return found


def _effective_df(
    rows: Sequence[BudgetRow], shares: Vector, groups: list[list[int]]
) -> float | None:
    """Return the Welch-Satterthwaite degrees of freedom; None where they are not limited."""
    total = 0.0
    for group in groups:
        df = _df_of(rows, group)
        if df is not None:
            total += float(shares[group].sum()) ** 2 / df
    # Beyond this the t distribution is the normal one to the last digit.
    return 1 / total if total > 1e-12 else None


def _df_of(rows: Sequence[BudgetRow], group: list[int]) -> float | None:
    """Return the smallest degrees of freedom among these rows; None where all are known."""
    return min((df for i in group if (df := rows[i].df) is not None), default=None)


def _checks(rows: Sequence[BudgetRow], groups: list[list[int]]) -> tuple[str, ...]:
    """Return what was assumed of correlated rows."""
    return tuple(
        f"Rows {', '.join(rows[i].name for i in group)} are correlated with different degrees of "
        "freedom; the smallest is used."
        for group in groups
        if len({rows[i].df for i in group}) > 1
    )


@dataclass(frozen=True)
class MonteCarlo:
    """The distribution of the result, and whether the budget gives the same interval.

    Parameters
    ----------
    total : mean, sd and the interval with equal probability left out on either side.
    trials : values drawn.
    tolerance : delta, half of the last digit of u that counts, in the unit of the value.
    low_gap, high_gap : how far the ends of the budget's interval are from those here, at or
        above zero.
    confirms : both gaps are within the tolerance: first order is good enough. None where the
        trials did not settle it.
    """

    total: Estimate
    trials: int
    tolerance: float
    low_gap: float
    high_gap: float
    confirms: bool | None


def monte_carlo(
    of: Budget,
    model: Model | None = None,
    digits: int = 2,
    max_trials: int = 5_000_000,
    seed: int = 0,
) -> MonteCarlo:
    """Propagate the distributions of the rows and compare with the budget.

    Parameters
    ----------
    of : the budget.
    model : takes deviations of the inputs from their best values, shape (rows, trials), each in
        the unit of its row, and returns the results, shape (trials,). Unless given the value plus
        sensitivity times deviation.
    digits : significant digits of u that count, 1 to 3.
    max_trials : where to stop if results have not settled by then.
    seed : of the random numbers.

    Returns
    -------
    MonteCarlo : the distribution, and whether it confirms the budget.

    Raises
    ------
    ValueError : correlated rows that are not normal, a model that returns no numbers.

    Notes
    -----
    JCGM 101:2008, 7.9 (adaptive: blocks of trials until mean, u and both ends each vary by less
    than the tolerance, 2 standard deviations) and 8.1 (comparison); in place of the fifth of the
    tolerance that 8.2 advises, trials go on until the comparison is clear. Correlated rows are
    drawn from a multivariate normal or, with degrees of freedom, t distribution.
    """
    level = check_level(of.total.level)
    if not 1 <= digits <= 3 or max_trials < 2 * _BLOCK:
        raise ValueError(f"digits must be 1 to 3, and max_trials at least {2 * _BLOCK}.")
    draw, rng = _drawer(of), np.random.default_rng(seed)
    block = max(_BLOCK, math.ceil(100 / (1 - level)))
    tails = [(1 - level) / 2, (1 + level) / 2]
    blocks: list[Vector] = []
    found: list[list[float]] = []
    settled, over = False, np.zeros(2)
    tolerance = _tolerance(float(of.total.u or 0.0), digits)
    ends = np.array([of.total.low, of.total.high], dtype=np.float64)
    while not settled and (len(blocks) + 1) * block <= max(max_trials, 2 * block):
        values = _values(of, model, draw(rng, block))
        blocks.append(values)
        found.append([values.mean(), values.std(ddof=1), *np.quantile(values, tails)])
        if len(blocks) > 1:
            table = np.array(found)
            tolerance = _tolerance(float(table[:, 1].mean()), digits)
            reach = 2 * table.std(axis=0, ddof=1) / math.sqrt(len(blocks))
            over = np.abs(table[:, 2:].mean(axis=0) - ends) - tolerance
            # The verdict is clear: one end is too far off for sure, or both are near for sure.
            clear = bool((over > reach[2:]).any() or (over < -reach[2:]).all())
            settled = clear and bool((reach < tolerance).all())
    everything = np.concatenate(blocks)
    low, high = (float(q) for q in np.quantile(everything, tails))
    total = Estimate(
        float(everything.mean()),
        float(everything.std(ddof=1)),
        low,
        high,
        level,
        "Monte Carlo, adaptive; equal tails",
        of.total.n_runs,
        of.total.n_clusters,
        () if settled else (f"Not settled after {everything.size} trials; raise max_trials.",),
    )
    gaps = [float(gap) for gap in np.abs(ends - (low, high))]
    confirms = bool((over < 0).all()) if settled else None
    return MonteCarlo(total, everything.size, tolerance, gaps[0], gaps[1], confirms)


def _tolerance(u: float, digits: int) -> float:
    """Return half of the last of the digits of u that count (JCGM 101, 7.9.2)."""
    if u <= 0.0:
        raise ValueError("The model returns the same for all inputs; check what it does with them.")
    return 0.5 * 10.0 ** (math.floor(math.log10(u)) - digits + 1)


def _values(of: Budget, model: Model | None, deviations: Matrix) -> Vector:
    """Return the results for deviations of the inputs, shape (trials,)."""
    if model is None:
        return np.asarray(of.total.value + np.array([r.sensitivity for r in of.rows]) @ deviations)
    out = np.asarray(model(deviations), dtype=np.float64)
    if out.shape != deviations.shape[1:] or not np.isfinite(out).all():
        raise ValueError(
            "The model must return one finite number a trial; it does not over the whole range of "
            "its inputs. Check u of the rows."
        )
    return out


def _drawer(of: Budget) -> Callable[[np.random.Generator, int], Matrix]:
    """Return a function that draws deviations of the inputs, shape (rows, trials)."""
    matrix = _correlation_matrix(of.rows, of.correlations)
    groups = _groups(matrix)
    for group in groups:
        odd = [of.rows[i].name for i in group if of.rows[i].shape != "normal"]
        if len(group) > 1 and odd:
            raise ValueError(
                f"Row {odd[0]!r} is correlated and not normal; only normal rows can be drawn "
                "together. Split what they share off as a row of its own."
            )
    roots = [_root(matrix[np.ix_(group, group)]) for group in groups]

    def draw(rng: np.random.Generator, trials: int) -> Matrix:
        out = np.empty((len(of.rows), trials))
        for group, root in zip(groups, roots, strict=True):
            shape, df = of.rows[group[0]].shape, _df_of(of.rows, group)
            if shape == "normal":
                out[group] = root @ rng.standard_normal((len(group), trials))
                if df is not None:
                    out[group] /= np.sqrt(rng.chisquare(df, trials) / df)
            elif shape == "rectangular":
                out[group] = rng.uniform(-math.sqrt(3), math.sqrt(3), trials)
            else:
                out[group] = rng.triangular(-math.sqrt(6), 0, math.sqrt(6), trials)
        return np.asarray(out * np.array([[row.u] for row in of.rows]))

    return draw


def _root(matrix: Matrix) -> Matrix:
    """Return A with A A' = matrix, which may be singular."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
