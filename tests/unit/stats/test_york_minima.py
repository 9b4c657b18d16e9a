"""York's line where chi2 has several minima."""

import math

import numpy as np
import pytest

from calibrate.stats import Vector, york
from tests.helpers.cases import shared_case


def least_chi2(x: Vector, y: Vector, u_x: Vector, u_y: Vector, r: Vector) -> float:
    """Return the least chi2 over a fine grid of directions."""
    slope = np.tan(np.linspace(-math.pi / 2, math.pi / 2, 40003)[1:-1])[:, None]
    weight = 1 / (u_y**2 + slope**2 * u_x**2 - 2 * slope * r * u_x * u_y)
    middle = (weight * (y - slope * x)).sum(axis=1, keepdims=True)
    intercept = middle / weight.sum(axis=1, keepdims=True)
    return float((weight * (y - intercept - slope * x) ** 2).sum(axis=1).min())


@pytest.mark.parametrize("seed", range(12))
def test_the_line_is_that_of_the_least_chi2(seed: int) -> None:
    """Few points whose uncertainties differ by decades and are correlated: many minima."""
    rng = np.random.default_rng(seed)
    x = rng.normal(20, 3, 6)
    y = x * rng.normal() + rng.normal(0, 3, 6)
    u_x, u_y = 10 ** rng.uniform(-2, 0.7, (2, 6))
    r = rng.uniform(-0.9, 0.9, 6)
    assert york(x, y, u_x, u_y, r).chi2 <= least_chi2(x, y, u_x, u_y, r) * (1 + 1e-6)


def test_two_lines_that_fit_alike_are_said() -> None:
    """The corners of a square: both diagonals."""
    x, y = np.array([0.0, 10.0, 0.0, 10.0]), np.array([0.0, 10.0, 10.0, 0.0])
    found = york(x, y, np.full(4, 0.1), np.full(4, 0.1))
    assert "Another line" in " ".join(found.line.slope.checks)


def test_the_published_case_is_at_its_least_chi2() -> None:
    place = shared_case("analysis/04-york-local-minimum.py")
    rows = place.read_text().partition("np.array(")[2].partition(")\n")[0]
    x, y, var_x, var_y, covariance = np.array(eval(rows)).T  # noqa: S307 - numbers of the case
    u_x, u_y, r = np.sqrt(var_x), np.sqrt(var_y), covariance / np.sqrt(var_x * var_y)
    assert york(x, y, u_x, u_y, r).chi2 == pytest.approx(least_chi2(x, y, u_x, u_y, r), rel=1e-6)
