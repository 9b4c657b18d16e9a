"""How far a probe is from a reference: mean ratio, limits, prediction, correction.

Everything works on d = ln(E_probe/E_ref) of a run, with the workload as the cluster. Runs of one
workload share its error, so a workload counts once: the mean is the mean of workload means, and
its t interval has (workloads - 1) degrees of freedom. That is what holds for a new workload.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.estimate import (
    MAX_LOG,
    Estimate,
    Vector,
    check_level,
    encode,
    finite_vector,
    measured,
    ratio_estimate,
)
from calibrate.stats.quantile import chi2_quantile, normal_quantile, t_quantile, t_tail

_ONE_WORKLOAD = "One workload only: the result says nothing about other workloads."
_ONE_RUN = "One run only: there is no spread to make an interval from."
_NO_REPEATS = "No workload was repeated: within and between workloads cannot be told apart."
_NO_SPREAD = "All values are identical: the spread is below the resolution, not zero."


@dataclass(frozen=True)
class Components:
    """Variance of d split by one-way ANOVA, workload as the factor.

    Parameters
    ----------
    labels : the workloads, sorted, k of them.
    sizes : runs of each, shape (k,).
    means : mean d of each, shape (k,).
    mean : mean of `means`.
    variance_of_means : sample variance of `means`; None with one workload.
    m0 : effective number of replicates, ((Sum m)^2 - Sum m^2)/((k-1) Sum m).
    ms_between, ms_within : mean squares, None where there are no degrees of freedom.

    Notes
    -----
    Analysis of variance of paired differences whose true value varies, with the divisor m0 for
    unequal numbers of replicates: Bland & Altman, Stat Methods Med Res 1999;8:135, section 5.3,
    and J Biopharm Stat 2007;17:571 (method where the true value varies). Their mean is that of all
    differences; here every workload counts once, see `mean_ratio`.
    """

    labels: tuple[str, ...]
    sizes: Vector
    means: Vector
    mean: float
    variance_of_means: float | None
    m0: float
    ms_between: float | None
    ms_within: float | None

    @property
    def k(self) -> int:
        """Return the number of workloads."""
        return len(self.labels)

    @property
    def n(self) -> int:
        """Return the number of runs."""
        return int(self.sizes.sum())

    @property
    def within_sd(self) -> float | None:
        """Return the sd of d between runs of one workload; None without repeats."""
        return None if self.ms_within is None else math.sqrt(self.ms_within)

    @property
    def between_sd(self) -> float | None:
        """Return the sd of the workload effect, zero where the ANOVA estimate is negative."""
        if self.ms_between is None or self.ms_within is None:
            return None
        return math.sqrt(max(self.ms_between - self.ms_within, 0.0) / self.m0)

    @property
    def variance_of_run(self) -> float | None:
        """Return the variance of d for one run of any workload: s_b^2 + MSW.

        The ANOVA estimate of s_b^2 is not cut off at zero here, since the sum is positive anyway
        and unbiased only so. None where there is one run.
        """
        if self.ms_between is None:
            return self.ms_within
        return self.ms_between / self.m0 + (1 - 1 / self.m0) * (self.ms_within or 0.0)


def components(d: ArrayLike, cluster: Sequence[str]) -> Components:
    """Split the variance of d into within and between workloads.

    Parameters
    ----------
    d : ln(probe/reference) a run, shape (n,).
    cluster : workload label a run, n of them.

    Returns
    -------
    Components : the mean squares, and the mean of each workload.

    Raises
    ------
    ValueError : d is empty, not finite, or beyond 130 decades; labels do not match.

    Notes
    -----
    As in `Components`.
    """
    values = finite_vector("d", d)
    if np.abs(values).max() > MAX_LOG:
        raise ValueError("A ratio of more than 130 decades is not a measurement; check the units.")
    return _split(values, cluster)


def _split(values: Vector, cluster: Sequence[str]) -> Components:
    labels, code = encode(cluster, values.size)
    k, n = len(labels), values.size
    sizes = np.bincount(code, minlength=k).astype(np.float64)
    means = np.bincount(code, weights=values, minlength=k) / sizes
    ss_within = float(((values - means[code]) ** 2).sum())
    between: float | None = None
    spread: float | None = None
    m0 = float(n)
    if k > 1:
        grand = float(values.mean())
        between = float((sizes * (means - grand) ** 2).sum()) / (k - 1)
        spread = float(means.var(ddof=1))
        m0 = (n**2 - float((sizes**2).sum())) / ((k - 1) * n)
    within = ss_within / (n - k) if n > k else None
    return Components(tuple(labels), sizes, means, float(means.mean()), spread, m0, between, within)


@dataclass(frozen=True)
class MeanRatio:
    """Geometric mean ratio and where its spread comes from.

    Parameters
    ----------
    ratio : probe/reference, a pure number.
    within_sd : sd of ln(ratio) between runs of a workload (0.01 is 1 %); None without repeats.
    between_sd : sd of ln(ratio) between workloads; None without repeats or with one workload.
    """

    ratio: Estimate
    within_sd: float | None
    between_sd: float | None


def mean_ratio(d: ArrayLike, cluster: Sequence[str], level: float = 0.95) -> MeanRatio:
    """Return the geometric mean ratio with a t interval on workload means.

    Parameters
    ----------
    d : ln(probe/reference) a run, shape (n,).
    cluster : workload label a run, n of them.
    level : coverage probability.

    Returns
    -------
    MeanRatio : with one workload the interval is t on its runs, and a check says so; with one run
        there is none.

    Raises
    ------
    ValueError : as in `components`, or the level is not a probability.

    Notes
    -----
    Ratios by logarithms: Bland & Altman, Stat Methods Med Res 1999;8:135, section 3.1. One mean
    a workload: Matthews, Altman, Campbell & Royston, BMJ 1990;300:230.
    """
    c, mean = components(d, cluster), ""
    variance, count = _variance_of_mean(c)
    checks = _checks(c)
    if variance is None:
        mean, half = "none: one run", None
    else:
        half = _t_half(c.mean, math.sqrt(variance), count - 1, check_level(level))
        mean = "t on workload means" if c.k > 1 else "t on the runs of one workload"
    ratio = ratio_estimate(
        c.mean,
        None if variance is None else math.sqrt(variance),
        half,
        level=check_level(level),
        method=f"geometric mean of workload means; {mean}",
        n_runs=c.n,
        n_clusters=c.k,
        checks=checks,
    )
    return MeanRatio(ratio, c.within_sd, c.between_sd)


@dataclass(frozen=True)
class LimitsOfAgreement:
    """Estimates of the ratios between which a share of single runs lies.

    Parameters
    ----------
    lower, upper : the limits as ratios, each with the interval of the limit itself.
    sd : sd of ln(ratio) of one run of any workload; None with one run.
    coverage : share of runs between the true limits, which these are estimates of.
    expected_share : share of new single runs to expect between these estimates, which is less: mean
        and sd are from few workloads. None where there is no spread, and in results of before.
    """

    lower: Estimate | None
    upper: Estimate | None
    sd: float | None
    coverage: float
    expected_share: float | None = None


def limits_of_agreement(
    d: ArrayLike, cluster: Sequence[str], level: float = 0.95, coverage: float = 0.95
) -> LimitsOfAgreement:
    """Return log-ratio limits of agreement, exp(mean -+ z sd), each with its interval.

    Parameters
    ----------
    d : ln(probe/reference) a run, shape (n,).
    cluster : workload label a run, n of them.
    level : coverage probability of the interval of each limit, alone.
    coverage : share of runs between the limits; 0.95 gives z = 1.96.

    Returns
    -------
    LimitsOfAgreement : the limits are None with one run. They are estimates: `expected_share` says
        how many new runs to expect between them, and `prediction` holds the next run.

    Raises
    ------
    ValueError : as in `components`, or a level that is not a probability.

    Notes
    -----
    sd^2 = s_b^2 + MSW: replicates whose truth varies from run to run (Bland & Altman 1999 section
    5.3 and 2007). With one run a workload, or one workload, the interval is exact by the
    noncentral t; otherwise MOVER (Zou, Stat Methods Med Res 2013;22:630).
    """
    return _limits(components(d, cluster), level, coverage, ratio_estimate)


def limits_of_differences(
    d: ArrayLike, cluster: Sequence[str], level: float = 0.95, coverage: float = 0.95
) -> LimitsOfAgreement:
    """Return limits of agreement of plain differences, mean -+ z sd, each with its interval.

    Parameters
    ----------
    d : probe minus reference a run, any unit, shape (n,).
    cluster, level, coverage : as in `limits_of_agreement`, and so are notes and errors.

    Returns
    -------
    LimitsOfAgreement : in the unit of d.

    Raises
    ------
    ValueError : as in `limits_of_agreement`; differences beyond 1e100.

    Notes
    -----
    As in `limits_of_agreement`, on the scale of the values.
    """
    return _limits(_split(measured("d", d), cluster), level, coverage, _estimate)


def _estimate(
    value: float, u: float | None, half: tuple[float, float] | None, **told: Any
) -> Estimate:
    """Return an estimate on the scale of the values; see `ratio_estimate` for the other."""
    return Estimate(value, u, *(half or (None, None)), **told)


def _limits(
    c: Components, level: float, coverage: float, estimate: Callable[..., Estimate]
) -> LimitsOfAgreement:
    check_level(level)
    variance = c.variance_of_run
    if variance is None:
        return LimitsOfAgreement(None, None, None, check_level(coverage))
    z = normal_quantile(0.5 + check_level(coverage) / 2)
    sd = math.sqrt(variance)
    if c.ms_within is None or c.k == 1:
        method = "exact, noncentral t"
        below, above = exact_limits(c.mean, sd, c.n, z, level)
    else:
        method = "MOVER on between and within workload mean squares"
        parts = [
            (float(c.ms_between or 0.0) / c.m0, c.k - 1),
            ((1 - 1 / c.m0) * c.ms_within, c.n - c.k),
        ]
        spread = float(c.variance_of_means or 0.0) / c.k
        t = t_quantile(0.5 + level / 2, c.k - 1)
        below, above = mover_limits(c.mean, spread, parts, z, level, t)
    u = _u_of_limit(c, variance, z)
    ends = [
        estimate(
            c.mean + sign * z * sd,
            u,
            half,
            level=level,
            method=f"limit of agreement; {method}",
            n_runs=c.n,
            n_clusters=c.k,
            checks=_checks(c),
        )
        for sign, half in ((-1, below), (1, above))
    ]
    return LimitsOfAgreement(ends[0], ends[1], sd, coverage, _expected_share(c, variance, z))


def _expected_share(c: Components, variance: float, z: float) -> float | None:
    """Return the share of new runs that lies within z estimated sd of the estimated mean.

    The next run is t about the mean, with the variance of the mean on top, and degrees of freedom
    after Satterthwaite (JCGM 100:2008, G.4).
    """
    of_mean, _ = _variance_of_mean(c)
    if of_mean is None or variance <= 0:
        return None
    if c.ms_between is None or c.ms_within is None:
        df = float(c.n - 1)
    else:
        between, within = c.ms_between / c.m0, (1 - 1 / c.m0) * c.ms_within
        parts = (between / variance) ** 2 / (c.k - 1) + (within / variance) ** 2 / (c.n - c.k)
        df = 1 / parts
    return 1 - 2 * t_tail(z * math.sqrt(variance / (variance + of_mean)), df)


def exact_limits(
    mean: float, sd: float, n: int, z: float, level: float
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Return exact intervals of mean - z sd and of mean + z sd, each alone.

    Parameters
    ----------
    mean, sd : of n independent normal values, any unit.
    n : number of values, at least 2.
    z : multiple of the sd.
    level : coverage probability of each interval.

    Returns
    -------
    lower, upper : ends of the interval of each limit, in the unit of the values; None where they
        are too far to be numbers.

    Raises
    ------
    Nothing : one value alone has no spread, and both ends are None.

    Notes
    -----
    mean + sd t'(n-1, z sqrt n)/sqrt n; noncentral t as in Carkeet, Optom Vis Sci 2015;92:e71.
    """
    from scipy.stats import nct

    if sd == 0.0:
        return (mean, mean), (mean, mean)
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    factor = np.asarray(nct.ppf(tails, n - 1, z * math.sqrt(n))) / math.sqrt(n)
    if not np.isfinite(factor).all():
        return None, None
    near, far = float(factor[0]) * sd, float(factor[1]) * sd
    return (mean - far, mean - near), (mean + near, mean + far)


