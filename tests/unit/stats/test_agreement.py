import json
import math

import numpy as np
import pytest
from scipy.special import ndtr

from calibrate.stats import (
    Estimate,
    components,
    correction,
    limits_of_agreement,
    limits_of_differences,
    log_ratio,
    mean_ratio,
    prediction,
    to_json,
)

D = np.log([1.02, 1.04, 0.98, 1.00, 1.01])
W = ["a", "a", "b", "b", "c"]


def test_log_ratio_refuses_in_sentences() -> None:
    with pytest.raises(ValueError, match="probe_j is 0 J in run 1; a ratio needs"):
        log_ratio([1.0, 0.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="reference_j is not a finite number in run 0"):
        log_ratio([1.0], [math.nan])
    with pytest.raises(ValueError, match="at least one"):
        log_ratio([], [])
    with pytest.raises(ValueError, match="There are 2 probe values for 1"):
        log_ratio([1.0, 2.0], [1.0])


def test_refusals() -> None:
    with pytest.raises(ValueError, match="labels for 2 runs"):
        mean_ratio([0.0, 0.0], ["a"])
    with pytest.raises(ValueError, match="130 decades"):
        mean_ratio([500.0, 0.0], ["a", "b"])
    for function in (mean_ratio, limits_of_agreement, prediction, correction):
        with pytest.raises(ValueError, match="not a probability"):
            function(D, W, 1.0)
    with pytest.raises(ValueError, match="must be finite"):
        Estimate(math.inf, None, None, None, 0.95, "", 1, 1)
    with pytest.raises(ValueError, match="two limits or none"):
        Estimate(1.0, None, 1.0, None, 0.95, "", 1, 1)


def test_unequal_replicates_by_hand() -> None:
    # m = 2, 2, 1: m0 = (25 - 9)/(2 * 5) = 1.6.
    c = components([1.0, 3.0, 4.0, 6.0, 9.0], W)
    assert c.m0 == pytest.approx(1.6)
    assert c.ms_within == pytest.approx(2.0)
    # Grand mean 4.6, workload means 2, 5, 9.
    between = (2 * 2.6**2 + 2 * 0.4**2 + 4.4**2) / 2
    assert c.ms_between == pytest.approx(between)
    assert c.between_sd == pytest.approx(math.sqrt((between - 2) / 1.6))
    assert c.variance_of_run == pytest.approx((between - 2) / 1.6 + 2)


def test_workload_counts_once_however_often_it_ran() -> None:
    many = mean_ratio([0.1] * 98 + [0.0, 0.0], ["a"] * 98 + ["b"] * 2).ratio
    assert many.value == pytest.approx(math.exp(0.05))
    assert (many.n_runs, many.n_clusters) == (100, 2)
    assert many.low is not None and many.low < math.exp(-0.5)


def test_one_run_has_no_interval() -> None:
    found = mean_ratio([0.1], ["a"]).ratio
    assert (found.u, found.low, found.high) == (None, None, None)
    assert any("One run only" in text for text in found.checks)
    assert limits_of_agreement([0.1], ["a"]).upper is None
    assert prediction([0.1], ["a"]).high is None
    assert correction([0.1], ["a"]).relative_u is None


def test_one_workload_says_so() -> None:
    found = correction([0.1, 0.11, 0.12], ["a"] * 3)
    assert found.held_out is None and found.relative_u is None and found.factor.low is None
    assert found.why_not is not None and "All runs are of one workload (a)" in found.why_not
    assert found.relative_u_mean == pytest.approx(0.01 / math.sqrt(3))
    assert any(
        "other workloads" in text for text in mean_ratio([0.1, 0.2], ["a", "a"]).ratio.checks
    )


def test_constant_data_is_flagged_not_certain() -> None:
    found = mean_ratio([0.1] * 4, ["a", "a", "b", "b"]).ratio
    assert found.low == found.high == pytest.approx(found.value)
    assert any("identical" in text for text in found.checks)


def test_without_repeats_the_variance_is_not_split() -> None:
    found = mean_ratio([0.1, 0.2, 0.3], ["a", "b", "c"])
    assert found.within_sd is None and found.between_sd is None
    assert any("No workload was repeated" in text for text in found.ratio.checks)
    # The whole spread of the means stands in for the workload effect.
    u = correction([0.1, 0.2, 0.3], ["a", "b", "c"]).relative_u
    assert u == pytest.approx(math.sqrt(0.01 + 0.01 / 3))


def test_held_out_errors_are_those_of_the_other_workloads_factor() -> None:
    found = correction(np.log([2.0, 2.0, 2.2]), ["a", "b", "c"])
    assert found.held_out is not None
    assert found.held_out["c"] == pytest.approx(0.1)
    assert found.held_out["a"] == pytest.approx(2 / math.sqrt(4.4) - 1)
    assert found.factor.value == pytest.approx((2 * 2 * 2.2) ** (-1 / 3))


def test_intervals_too_wide_to_print_are_none() -> None:
    found = mean_ratio([-200.0, 200.0], ["a", "b"]).ratio
    assert found.low is None and "130 decades" in found.checks[-1]


def test_results_are_json() -> None:
    for found in (mean_ratio(D, W), limits_of_agreement(D, W), prediction(D, W), correction(D, W)):
        assert json.loads(json.dumps(to_json(found), allow_nan=False)) == to_json(found)


def coverage_of(seed: int, sims: int = 400) -> tuple[float, float, float]:
    """Return how often mean, new run and upper limit are inside their 95 % intervals."""
    rng = np.random.default_rng(seed)
    between, within, hits = 0.03, 0.02, np.zeros(3)
    upper = 1.959963984540054 * math.hypot(between, within)
    workloads = [f"w{i // 3}" for i in range(18)]
    for _ in range(sims):
        d = np.repeat(rng.normal(0, between, 6), 3) + rng.normal(0, within, 18)
        new = rng.normal(0, between) + rng.normal(0, within)
        limit = limits_of_agreement(d, workloads).upper
        for i, (truth, e) in enumerate(
            ((0.0, mean_ratio(d, workloads).ratio), (new, prediction(d, workloads)), (upper, limit))
        ):
            assert e is not None and e.low is not None and e.high is not None
            hits[i] += e.low <= math.exp(truth) <= e.high
    return tuple(hits / sims)


def test_intervals_cover_what_they_promise() -> None:
    mean, new, limit = coverage_of(1)
    # Three standard errors of 400 trials at 0.95 are 0.033.
    assert abs(mean - 0.95) < 0.033
    assert 0.92 < new < 0.99
    assert 0.92 < limit < 0.99


def test_limits_of_agreement_say_how_many_new_runs_lie_between_them() -> None:
    """With 5 workloads it is 86 to 90 %, and not the 95 % that the true limits hold."""
    rng = np.random.default_rng(4)
    label = [f"w{i}" for i in range(5) for _ in range(2)]
    expected, held = [], []
    for _ in range(400):
        d = np.repeat(rng.normal(0, 0.01, 5), 2) + rng.normal(0, 0.01, 10)
        found = limits_of_agreement(d, label)
        assert found.lower and found.upper and found.expected_share is not None
        expected.append(found.expected_share)
        z = np.log([found.lower.value, found.upper.value]) / (0.01 * math.sqrt(2))
        held.append(ndtr(z[1]) - ndtr(z[0]))
    assert np.mean(expected) == pytest.approx(np.mean(held), abs=0.02)
    assert np.mean(held) < 0.92
    assert limits_of_agreement([0.1], ["a"]).expected_share is None


@pytest.mark.parametrize("unit", [1e-90, 1e-60, 1e60, 1e90])
def test_limits_go_with_units_of_any_size(unit: float) -> None:
    """Squares of variances are no numbers there."""
    d, labels = np.array([0.1, 0.3, -0.2, 0.4, 0.0, 0.15]), list("aabbcc")
    one, two = limits_of_differences(d, labels), limits_of_differences(unit * d, labels)
    assert one.lower and two.lower and one.lower.u and one.lower.low is not None
    assert two.lower.u == pytest.approx(unit * one.lower.u, rel=1e-9)
    assert two.lower.low == pytest.approx(unit * one.lower.low, rel=1e-9)
