"""Is it near enough? Three answers: yes, no, and not known yet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from numpy.typing import ArrayLike

from calibrate.stats.agreement import mean_ratio
from calibrate.stats.estimate import Estimate, check_level, measured, t_estimate
from calibrate.stats.quantile import t_tail
from calibrate.stats.tolerance import one_sided_bound

State = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True)
class Equivalence:
    """The answer of an equivalence test.

    Parameters
    ----------
    state : `pass` where the interval is inside the bounds, `fail` where it is outside of them,
        `inconclusive` where it straddles one or there is none.
    p_pass : largest of the two one-sided probabilities; below alpha it passes.
    p_fail : probability of a value as far outside if it were on the nearer bound; below alpha it
        fails. Both are None where there is no spread to judge by.
    t : of the test against the lower and against the upper bound, None for one that is open.
    estimate : with the interval at level 1 - 2 alpha.
    bounds : low and high, in the unit of the estimate; None where that side is open.
    """

    state: State
    p_pass: float | None
    p_fail: float | None
    t: tuple[float | None, float | None] | None
    estimate: Estimate
    bounds: tuple[float | None, float | None]


def tost(
    estimate: Estimate, df: float, low: float | None, high: float | None, alpha: float = 0.05
) -> Equivalence:
    """Test whether a value is between two bounds: two one-sided t tests.

    Parameters
    ----------
    estimate : value and standard uncertainty, any unit; its interval is remade at 1 - 2 alpha.
    df : degrees of freedom of the uncertainty.
    low, high : the bounds, in the same unit; None leaves one side open (non-inferiority).
    alpha : probability of a wrong `pass` at a bound.

    Returns
    -------
    Equivalence : the state with both probabilities; inconclusive where u is zero or None.

    Raises
    ------
    ValueError : bounds in the wrong order, alpha out of range.

    Notes
    -----
    Schuirmann, J Pharmacokinet Biopharm 1987;15:657. statsmodels' ttost_mean gives the same for
    raw values; it takes no standard uncertainty with degrees of freedom of its own, no open side,
    and does not say when a test fails rather than not pass.
    """
    if low is None and high is None:
        raise ValueError("There is no bound: nothing can be tested. Say what is near enough.")
    if low is not None and high is not None and not low < high:
        raise ValueError(f"The lower bound {low:g} is not below the upper bound {high:g}.")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha is {alpha}; a probability of error lies between 0 and 0.5.")
    again = t_estimate(
        estimate.value,
        estimate.u,
        df,
        level=1 - 2 * alpha,
        method="two one-sided t tests",
        n_runs=estimate.n_runs,
        n_clusters=estimate.n_clusters,
        checks=estimate.checks,
    )
    if not estimate.u:
        return Equivalence("inconclusive", None, None, None, again, (low, high))
    t_low, t_high = (None if b is None else (estimate.value - b) / estimate.u for b in (low, high))
    inside = [t_tail(t, df) for t in (t_low, None if t_high is None else -t_high) if t is not None]
    p_pass, p_fail = max(inside), 1 - max(inside)
    state: State = "inconclusive"
    if p_pass < alpha:
        state = "pass"
    elif p_fail < alpha:
        state = "fail"
    return Equivalence(state, p_pass, p_fail, (t_low, t_high), again, (low, high))


def equivalent_ratio(
    d: ArrayLike, cluster: Sequence[str], margin: float, alpha: float = 0.05
) -> Equivalence:
    """Test whether the mean ratio is within 1/(1 + margin) to 1 + margin.

    Parameters
    ----------
    d : ln(probe/reference) a run, shape (n,).
    cluster : workload a run; the test is t on workload means (on runs with one workload).
    margin : 0.05 is 5 %.
    alpha : probability of a wrong `pass` at a bound.

    Returns
    -------
    Equivalence : estimate and bounds are of ln(ratio).

    Raises
    ------
    ValueError : as in `mean_ratio`; a margin not above zero, alpha out of range.

    Notes
    -----
    Schuirmann 1987, on logarithms, where the bounds 1/(1 + margin) and 1 + margin are symmetric.
    """
    if not 0 < margin < math.inf:
        raise ValueError(f"The margin is {margin}; 0.05 is 5 %.")
    found = mean_ratio(d, cluster).ratio
    u = None if found.u is None else found.u / found.value
    log = Estimate(
        math.log(found.value), u, None, None, found.level, found.method, found.n_runs,
        found.n_clusters, found.checks,
    )  # fmt: skip
    count = found.n_clusters if found.n_clusters > 1 else found.n_runs
    return tost(log, count - 1, -math.log1p(margin), math.log1p(margin), alpha)


@dataclass(frozen=True)
class ToleranceGate:
    """Whether a share of all single runs is within a margin.

    Parameters
    ----------
    state : `pass` where both bounds on the population are inside the margin, `fail` where even
        the optimistic ones are outside, else `inconclusive`.
    low, high : bounds that hold the share of runs below and above, with the confidence.
    content, confidence : as they were asked for.
    """

    state: State
    low: float
    high: float
    content: float
    confidence: float


def tolerance_gate(
    d: ArrayLike, margin: float, content: float = 0.95, confidence: float = 0.95
) -> ToleranceGate:
    """Test whether at least a share of all runs have a ratio within the margin.

    Parameters
    ----------
    d : ln(probe/reference) of independent runs, shape (n,), n at least 2.
    margin : 0.05 is 5 %: ratios from 1/1.05 to 1.05.
    content : share of the runs; what is left is shared by the two sides.
    confidence : of the verdict, each side alone.

    Returns
    -------
    ToleranceGate : the state, and the bounds as ln(ratio).

    Raises
    ------
    ValueError : fewer than 2 runs, values that are not finite, a margin not above zero, a
        probability out of range.

    Notes
    -----
    Two one-sided tolerance bounds (Hahn & Meeker, Statistical Intervals, section 4.6).
    """
    values = measured("d", d)
    if not 0 < margin < math.inf:
        raise ValueError(f"The margin is {margin}; 0.05 is 5 %.")
    share = 1 - (1 - check_level(content)) / 2
    sure = one_sided_bound(values.size, confidence, share)
    kind = one_sided_bound(values.size, 1 - confidence, share)
    mean, sd, limit = float(values.mean()), float(values.std(ddof=1)), math.log1p(margin)
    low, high = mean - sure * sd, mean + sure * sd
    state: State = "inconclusive"
    if -limit < low and high < limit:
        state = "pass"
    elif mean - kind * sd < -limit or mean + kind * sd > limit:
        state = "fail"
    return ToleranceGate(state, low, high, content, confidence)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values corrected for having asked several questions at once.

    Parameters
    ----------
    p_values : name -> p, 0 to 1.

    Returns
    -------
    corrected : name -> p, never below what was given, at most 1.

    Raises
    ------
    ValueError : a value that is no probability.

    Notes
    -----
    Holm, Scand J Stat 1979;6:65, by statsmodels' multipletests.
    """
    for name, p in p_values.items():
        if not 0 <= p <= 1:
            raise ValueError(f"The p-value of {name} is {p}, which is no probability.")
    if not p_values:
        return {}
    from statsmodels.stats.multitest import multipletests

    corrected = multipletests(list(p_values.values()), method="holm")[1]
    return {name: float(p) for name, p in zip(p_values, corrected, strict=True)}
