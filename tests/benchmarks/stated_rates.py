"""Do statements about errors hold: every stated rate beside the simulated one, before and after.

    python tests/benchmarks/stated_rates.py [--trials 400] [--seed 0] [NAME ...]

Sizes are those of campaigns: 3 to 30 workloads, 2 to 10 repeats, 4 to 50 nodes, 3 to 30 campaigns.
"Before" is the rule that was replaced, written out here; "after" is what the package does. A rate
that should be at most, or at least, what is stated holds where its 95 % binomial interval (Clopper
& Pearson) does not exclude that. Simulated throughout.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtr
from scipy.stats import binomtest
from statsmodels.stats.multitest import multipletests

from calibrate.comparison import Pair, PairedRun
from calibrate.stats import (
    RepeatedValues,
    align,
    change_between,
    change_of_level,
    conformal,
    ewma,
    fleet,
    guaranteed_level,
    limits_of_agreement,
    linearity,
    mean_ratio,
    serial_correlation,
    t_quantile,
)
from calibrate.studies.differences import difference, judge, log_ratios

Rng = np.random.Generator
Array = np.ndarray
TAILS: dict[str, Callable[[Rng, tuple[int, ...]], Array]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "t5": lambda rng, shape: rng.standard_t(5, shape) / math.sqrt(5 / 3),
}


@dataclass(frozen=True)
class Rate:
    """One statement: `before` and `after` are hits in `trials`; None where there was no rule."""

    what: str
    size: str
    stated: float
    at_most: bool
    before: int | None
    after: int
    trials: int
    stated_before: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the simulated rate does not contradict the statement."""
        low, high = interval(self.after, self.trials)
        return low <= self.stated if self.at_most else high >= self.stated


def interval(hits: int, trials: int) -> tuple[float, float]:
    """Return the 95 % binomial interval of a rate."""
    found = binomtest(hits, trials).proportion_ci()
    return float(found.low), float(found.high)


def drift(rng: Rng, trials: int) -> Iterator[Rate]:
    """Sessions without a change that are called changed."""
    for n in (5, 8, 12, 20, 30):
        for tail, draw in TAILS.items():
            before = after = 0
            for values in draw(rng, (trials, n)):
                shuffled = change_by_shuffling(values, rng) < 0.01
                before += bool(shuffled or ewma(values, reach=2.7).out)
                chart, step = ewma(values, alpha=0.005), change_of_level(values)
                after += bool(chart.out or step.p_value < 0.005)
            yield Rate(
                "drift: changed", f"{n} campaigns, {tail}", 0.01, True, before, after, trials
            )


def change_by_shuffling(values: Array, rng: Rng, shuffles: int = 500) -> float:
    """Return the p-value of a step as it was: by shuffling the sessions."""
    n = values.size
    k = np.arange(1, n)
    table = np.concatenate([values[None], rng.permuted(np.tile(values, (shuffles, 1)), axis=1)])
    away = np.cumsum(table - table.mean(axis=1, keepdims=True), axis=1)[:, :-1]
    score = (np.abs(away) / np.sqrt(k * (n - k) / n)).max(axis=1)
    return float((score >= score[0] * (1 - 1e-12)).mean())


def campaigns(
    rng: Rng, shape: tuple[int, int], tail: str, repeat_sd: float
) -> tuple[RepeatedValues, RepeatedValues]:
    """Return two campaigns of one meter: ln(ratio), shape (workloads, repeats) each."""
    k, m = shape
    own = 0.05 * TAILS[tail](rng, (k, 1))
    labels = [f"w{i}" for i in range(k) for _ in range(m)]
    out = []
    for _ in range(2):
        shared = repeat_sd * TAILS[tail](rng, (1, m))
        moved = 0.003 * TAILS[tail](rng, (k, 1))
        d = own + moved + shared + 0.005 * TAILS[tail](rng, (k, m))
        out.append(RepeatedValues(d.ravel(), labels, list(range(m)) * k))
    return out[0], out[1]


SIZES = ((3, 2), (3, 10), (5, 2), (10, 3), (30, 2), (30, 10))


def change(rng: Rng, trials: int) -> Iterator[Rate]:
    """Intervals of a change that hold none, where what a repeat shares scatters, too."""
    for shape in SIZES:
        for tail in TAILS:
            before = after = 0
            for _ in range(trials):
                one, two = campaigns(rng, shape, tail, 0.005)
                before += old_change(one, two, shape)
                after += change_between(one, two).change.covers(0.0)
            size = f"{shape[0]} x {shape[1]}, {tail}"
            yield Rate("diff: 95 % interval holds", size, 0.95, False, before, after, trials)


