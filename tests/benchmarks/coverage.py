"""Do 95 % intervals hold the truth in 95 % of campaigns?

    python tests/benchmarks/coverage.py [--campaigns 2000] [--seed 0] [NAME ...]

Every case simulates campaigns with a known truth and counts how often the interval has it. The
data are clustered (runs of a workload share an error), of unequal spread (heteroscedastic), or
both. Simulated throughout.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import numpy as np

from calibrate.stats import (
    BudgetRow,
    Estimate,
    align,
    bootstrap,
    budget,
    cluster_mean,
    concordance,
    conformal,
    consensus,
    constant_truth,
    correction,
    deming,
    deming_through_origin,
    fit_gain_offset,
    fit_offset,
    least_squares,
    limits_of_agreement,
    line_through_origin,
    mean_of,
    mean_ratio,
    passing_bablok,
    passing_bablok_1983,
    prediction,
    probe_effects,
    serial_correlation,
    tolerance_limits,
    weighted_deming,
    widened,
    york,
)

Rng = np.random.Generator
#: Simulates one campaign: the estimate, and the truth its interval should hold.
Case = Callable[[Rng], tuple[Estimate | None, float]]

BETWEEN, WITHIN = 0.03, 0.02


def campaign(
    rng: Rng, workloads: int = 8, repeats: int = 3, unequal: bool = False
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return d, labels and the workloads' own means; true mean 0."""
    effect = rng.normal(0, BETWEEN, workloads)
    sd = WITHIN * (rng.uniform(0.2, 2.0, workloads) if unequal else np.ones(workloads))
    code = np.repeat(np.arange(workloads), repeats)
    d = effect[code] + sd[code] * rng.normal(size=code.size)
    return d, [f"w{i}" for i in code], effect


def clustered(rng: Rng) -> tuple[Estimate | None, float]:
    d, label, _ = campaign(rng)
    return mean_ratio(d, label).ratio, 1.0


def unequal(rng: Rng) -> tuple[Estimate | None, float]:
    d, label, _ = campaign(rng, unequal=True)
    return mean_ratio(d, label).ratio, 1.0


