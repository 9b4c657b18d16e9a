import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from calibrate.diagnosis.evidence import (
    AXES,
    Axes,
    Level,
    Spread,
    held_out_p,
    posterior,
    predictive_p,
    sums,
)

CODE = np.array([0, 0, 0, 1, 1, 2])
Y = np.array([0.01, 0.03, -0.02, 0.1, 0.06, -0.05]) - 6.9
FLOOR = np.array([0.01, 0.02, 0.01, 0.0, 0.0, 0.05])
POINT = Axes(np.array([0.04]), np.array([0.02]))
SPREAD = Spread(0.1, 0.1)


def covariance(tau: float, s: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    same = CODE[:, None] == CODE[None, :]
    return np.asarray(np.diag(FLOOR**2 + s**2) + tau**2 * same)


def test_closed_form_is_the_multivariate_normal() -> None:
    shift = math.log(1e-3)
    found = posterior(sums(Y, CODE, FLOOR, POINT), shift, (Level(1.0, 0.01, 0.15),), SPREAD, POINT)
    cov = covariance(0.04, 0.02) + 0.15**2
    want = multivariate_normal(np.full(6, shift + 0.01), cov).logpdf(Y)
    assert found.log_evidence == pytest.approx(want, abs=1e-9)
    gain = np.linalg.solve(cov, Y - shift - 0.01)
    assert found.level == pytest.approx(0.01 + 0.15**2 * gain.sum(), abs=1e-12)


def test_flat_level_is_the_integral() -> None:
    found = posterior(sums(Y, CODE, FLOOR, POINT), 0.0, (Level(1.0),), SPREAD, POINT)
    r = np.linspace(-8, -6, 4001)
    normal = multivariate_normal(np.zeros(6), covariance(0.04, 0.02))
    density = np.exp([normal.logpdf(Y - x) for x in r])
    want = math.log(density.sum() * (r[1] - r[0]) / (20 * math.log(10)))
    assert found.log_evidence == pytest.approx(want, abs=1e-6)


def test_priors_are_proper_and_the_grid_is_fine_enough() -> None:
    assert np.exp(AXES.log_prior(SPREAD)).sum() == pytest.approx(1.0)
    fine = Axes(np.geomspace(5e-4, 2, 101), np.geomspace(5e-4, 2, 101))
    level = (Level(0.5, 0.0, 0.02), Level(0.5, 0.0, 0.15))
    found, want = (
        posterior(sums(Y, CODE, FLOOR, axes), -6.9, level, SPREAD, axes).log_evidence
        for axes in (AXES, fine)
    )
    assert found == pytest.approx(want, abs=0.02)


def test_exact_data_do_not_blow_up() -> None:
    found = posterior(
        sums(np.zeros(6), CODE, np.zeros(6)), 0.0, (Level(1.0, 0.0, 0.02),), Spread(0.02, 0.05)
    )
    assert math.isfinite(found.log_evidence) and found.level == 0.0


def test_checks_see_a_stray_workload() -> None:
    level, spread = (Level(1.0, 0.0, 0.02),), Spread(0.005, 0.01)
    code = np.repeat(np.arange(6), 3)
    noise = np.random.default_rng(0).normal(0, 0.005, 18)
    good = sums(noise, code, np.zeros(18))
    stray = sums(noise + 0.2 * (code == 4), code, np.zeros(18))
    assert predictive_p(good, posterior(good, 0.0, level, spread)) > 0.05
    assert (held_out_p(good, 0.0, level, spread) or 0) > 0.05
    assert (held_out_p(stray, 0.0, level, spread) or 0) < 1e-6
    # The spreads adapt, as far as their priors let them.
    assert predictive_p(stray, posterior(stray, 0.0, level, spread)) < 0.01
    alone = sums(noise[:3], code[:3], np.zeros(3))
    assert held_out_p(alone, 0.0, level, spread) is None
