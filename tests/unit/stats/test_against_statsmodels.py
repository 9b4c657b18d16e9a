"""What is our own for a reason, beside statsmodels, which has the method too."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.regression.linear_model import WLS
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.weightstats import DescrStatsW
from statsmodels.tools import add_constant

from calibrate.stats import consensus, equivalent_ratio, holm, least_squares, one_factor

RNG = np.random.default_rng(20261130)
START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Give every test the same random numbers, in whatever order they run."""
    RNG.bit_generator.state = START


def test_least_squares_is_wls() -> None:
    x = RNG.uniform(10, 100, 25)
    y = 3 + 2 * x + RNG.normal(0, 1, 25)
    found, want = least_squares(x, y, 1 / x), WLS(y, add_constant(x), 1 / x).fit()
    low, high = want.conf_int()[1]
    assert [found.intercept.value, found.slope.value] == pytest.approx(list(want.params))
    assert [found.slope.u, found.slope.low, found.slope.high] == pytest.approx(
        [want.bse[1], low, high]
    )
    assert found.covariance == pytest.approx(want.cov_params()[0, 1])


def test_equivalence_of_one_run_a_workload_is_ttost() -> None:
    d = RNG.normal(0.01, 0.02, 12)
    found = equivalent_ratio(d, [str(i) for i in range(12)], margin=0.05)
    edge = np.log(1.05)
    p_value, lower, upper = DescrStatsW(d).ttost_mean(-edge, edge)
    assert found.p_pass == pytest.approx(p_value)
    assert found.t == pytest.approx((lower[0], upper[0]))


def test_consensus_has_the_variance_of_combine_effects() -> None:
    values, u = RNG.normal(1, 0.05, 7), RNG.uniform(0.005, 0.03, 7)
    found, want = consensus(values, u), combine_effects(values, u**2, method_re="pm")
    # That search ends where the equation holds to 1e-5.
    assert found.between_sd**2 == pytest.approx(want.tau2, rel=1e-4)
    assert found.value.value == pytest.approx(want.mean_effect_re, rel=1e-6)
    assert found.value.u == pytest.approx(want.sd_eff_w_re_hksj, rel=1e-4)
    assert found.chi2 == pytest.approx(want.q)


def test_holm_by_hand() -> None:
    p = {"a": 0.04, "b": 0.01, "c": 0.03, "d": 0.5}
    # Sorted 0.01, 0.03, 0.04, 0.5 times 4, 3, 2, 1; none below the one before.
    assert holm(p) == pytest.approx({"a": 0.09, "b": 0.04, "c": 0.09, "d": 0.5})
    assert holm({}) == {}


def test_one_factor_is_one_way_analysis_of_variance() -> None:
    from statsmodels.stats.oneway import anova_oneway

    label = np.repeat(["a", "b", "c", "d"], 5)
    d = RNG.normal(0, 0.01, 20) + np.repeat([0, 0.01, 0.02, 0], 5)
    found, want = one_factor(d, list(label)), anova_oneway(d, label, use_var="equal")
    assert (found.statistic, found.p_value) == pytest.approx((want.statistic, want.pvalue))
