import json
import math

import numpy as np
import pytest

from calibrate.stats import (
    Vector,
    averaging_window,
    counter_lag,
    deficit,
    duty_cycle,
    integrate,
    linearity,
    noise_w,
    renewals,
    resolution,
    to_json,
    update_period,
)

RNG = np.random.default_rng(12)
START = RNG.bit_generator.state
#: The truth, every millisecond: a square wave of 1.37 s between 50 and 200 W, and some noise.
FINE = np.arange(0, 60, 0.001)
WATTS = np.where(FINE % 1.37 < 0.6, 200.0, 50.0) + 5 * np.sin(FINE * 0.7)
JOULES = np.concatenate([[0.0], np.cumsum(WATTS[:-1] * 0.001)])


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Give every test the same random numbers, in whatever order they run."""
    RNG.bit_generator.state = START


def truth(t: Vector) -> Vector:
    return np.asarray(np.interp(t, FINE, JOULES))


def meter(
    update_s: float, window_s: float, lag_s: float = 0.0, read_s: float = 0.01, noise: float = 0.0
) -> tuple[Vector, Vector]:
    """Return readings of a power meter that is renewed and averages like this."""
    at = np.arange(5, 55, read_s)
    at = at + RNG.uniform(0, read_s / 10, at.size)
    renewed = np.floor(at / update_s) * update_s
    end = renewed - lag_s
    watts = 1.04 * (truth(end) - truth(end - window_s)) / window_s + 3.0
    if noise:
        of_each = RNG.normal(0, noise, int(60 / update_s) + 2)
        watts = watts + of_each[np.round(renewed / update_s).astype(int)]
    return at, watts


@pytest.mark.parametrize("update_s", [0.05, 0.1, 0.37, 1.0])
@pytest.mark.parametrize("read_s", [0.01, 0.013])
def test_update_periods_within_five_percent(update_s: float, read_s: float) -> None:
    found = update_period(*meter(update_s, 0.1, read_s=read_s))
    assert found.value == pytest.approx(update_s, rel=0.05)
    assert found.u is not None and abs(found.value - update_s) <= 5 * found.u + 1e-9


def test_renewals_that_bring_nothing_new_are_no_long_periods() -> None:
    at = np.arange(0, 60, 0.01)
    step = np.floor(at / 0.2)
    value = np.where(step % 7 < 2, step // 7, step // 7 + step % 3)
    found = update_period(at, value)
    assert found.value == pytest.approx(0.2, rel=0.05)


def test_a_load_that_changes_seldom_still_shows_the_period() -> None:
    """A square wave: most renewals bring the value that was there already."""
    at = np.arange(0, 30, 0.01) + RNG.uniform(0, 0.002, 3000)
    value = np.interp(np.floor(at / 0.1) * 0.1, FINE, np.where(FINE % 1.37 < 0.685, 9.0, 1.0))
    assert update_period(at, value).value == pytest.approx(0.1, rel=0.01)


def test_readings_too_seldom_are_refused_and_not_answered_wrongly() -> None:
    """Power of 25 ms in every 100, read every 50 ms under a square wave."""
    at = np.arange(4.0, 55, 0.05) + RNG.uniform(0, 0.002, 1020)
    t = np.floor(at / 0.1) * 0.1
    square = np.concatenate([[0.0], np.cumsum(np.where(FINE % 1.37 < 0.685, 0.6, 0.07)[:-1])])
    watts = (np.interp(t, FINE, square) - np.interp(t - 0.025, FINE, square)) / 0.025
    watts = np.round(watts, 3)  # else what the sums leave is new at every renewal
    with pytest.raises(ValueError, match=r"keep no beat that readings every 0\.05 s could show"):
        update_period(at, watts)
    with pytest.raises(ValueError, match=r"shorter than readings every 0\.05 s can show"):
        averaging_window(at, watts, FINE, square)


def test_what_is_new_at_every_reading_has_no_period() -> None:
    at = np.arange(0, 10, 0.01)
    with pytest.raises(ValueError, match="Read it more often"):
        update_period(at, at * 50)
    with pytest.raises(ValueError, match="changed 0 times"):
        update_period(at, np.ones_like(at))
    with pytest.raises(ValueError, match="do not increase"):
        renewals([0.0, 0.0], [1.0, 2.0])


@pytest.mark.parametrize("step", [1e-6, 6.103515625e-5, 1.0, 0.25])
def test_resolution_is_the_common_step(step: float) -> None:
    counts = np.cumsum(RNG.integers(0, 1000, 500))
    assert resolution(step * counts).value == pytest.approx(step, rel=1e-6)


def test_resolution_of_a_kernels_microjoules() -> None:
    """61 uJ rounded to whole ones, at 12 kJ: the step that can be seen is 1 uJ."""
    counts = 200_000_000 + np.cumsum(RNG.integers(1000, 100_000, 500))
    shown = np.floor(counts * 61.03515625) / 1e6
    assert resolution(shown).value == pytest.approx(1e-6, rel=1e-9)
    assert resolution(np.round(shown, 3)).value == pytest.approx(1e-3, rel=1e-9)


def test_resolution_refuses_what_has_none() -> None:
    with pytest.raises(ValueError, match="no common measure"):
        resolution(np.cumsum(RNG.uniform(1, 2, 500)))
    with pytest.raises(ValueError, match="changed 1 times"):
        resolution([1.0, 1.0, 2.0])


@pytest.mark.parametrize(
    ("update_s", "window_s", "lag_s"),
    [(0.1, 0.1, 0.0), (0.1, 0.025, 0.0), (0.1, 1.0, 0.0), (0.1, 0.025, 0.2), (0.02, 0.5, 0.1)],
)
def test_windows_within_ten_percent_and_lags_within_ten_ms(
    update_s: float, window_s: float, lag_s: float
) -> None:
    found = averaging_window(*meter(update_s, window_s, lag_s, noise=1.0), FINE[::10], JOULES[::10])
    assert found.window_s.value == pytest.approx(window_s, rel=0.1)
    assert found.lag_s.value == pytest.approx(lag_s, abs=0.010)
    assert found.gain == pytest.approx(1.04, abs=0.02)
    assert abs(found.window_s.value - window_s) <= 6 * (found.window_s.u or 0)
    json.dumps(to_json(found), allow_nan=False)


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_duty_cycles_within_three_points(share: float) -> None:
    readings = meter(0.1, 0.1 * share, noise=1.0)
    window = averaging_window(*readings, FINE[::10], JOULES[::10]).window_s
    found = duty_cycle(window, update_period(*readings))
    assert found.value == pytest.approx(share, abs=0.03)


def test_a_window_refuses_what_does_not_show_it() -> None:
    at = np.arange(5, 55, 0.01)
    steady = np.floor(at / 0.1) * 1e-9 + 50
    with pytest.raises(ValueError, match="does not change"):
        averaging_window(at, steady, FINE, 50 * FINE)
    with pytest.raises(ValueError, match="Begin the reference earlier"):
        averaging_window(at, np.floor(at / 0.1), FINE[54_000:], JOULES[54_000:])


@pytest.mark.parametrize("lag_s", [0.0, 0.137, 0.5])
@pytest.mark.parametrize("update_s", [0.001, 0.1, 1.0])
def test_lags_of_counters_within_ten_ms(lag_s: float, update_s: float) -> None:
    at = np.arange(5, 55, 0.01) + RNG.uniform(0, 0.001, 5000)
    renewed = np.floor(at / update_s) * update_s
    found = counter_lag(at, truth(renewed - lag_s), FINE[::10], JOULES[::10])
    assert found.lag_s.value == pytest.approx(lag_s, abs=0.010)


def test_noise_is_that_of_the_power_and_not_its_drift() -> None:
    at = np.arange(0, 400, 0.01)
    watts = 50 + 0.05 * at + RNG.normal(0, 1.0, at.size)
    found = noise_w(at, integrate(at, watts), over_s=1.0)
    assert found.value == pytest.approx(0.1, rel=0.2)
    assert found.low is not None and found.high is not None and found.low < 0.1 < found.high * 1.1
    with pytest.raises(ValueError, match="Record for longer"):
        noise_w(at[:300], at[:300])


def test_the_interval_of_the_noise_holds_it() -> None:
    held = 0
    for _ in range(400):
        at = np.arange(0, 15.0, 0.1)
        found = noise_w(at, integrate(at, 50 + RNG.normal(0, 1, at.size)))
        held += found.covers(1 / math.sqrt(10))
    assert held / 400 >= 0.95 - 4 * math.sqrt(0.0475 / 400)


def test_linearity_finds_the_bend() -> None:
    x = np.array([20.0, 50, 100, 150, 200])
    straight = linearity(x, 1.02 * x + 5)
    assert straight.gain.value == pytest.approx(1.02) and abs(straight.worst_w) < 1e-9
    bent = linearity(x, 1.02 * x + 5 + np.array([0, 0, 4.0, 0, 0]))
    assert bent.worst_at_w == 100 and bent.worst_w == pytest.approx(3.2, abs=0.1)


def test_repeats_of_a_load_are_one_level() -> None:
    """A load's deviation from the line is in all its repeats: eight of them say it no better."""
    x = np.repeat([20.0, 50, 100, 150, 200], 8)
    load = [f"{watts:g} W" for watts in x]
    held = 0
    for _ in range(300):
        deviation = np.repeat(RNG.normal(0, 1.0, 5), 8)
        found = linearity(x, 1.02 * x + 5 + deviation + RNG.normal(0, 0.1, 40), load)
        held += found.gain.covers(1.02)
    assert held / 300 >= 0.95 - 4 * math.sqrt(0.0475 / 300)
    assert (found.gain.n_runs, found.gain.n_clusters) == (40, 5)
    with pytest.raises(ValueError, match="at least 3"):
        linearity(x[:16], x[:16], load[:16])


def test_a_deficit_is_found_at_any_gain() -> None:
    seconds = np.repeat([2.0, 5.0, 10.0, 30.0], 3)
    reference = 60 * seconds
    shown = 0.001 * 60 * (seconds - 0.8) * RNG.normal(1, 0.002, 12)
    found = deficit(seconds, shown, reference)
    assert found.value == pytest.approx(0.8, abs=4 * (found.u or 0)) and (found.u or 1) < 0.2
    assert deficit(seconds, reference, reference).value == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="threefold"):
        deficit([5.0, 5.1, 5.2, 5.3], [1.0] * 4, [1.0] * 4)
    with pytest.raises(ValueError, match="no deficit"):
        deficit(seconds, 100 / seconds, reference)
    assert math.isfinite(found.value)
