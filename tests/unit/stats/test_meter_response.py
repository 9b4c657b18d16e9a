"""A power meter's response: a window or an exponential, under renewals with jitter."""

import numpy as np
import pytest

from calibrate.stats import (
    Estimate,
    averaging_window,
    duty_cycle,
    power_response,
    update_period,
)
from tests.benchmarks.responses import Meter, shown


def test_an_exponential_response_is_no_window() -> None:
    """Taken for a window it would be 31 % too short, with half of the delay."""
    readings = shown(np.random.default_rng(1), Meter("exponential", 0.3, 0.0, beat=0.05))
    found = power_response(*readings)
    assert found.form == "exponential"
    assert found.span_s.value == pytest.approx(0.3, rel=0.05)
    assert found.mean_delay_s.covers(0.3)
    with pytest.raises(ValueError, match=r"exponentially, with a time constant of 0\.(29|30)"):
        averaging_window(*readings)


@pytest.mark.parametrize("jitter", [{"beat": 0.05}, {"walk": 0.05}])
def test_a_window_is_a_window_under_jitter(jitter: dict[str, float]) -> None:
    found = power_response(*shown(np.random.default_rng(2), Meter("window", 0.3, **jitter)))
    assert found.form == "window" and found.span_s.value == pytest.approx(0.3, rel=0.05)
    assert found.mean_delay_s.value == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("seed", range(3, 7))
def test_the_period_of_the_load_less_the_window_is_not_taken_for_it(seed: int) -> None:
    """Under a wave of half duty, 1.37 s less 0.6 s fits nearly as well, with a gain of 1.28."""
    readings = shown(np.random.default_rng(seed), Meter("window", 0.6, 0.1, duty=0.5))
    found = power_response(*readings)
    assert found.span_s.value == pytest.approx(0.6, rel=0.05)
    assert found.gain == pytest.approx(1.0, abs=0.05)


def test_two_windows_that_fit_alike_are_refused() -> None:
    """Noise hides which; the reference is the load's own marks, so that no gain tells."""
    at = np.arange(0.0, 40.0, 0.01)
    fine = np.arange(-6.0, 41.0, 0.001)
    wave = np.where(fine % 1.37 < 0.685, 120.0, 30.0)
    joules = np.concatenate([[0.0], np.cumsum(wave[:-1] * 0.001)])
    ticks = np.floor(at / 0.1) * 0.1
    noise = np.random.default_rng(0).normal(0, 20.0, 500)[np.round(ticks / 0.1).astype(int)]
    watts = (np.interp(ticks, fine, joules) - np.interp(ticks - 0.6, fine, joules)) / 0.6 + noise
    with pytest.raises(ValueError, match="fit alike"):
        power_response(at, watts, fine, joules, watts_known=False)


@pytest.mark.parametrize("walk", [0.01, 0.05])
def test_a_period_whose_renewals_walk_has_an_honest_interval(walk: float) -> None:
    """Each period has a jitter of its own, so that a beat does not get better known with n^1.5."""
    held, u = [], []
    for seed in range(25):
        rng = np.random.default_rng([13, seed])
        when = np.cumsum(0.1 * (1 + rng.normal(0, walk, 400)))
        at = np.arange(0, 30, 0.01)
        found = update_period(at, np.searchsorted(when, at).astype(float) ** 1.3)
        held.append(found.covers(0.1))
        u.append(found.u or 0.0)
    assert sum(held) >= 20
    assert np.mean(u) > 0.7 * 0.1 * walk / np.sqrt(300)


def test_a_value_of_two_levels_with_jitter_has_no_period() -> None:
    """Renewals within a half of the wave bring nothing new and cannot be counted."""
    rng = np.random.default_rng(4)
    when = np.cumsum(0.1 * (1 + rng.normal(0, 0.05, 400)))
    at = np.arange(0, 30, 0.01)
    levels = np.where(when % 1.37 < 0.685, 120.0, 30.0)
    with pytest.raises(ValueError, match="2 levels only"):
        update_period(at, levels[np.searchsorted(when, at)])


@pytest.mark.parametrize(("window", "update"), [(0.0, 0.1), (0.1, 0.0)])
def test_a_window_or_period_of_zero_has_no_duty_cycle(window: float, update: float) -> None:
    one, other = (Estimate(value, 0.0, None, None, 0.95, "", 9, 1) for value in (window, update))
    with pytest.raises(ValueError, match="must be above zero"):
        duty_cycle(one, other)