def mover_limits(
    mean: float,
    variance_of_mean: float,
    parts: Sequence[tuple[float, int]],
    z: float,
    level: float,
    quantile: float | None = None,
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return intervals of mean - z s and mean + z s by recovering variance estimates (MOVER).

    Parameters
    ----------
    mean, variance_of_mean : of the differences; variance in the unit squared.
    parts : independent terms (estimate, degrees of freedom) that add up to s^2.
    z : multiple of s.
    level : coverage probability of each interval.
    quantile : quantile for the mean's part; the normal one (Zou's choice) unless given.

    Returns
    -------
    lower, upper : ends of the interval of each limit, in the unit of the values.

    Raises
    ------
    ValueError : the parts add up to a negative variance.

    Notes
    -----
    Zou, Stat Methods Med Res 2013;22:630, equations 6 to 10.
    """
    alpha = 1 - level
    total = sum(part for part, _ in parts)
    # hypot: the square of a variance of large or small numbers is no number.
    down = math.hypot(*(part * (1 - df / chi2_quantile(1 - alpha / 2, df)) for part, df in parts))
    up = math.hypot(*(part * (df / chi2_quantile(alpha / 2, df) - 1) for part, df in parts))
    s, s_low, s_high = math.sqrt(total), math.sqrt(max(total - down, 0.0)), math.sqrt(total + up)
    about = (quantile or normal_quantile(1 - alpha / 2)) ** 2 * variance_of_mean
    outward = math.sqrt(about + (z * (s_high - s)) ** 2)
    inward = math.sqrt(about + (z * (s - s_low)) ** 2)
    lower, upper = mean - z * s, mean + z * s
    return (lower - outward, lower + inward), (upper - inward, upper + outward)


def prediction(d: ArrayLike, cluster: Sequence[str], level: float = 0.95) -> Estimate:
    """Return the ratio to expect of the next run on a workload that was not measured.

    Parameters
    ----------
    d : ln(probe/reference) a run, shape (n,).
    cluster : workload label a run, n of them.
    level : coverage probability.

    Returns
    -------
    Estimate : `u` is the standard uncertainty of that single run. With one workload the interval
        is for its own next run and a check says so; with one run there is none.

    Raises
    ------
    ValueError : as in `components`, or the level is not a probability.

    Notes
    -----
    mean -+ t_{k-1} sqrt(s_b^2 + MSW + var(means)/k). The degrees of freedom are those of the
    workloads alone, which is a little too wide where the runs of a workload scatter most.
    """
    c = components(d, cluster)
    of_mean, count = _variance_of_mean(c)
    half = u = None
    if of_mean is not None and c.variance_of_run is not None:
        u = math.sqrt(c.variance_of_run + of_mean)
        half = _t_half(c.mean, u, count - 1, check_level(level))
    what = "next run of a new workload; t on workloads" if c.k > 1 else "next run of this workload"
    return ratio_estimate(
        c.mean,
        u,
        half,
        level=check_level(level),
        method=f"prediction, {what}",
        n_runs=c.n,
        n_clusters=c.k,
        checks=_checks(c),
    )


@dataclass(frozen=True)
class MeanCorrection:
    """What to multiply the probe's reading by.

    Parameters
    ----------
    factor : 1/(geometric mean ratio); its `u` and interval are for a NEW workload.
    relative_u : relative standard uncertainty of the factor on a new workload, between-workload
        variance included; None with one workload, which cannot show that variance.
    relative_u_mean : relative standard uncertainty of the mean factor alone (the mix of workloads
        that was measured); None with one run.
    held_out : workload -> relative error left (0.01 is 1 % too high) in its mean ratio after the
        factor fitted on the other workloads is applied; None with one workload.
    why_not : why `held_out` is None, else None.
    """

    factor: Estimate
    relative_u: float | None
    relative_u_mean: float | None
    held_out: dict[str, float] | None
    why_not: str | None


def correction(d: ArrayLike, cluster: Sequence[str], level: float = 0.95) -> MeanCorrection:
    """Return the correction factor with the uncertainty it has on a workload not measured.

    Parameters
    ----------
    d : ln(probe/reference) a run, shape (n,).
    cluster : workload label a run, n of them.
    level : coverage probability.

    Returns
    -------
    MeanCorrection : factor and uncertainty; with one workload nothing is said of others.

    Raises
    ------
    ValueError : as in `components`, or the level is not a probability.

    Notes
    -----
    relative u^2 = s_b^2 + var(means)/k: the new workload's own effect and the error of the mean.
    The noise of the single run that is corrected comes on top; `prediction` has it. Without
    repeats s_b^2 is replaced by var(means), which is never too small. The uncertainty of the
    reference is not in here.
    """
    c = components(d, cluster)
    of_mean, count = _variance_of_mean(c)
    relative: float | None = None
    half: tuple[float, float] | None = None
    held: dict[str, float] | None = None
    why: str | None = None
    if c.k > 1 and c.variance_of_means is not None:
        between = c.variance_of_means if c.between_sd is None else c.between_sd**2
        relative = math.sqrt(between + c.variance_of_means / c.k)
        half = _t_half(-c.mean, relative, count - 1, check_level(level))
        held = _held_out(c)
    else:
        why = (
            f"All runs are of one workload ({c.labels[0]}): how the factor does on another one "
            "cannot be tried. Measure at least two."
        )
    factor = ratio_estimate(
        -c.mean,
        relative,
        half,
        level=check_level(level),
        method="1/geometric mean ratio; t on workloads, for a new workload",
        n_runs=c.n,
        n_clusters=c.k,
        checks=_checks(c),
    )
    mean_u = None if of_mean is None else math.sqrt(of_mean)
    return MeanCorrection(factor, relative, mean_u, held, why)


def _held_out(c: Components) -> dict[str, float] | None:
    """Return the error of each workload's mean under the factor fitted on the others."""
    others = (c.means.sum() - c.means) / (c.k - 1)
    gap = c.means - others
    if np.abs(gap).max() > MAX_LOG:
        return None
    return {label: float(math.expm1(g)) for label, g in zip(c.labels, gap, strict=True)}