def old_change(one: RepeatedValues, two: RepeatedValues, shape: tuple[int, int]) -> bool:
    """Return whether the interval as it was, at 95 %, holds no change: runs were independent."""
    k, m = shape
    a, b = (np.asarray(each.value).reshape(shape) for each in (one, two))
    steps = b.mean(axis=1) - a.mean(axis=1)
    pooled = float(np.mean([each.var(axis=1, ddof=1).mean() for each in (a, b)]))
    of_runs, of_steps = math.sqrt(2 * pooled / m / k), float(steps.std(ddof=1)) / math.sqrt(k)
    u, df = (of_steps, k - 1) if of_steps >= of_runs else (of_runs, 2 * k * (m - 1))
    return bool(abs(steps.mean()) <= t_quantile(0.975, df) * u)


def apart_as_before(one: RepeatedValues, two: RepeatedValues) -> bool:
    """Tell whether En was above 1 while it took each mean ratio with its own uncertainty."""
    logs = []
    for each in (one, two):
        ratio = mean_ratio(each.value, each.workload).ratio
        half = (math.log(ratio.high or 1) - math.log(ratio.low or 1)) / 2
        logs.append((math.log(ratio.value), half))
    return abs(logs[0][0] - logs[1][0]) > math.hypot(logs[0][1], logs[1][1])


def en(rng: Rng, trials: int) -> Iterator[Rate]:
    """En above 1 where nothing changed: 5 %, and far fewer while it counted what is shared."""
    for shape in SIZES:
        before = after = 0
        for _ in range(trials):
            one, two = campaigns(rng, shape, "normal", 0.005)
            before += apart_as_before(one, two)
            after += not change_between(one, two).change.covers(0.0)
        size = f"{shape[0]} x {shape[1]}"
        yield Rate("En above 1, no change", size, 0.05, True, before, after, trials)


def en_sees(rng: Rng, trials: int) -> Iterator[Rate]:
    """En above 1 where the meter changed by 2 %: what it is for."""
    for shape in SIZES[2:]:
        before = after = 0
        for _ in range(trials):
            one, two = campaigns(rng, shape, "normal", 0.002)
            two = RepeatedValues(np.asarray(two.value) + 0.02, two.workload, two.repeat)
            before += apart_as_before(one, two)
            after += not change_between(one, two).change.covers(0.0)
        size = f"{shape[0]} x {shape[1]}"
        yield Rate("En above 1, 2 % changed", size, 0.9, False, before, after, trials)


def few(rng: Rng, trials: int) -> Iterator[Rate]:
    """Two to four campaigns that scatter by a third of the tolerance and are called changed."""
    margin, alpha = math.log1p(0.01), 0.01
    for n in (2, 3, 4):
        for shape in ((3, 2), (5, 2), (10, 3), (30, 10)):
            after = 0
            for _ in range(trials):
                labels = [f"w{i}" for i in range(shape[0]) for _ in range(shape[1])]
                repeat = list(range(shape[1])) * shape[0]
                made = [
                    RepeatedValues(
                        0.01 / 3 / math.sqrt(2) * rng.normal()
                        + 0.003 * rng.normal(size=(shape[0], 1)).repeat(shape[1])
                        + 0.005 * rng.normal(size=len(labels)),
                        labels, repeat,
                    )
                    for _ in range(n)
                ]  # fmt: skip
                states = [
                    judge(change_between(made[0], each), margin, alpha / (n - 1))
                    for each in made[1:]
                ]
                after += "changed" in states
            size = f"{n} campaigns, {shape[0]} x {shape[1]}"
            yield Rate("drift: changed", size, alpha, True, None, after, trials)


def correlated(rng: Rng, trials: int) -> Iterator[Rate]:
    """Intervals of a change that hold none, where neighbouring runs of a campaign err alike."""
    for lag1 in (0.0, 0.6, 0.8):
        for k, m in ((5, 4), (5, 10), (10, 3)):
            before = after = 0
            for _ in range(trials):
                walks = [wander(rng, k * m, lag1) for _ in range(2)]
                made = [pair_of(0.01 * each, k, m) for each in walks]
                one, two = (log_ratios(each, [f"w{i}" for i in range(k)]) for each in made)
                before += change_between(one, two).change.covers(0.0)
                found = difference(made[0], made[1], 0.01, 0.05)
                after += (found.low or 0.0) <= 0 <= (found.high or 0.0)
            size = f"{k} x {m}, AR({lag1:g})"
            yield Rate("diff: 95 % interval holds", size, 0.95, False, before, after, trials)


