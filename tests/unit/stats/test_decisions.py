import json
import math

import numpy as np
import pytest

from calibrate.stats import (
    Estimate,
    bootstrap,
    cluster_mean,
    confidence_sequence,
    conformal,
    constant_truth,
    equivalent_ratio,
    guaranteed_level,
    holm,
    level_dependent,
    limits_together,
    mean_of,
    mixed,
    one_sided_bound,
    probe_effects,
    runs_needed,
    to_json,
    tolerance_factor,
    tolerance_gate,
    tolerance_limits,
    tost,
)

RNG = np.random.default_rng(11)
START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Give every test the same random numbers, in whatever order they run."""
    RNG.bit_generator.state = START


def estimate(value: float, u: float | None) -> Estimate:
    return Estimate(value, u, None, None, 0.95, "given", 10, 10)


def test_three_states() -> None:
    assert tost(estimate(0.0, 0.01), 9, -0.05, 0.05).state == "pass"
    assert tost(estimate(0.2, 0.01), 9, -0.05, 0.05).state == "fail"
    assert tost(estimate(-0.2, 0.01), 9, -0.05, 0.05).state == "fail"
    assert tost(estimate(0.04, 0.02), 9, -0.05, 0.05).state == "inconclusive"
    nothing = tost(estimate(0.0, None), 9, -0.05, 0.05)
    assert nothing.state == "inconclusive" and nothing.p_pass is None
    assert tost(estimate(0.0, 0.0), 9, -0.05, 0.05).state == "inconclusive"


def test_pass_is_that_the_interval_is_inside() -> None:
    for value in np.linspace(-0.1, 0.1, 41):
        found = tost(estimate(float(value), 0.02), 7, -0.05, 0.05)
        low, high = found.estimate.low or 0.0, found.estimate.high or 0.0
        assert (found.state == "pass") == (low > -0.05 and high < 0.05)
        assert (found.state == "fail") == (low > 0.05 or high < -0.05)


def test_non_inferiority_leaves_a_side_open() -> None:
    found = tost(estimate(5.0, 0.1), 9, -0.05, None)
    assert found.state == "pass" and found.t is not None and found.t[1] is None
    assert tost(estimate(-5.0, 0.1), 9, -0.05, None).state == "fail"
    json.dumps(to_json(found), allow_nan=False)
    with pytest.raises(ValueError, match="no bound"):
        tost(estimate(0.0, 0.1), 9, None, None)
    with pytest.raises(ValueError, match="not below"):
        tost(estimate(0.0, 0.1), 9, 1.0, -1.0)


def test_equivalence_of_a_ratio_is_symmetric() -> None:
    d = RNG.normal(0.01, 0.005, 20)
    label = [f"w{i % 5}" for i in range(20)]
    one, other = equivalent_ratio(d, label, 0.05), equivalent_ratio(-d, label, 0.05)
    assert one.state == other.state == "pass"
    assert one.p_pass == pytest.approx(other.p_pass)
    assert equivalent_ratio(d + 0.2, label, 0.05).state == "fail"
    with pytest.raises(ValueError, match="5 %"):
        equivalent_ratio(d, label, -1.0)


def test_tost_at_the_bound_passes_in_alpha_of_cases() -> None:
    d = math.log(1.05) + RNG.normal(0, 0.02, (2000, 10))
    label = [str(i) for i in range(10)]
    passed = np.mean([equivalent_ratio(row, label, 0.05).state == "pass" for row in d])
    assert passed == pytest.approx(0.05, abs=4 * math.sqrt(0.0475 / 2000))


def test_tolerance_gate() -> None:
    d = RNG.normal(0, 0.01, 40)
    assert tolerance_gate(d, 0.05).state == "pass"
    assert tolerance_gate(d, 0.01).state == "fail"
    assert tolerance_gate(d[:5], 0.03).state == "inconclusive"
    with pytest.raises(ValueError, match="at least 2"):
        tolerance_gate([0.1], 0.05)


def test_holm_corrects_and_keeps_names() -> None:
    # Holm 1979's procedure by hand: 0.01 x 4, max(0.04, 0.02 x 3), ...
    found = holm({"a": 0.04, "b": 0.01, "c": 0.03, "d": 0.02})
    assert list(found) == ["a", "b", "c", "d"]
    assert found == pytest.approx({"b": 0.04, "d": 0.06, "c": 0.06, "a": 0.06})
    assert holm({}) == {} and holm({"a": 0.7, "b": 0.9})["b"] == 1.0
    with pytest.raises(ValueError, match="no probability"):
        holm({"a": 1.5})


def test_tolerance_limits_hold_the_share_with_the_confidence() -> None:
    k = tolerance_factor(12, 0.9, 0.95)
    x = RNG.normal(size=(4000, 12))
    mean, sd = x.mean(axis=1), x.std(axis=1, ddof=1)
    from scipy.special import ndtr

    held = ndtr(mean + k * sd) - ndtr(mean - k * sd)
    assert np.mean(held >= 0.95) == pytest.approx(0.9, abs=4 * math.sqrt(0.09 / 4000))
    one = ndtr(mean + one_sided_bound(12, 0.9, 0.95) * sd)
    assert np.mean(one >= 0.95) == pytest.approx(0.9, abs=4 * math.sqrt(0.09 / 4000))
    # Many values leave the population's own limits.
    assert tolerance_factor(1_000_000) == pytest.approx(1.96, abs=0.005)
    assert one_sided_bound(1_000_000) == pytest.approx(1.645, abs=0.005)
    found = tolerance_limits([1.0, 2.0, 3.0])
    assert found.low is not None and found.low < 0


def test_the_bootstrap_sd_is_that_of_the_mean() -> None:
    # Streams of random numbers that overlap would make it several times too small.
    for n in (50, 5000):
        x = RNG.normal(size=n)
        rows = np.stack([x, np.ones(n)], axis=1)
        found = bootstrap(rows, mean_of)
        assert found.u == pytest.approx(x.std() / math.sqrt(n), rel=0.03)
        again = bootstrap(rows, mean_of)
        assert again == found


def test_bootstrap_is_that_of_scipy() -> None:
    from scipy.stats import bootstrap as theirs

    x = RNG.gamma(0.5, 1, 120)
    found = bootstrap(np.stack([x, np.ones(120)], axis=1), mean_of, resamples=11_000, seed=3)
    want = theirs(
        (x,), np.mean, n_resamples=11_000, method="BCa", rng=np.random.default_rng(4)
    ).confidence_interval
    width = want.high - want.low
    assert [found.low, found.high] == pytest.approx([want.low, want.high], abs=0.06 * width)


def test_clusters_are_drawn_whole() -> None:
    shift = np.repeat(RNG.normal(0, 1, 40), 25)
    values = shift + 0.01 * RNG.normal(size=1000)
    label = [str(i // 25) for i in range(1000)]
    found = cluster_mean(values, label)
    assert found.u == pytest.approx(shift.std() / math.sqrt(40), rel=0.05)
    assert (found.n_runs, found.n_clusters) == (1000, 40)
    few = cluster_mean(values[:75], label[:75])
    assert few.method == "t on cluster means" and "too few" in few.checks[0]
    with pytest.raises(ValueError, match="one cluster"):
        cluster_mean([1.0, 2.0], ["a", "a"])


def test_bootstrap_refuses() -> None:
    rows = np.ones((7, 2))
    with pytest.raises(ValueError, match="below 8"):
        bootstrap(rows, mean_of)
    with pytest.raises(ValueError, match="at least 1000"):
        bootstrap(np.ones((9, 2)), mean_of, resamples=10)
    with pytest.raises(ValueError, match="finite numbers"):
        bootstrap(np.full((9, 2), np.nan), mean_of)
    same = bootstrap(np.ones((9, 2)), mean_of)
    assert same.value == same.low == same.high == 1.0 and "No spread" in same.checks[0]


def test_conformal_needs_enough_and_covers() -> None:
    few = conformal(RNG.normal(size=18))
    assert few.low is None and "which needs 19" in few.checks[0]
    label = [f"w{i % 10}" for i in range(60)]
    assert "10 workloads are too few" in conformal(RNG.normal(size=60), label).checks[0]
    hits = []
    for _ in range(500):
        x = RNG.exponential(size=40)
        found = conformal(x[:39])
        hits.append((found.low or 0) <= x[39] <= (found.high or 0))
    assert np.mean(hits) >= 0.95 - 4 * math.sqrt(0.0475 / 500)


def test_conformal_says_what_is_guaranteed() -> None:
    found = conformal(RNG.normal(size=10), [f"w{i // 2}" for i in range(10)], level=0.83)
    assert found.method == "jackknife+ over workloads, guaranteed 66 %"
    assert guaranteed_level(5 / 6) == pytest.approx(2 / 3) and guaranteed_level(0.4) == 0.0
    with pytest.raises(ValueError, match="probability"):
        guaranteed_level(1.0)


def test_conformal_for_a_new_workload_is_wider() -> None:
    shift = np.repeat(RNG.normal(0, 1, 25), 4)
    d = shift + 0.01 * RNG.normal(size=100)
    label = [f"w{i // 4}" for i in range(100)]
    found = conformal(d, label)
    assert (found.high or 0) - (found.low or 0) > 2.5
    assert (found.n_runs, found.n_clusters) == (100, 25)


def test_a_confidence_sequence_narrows_and_says_when_it_cannot() -> None:
    x = RNG.normal(0, 1, 400)
    widths = []
    for n in (10, 40, 400):
        found = confidence_sequence(x[:n])
        widths.append((found.high or 0) - (found.low or 0))
    assert widths[0] > 2 * widths[1] > 4 * widths[2] > 0
    assert "do not bound it yet" in confidence_sequence(x[:3]).checks[0]
    assert "identical" in confidence_sequence([1.0] * 20).checks[0]
    assert confidence_sequence([1.0]).u is None
    with pytest.raises(ValueError, match="n_opt"):
        confidence_sequence(x, n_opt=1)


def test_the_sequence_misses_at_any_time_in_at_most_five_percent() -> None:
    n = np.arange(1, 301)
    x = RNG.normal(3, 2, (1000, 300))
    mean = x.cumsum(axis=1) / n
    sd = np.sqrt(np.maximum((x**2).cumsum(axis=1) / n - mean**2, 0) * n / np.maximum(n - 1, 1))
    unit = np.zeros(300)
    for k in n:
        one = np.resize([1.0, -1.0], k) if k % 2 == 0 else np.append(np.resize([1, -1], k - 1), 0)
        found = confidence_sequence(one) if k > 1 else confidence_sequence([1.0])
        spread = one.std(ddof=1) if k > 1 else 1.0
        unit[k - 1] = math.inf if found.high is None else (found.high - found.value) / spread
    bounded = np.isfinite(unit)
    missed = (np.abs(mean - 3)[:, bounded] > unit[bounded] * sd[:, bounded]).any(axis=1).mean()
    assert 0.005 < missed < 0.05 + 3 * math.sqrt(0.0475 / 1000)


def test_runs_needed_are_those_of_the_table() -> None:
    # Half-width 1 %, 95 %: 2 %, 5 % and 10 % of spread.
    assert [runs_needed(sd, 0.01) for sd in (0.01, 0.02, 0.05, 0.1)] == [7, 18, 99, 387]
    assert runs_needed(1e-9, 0.01) == 2
    with pytest.raises(ValueError, match="Make the runs longer"):
        runs_needed(100.0, 0.001)


def test_mixed_model_of_probes() -> None:
    names, loads, repeats = ["a", "b"], [f"w{i}" for i in range(12)], 4
    load = {w: RNG.normal(0, 0.05) for w in loads}
    both = {(p, w): RNG.normal(0, 0.03) for p in names for w in loads}
    rows = [
        (p, w, {"a": 0.0, "b": -0.1}[p] + load[w] + both[p, w] + RNG.normal(0, 0.01))
        for p in names
        for w in loads
        for _ in range(repeats)
    ]
    probe, workload, d = (list(column) for column in zip(*rows, strict=True))
    found = probe_effects(d, probe, workload)
    assert found.sd["error"] == pytest.approx(0.01, rel=0.3)
    assert found.sd["probe x workload"] == pytest.approx(0.03, rel=0.5)
    assert found.sd["workload"] == pytest.approx(0.05, rel=0.7)
    for name, truth in (("a", 0.0), ("b", -0.1)):
        one = found.fixed[name]
        assert one.value == pytest.approx(truth, abs=4 * (one.u or 0))
        new = found.new(name, "workload", "probe x workload")
        assert (new.u or 0) > math.hypot(found.sd["workload"], found.sd["probe x workload"])
    with pytest.raises(ValueError, match="not zzz"):
        found.new("a", "zzz")
    json.dumps(to_json(found), allow_nan=False)


def test_mixed_refuses() -> None:
    ones = np.ones(6)
    label = ["a", "a", "b", "b", "c", "c"]
    with pytest.raises(ValueError, match="6 levels for 6 values"):
        mixed(RNG.normal(size=6), {"mean": ones}, {"run": list("abcdef")})
    with pytest.raises(ValueError, match="cannot be told apart"):
        mixed(RNG.normal(size=6), {"mean": ones, "again": ones}, {"w": label})
    with pytest.raises(ValueError, match="one random factor"):
        mixed(RNG.normal(size=6), {"mean": ones}, {"w": label}, slope="other")


def test_constant_truth_refuses_and_serves_without_repeats() -> None:
    found = constant_truth([1.0, 2.0, 3.0], list("abc"), [1.1, 1.9, 3.2], list("abc"))
    assert found.sd == pytest.approx(np.std([-0.1, 0.1, -0.2], ddof=1))
    with pytest.raises(ValueError, match="same subjects"):
        constant_truth([1.0, 2.0], ["a", "b"], [1.0, 2.0], ["a", "c"])
    with pytest.raises(ValueError, match="one subject"):
        constant_truth([1.0, 2.0], ["a", "a"], [1.0, 2.0], ["a", "a"])


def test_limits_that_widen_with_the_level() -> None:
    truth = RNG.uniform(10, 1000, 500)
    x = truth * (1 + 0.05 * RNG.normal(size=500))
    y = truth * (1 + 0.05 * RNG.normal(size=500))
    found = level_dependent(x, y)
    assert found.p_spread < 1e-6
    (low,), (high,) = found.at([500.0])
    assert (high - low) / 2 == pytest.approx(1.96 * math.sqrt(2) * 25, rel=0.15)
    assert level_dependent(np.log(x), np.log(y)).p_spread > 0.01


def test_both_limits_together_are_wider_than_each() -> None:
    lower, upper = limits_together(RNG.normal(size=30))
    assert lower[0] < lower[1] < upper[0] < upper[1]
