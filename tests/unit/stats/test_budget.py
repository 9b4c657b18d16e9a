import json
import math

import numpy as np
import pytest

from calibrate.stats import BudgetRow, budget, monte_carlo, to_json


def test_rows_from_what_is_known() -> None:
    row = BudgetRow.from_readings("repeatability", [1.0, 2.0, 3.0])
    assert row.u == pytest.approx(1 / math.sqrt(3)) and row.df == 2
    assert BudgetRow.from_limits("window", 0.3).u == pytest.approx(0.3 / math.sqrt(3))
    assert BudgetRow.from_resolution("steps", 0.12).u == pytest.approx(0.12 / math.sqrt(12))
    assert BudgetRow.from_certificate("reference", 0.01, k=2.0).u == 0.005


def test_end_gauge_of_gum_h1() -> None:
    # Table H.1, u in nm: u_c = 32 nm; U99 = 93 nm, with 16.7 degrees of freedom cut to 16.
    rows = [
        BudgetRow("standard", 25.0, df=18),
        BudgetRow("repeatability", 5.8, df=24),
        BudgetRow("random of comparator", 3.9, df=5),
        BudgetRow("systematic of comparator", 6.7, df=8),
        BudgetRow("difference of expansion", 2.9, df=50),
        BudgetRow("difference of temperature", 16.6, df=2),
    ]
    found = budget(838.0, rows, level=0.99)
    assert found.total.u == pytest.approx(32, abs=0.5)
    assert found.df == pytest.approx(16.7, abs=1)
    assert found.expanded_u == pytest.approx(93, abs=1.5)
    assert found.shares["standard"] == pytest.approx(25**2 / 1002, abs=0.01)


def test_correlated_rows() -> None:
    rows = [BudgetRow("a", 3.0), BudgetRow("b", 4.0)]
    assert budget(0.0, rows).total.u == pytest.approx(5)
    assert budget(0.0, rows, {("a", "b"): 1.0}).total.u == pytest.approx(7)
    found = budget(0.0, rows, {("a", "b"): -0.9})
    assert found.total.u == pytest.approx(math.sqrt(25 - 21.6))
    assert found.shares["a"] < 0 and sum(found.shares.values()) == pytest.approx(1)
    mixed = budget(0.0, [BudgetRow("a", 3.0, df=4), BudgetRow("b", 4.0)], {("a", "b"): 0.5})
    assert mixed.df == pytest.approx(4) and "smallest is used" in mixed.total.checks[0]
    with pytest.raises(ValueError, match="cancel all uncertainty"):
        budget(0.0, [BudgetRow("a", 3.0), BudgetRow("b", 3.0)], {("a", "b"): -1.0})


def test_refusals() -> None:
    with pytest.raises(ValueError, match="at least one row, and every name once"):
        budget(1.0, [])
    with pytest.raises(ValueError, match="every name once"):
        budget(1.0, [BudgetRow("a", 1.0), BudgetRow("a", 1.0)])
    with pytest.raises(ValueError, match="state at least the resolution"):
        budget(1.0, [BudgetRow("a", 0.0)])
    with pytest.raises(ValueError, match="which are no pair"):
        budget(1.0, [BudgetRow("a", 1.0)], {("a", "b"): 0.1})
    with pytest.raises(ValueError, match="not within -1 to 1"):
        budget(1.0, [BudgetRow("a", 1.0), BudgetRow("b", 1.0)], {("a", "b"): 1.1})
    three = [BudgetRow(name, 1.0) for name in "abc"]
    with pytest.raises(ValueError, match="cannot all hold"):
        budget(1.0, three, {("a", "b"): 0.9, ("b", "c"): 0.9, ("a", "c"): -0.9})
    with pytest.raises(ValueError, match="must be zero or above"):
        BudgetRow("a", -1.0)
    with pytest.raises(ValueError, match="must be zero or above"):
        BudgetRow("a", math.nan)
    with pytest.raises(ValueError, match="one reading more"):
        BudgetRow("a", 1.0, df=0)
    with pytest.raises(ValueError, match="limits have no df"):
        BudgetRow("a", 1.0, df=3, shape="rectangular")
    with pytest.raises(ValueError, match="there is no spread"):
        BudgetRow.from_readings("a", [1.0])
    with pytest.raises(ValueError, match="coverage factor"):
        BudgetRow.from_certificate("a", 1.0, k=0)
    with pytest.raises(ValueError, match="not a probability"):
        budget(1.0, [BudgetRow("a", 1.0)], level=95)
    both = budget(
        1.0, [BudgetRow("a", 1.0), BudgetRow("b", 1.0, shape="rectangular")], {("a", "b"): 0.5}
    )
    with pytest.raises(ValueError, match="correlated and not normal"):
        monte_carlo(both)
    with pytest.raises(ValueError, match="returns the same"):
        monte_carlo(budget(1.0, [BudgetRow("a", 1.0)]), lambda x: 0 * x[0])
    with pytest.raises(ValueError, match="one finite number a trial"):
        monte_carlo(budget(1.0, [BudgetRow("a", 1.0)]), lambda x: x)


def test_monte_carlo_of_rectangular_inputs() -> None:
    # JCGM 101, 9.2.3: four rectangular inputs give u = 2 and the interval -3.88 to 3.88.
    first = budget(0.0, [BudgetRow(name, 1.0, shape="rectangular") for name in "abcd"])
    found = monte_carlo(first)
    assert found.total.u == pytest.approx(2.0, abs=0.01)
    assert (found.total.low, found.total.high) == pytest.approx((-3.88, 3.88), abs=0.03)
    assert found.tolerance == pytest.approx(0.05) and found.confirms


def test_monte_carlo_of_a_triangular_input() -> None:
    found = monte_carlo(budget(0.0, [BudgetRow("a", 1.0, shape="triangular")])).total
    end = math.sqrt(6) * (1 - math.sqrt(0.05))
    assert found.u == pytest.approx(1.0, abs=0.02)
    assert (found.low, found.high) == pytest.approx((-end, end), abs=0.03)


def test_monte_carlo_sees_what_first_order_does_not() -> None:
    first = budget(1.0, [BudgetRow("a", 0.5)])
    found = monte_carlo(first, lambda x: np.exp(x[0]))
    assert found.confirms is False
    assert found.total.high == pytest.approx(math.exp(1.96 * 0.5), rel=0.02)
    assert found.low_gap > found.tolerance
    small = budget(1.0, [BudgetRow("a", 0.002)])
    assert monte_carlo(small, lambda x: np.exp(x[0])).confirms


def test_monte_carlo_draws_correlated_rows_and_few_degrees_of_freedom() -> None:
    rows = [BudgetRow("a", 3.0, df=9), BudgetRow("b", 4.0, df=9)]
    first = budget(0.0, rows, {("a", "b"): -0.8})
    found = monte_carlo(first)
    # One t distribution with 9 degrees of freedom: the interval is that of the budget exactly.
    assert found.confirms
    assert found.total.u == pytest.approx((first.total.u or 0) * math.sqrt(9 / 7), rel=0.02)


def test_monte_carlo_that_does_not_settle_says_so() -> None:
    found = monte_carlo(budget(0.0, [BudgetRow("a", 1.0)]), digits=3, max_trials=30_000)
    assert found.confirms is None and "raise max_trials" in found.total.checks[0]


def test_results_are_json() -> None:
    found = budget(1.0, [BudgetRow("a", 1.0), BudgetRow("b", 1.0)], {("a", "b"): 0.5}, n_runs=5)
    for each in (to_json(found), to_json(monte_carlo(found))):
        json.dumps(each, allow_nan=False)
