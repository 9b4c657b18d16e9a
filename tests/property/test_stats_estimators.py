"""What must hold of every estimator, whatever the numbers: the unit they are in, their order,
values that are twice there, all the same, one alone, zero or negative."""

import itertools
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calibrate.stats import (
    Line,
    OriginLine,
    align,
    bootstrap,
    cluster_mean,
    collocation,
    concordance,
    confidence_sequence,
    conformal,
    consensus,
    constant_truth,
    cusum,
    deming,
    deming_through_origin,
    equivalent_ratio,
    exponent,
    holm,
    lack_of_fit,
    least_squares,
    level_dependent,
    limits_together,
    line_through_origin,
    mean_of,
    mixed,
    one_factor,
    passing_bablok,
    passing_bablok_1983,
    three_cornered_hat,
    to_json,
    tolerance_gate,
    tolerance_limits,
    weighted_deming,
    york,
)

FEW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
factor = st.floats(1e-9, 1e9)
wild = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 5e-324, 1e-200, 1e200, 1.7e308, math.nan, math.inf]),
    st.floats(),
    st.floats(-10, 10),
)
label = st.sampled_from("abcd")


def around(n: int, seed: int) -> tuple[Any, Any]:
    """Return two meters over a wide range, the second with factor and offset."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(10, 100, n)
    return truth * rng.normal(1, 0.02, n), 3 + 1.2 * truth * rng.normal(1, 0.02, n)


def _york(x: Any, y: Any) -> Line:
    u_x, u_y = 0.02 * np.abs(x) + np.ptp(x) / 1e3, 0.02 * np.abs(y) + np.ptp(y) / 1e3
    return york(x, y, u_x, u_y).line


#: The variance ratio goes with the units; the others have none.
LINES: dict[str, Callable[[Any, Any, float], Line]] = {
    "least squares": lambda x, y, _: least_squares(x, y),
    "deming": lambda x, y, r: deming(x, y, var_ratio_x_over_y=r),
    "weighted deming": lambda x, y, r: weighted_deming(x, y, var_ratio_x_over_y=r),
    "passing-bablok": lambda x, y, _: passing_bablok(x, y),
    "york": lambda x, y, _: _york(x, y),
    "through the origin": lambda x, y, _: line_through_origin(x, y),
    "deming through the origin": lambda x, y, r: deming_through_origin(x, y, var_ratio_x_over_y=r),
}

#: Takes values, second values and labels; each estimator reads what it needs.
ALL: dict[str, Callable[[Any, Any, list[str]], Any]] = {
    "least squares": lambda x, y, c: least_squares(x, y),
    "deming": lambda x, y, c: deming(x, y),
    "weighted deming": lambda x, y, c: weighted_deming(x, y),
    "passing-bablok": lambda x, y, c: passing_bablok(x, y),
    "passing-bablok 1983": lambda x, y, c: passing_bablok_1983(x, y),
    "york": lambda x, y, c: _york(x, y),
    "through the origin": lambda x, y, c: line_through_origin(x, y),
    "deming through the origin": lambda x, y, c: deming_through_origin(x, y),
    "clustered deming": lambda x, y, c: deming(x, y, cluster=c),
    "exponent": lambda x, y, c: exponent(x, y)[0],
    "concordance": lambda x, y, c: concordance(x, y),
    "tolerance": lambda x, y, c: tolerance_limits(x),
    "together": lambda x, y, c: dict(zip("ab", limits_together(x), strict=True)),
    "constant truth": lambda x, y, c: constant_truth(x, c, y, c),
    "level dependent": lambda x, y, c: level_dependent(x, y),
    "cluster mean": lambda x, y, c: cluster_mean(x, c, resamples=1000),
    "bootstrap": lambda x, y, c: bootstrap(
        np.stack([x, np.ones(len(x))], axis=1), mean_of, resamples=1000
    ),
    "conformal": lambda x, y, c: conformal(x),
    "conformal by workload": lambda x, y, c: conformal(x, c, level=0.5),
    "consensus": lambda x, y, c: consensus(x, y),
    "equivalence": lambda x, y, c: equivalent_ratio(x, c, 0.05),
    "tolerance gate": lambda x, y, c: tolerance_gate(x, 0.05),
    "confidence sequence": lambda x, y, c: confidence_sequence(x),
    "lack of fit": lack_of_fit,
    "one factor": lambda x, y, c: one_factor(x, c),
    "cusum": lambda x, y, c: cusum(x, y, 1.2, 0.03),
    "hat": lambda x, y, c: three_cornered_hat({"x": x, "y": y, "z": np.add(x, y)}),
    "collocation": lambda x, y, c: collocation({"x": x, "y": y, "z": np.add(x, y)}),
    "alignment": lambda x, y, c: align(x, np.cumsum(np.abs(y)), x, np.cumsum(np.abs(y))),
}


def plain(result: Any) -> Any:
    return to_json(result)


def close(one: Any, two: Any) -> bool:
    """Return whether two results are the same but for rounding."""
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(close(one[k], two[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(close(a, b) for a, b in zip(one, two, strict=True))
    if isinstance(one, float):
        return bool(one == pytest.approx(two, rel=1e-6, abs=1e-7))
    return bool(one == two)


@pytest.mark.parametrize("name", LINES)
@FEW
@given(st.integers(5, 40), st.integers(0, 99), factor, factor)
def test_a_line_goes_with_the_units(name: str, n: int, seed: int, a: float, b: float) -> None:
    x, y = around(n, seed)
    if name == "weighted deming":  # its weights add x and y
        a = b
    one, two = LINES[name](x, y, 1.0), LINES[name](a * x, b * y, (a / b) ** 2)
    for part, scale in (("intercept", b), ("slope", b / a)):
        here, there = getattr(one, part), getattr(two, part)
        tiny = 1e-6 * b * 100 if part == "intercept" else 0.0
        for field in ("value", "u", "low", "high"):
            value = getattr(here, field)
            if value is None:  # an intercept that is zero by assumption
                assert here is one.intercept and isinstance(one, OriginLine)
                continue
            assert getattr(there, field) == pytest.approx(value * scale, rel=1e-5, abs=tiny), field


@pytest.mark.parametrize("name", ["deming", "passing-bablok", "york"])
@FEW
@given(st.integers(6, 40), st.integers(0, 99))
def test_a_line_is_the_same_with_its_axes_exchanged(name: str, n: int, seed: int) -> None:
    x, y = around(n, seed)
    one, two = LINES[name](x, y, 0.5), LINES[name](y, x, 2.0)
    assert two.slope.value == pytest.approx(1 / one.slope.value, rel=1e-9)


@pytest.mark.parametrize("name", [n for n in ALL if n not in ("confidence sequence", "alignment")])
@FEW
@given(st.integers(20, 40), st.integers(0, 99), st.randoms(use_true_random=False))
def test_the_order_of_the_runs_does_not_matter(name: str, n: int, seed: int, random: Any) -> None:
    x, y = around(n, seed)
    x, y = x / 100, y / 100
    labels = ["abcd"[i % 4] for i in range(n)]
    place = random.sample(range(n), n)
    if name in ("bootstrap", "cluster mean"):
        # Other rows are drawn by the same random numbers: the estimate stays, not the interval.
        one, two = (
            ALL[name](x, y, labels),
            ALL[name](x[place], y[place], [labels[i] for i in place]),
        )
        assert one.value == pytest.approx(two.value)
        return
    one = plain(ALL[name](x, y, labels))
    two = plain(ALL[name](x[place], y[place], [labels[i] for i in place]))
    if name == "consensus":
        one.pop("weights"), two.pop("weights")
    assert close(one, two)


@pytest.mark.parametrize("name", ALL)
@FEW
@given(st.lists(st.tuples(wild, wild, label), min_size=1, max_size=24))
def test_answers_are_finite_or_refusals(name: str, rows: list[tuple[float, float, str]]) -> None:
    x, y, labels = (list(column) for column in zip(*rows, strict=True))
    with np.errstate(all="ignore"):
        try:
            found = ALL[name](x, y, labels)
        except ValueError as error:
            assert str(error).rstrip().endswith((".", "%."))
            return
    json.dumps(plain(found), allow_nan=False)


@pytest.mark.parametrize("name", ALL)
@FEW
@given(st.integers(1, 30), st.sampled_from([0.0, 1.0, -2.5, 1e-12]))
def test_constants_are_answered_or_refused(name: str, n: int, value: float) -> None:
    x = [value] * n
    try:
        found = ALL[name](x, x, ["abcd"[i % 4] for i in range(n)])
    except ValueError as error:
        assert str(error).rstrip().endswith(".")
        return
    json.dumps(plain(found), allow_nan=False)


@pytest.mark.parametrize("name", ["cluster mean", "tolerance", "confidence sequence", "conformal"])
@FEW
@given(st.integers(20, 60), st.integers(0, 99), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_a_mean_goes_with_shift_and_unit(
    name: str, n: int, seed: int, shift: float, unit: float
) -> None:
    x = np.random.default_rng(seed).normal(size=n)
    labels = [str(i % 10) for i in range(n)]
    one, two = ALL[name](x, x, labels), ALL[name](shift + unit * x, x, labels)
    scale = 1e-6 * (unit + abs(shift))
    assert two.value == pytest.approx(shift + unit * one.value, abs=scale)
    for field in ("low", "high"):
        value = getattr(one, field)
        there = getattr(two, field)
        assert (value is None) == (there is None)
        if value is not None:
            assert there == pytest.approx(shift + unit * value, abs=scale)


@pytest.mark.parametrize("name", ["hat", "collocation"])
@FEW
@given(st.integers(20, 60), st.integers(0, 99), st.floats(1e-6, 1e6))
def test_error_variances_go_with_the_unit(name: str, n: int, seed: int, unit: float) -> None:
    x, y = around(n, seed)
    one, two = ALL[name](x, y, []), ALL[name](unit * x, unit * y, [])
    assert np.array(two.raw) == pytest.approx(
        unit**2 * np.array(one.raw), rel=1e-6, abs=1e-9 * unit**2
    )


@FEW
@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8))
def test_holm_never_lowers_and_keeps_the_order(p: dict[str, float]) -> None:
    found = holm(p)
    assert all(p[k] <= found[k] <= 1 for k in p)
    order = sorted(p, key=lambda k: p[k])
    assert all(found[a] <= found[b] for a, b in itertools.pairwise(order))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 99), st.floats(1e-6, 1e6))
def test_a_mixed_model_goes_with_the_unit(seed: int, unit: float) -> None:
    rng = np.random.default_rng(seed)
    labels = [f"w{i // 4}" for i in range(32)]
    y = np.repeat(rng.normal(0, 1, 8), 4) + 0.3 * rng.normal(size=32)
    one, two = (mixed(u * y, {"mean": np.ones(32)}, {"w": labels}) for u in (1.0, unit))
    assert two.fixed["mean"].value == pytest.approx(unit * one.fixed["mean"].value, rel=1e-6)
    assert two.sd["w"] == pytest.approx(unit * one.sd["w"], rel=1e-3, abs=1e-4 * unit)