def wander(rng: Rng, n: int, lag1: float) -> Array:
    """Return a noise of sd 1 that correlates in time."""
    white = rng.normal(size=n + 50) * math.sqrt(1 - lag1**2)
    return np.asarray(lfilter([1], [1, -lag1], white))[50:]


def pair_of(noise: Array, k: int, m: int, rest_w: float | None = None, moved: float = 0.0) -> Pair:
    """Return a column beside the reference, in order of time, with this noise of ln(ratio).

    With `rest_w`, the reference covers more than the column: so many watts, and 1.2 for each.
    """
    rows = []
    for i, error in enumerate(noise):
        true_w, seconds = 160.0 + 80 * (i % k) / max(k - 1, 1) + moved, 60.0
        whole_w = true_w if rest_w is None else rest_w + 1.2 * true_w
        rows.append(
            PairedRun(
                run=str(i), workload=f"w{i % k}", repeat=i // k + 1, seconds=seconds,
                probe_j=true_w * seconds * math.exp(error), reference_j=whole_w * seconds,
                u_reference_j=0.0,
            )
        )  # fmt: skip
    d = [math.log(row.ratio or 1.0) for row in rows]
    names = [row.workload for row in rows]
    scope = "node" if rest_w is not None else "machine"
    return Pair(
        probe="p", column="c", scope="machine", reference_scope=scope, rows=tuple(rows),
        basis="measured", family="f", same_family=False, headline=True, resolution_j=0.0,
        ratio=None, limits=None, prediction=None,
        serial=serial_correlation(d, names, shuffles=199) if m > 2 and rest_w is None else None,
    )  # fmt: skip


def across(rng: Rng, trials: int) -> Iterator[Rate]:
    """A wall meter beside a part of the node: nothing changed, and 2 % of the node added."""
    for k, m in SIZES:
        false = held = seen = 0
        for _ in range(trials):
            noise = [
                0.003 * rng.normal(size=(m, 1)).repeat(k, 1).ravel()
                + 0.003 * rng.normal(size=k * m)
                for _ in range(3)
            ]
            first = pair_of(noise[0], k, m, 900.0)
            same = difference(first, pair_of(noise[1], k, m, 900.0, 3.0), 0.01, 0.05)
            more = difference(first, pair_of(noise[2], k, m, 924.0), 0.01, 0.05)
            false += same.state == "changed"
            held += (same.low_w or 0.0) <= 0 <= (same.high_w or 0.0)
            seen += more.state == "changed"
        size = f"{k} x {m}"
        yield Rate("across: changed", size, 0.05, True, None, false, trials)
        yield Rate("across: 95 % interval in W holds", size, 0.95, False, None, held, trials)
        yield Rate("across: 24 W of 1140 W are seen", size, 0.9, False, None, seen, trials)


def nodes(rng: Rng, trials: int) -> Iterator[Rate]:
    """Sound fleets with a node that is called odd."""
    for n in (4, 6, 10, 20, 50):
        for tail, draw in TAILS.items():
            before = after = 0
            for effect in draw(rng, (trials, n)):
                d = 0.02 * effect[:, None] + 0.005 * rng.normal(size=(n, 3))
                before += old_odd(d.mean(axis=1))
                after += bool(fleet(d).odd)
            yield Rate(
                "fleet: any node odd", f"{n} nodes, {tail}", 0.01, True, before, after, trials
            )


def old_odd(values: Array) -> bool:
    """Return whether any node was odd as it was: a normal tail on the median deviation."""
    away = np.abs(values - np.median(values))
    p = 2 * ndtr(-away / (1.4826 * float(np.median(away))))
    return bool((multipletests(p, method="holm")[1] < 0.01).any())


def limits(rng: Rng, trials: int) -> Iterator[Rate]:
    """New single runs within limits of agreement: 95 % was said, now the share to expect."""
    for k, m in SIZES:
        label = [f"w{i}" for i in range(k) for _ in range(m)]
        expected, held = [], 0
        for _ in range(trials):
            d = (0.01 * rng.normal(size=(k, 1)) + 0.01 * rng.normal(size=(k, m))).ravel()
            found = limits_of_agreement(d, label)
            new = math.exp(0.01 * rng.normal() + 0.01 * rng.normal())
            if found.lower and found.upper:
                held += found.lower.value <= new <= found.upper.value
                expected.append(found.expected_share or 0.0)
        share = float(np.mean(expected))
        yield Rate("limits of agreement hold", f"{k} x {m}", share, False, held, held, trials, 0.95)


