"""What must hold of an uncertainty budget, whatever the numbers."""

import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calibrate.stats import BudgetRow, budget, to_json

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
size = st.floats(1e-9, 1e9)
df = st.one_of(st.none(), st.floats(0.5, 1e6))
#: Zero, or a size that a sensitivity can have: not the smallest numbers there are, times which
#: everything is zero.
sensitivity = st.one_of(st.just(0.0), st.floats(1e-6, 1e6), st.floats(-1e6, -1e-6))
budget_row = st.tuples(size, sensitivity, df)


def rows_of(values: list[tuple[float, float, float | None]]) -> list[BudgetRow]:
    return [BudgetRow(f"row {i}", u, c, d) for i, (u, c, d) in enumerate(values)]


@FEW
@given(st.lists(budget_row, min_size=1, max_size=6), st.floats(1e-6, 1e6))
def test_a_budget_scales_with_its_unit(values: list[Any], factor: float) -> None:
    if all(c == 0 for _, c, _ in values):
        with pytest.raises(ValueError, match="resolution"):
            budget(0.0, rows_of(values))
        return
    one = budget(1.0, rows_of(values))
    two = budget(factor, rows_of([(u, c * factor, d) for u, c, d in values]))
    assert two.total.u == pytest.approx((one.total.u or 0) * factor)
    assert two.df == pytest.approx(one.df)
    assert list(two.shares.values()) == pytest.approx(list(one.shares.values()))
    assert sum(one.shares.values()) == pytest.approx(1)


@FEW
@given(st.lists(budget_row, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_a_budget_does_not_depend_on_the_order_of_its_rows(values: list[Any], random: Any) -> None:
    values = [(u, c or 1.0, d) for u, c, d in values]
    rows = rows_of(values)
    one, two = budget(0.0, rows), budget(0.0, random.sample(rows, len(rows)))
    assert one.total.u == pytest.approx(two.total.u)
    assert one.df == pytest.approx(two.df)
    json.dumps(to_json(one), allow_nan=False)


@FEW
@given(size, df, st.integers(2, 6))
def test_a_row_split_into_independent_parts_stays_what_it_is(
    u: float, d: float | None, n: int
) -> None:
    whole = budget(0.0, [BudgetRow("whole", u)])
    parts = budget(0.0, [BudgetRow(f"{i}", u / math.sqrt(n)) for i in range(n)])
    assert parts.expanded_u == pytest.approx(whole.expanded_u)
    alone = budget(0.0, [BudgetRow("whole", u, df=d)])
    assert alone.df == pytest.approx(d)
