import itertools
import math

import numpy as np
import pytest

from calibrate.stats import (
    cusum,
    deming,
    exponent,
    lack_of_fit,
    least_squares,
    one_factor,
    passing_bablok,
    weighted_deming,
    york,
)
from calibrate.stats.inversions import (
    concordance_of_each,
    count_inversions,
    inversions_of_each,
    inverted_pairs,
)

RNG = np.random.default_rng(20261124)
START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Give every test the same random numbers, in whatever order they run."""
    RNG.bit_generator.state = START


def brute(first: np.ndarray, then: np.ndarray) -> list[tuple[int, int]]:
    pairs = itertools.combinations(range(first.size), 2)
    return [(i, j) for i, j in pairs if (first[i] - first[j]) * (then[i] - then[j]) < 0]


@pytest.mark.parametrize("n", [1, 2, 3, 17, 64, 65])
def test_inversions_against_all_pairs(n: int) -> None:
    first, then = RNG.integers(0, n, n).astype(float), RNG.integers(0, n, n).astype(float)
    want = brute(first, then)
    assert count_inversions(first, then) == len(want)
    of_each = np.bincount(np.array(want, dtype=int).ravel(), minlength=n)
    assert inversions_of_each(first, then).tolist() == of_each.tolist()
    one, other = inverted_pairs(first, then)
    found = sorted((min(a, b), max(a, b)) for a, b in zip(one, other, strict=True))
    assert found == want
    same = np.bincount(np.array(brute(first, -then), dtype=int).ravel(), minlength=n)
    assert concordance_of_each(first, then).tolist() == (same - of_each).tolist()


@pytest.mark.parametrize("n", [5, 30, 2500])
def test_passing_bablok_is_the_median_of_all_slopes(n: int) -> None:
    x = RNG.uniform(1, 100, n)
    y = 2.5 * x + RNG.normal(0, 5, n)
    i, j = np.triu_indices(n, 1)
    slopes = np.sort(np.abs((y[i] - y[j]) / (x[i] - x[j])))
    middle = slopes[(slopes.size - 1) // 2], slopes[slopes.size // 2]
    found = passing_bablok(x, y)
    assert found.slope.value == pytest.approx(math.sqrt(middle[0] * middle[1]), rel=1e-14)
    assert found.intercept.value == pytest.approx(np.median(y - found.slope.value * x), rel=1e-14)


def test_the_jackknife_is_that_of_fits_made_one_by_one() -> None:
    x = RNG.uniform(10, 20, 12)
    y = 3 * x + RNG.normal(0, 1, 12)
    for function in (deming, weighted_deming):
        found = function(x, y, var_ratio_x_over_y=0.3)
        each = []
        for i in range(12):
            keep = np.arange(12) != i
            line = function(x[keep], y[keep], var_ratio_x_over_y=0.3)
            each.append([line.intercept.value, line.slope.value])
        u = np.sqrt(11 / 12 * ((np.array(each) - np.mean(each, axis=0)) ** 2).sum(axis=0))
        assert [found.intercept.u, found.slope.u] == pytest.approx(u.tolist(), rel=1e-8)


def test_deming_with_a_huge_ratio_takes_all_error_for_that_of_x() -> None:
    x = RNG.uniform(0, 10, 50)
    y = 2 * x + RNG.normal(0, 1, 50)
    ordinary, inverse = least_squares(x, y).slope.value, 1 / least_squares(y, x).slope.value
    assert deming(x, y, var_ratio_x_over_y=1e-12).slope.value == pytest.approx(ordinary)
    assert deming(x, y, var_ratio_x_over_y=1e12).slope.value == pytest.approx(inverse)


def test_clusters_are_left_out_whole() -> None:
    x = np.repeat(np.arange(1.0, 7.0), 5)
    shift = np.repeat(RNG.normal(0, 1, 6), 5)
    y = 2 * x + shift + RNG.normal(0, 0.01, 30)
    alone, together = deming(x, y), deming(x, y, cluster=[f"{v}" for v in x])
    assert (together.slope.u or 0) > 1.5 * (alone.slope.u or 0)
    assert together.slope.n_clusters == 6 and "Only 6 clusters" in together.slope.checks[0]
    with pytest.raises(ValueError, match="at least 3"):
        deming(x, y, cluster=["a", "b"] * 15)


def test_exponent_tells_a_factor_from_an_offset() -> None:
    x = np.geomspace(10, 1000, 40)
    factor = 0.9 * x * np.exp(RNG.normal(0, 0.01, 40))
    p, chance = exponent(x, factor)
    assert p.low is not None and p.low < 1 < (p.high or 0) and chance > 0.01
    p, chance = exponent(x, (x + 20) * np.exp(RNG.normal(0, 0.01, 40)))
    assert (p.high or 0) < 1 and chance < 1e-6


def test_refusals() -> None:
    x, y = [1.0, 2.0, 3.0, 4.0], [1.0, 2.1, 2.9, 4.2]
    with pytest.raises(ValueError, match="var_ratio_x_over_y is 0"):
        deming(x, y, var_ratio_x_over_y=0.0)
    with pytest.raises(ValueError, match="not associated"):
        deming([1.0, 2.0, 1.0, 2.0], [1.0, 1.0, 2.0, 2.0])
    with pytest.raises(ValueError, match="zero or below"):
        weighted_deming(x, [0.0, 1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="above zero"):
        exponent(x, [-1.0, 1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="must be above zero"):
        york(x, y, [0.0, 1.0, 1.0, 1.0], [1.0] * 4)
    with pytest.raises(ValueError, match="not between -1 and 1"):
        york(x, y, [1.0] * 4, [1.0] * 4, [1.0, 0, 0, 0])
    with pytest.raises(ValueError, match="no line can be fitted"):
        least_squares([2.0, 2.0, 2.0], [1.0, 2.0, 3.0])


def test_york_with_one_uncertainty_for_all_is_deming() -> None:
    x = RNG.uniform(0, 10, 30)
    y = 1 + 2 * x + RNG.normal(0, 1, 30)
    found = york(x, y, np.full(30, 0.2), np.full(30, 0.5))
    plain = deming(x, y, var_ratio_x_over_y=0.16)
    assert found.line.slope.value == pytest.approx(plain.slope.value, rel=1e-10)
    assert found.line.intercept.value == pytest.approx(plain.intercept.value, rel=1e-9)


def test_york_with_correlated_errors_finds_the_line() -> None:
    truth, n = RNG.uniform(0, 100, 400), 400
    noise = RNG.multivariate_normal([0, 0], [[4, 3.2], [3.2, 4]], n)
    x, y = truth + noise[:, 0], 5 - 2 * truth + noise[:, 1]
    found = york(x, y, np.full(n, 2.0), np.full(n, 2.0), np.full(n, 0.8))
    assert found.line.slope.value == pytest.approx(-2, abs=4 * (found.line.slope.u or 0))
    assert found.p_value > 1e-4
    without = york(x, y, np.full(n, 2.0), np.full(n, 2.0))
    assert without.p_value < 1e-6


def test_lack_of_fit_sees_a_bend() -> None:
    x = np.repeat(np.arange(1.0, 7.0), 4)
    label = [f"{v}" for v in x]
    noise = RNG.normal(0, 0.1, x.size)
    assert lack_of_fit(x, 2 * x + noise, label).p_value > 0.001
    assert lack_of_fit(x, 2 * x + 0.1 * x**2 + noise, label).p_value < 1e-4
    with pytest.raises(ValueError, match="repeats"):
        lack_of_fit([1.0, 2.0, 3.0], [1.0, 2.0, 3.5], ["a", "b", "c"])


def test_lack_of_fit_has_its_size() -> None:
    x = np.repeat(np.arange(1.0, 6.0), 3)
    label = [f"{v}" for v in x]
    p = [lack_of_fit(x, x + RNG.normal(0, 1, 15), label).p_value for _ in range(400)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=4 * math.sqrt(0.0475 / 400))


def test_one_factor_for_all_workloads() -> None:
    label = ["a", "b", "c"] * 6
    d = RNG.normal(0, 0.01, 18)
    assert one_factor(d, label).p_value > 0.001
    assert one_factor(d + np.tile([0.0, 0.1, 0.2], 6), label).p_value < 1e-6


def test_cusum_sees_a_bend_and_not_a_line() -> None:
    x = np.sort(RNG.uniform(0, 10, 80))
    straight = 2 * x + RNG.normal(0, 1, 80)
    line = passing_bablok(x, straight)
    assert cusum(x, straight, line.slope.value, line.intercept.value).p_value > 0.05
    bent = 0.3 * x**2 + RNG.normal(0, 0.5, 80)
    line = passing_bablok(x, bent)
    assert cusum(x, bent, line.slope.value, line.intercept.value).p_value < 0.01
    with pytest.raises(ValueError, match="one side"):
        cusum(x, straight, 2.0, -100.0)


def test_passing_bablok_of_points_almost_above_each_other_does_not_overflow() -> None:
    found = passing_bablok([0.0, 1.0, 1.0, 3.0, 3e-185], [0.0, 1.0, 1.0, 0.0, -1.0])
    assert found.slope.value == pytest.approx(1.0)
    assert found.slope.low is not None and found.slope.low < -1e100