def jackknife(rng: Rng, trials: int) -> Iterator[Rate]:
    """New workloads within the interval that assumes no distribution: what is guaranteed."""
    draws: dict[str, Callable[[int], Array]] = {
        "normal": lambda n: rng.normal(size=n),
        "skewed": lambda n: rng.gamma(0.5, 1, n),
        "bimodal": lambda n: rng.choice([-1.0, 1.0], n, p=[0.2, 0.8]) + 0.05 * rng.normal(size=n),
    }
    for k in (3, 5, 10, 20, 30):
        level = min(0.95, k / (k + 1) - 1e-9)
        for name, draw in draws.items():
            held = 0
            for _ in range(trials):
                effect = draw(k + 1)
                d = np.repeat(effect[:k], 2) + 0.2 * rng.normal(size=2 * k)
                found = conformal(d, [f"w{i}" for i in range(k) for _ in range(2)], level)
                held += found.covers(effect[k] + 0.2 * rng.normal())
            size = f"{k} workloads, {name}"
            share = guaranteed_level(level)
            yield Rate("jackknife+ holds", size, share, False, held, held, trials, level)


def lag(rng: Rng, trials: int) -> Iterator[Rate]:
    """Square waves that are aligned half a period off."""
    at = np.arange(0, 30, 0.005)
    watts = np.where(at % 1.37 < 0.685, 120.0, 30.0)
    joules = np.concatenate([[0.0], np.cumsum(watts[:-1] * 0.005)])
    wrong, count = 0, min(trials, 100)
    for _ in range(count):
        true = rng.uniform(-0.3, 0.9)
        other = np.arange(2, 28, 0.1) + rng.uniform(0, 0.1)
        shown = np.interp(other - true, at, joules) + rng.normal(0, 0.3, other.size)
        wrong += align(at, joules, other, shown).gain.value <= 0
    yield Rate("align: gain below zero", "square wave", 0.0, True, None, wrong, count)


def line(rng: Rng, trials: int) -> Iterator[Rate]:
    """Intervals of a meter's gain, where each load deviates from the line by 1 %."""
    for loads, repeats in ((4, 2), (5, 8), (7, 2), (10, 10)):
        x = np.linspace(20, 200, loads).repeat(repeats)
        label = [f"{each:g}" for each in x]
        before = after = 0
        for _ in range(trials):
            off = 1.0 * rng.normal(size=loads).repeat(repeats)
            y = 1.02 * x + 5 + off + 0.1 * rng.normal(size=x.size)
            before += linearity(x, y).gain.covers(1.02)
            after += linearity(x, y, label).gain.covers(1.02)
        size = f"{loads} loads x {repeats}"
        yield Rate("datasheet: gain's interval holds", size, 0.95, False, before, after, trials)


PARTS = {
    each.__name__: each
    for each in (
        drift,
        few,
        change,
        correlated,
        en,
        en_sees,
        across,
        nodes,
        limits,
        jackknife,
        lag,
        line,
    )
}


def shown(hits: int | None, trials: int) -> str:
    """Return a rate in percent with its interval."""
    if hits is None:
        return "-"
    low, high = interval(hits, trials)
    return f"{100 * hits / trials:5.1f} ({100 * low:.1f} to {100 * high:.1f})"


def main() -> int:
    """Print the table; 1 where a statement does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PARTS))
    given = parser.parse_args()
    began, failed = time.monotonic(), 0
    print(f"SIMULATED. Percent of {given.trials} trials, with 95 % binomial intervals.")
    print(f"{'statement':34}{'size':26}{'stated':>16} {'before':>22} {'after':>22}")
    for name in given.names or PARTS:
        for rate in PARTS[name](np.random.default_rng([given.seed, len(name)]), given.trials):
            sign = "<=" if rate.at_most else ">="
            stated = f"{sign} {100 * rate.stated:.3g}"
            if rate.stated_before is not None:
                stated = f"{100 * rate.stated_before:.3g}, now {stated}"
            before, after = (shown(each, rate.trials) for each in (rate.before, rate.after))
            mark = "" if rate.holds else "  DOES NOT HOLD"
            failed += not rate.holds
            print(f"{rate.what:34}{rate.size:26}{stated:>16} {before:>22} {after:>22}{mark}")
    print(f"{failed} do not hold; {time.monotonic() - began:.0f} s")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