def _variance_of_mean(c: Components) -> tuple[float | None, int]:
    """Return the variance of the mean of d and the number of independent values behind it."""
    if c.variance_of_means is not None:
        return c.variance_of_means / c.k, c.k
    return (None if c.ms_within is None else c.ms_within / c.n), c.n


def _u_of_limit(c: Components, variance: float, z: float) -> float:
    """Return the approximate standard error of a limit, by the delta method.

    As Bland & Altman 1999 for their limits: var(mean) + z^2 var(sd), where a mean square has the
    variance 2 value^2/df.
    """
    of_mean, _ = _variance_of_mean(c)
    parts = [(variance, c.n - 1)]
    if c.ms_between is not None and c.ms_within is not None:
        parts = [
            (c.ms_between / c.m0, c.k - 1),
            ((1 - 1 / c.m0) * c.ms_within, c.n - c.k),
        ]
    # var(sd) = var(variance)/(4 variance); no square of a variance, which may be no number.
    of_sd = sum(part * (part / variance) / (2 * df) for part, df in parts) if variance > 0 else 0.0
    return math.sqrt((of_mean or 0.0) + z**2 * of_sd)


def _checks(c: Components) -> tuple[str, ...]:
    """Return what the design cannot show, one sentence each."""
    found = []
    if c.n == 1:
        found.append(_ONE_RUN)
    if c.k == 1:
        found.append(_ONE_WORKLOAD)
    elif c.ms_within is None:
        found.append(_NO_REPEATS)
    if c.n > 1 and c.variance_of_run == 0.0:
        found.append(_NO_SPREAD)
    return tuple(found)


def _t_half(mean: float, u: float, df: int, level: float) -> tuple[float, float]:
    """Return mean -+ t u."""
    reach = t_quantile(0.5 + level / 2, df) * u
    return mean - reach, mean + reach
