"""The first form of the Passing-Bablok line, against other programs and all pairs by hand."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibrate.stats import passing_bablok, passing_bablok_1983
from tests.helpers.cases import case, columns

FEW = settings(max_examples=40, deadline=None)


def meters(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(10, 100, n)
    return truth + rng.normal(0, 3, n), 2 + 1.1 * truth + rng.normal(0, 3, n)


def by_hand(x: list[float], y: list[float], z: float = 1.959963984540054) -> list[float]:
    """Return slope and limits by the formulas of the paper, with plain lists."""
    slopes = []
    for (a, c), (b, d) in combinations(zip(x, y, strict=True), 2):
        if a == b:
            if c != d:
                slopes.append(math.inf if d > c else -math.inf)
        elif (d - c) / (b - a) != -1:
            slopes.append((d - c) / (b - a))
    slopes.sort()
    many, n = len(slopes), len(x)
    shift = sum(slope < -1 for slope in slopes)

    def rank(k: int) -> float:
        return slopes[k + shift - 1]

    middle = (
        rank((many + 1) // 2) if many % 2 else (rank(many // 2) + rank(many // 2 + 1)) / 2
    )  # fmt: skip
    reach = z * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    first = round((many - reach) / 2)
    return [middle, rank(first), rank(many - first + 1)]


@pytest.mark.parametrize("n", [11, 20, 40])
def test_ranks_are_those_of_the_paper(n: int) -> None:
    x, y = (np.round(values).tolist() for values in meters(n, n))  # whole numbers: ties, -1
    found = passing_bablok_1983(x, y)
    slope = found.slope
    assert [slope.value, slope.low, slope.high] == pytest.approx(by_hand(x, y), rel=1e-12)
    line = found.intercept
    for value, of in ((line.value, slope.value), (line.low, slope.high), (line.high, slope.low)):
        assert value == pytest.approx(np.median(np.array(y) - (of or 0.0) * np.array(x)))
    assert slope.u is None and line.u is None


@pytest.mark.parametrize("name", ["mcr_TD13", "mcr_TD9"])
def test_mcr(name: str) -> None:
    rows, expected = case(name)
    found, want = passing_bablok_1983(*columns(rows, "x", "y")), expected["PaBa_analytical"]
    assert found.slope.value == pytest.approx(want["slope"][0], rel=1e-12)
    assert found.intercept.value == pytest.approx(want["intercept"][0], rel=1e-9)
    # That program interpolates between ranks; these are the ranks themselves.
    assert [found.slope.low, found.slope.high] == pytest.approx(want["slope"][2:], rel=1e-4)


def test_creatinine() -> None:
    rows, expected = case("mcr_creatinine")
    found = passing_bablok_1983(*columns(rows, "serum.crea", "plasma.crea"))
    want = expected["PaBa_analytical"]
    # Twenty slopes are -1 in decimals; in binary that program takes some of them for less.
    assert found.slope.value == pytest.approx(want["slope"][0], rel=1e-4)
    assert [found.slope.low, found.slope.high] == pytest.approx(want["slope"][2:], rel=1e-4)
    assert found.intercept.value == pytest.approx(want["intercept"][0], abs=2e-4)


def test_ferritin_lots() -> None:
    rows, expected = case("ferritin_1_4")
    for want in expected["results"]:
        now = [row for row in rows if int(row["period"]) == want["period"]]
        found = passing_bablok_1983(*columns(now, "old.lot", "new.lot"))
        # That program takes the mean of the angles of the two middle slopes.
        assert found.slope.value == pytest.approx(want["pb1"]["coef"][1], rel=1e-6)
        assert found.intercept.value == pytest.approx(want["pb1"]["coef"][0], rel=1e-4)


def test_sen_1968_with_limits() -> None:
    rows, want = case("pb_sen_1968")
    t, y = columns(rows, "t", "y")
    found = passing_bablok_1983(t, y, level=want["conf"])
    assert (found.slope.value, found.intercept.value) == (want["slope"], want["intercept"])
    assert [found.slope.low, found.slope.high] == pytest.approx(want["ci93"], rel=1e-12)
    assert "far from one" in found.slope.checks[0]


@FEW
@given(st.integers(0, 999), st.sampled_from([6, 7, 10, 11, 22, 23]))
def test_exchanging_the_axes_inverts_it(seed: int, n: int) -> None:
    x, y = meters(seed, n)  # an odd number of pairs: no mean of two slopes
    one, two = passing_bablok_1983(x, y), passing_bablok_1983(y, x)
    assert two.slope.value == pytest.approx(1 / one.slope.value, rel=1e-9)


@FEW
@given(st.integers(0, 999), st.floats(1e-6, 1e6), st.floats(-100, 100))
def test_it_goes_with_one_unit_for_both_and_a_shift(seed: int, unit: float, shift: float) -> None:
    x, y = meters(seed, 24)
    one, two = passing_bablok_1983(x, y), passing_bablok_1983(unit * x, unit * (y + shift))
    assert two.slope.value == pytest.approx(one.slope.value, rel=1e-6)
    assert two.intercept.value == pytest.approx(
        unit * (one.intercept.value + shift), rel=1e-6, abs=unit * 1e-4
    )


def test_it_is_not_equivariant_and_the_later_form_is() -> None:
    x, y = meters(7, 60)
    first = [passing_bablok_1983(x, scale * y).slope.value / scale for scale in (1, 10)]
    later = [passing_bablok(x, scale * y).slope.value / scale for scale in (1, 10)]
    assert abs(first[1] / first[0] - 1) > 1e-3
    assert later[1] == pytest.approx(later[0], rel=1e-9)


def test_outliers_hardly_move_it() -> None:
    x, y = meters(8, 41)
    before = passing_bablok_1983(x, y).slope.value
    y[:4] *= 30
    assert passing_bablok_1983(x, y).slope.value == pytest.approx(before, rel=0.05)


def test_refusals_and_checks() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="at least 5 points"):
        passing_bablok_1983([1.0, 2, 3, 4], [1.0, 2, 3, 4])
    with pytest.raises(ValueError, match="do not rise together"):
        passing_bablok_1983(np.arange(10.0), -2 * np.arange(10.0))
    with pytest.raises(ValueError, match="too many for this form"):
        passing_bablok_1983(np.arange(3001.0), np.arange(3001.0))
    few = passing_bablok_1983([1.0, 2, 3, 4, 5.5], [1.1, 1.9, 3.2, 3.9, 5.6])
    assert few.slope.checks == ("Only 5 points: the interval is too narrow below about 20.",)
    scattered = passing_bablok_1983(rng.normal(size=8), rng.normal(size=8))
    assert scattered.slope.low is None and scattered.intercept.low is None
    assert "no interval" in scattered.slope.checks[-1]
