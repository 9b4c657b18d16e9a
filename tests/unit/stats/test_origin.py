"""A line through the origin, against certified values, other programs and plain searches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from statsmodels.regression.linear_model import WLS

from calibrate.stats import deming_through_origin, line_through_origin, york

FEW = settings(max_examples=30, deadline=None)
energies_j = st.lists(st.floats(1.0, 1e4), min_size=4, max_size=30)


def meters(seed: int, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth_j = rng.uniform(50, 500, n)
    return truth_j + rng.normal(0, 5, n), 1.3 * truth_j + rng.normal(0, 10, n)


@pytest.mark.parametrize(
    "x, y, slope, u, residual_sd",
    [
        # NIST, Statistical Reference Datasets, linear regression: NoInt1 and NoInt2, certified.
        (range(60, 71), range(130, 141), 2.07438016528926, 0.0165289256198347, 3.56753034006338),
        ([4, 5, 6], [3, 4, 4], 0.727272727272727, 0.0420827318078432, 0.369274472937998),
    ],
)
def test_nist_lines_without_intercept(
    x: list[float], y: list[float], slope: float, u: float, residual_sd: float
) -> None:
    found = line_through_origin(list(x), list(y))
    assert found.slope.value == pytest.approx(slope, rel=1e-13)
    assert found.slope.u == pytest.approx(u, rel=1e-12)
    assert found.residual_sd == pytest.approx(residual_sd, rel=1e-12)
    assert (found.intercept.value, found.intercept.u) == (0.0, None)


def test_interval_is_that_of_statsmodels() -> None:
    x, y = meters(1)
    weights = 1 / x**2
    found, want = line_through_origin(x, y, weights), WLS(y, x, weights).fit()
    low, high = want.conf_int(0.05)[0]
    assert [found.slope.value, found.slope.u, found.slope.low, found.slope.high] == pytest.approx(
        [want.params[0], want.bse[0], low, high], rel=1e-12
    )


@FEW
@given(energies_j, st.integers(0, 99))
def test_weights_make_it_the_ratio_of_sums_or_the_mean_ratio(x: list[float], seed: int) -> None:
    y = np.array(x) * np.random.default_rng(seed).uniform(0.5, 1.5, len(x))
    ratio_of_sums = line_through_origin(x, y, 1 / np.array(x)).slope.value
    mean_ratio = line_through_origin(x, y, 1 / np.array(x) ** 2).slope.value
    assert ratio_of_sums == pytest.approx(y.sum() / np.sum(x), rel=1e-9)
    assert mean_ratio == pytest.approx(np.mean(y / np.array(x)), rel=1e-9)


@pytest.mark.parametrize("ratio", [0.1, 1.0, 25.0])
def test_deming_through_origin_is_the_smallest_sum_of_squares(ratio: float) -> None:
    x, y = meters(2)
    best = minimize_scalar(
        lambda b: float(((y - b * x) ** 2).sum() / (1 + ratio * b**2)),
        bounds=(0.5, 3),
        method="bounded",
        options={"xatol": 1e-12},
    )
    found = deming_through_origin(x, y, var_ratio_x_over_y=ratio)
    assert found.slope.value == pytest.approx(best.x, rel=1e-7)


def test_the_jackknife_is_that_of_fits_made_one_by_one() -> None:
    x, y = meters(3, 12)
    label = [f"w{i // 3}" for i in range(12)]
    each = []
    for left_out in sorted(set(label)):
        keep = [one != left_out for one in label]
        each.append(deming_through_origin(x[keep], y[keep]).slope.value)
    u = np.sqrt(3 / 4 * ((np.array(each) - np.mean(each)) ** 2).sum())
    found = deming_through_origin(x, y, cluster=label).slope
    assert found.u == pytest.approx(u, rel=1e-9)
    assert (found.n_runs, found.n_clusters) == (12, 4)


def test_deming_with_no_error_of_x_is_least_squares() -> None:
    x, y = meters(4)
    plain = line_through_origin(x, y).slope.value
    assert deming_through_origin(x, y, var_ratio_x_over_y=1e-14).slope.value == pytest.approx(plain)


def test_deming_through_origin_agrees_with_york_where_the_offset_is_known_to_be_zero() -> None:
    x, y = meters(5)
    # A point at the origin that is known a million times better than the others.
    u_x, u_y = np.r_[1e-6, np.full(x.size, 5.0)], np.r_[1e-6, np.full(x.size, 10.0)]
    with_origin = york(np.r_[0.0, x], np.r_[0.0, y], u_x, u_y).line
    found = deming_through_origin(x, y, var_ratio_x_over_y=0.25)
    assert found.slope.value == pytest.approx(with_origin.slope.value, rel=1e-9)


@FEW
@given(st.integers(0, 99), st.floats(1e-9, 1e9), st.floats(1e-9, 1e9))
def test_slopes_go_with_the_units(seed: int, a: float, b: float) -> None:
    x, y = meters(seed)
    pairs = (
        (line_through_origin(x, y), line_through_origin(a * x, b * y)),
        (
            deming_through_origin(x, y, var_ratio_x_over_y=0.25),
            deming_through_origin(a * x, b * y, var_ratio_x_over_y=0.25 * (a / b) ** 2),
        ),
    )
    for one, two in pairs:
        for field in ("value", "u", "low", "high"):
            want = getattr(one.slope, field) * b / a
            assert getattr(two.slope, field) == pytest.approx(want, rel=1e-7)


@FEW
@given(st.integers(0, 99))
def test_deming_through_origin_is_the_same_with_its_axes_exchanged(seed: int) -> None:
    x, y = meters(seed)
    one = deming_through_origin(x, y, var_ratio_x_over_y=0.5).slope.value
    two = deming_through_origin(y, x, var_ratio_x_over_y=2.0).slope.value
    assert two == pytest.approx(1 / one, rel=1e-10)


def test_constant_values_are_no_obstacle() -> None:
    assert line_through_origin([2.0, 2.0, 2.0], [3.0, 4.0, 5.0]).slope.value == pytest.approx(2.0)


def test_refusals() -> None:
    for line in (line_through_origin, deming_through_origin):
        with pytest.raises(ValueError, match="at least 2 points"):
            line([1.0], [2.0])
        with pytest.raises(ValueError, match="All values of y are zero"):
            line([1.0, 2.0], [0.0, 0.0])
        with pytest.raises(ValueError, match="2 values of x for 3 of y"):
            line([1.0, 2.0], [1.0, 2.0, 3.0])
        with pytest.raises(ValueError, match="not a probability"):
            line([1.0, 2.0], [1.0, 2.5], level=1.0)
    with pytest.raises(ValueError, match="must be above zero"):
        line_through_origin([1.0, 2.0], [1.0, 2.0], [0.0, 1.0])
    with pytest.raises(ValueError, match="at least 2"):
        deming_through_origin([1.0, 2.0], [1.0, 2.0], cluster=["a", "a"])
    with pytest.raises(ValueError, match="not associated"):
        deming_through_origin([1.0, 1.0], [1.0, -1.0])
