"""Repeats that are looked at while they go on; tests/benchmarks/stopping.py has the error rates."""

from __future__ import annotations

import numpy as np
import pytest

from calibrate.stats import confidence_sequence, repeated_mean, repeats_until, strays
from calibrate.stats.repeats import LEAST_LOOK, effective_number

NORMAL = np.random.default_rng(1).normal(0, 0.01, 60)


def correlated(lag1: float, n: int, seed: int) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(0, 0.01, n)
    values = [steps[0]]
    for step in steps[1:]:
        values.append(lag1 * values[-1] + np.sqrt(1 - lag1**2) * step)
    return np.array(values)


def test_independent_repeats_are_known_nearly_as_well_as_if_nothing_were_tested() -> None:
    found, plain = repeated_mean(NORMAL), confidence_sequence(NORMAL)
    assert found.mean.value == plain.value and not found.drifts and found.strays == ()
    assert found.mean.high is not None and plain.high is not None
    wider = (found.mean.high - found.mean.value) / (plain.high - plain.value)
    assert 1.0 <= wider < 1.5


def test_correlated_repeats_count_for_fewer() -> None:
    found = [repeated_mean(correlated(0.8, 100, seed)) for seed in range(30)]
    assert np.median([each.n_effective for each in found]) < 15
    held = [each.mean.covers(0.0) for each in found if each.mean.high is not None]
    assert np.mean(held) > 0.9
    assert sum(each.drifts for each in found) <= 3


@pytest.mark.parametrize("noise", [0.0005, 0.01])
def test_a_drift_is_told(noise: float) -> None:
    rising = noise / 0.01 * NORMAL[:30] + 0.004 * np.arange(30)
    found = repeated_mean(rising)
    assert found.drifts and found.change is not None
    assert found.change.value == pytest.approx(0.004 * 29, rel=0.15)


def test_a_change_that_is_no_drift_yet_is_in_the_interval() -> None:
    rising = 0.3 * NORMAL[:20] + 0.0004 * np.arange(20)
    found, plain = repeated_mean(rising), confidence_sequence(rising)
    assert found.mean.high is not None and plain.high is not None
    assert found.mean.high - found.mean.value > plain.high - plain.value + 0.001


def test_single_strays_are_left_out_and_many_are_none() -> None:
    values = NORMAL[:24].copy()
    values[[3, 17]] += 0.2
    assert strays(values) == (3, 17) == repeated_mean(values).strays
    assert repeated_mean(values).mean.value == pytest.approx(np.delete(values, [3, 17]).mean())
    assert strays(values, least=0.3) == ()
    values[::2] += 0.2
    assert strays(values) == ()
    assert strays(NORMAL) == strays(NORMAL[:7]) == strays([1.0] * 20) == ()


def test_what_does_not_move_or_is_too_little_has_no_interval() -> None:
    for values in (NORMAL[: LEAST_LOOK - 1], [2.0] * 20):
        found = repeated_mean(values)
        assert found.mean.low is None and found.change is None and not found.drifts


def test_the_plan_knows_the_rule() -> None:
    n = repeats_until(0.01, 0.006)
    widths = []
    for seed in range(40):
        mean = repeated_mean(correlated(0.0, n, seed)).mean
        assert mean.high is not None
        widths.append(mean.high - mean.value)
    assert np.median(widths) == pytest.approx(0.006, rel=0.15)
    assert repeats_until(0.01, 0.006, 0.6) > 2 * n
    assert effective_number(1, 0.6) == pytest.approx(1.0)
    assert effective_number(400, 0.6) == pytest.approx(100, rel=0.01)
    for bad in ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (1.0, 1.0, 0.99), (1.0, 1e-4, 0.0)):
        with pytest.raises(ValueError):
            repeats_until(*bad)
