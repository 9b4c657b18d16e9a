import json
import math

import numpy as np
import pytest

from calibrate.stats import align, collocation, consensus, three_cornered_hat, to_json

RNG = np.random.default_rng(7)
START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Give every test the same random numbers, in whatever order they run."""
    RNG.bit_generator.state = START


def meters(n: int, sd: list[float], gain: list[float]) -> dict[str, np.ndarray]:
    signal = RNG.normal(0, 1, n)
    return {
        f"m{i}": g * (signal + s * RNG.normal(size=n)) + i
        for i, (s, g) in enumerate(zip(sd, gain, strict=True))
    }


def test_three_cornered_hat_finds_the_errors() -> None:
    found = three_cornered_hat(meters(20_000, [0.1, 0.2, 0.3], [1.0, 1.0, 1.0]))
    assert [math.sqrt(v or 0) for v in found.variances] == pytest.approx([0.1, 0.2, 0.3], rel=0.1)
    four = three_cornered_hat(meters(20_000, [0.1, 0.2, 0.3, 0.4], [1.0] * 4))
    assert four.misfit is not None and four.misfit < 0.1
    json.dumps(to_json(four), allow_nan=False)


def test_collocation_finds_errors_and_gains() -> None:
    found = collocation(meters(20_000, [0.1, 0.2, 0.3], [1.0, 1000.0, -0.5]))
    assert found.gains == pytest.approx([1.0, 1000.0, -0.5], rel=0.02)
    assert [math.sqrt(v or 0) for v in found.variances] == pytest.approx([0.1, 0.2, 0.3], rel=0.1)
    assert found.signal_variance == pytest.approx(1.0, rel=0.05) and found.misfit is None


def test_one_family_is_refused_or_estimated() -> None:
    values = meters(50_000, [0.1, 0.2, 0.3, 0.4], [1.0, 2.0, 3.0, 4.0])
    shared = 0.15 * RNG.normal(size=50_000)
    values["m0"] = values["m0"] + shared
    values["m1"] = values["m1"] + 2.0 * shared
    family = {"m0": "rapl", "m1": "rapl"}
    with pytest.raises(ValueError, match="both read rapl"):
        three_cornered_hat(values, family)
    with pytest.raises(ValueError, match="three independent families"):
        collocation({k: values[k] for k in ("m0", "m1", "m2")}, family)
    found = collocation(values, family)
    assert found.common["m0", "m1"] == pytest.approx(0.15**2, rel=0.15)
    want = [math.hypot(0.1, 0.15), math.hypot(0.2, 0.15), 0.3, 0.4]
    assert [math.sqrt(v or 0) for v in found.variances] == pytest.approx(want, rel=0.1)
    # Taken for independent, the two look better than they are.
    fooled = collocation({k: values[k] for k in ("m0", "m1", "m2")})
    assert (fooled.variances[0] or 0) < 0.6 * want[0] ** 2


def test_negative_variances_are_none_and_said() -> None:
    signal, error = RNG.normal(size=(2, 1000))
    found = three_cornered_hat({"a": signal + error, "b": signal - error, "c": signal})
    assert found.variances[2] is None and found.raw[2] < 0
    assert "error variance of c comes out negative" in found.checks[0]


def test_hats_refuse() -> None:
    two = meters(20, [0.1, 0.1], [1.0, 1.0])
    with pytest.raises(ValueError, match="it takes 3"):
        three_cornered_hat(two)
    three = meters(5, [0.1] * 3, [1.0] * 3)
    with pytest.raises(ValueError, match="at least 10"):
        collocation(three)
    apart = {f"m{i}": RNG.normal(size=2000) for i in range(3)}
    with pytest.raises(ValueError, match="no common signal"):
        collocation(apart)


def test_consensus_widens_where_references_disagree() -> None:
    agree = consensus([1.0, 1.005, 0.995], [0.01, 0.01, 0.01])
    assert agree.between_sd == 0 and agree.p_value > 0.3
    apart = consensus([1.0, 1.2, 0.8], [0.01, 0.01, 0.01])
    assert apart.between_sd == pytest.approx(0.2, rel=0.01) and apart.p_value < 1e-6
    assert (apart.value.u or 0) > 10 * (agree.value.u or 1)
    # Mandel and Paule's condition: the weighted sum of squares is its expectation.
    weight = 1 / (0.01**2 + apart.between_sd**2)
    assert weight * 0.08 == pytest.approx(2, rel=1e-9)
    with pytest.raises(ValueError, match="no consensus"):
        consensus([1.0], [0.1])


def steps(lag_s: float, ppm: float, rate_hz: float, noise_j: float = 0.02):  # type: ignore[no-untyped-def]
    fine = np.arange(0, 130, 0.001)
    watts = np.where(fine % 7.3 < 3.1, 90.0, 20.0) + np.where(fine % 2.9 < 1, 15.0, 0.0)
    joules = np.concatenate([[0], np.cumsum(watts[:-1] * 0.001)])
    at = np.arange(0, 120, 0.01)
    other = np.arange(6, 114, 1 / rate_hz)
    moved = other - lag_s - 1e-6 * ppm * (other - 60)
    shown = 1.07 * np.interp(moved, fine, joules) + 3 * other
    noisy = shown + RNG.normal(0, noise_j, other.size)
    return at, np.interp(at, fine, joules), other, noisy


@pytest.mark.parametrize("lag_s", [0.137, -1.3, 0.0])
@pytest.mark.parametrize("rate_hz", [1.0, 10.0])
def test_alignment_finds_the_lag(lag_s: float, rate_hz: float) -> None:
    found = align(*steps(lag_s, 0.0, rate_hz))
    assert found.lag_s.value == pytest.approx(lag_s, abs=0.001)
    assert found.gain.value == pytest.approx(1.07, abs=0.002)
    assert found.offset_w.value == pytest.approx(3.0, abs=0.1)
    assert 0 < (found.lag_s.u or 0) < 0.001


def test_alignment_finds_the_drift() -> None:
    found = align(*steps(0.2, 300.0, 10.0), drift=True)
    assert found.drift_ppm is not None
    assert found.drift_ppm.value == pytest.approx(300, abs=5 * (found.drift_ppm.u or 0))
    assert (found.drift_ppm.u or 0) < 5


def test_alignment_refuses() -> None:
    at = np.arange(0, 60, 0.1)
    with pytest.raises(ValueError, match="does not change"):
        align(at, 10 * at, at, 10 * at)
    with pytest.raises(ValueError, match="overlap"):
        align(at, at**2, at + 1000, at**2)
    with pytest.raises(ValueError, match="does not increase"):
        align(at[::-1], at, at, at)
    with pytest.raises(ValueError, match="it takes 12"):
        align(at, at**2, at[:5], at[:5])


def test_a_periodic_load_is_not_aligned_with_its_opposite() -> None:
    """Half a period off, a square wave matches itself with a gain of -1."""
    at = np.arange(0, 30, 0.002)
    watts = np.where(at % 1.37 < 0.685, 120.0, 30.0)
    joules = np.concatenate([[0], np.cumsum(watts[:-1] * 0.002)])
    for lag_s in np.linspace(-0.6, 0.6, 13):
        other = np.arange(2, 28, 0.1)
        shown = np.interp(other - lag_s, at, joules) + RNG.normal(0, 0.3, other.size)
        found = align(at, joules, other, shown)
        assert found.gain.value == pytest.approx(1.0, abs=0.05)
        off = (found.lag_s.value - lag_s + 0.685) % 1.37 - 0.685
        assert off == pytest.approx(0.0, abs=0.02)


def test_a_meter_that_falls_where_the_other_rises_is_refused() -> None:
    at = np.arange(0, 130, 0.01)
    joules = np.concatenate([[0], np.cumsum(np.where(at[:-1] < 65, 90.0, 20.0) * 0.01)])
    other = np.arange(6, 114, 0.1)
    shown = 150 * other - np.interp(other, at, joules)
    with pytest.raises(ValueError, match="falls where the first one rises"):
        align(at, joules, other, shown)


@pytest.mark.parametrize("method", [three_cornered_hat, collocation])
def test_the_intervals_of_error_variances_cover(method) -> None:  # type: ignore[no-untyped-def]
    rng, sd, inside = np.random.default_rng(1), (0.1, 0.2, 0.3), np.zeros(3)
    for _ in range(300):
        signal = rng.normal(0, 1, 60)
        values = {f"m{i}": signal + rng.normal(0, each, 60) for i, each in enumerate(sd)}
        ends = method(values).intervals
        inside += [low <= each**2 <= high for (low, high), each in zip(ends, sd, strict=True)]
    assert (inside / 300 >= 0.88).all() and inside.mean() / 300 >= 0.91


@pytest.mark.parametrize("large", [1e80, 1e99])
def test_variances_that_rounding_hides_are_zero_and_said(large: float) -> None:
    """One run of a unit that cannot be: what it leaves of the others is rounding alone."""
    x = np.arange(12.0)
    y = np.sin(x)
    x[3] = large
    found = three_cornered_hat({"x": x, "y": y, "z": x + y})
    assert found.intervals is not None and np.isfinite(found.intervals).all()
    assert found.raw[0] == 0.0 and "below what the rounding" in " ".join(found.checks)
    assert found.intervals[0][0] == 0.0 < found.intervals[0][1]
