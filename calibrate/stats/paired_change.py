"""By how much something has changed between two campaigns that ran the same workloads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.estimate import Estimate, Vector, encode, measured, t_estimate

_ONE_WORKLOAD = "One workload only: the interval is from its repeats and says nothing of others."
_NO_REPEATS = "No workload was repeated: what all runs of a repeat share is not in the interval."


@dataclass(frozen=True)
class RepeatedValues:
    """What the runs of one campaign show.

    Parameters
    ----------
    value : one a run, any unit, shape (n,).
    workload : label a run, n of them.
    repeat : which repeat of the plan a run belongs to, n of them.
    """

    value: ArrayLike
    workload: Sequence[str]
    repeat: Sequence[int]


@dataclass(frozen=True)
class PairedChange:
    """How far a second campaign is from a first one.

    Parameters
    ----------
    change : second less first, mean over the workloads of both, in the unit of the values.
    df : degrees of freedom of its uncertainty.
    steps : change of each workload, by label.
    """

    change: Estimate
    df: float
    steps: dict[str, float]


def change_between(
    first: RepeatedValues, second: RepeatedValues, level: float = 0.95
) -> PairedChange:
    """Return the mean change over the workloads that two campaigns have in common.

    Parameters
    ----------
    first, second : the runs of each.
    level : coverage probability.

    Returns
    -------
    PairedChange : no interval where neither workloads nor repeats show a spread.

    Raises
    ------
    ValueError : no common workload; values that are not finite; labels that do not match.

    Notes
    -----
    What a workload has in both campaigns drops out. Workloads and repeats are crossed: the
    variance of the mean is that of the workloads' changes, plus that of the means of repeats, less
    that of single runs, which is in both (Searle, Casella & McCulloch, Variance Components 1992,
    section 4.3); never below either of the first two. Degrees of freedom after Satterthwaite,
    Biometrics 1946;2:110. So the runs of a repeat are not taken for independent. What a whole
    campaign shares (a boot, the weather) is part of the change: whether a change lasts, more
    campaigns tell.
    """
    one, two = _by_workload(first), _by_workload(second)
    common = sorted(one.keys() & two.keys())
    if not common:
        raise ValueError("The two campaigns have no workload in common.")
    steps = {w: float(np.mean(two[w][0]) - np.mean(one[w][0])) for w in common}
    of_steps = np.array(list(steps.values()))
    k = of_steps.size
    workloads = _Part(float(of_steps.var(ddof=1)) / k, k - 1) if k > 1 else None
    repeats, runs = _repeats([one, two], common)
    u2, df = _combined(workloads, repeats, runs)
    checks = [_ONE_WORKLOAD] if k == 1 else []
    checks += [_NO_REPEATS] if repeats is None else []
    count = sum(each[w][0].size for each in (one, two) for w in common)
    change = t_estimate(
        float(of_steps.mean()), None if u2 is None else math.sqrt(u2), df, level=level,
        method="mean change of workloads, t; workloads and repeats crossed",
        n_runs=count, n_clusters=k, checks=checks,
    )  # fmt: skip
    return PairedChange(change, df, steps)


@dataclass(frozen=True)
class _Part:
    """A part of a variance, with the degrees of freedom it is known with."""

    variance: float
    df: float


def _by_workload(runs: RepeatedValues) -> dict[str, tuple[Vector, list[int]]]:
    """Return values and repeats of each workload."""
    value = measured("values", runs.value)
    labels, code = encode(runs.workload, value.size)
    _, repeat = encode([str(each) for each in runs.repeat], value.size)
    return {label: (value[code == i], repeat[code == i].tolist()) for i, label in enumerate(labels)}


def _repeats(
    campaigns: Sequence[dict[str, tuple[Vector, list[int]]]], common: Sequence[str]
) -> tuple[_Part | None, _Part | None]:
    """Return the variance of the change by the means of repeats, and by single runs.

    Both are of deviations from the mean of the workload in that campaign, pooled over campaigns.
    """
    k = len(common)
    square_repeats = square_runs = of_repeats = of_runs = 0.0
    df_repeats = df_runs = 0
    for campaign in campaigns:
        away = np.concatenate([campaign[w][0] - campaign[w][0].mean() for w in common])
        repeat = np.concatenate([campaign[w][1] for w in common])
        names, code = np.unique(repeat, return_inverse=True)
        m, n = names.size, away.size
        mean = np.bincount(code, weights=away) / np.bincount(code)
        square_repeats += float((mean**2).sum())
        square_runs += float(((away - mean[code]) ** 2).sum())
        df_repeats += m - 1
        df_runs += max(n - k - m + 1, 0)
        of_repeats += 1 / m
        of_runs += float(np.mean([1 / campaign[w][0].size for w in common])) / k
    repeats = _Part(square_repeats / df_repeats * of_repeats, df_repeats) if df_repeats else None
    runs = _Part(square_runs / df_runs * of_runs, df_runs) if df_runs else None
    return repeats, runs


def _combined(
    workloads: _Part | None, repeats: _Part | None, runs: _Part | None
) -> tuple[float | None, float]:
    """Return the variance of the mean change and its degrees of freedom."""
    parts = [part for part in (workloads, repeats) if part is not None]
    if not parts:
        return None, 1.0
    largest = max(parts, key=lambda part: part.variance)
    if len(parts) == 1 or runs is None:
        return largest.variance, largest.df
    total = sum(part.variance for part in parts) - runs.variance
    if total <= largest.variance:
        return largest.variance, largest.df
    of_df = sum(part.variance**2 / part.df for part in (*parts, runs))
    return total, total**2 / of_df