def unequal_sizes(rng: Rng) -> tuple[Estimate | None, float]:
    d, label, _ = campaign(rng, workloads=8, repeats=6)
    keep = rng.permutation(d.size)[: d.size // 2]
    return mean_ratio(d[keep], [label[i] for i in keep]).ratio, 1.0


def wandering(rng: Rng, repeats: int) -> tuple[np.ndarray, list[str]]:
    """Return d and labels in the order of time; neighbouring runs correlate with 0.8."""
    order = np.concatenate([rng.permutation(5) for _ in range(repeats)])
    noise = [rng.normal()]
    for step in rng.normal(size=order.size - 1):
        noise.append(0.8 * noise[-1] + 0.6 * step)
    d = rng.normal(0, WITHIN / 4, 5)[order] + WITHIN * np.array(noise)
    return d, [f"w{i}" for i in order]


def correlated(rng: Rng) -> tuple[Estimate | None, float]:
    return mean_ratio(*wandering(rng, 8)).ratio, 1.0


def correlated_and_widened(rng: Rng, repeats: int = 8) -> tuple[Estimate | None, float]:
    d, label = wandering(rng, repeats)
    ratio, found = mean_ratio(d, label).ratio, serial_correlation(d, label)
    return widened(ratio, found.extra_variance, "") if found.significant else ratio, 1.0


def correlated_and_widened_of_three(rng: Rng) -> tuple[Estimate | None, float]:
    return correlated_and_widened(rng, 3)


def limit(rng: Rng) -> tuple[Estimate | None, float]:
    d, label, _ = campaign(rng, workloads=10, repeats=4)
    true = math.exp(1.959964 * math.hypot(BETWEEN, WITHIN))
    return limits_of_agreement(d, label).upper, true


def next_run(rng: Rng) -> tuple[Estimate | None, float]:
    d, label, _ = campaign(rng)
    return prediction(d, label), math.exp(rng.normal(0, math.hypot(BETWEEN, WITHIN)))


def new_workload(rng: Rng) -> tuple[Estimate | None, float]:
    d, label, _ = campaign(rng)
    return correction(d, label).factor, math.exp(rng.normal(0, BETWEEN))


def mixed_new_workload(rng: Rng) -> tuple[Estimate | None, float]:
    d, label, _ = campaign(rng, workloads=10)
    return probe_effects(d, ["p"] * d.size, label).new("p", "workload"), rng.normal(0, BETWEEN)


def loads(rng: Rng) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return powers by a probe with gain 0.8 and offset 12 W, by the reference, and labels."""
    d, label, _ = campaign(rng)
    true = np.linspace(20, 180, 8)[[int(name[1:]) for name in label]]
    return (0.8 + 12 / true + d) * true, true, label


def line_gain(rng: Rng) -> tuple[Estimate | None, float]:
    return fit_gain_offset(*loads(rng)).gain, 0.8


def line_offset(rng: Rng) -> tuple[Estimate | None, float]:
    return fit_gain_offset(*loads(rng)).offset_w, 12.0


def offset_alone(rng: Rng) -> tuple[Estimate | None, float]:
    more, true, label = loads(rng)
    return fit_offset(more + 0.2 * true, true, label).offset_w, 12.0


def both(rng: Rng, n: int = 30, relative: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return two meters with errors, y = 2 + 1.1 x of the truth."""
    truth = rng.uniform(20, 100, n)
    size = 0.03 * truth if relative else np.full(n, 1.5)
    return truth + size * rng.normal(size=n), 2 + 1.1 * truth + size * rng.normal(size=n)


def ordinary(rng: Rng) -> tuple[Estimate | None, float]:
    x = rng.uniform(20, 100, 20)
    return least_squares(x, 2 + 1.1 * x + rng.normal(0, 1.5, 20)).slope, 1.1


def deming_slope(rng: Rng) -> tuple[Estimate | None, float]:
    return deming(*both(rng)).slope, 1.1


def through(rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """Return two meters with errors, y = 1.1 x of the truth."""
    truth = rng.uniform(20, 100, 20)
    return truth + rng.normal(0, 1.5, 20), 1.1 * truth + rng.normal(0, 1.5, 20)


def origin_slope(rng: Rng) -> tuple[Estimate | None, float]:
    x = rng.uniform(20, 100, 20)
    return line_through_origin(x, 1.1 * x + rng.normal(0, 1.5, 20)).slope, 1.1


def deming_origin_slope(rng: Rng) -> tuple[Estimate | None, float]:
    return deming_through_origin(*through(rng)).slope, 1.1


def passing_bablok_1983_slope(rng: Rng) -> tuple[Estimate | None, float]:
    truth = rng.uniform(20, 100, 60)
    return passing_bablok_1983(*(truth + rng.normal(0, 1.5, (2, 60)))).slope, 1.0


def deming_unequal(rng: Rng) -> tuple[Estimate | None, float]:
    return deming(*both(rng, 60, relative=True)).slope, 1.1


def deming_clustered(rng: Rng) -> tuple[Estimate | None, float]:
    load = np.repeat(np.arange(20), 4)
    truth = np.repeat(rng.uniform(20, 100, 20), 4)
    x = truth + rng.normal(0, 1.0, 80)
    y = 2 + 1.1 * truth + np.repeat(rng.normal(0, 1.5, 20), 4) + rng.normal(0, 1.0, 80)
    ratio = 1.0 / (1.0 + 1.5**2)
    line = deming(x, y, var_ratio_x_over_y=ratio, cluster=[str(i) for i in load])
    return line.slope, 1.1


def weighted_slope(rng: Rng) -> tuple[Estimate | None, float]:
    return weighted_deming(*both(rng, relative=True)).slope, 1.1


def york_slope(rng: Rng) -> tuple[Estimate | None, float]:
    truth = rng.uniform(20, 100, 25)
    u_x, u_y = rng.uniform(0.5, 3, 25), rng.uniform(0.5, 3, 25)
    x, y = truth + u_x * rng.normal(size=25), 2 + 1.1 * truth + u_y * rng.normal(size=25)
    return york(x, y, u_x, u_y).line.slope, 1.1


def passing_bablok_slope(rng: Rng) -> tuple[Estimate | None, float]:
    truth = rng.uniform(20, 100, 40)
    # The estimator is for errors in proportion to the slope.
    x, y = truth + rng.normal(0, 1.5, 40), 2 + 1.1 * (truth + rng.normal(0, 1.5, 40))
    return passing_bablok(x, y).slope, 1.1


def bca(rng: Rng) -> tuple[Estimate | None, float]:
    x = rng.normal(0, 0.03, 60) + 0.02 * (rng.exponential(size=60) - 1)
    return bootstrap(np.stack([x, np.ones(60)], axis=1), mean_of, resamples=2000), 0.0


def bootstrap_clusters(rng: Rng) -> tuple[Estimate | None, float]:
    d, label, _ = campaign(rng, workloads=40, unequal=True)
    return cluster_mean(d, label, resamples=2000), 0.0


def few_clusters(rng: Rng) -> tuple[Estimate | None, float]:
    d, label, _ = campaign(rng, workloads=5)
    return cluster_mean(d, label), 0.0


def replicates(rng: Rng) -> tuple[Estimate | None, float]:
    subject = [str(i) for i in np.repeat(np.arange(15), 3)]
    bias = np.repeat(rng.normal(0, 0.03, 15), 3)
    x, y = bias + rng.normal(0, 0.02, 45), rng.normal(0, 0.01, 45)
    true = 1.959964 * math.sqrt(0.03**2 + 0.02**2 + 0.01**2)
    return constant_truth(x, subject, y, subject).upper, true


def lin(rng: Rng) -> tuple[Estimate | None, float]:
    truth = rng.normal(0, 1, 60)
    x, y = truth + rng.normal(0, 0.4, 60), 0.2 + truth + rng.normal(0, 0.4, 60)
    return concordance(x, y).coefficient, 2 * 1.0 / (2 * 1.16 + 0.04)


def distribution_free(rng: Rng) -> tuple[Estimate | None, float]:
    d = rng.exponential(0.02, 60)
    return conformal(d[:59]), float(d[59])


def references(rng: Rng) -> tuple[Estimate | None, float]:
    u = rng.uniform(0.005, 0.02, 5)
    return consensus(rng.normal(0, 0.01, 5) + u * rng.normal(size=5), u).value, 0.0


def gum(rng: Rng) -> tuple[Estimate | None, float]:
    rows = [
        BudgetRow.from_readings("repeats", rng.normal(0, 0.02, 6)),
        BudgetRow.from_limits("window", 0.015),
    ]
    error = rows[0].u * rng.standard_t(5) + rng.uniform(-0.015, 0.015)
    return budget(0.0, rows).total, error


def content(rng: Rng) -> tuple[Estimate | None, float]:
    """Tolerance limits hold at least 95 % in 95 % of campaigns: 1 stands for that they do."""
    from scipy.special import ndtr

    found = tolerance_limits(rng.normal(size=12))
    assert found.low is not None and found.high is not None
    held = float(ndtr(found.high) - ndtr(found.low))
    return Estimate(1.0, None, 1.0, 1.0, 0.95, "", 12, 12), 1.0 if held >= 0.95 else 0.0


def lag(rng: Rng) -> tuple[Estimate | None, float]:
    at = np.arange(0, 60, 0.01)
    watts = np.where(at % 7.3 < 3.1, 90.0, 20.0)
    joules = np.concatenate([[0], np.cumsum(watts[:-1] * 0.01)])
    other = np.arange(3, 57, 0.1) + rng.uniform(0, 0.02, 540)
    true = float(rng.uniform(-0.5, 0.5))
    shown = np.interp(other - true, at, joules) + rng.normal(0, 0.3, 540)
    return align(at, joules, other, shown).lag_s, true


CASES: dict[str, Case] = {
    "mean ratio, clustered": clustered,
    "mean ratio, clustered, unequal spread": unequal,
    "mean ratio, clustered, unequal sizes": unequal_sizes,
    "mean ratio, correlated runs, widened": correlated_and_widened,
    "limit of agreement, clustered": limit,
    "limit, repeats of a constant truth": replicates,
    "prediction of the next run": next_run,
    "factor on a new workload": new_workload,
    "mixed model, new workload": mixed_new_workload,
    "offset": offset_alone,
    "gain and offset: gain": line_gain,
    "gain and offset: offset": line_offset,
    "least squares": ordinary,
    "line through the origin": origin_slope,
    "Deming through the origin": deming_origin_slope,
    "Deming": deming_slope,
    "Deming, unequal spread": deming_unequal,
    "Deming, clustered": deming_clustered,
    "weighted Deming": weighted_slope,
    "York": york_slope,
    "Passing-Bablok": passing_bablok_slope,
    "Passing-Bablok 1983": passing_bablok_1983_slope,
    "BCa, skewed": bca,
    "cluster bootstrap, unequal spread": bootstrap_clusters,
    "five clusters": few_clusters,
    "concordance": lin,
    "tolerance limits": content,
    "conformal, skewed": distribution_free,
    "consensus of references": references,
    "GUM budget": gum,
    "lag of an alignment": lag,
}
#: Intervals that hold the truth less often than they say, shown beside those that do: runs that
#: correlate, taken as independent, and with so few repeats that this cannot be seen.
TOO_NARROW: dict[str, Case] = {
    "mean ratio, correlated runs as if independent": correlated,
    "mean ratio, correlated runs, 3 repeats": correlated_and_widened_of_three,
}


def coverage(case: Case, campaigns: int, seed: int) -> float:
    """Return the share of campaigns whose interval holds the truth."""
    hits = 0
    for source in np.random.SeedSequence(seed).spawn(campaigns):
        found, truth = case(np.random.default_rng(source))
        if found is not None and found.low is not None and found.high is not None:
            hits += found.low <= truth <= found.high
    return hits / campaigns


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("names", nargs="*", help="cases whose name contains one of these")
    options.add_argument("--campaigns", type=int, default=2000)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    print(f"simulated, {given.campaigns} campaigns each; 95 % intervals\n")
    for name, case in (CASES | TOO_NARROW).items():
        if given.names and not any(part in name for part in given.names):
            continue
        start = time.perf_counter()
        share = coverage(case, given.campaigns, given.seed)
        print(f"{name:46} {100 * share:6.2f} %  ({time.perf_counter() - start:4.1f} s)", flush=True)


if __name__ == "__main__":
    main()
