"""Repeats that follow one another: independent ones pass, wandering ones are found and widen."""

from __future__ import annotations

import numpy as np
import pytest

from calibrate.stats import mean_ratio, serial_correlation, widened


def wandering(lag1: float, n: int, seed: int = 0) -> np.ndarray:
    """Return noise of sd 1 whose neighbours correlate."""
    steps = np.random.default_rng(seed).normal(size=n)
    values = [steps[0]]
    for step in steps[1:]:
        values.append(lag1 * values[-1] + np.sqrt(1 - lag1**2) * step)
    return np.array(values)


def test_independent_repeats_are_rarely_called_correlated() -> None:
    labels = [f"w{i % 4}" for i in range(24)]
    found = [serial_correlation(wandering(0, 24, seed), labels, 199) for seed in range(100)]
    assert sum(each.p_value <= 0.01 for each in found) <= 5
    assert abs(np.mean([each.lag1 for each in found])) < 0.06
    assert np.mean([each.sd**2 for each in found]) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("lag1", [0.6, 0.8])
def test_the_correlation_is_not_too_low_for_the_means_that_are_taken_out(lag1: float) -> None:
    labels = [f"w{i % 5}" for i in range(60)]
    found = [serial_correlation(wandering(lag1, 60, seed), labels, 199) for seed in range(60)]
    assert np.mean([each.lag1 for each in found]) == pytest.approx(lag1, abs=0.07)
    assert np.mean([each.significant for each in found]) >= 0.9
    independent = 60 * (1 - lag1) / (1 + lag1)
    assert np.median([each.n_effective for each in found]) == pytest.approx(independent, rel=0.3)


def test_independent_runs_of_unequal_numbers_all_count() -> None:
    labels = ["a"] * 20 + ["b"] * 4
    found = [serial_correlation(wandering(0, 24, seed), labels, 99) for seed in range(20)]
    assert [each.n_effective for each in found if each.lag1 <= 0] == pytest.approx(
        [24.0] * sum(each.lag1 <= 0 for each in found)
    )


def test_levels_of_workloads_are_no_correlation() -> None:
    d = wandering(0, 40) * 0.01 + np.repeat([1.0, 2.0, 3.0, 4.0], 10)
    assert not serial_correlation(d, [f"w{i // 10}" for i in range(40)]).significant
    assert serial_correlation(d).significant


def test_too_few_repeats_or_none_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 6 repeats"):
        serial_correlation(range(9), [f"w{i % 4}" for i in range(9)])
    with pytest.raises(ValueError, match="identical"):
        serial_correlation([2.0] * 20)


def test_a_ratio_is_widened_on_both_sides_and_says_why() -> None:
    ratio = mean_ratio([0.01, 0.02, 0.03, 0.02], ["a", "b", "c", "d"]).ratio
    assert ratio.u is not None
    wide = widened(ratio, 3 * (ratio.u / ratio.value) ** 2, "Repeats are not independent.")
    assert ratio.low is not None and wide.low is not None
    assert wide.u == pytest.approx(2 * ratio.u)
    assert np.log(wide.value / wide.low) == pytest.approx(2 * np.log(ratio.value / ratio.low))
    assert wide.checks[-1] == "Repeats are not independent."
    with pytest.raises(ValueError, match="below zero"):
        widened(ratio, -1.0, "")
