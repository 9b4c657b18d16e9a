"""What must hold whatever the numbers are."""

import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calibrate.diagnosis import Runs, diagnose
from calibrate.stats import (
    correction,
    limits_of_agreement,
    log_ratio,
    mean_ratio,
    prediction,
    to_json,
)

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
energy = st.floats(1e-6, 1e9)
label = st.sampled_from(["a", "b", "c"])
row = st.tuples(energy, energy, label)
anything = st.one_of(st.floats(), st.sampled_from([0.0, -1.0, 5.0, math.inf, math.nan]))


def split(rows: list[tuple[float, float, str]]) -> tuple[Any, list[str]]:
    probe, reference, workload = zip(*rows, strict=True)
    return log_ratio(probe, reference), list(workload)


@FEW
@given(st.lists(row, min_size=1, max_size=12), st.floats(1e-9, 1e9))
def test_a_factor_on_the_probe_shifts_the_log_mean(
    rows: list[tuple[float, float, str]], c: float
) -> None:
    d, workload = split(rows)
    before, after = mean_ratio(d, workload), mean_ratio(d + math.log(c), workload)
    shift = math.log(after.ratio.value) - math.log(before.ratio.value)
    assert shift == pytest.approx(math.log(c), abs=1e-9)
    for one, two in (
        (before.within_sd, after.within_sd),
        (before.between_sd, after.between_sd),
    ):
        assert one == pytest.approx(two, abs=1e-5)
    fit, moved = correction(d, workload), correction(d + math.log(c), workload)
    assert moved.factor.value * c == pytest.approx(fit.factor.value)
    assert near(moved.held_out, fit.held_out)


@FEW
@given(st.lists(row, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_the_runs_does_not_matter(
    rows: list[tuple[float, float, str]], random: Any
) -> None:
    mixed = random.sample(rows, len(rows))
    for function in (mean_ratio, limits_of_agreement, correction):
        one, two = (to_json(function(*split(r))) for r in (rows, mixed))
        assert near(one, two), function
    assert near(to_json(prediction(*split(rows))), to_json(prediction(*split(mixed))))


def near(one: Any, two: Any) -> bool:
    """Return whether two results are the same but for rounding."""
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(near(one[k], two[k]) for k in one)
    if isinstance(one, float):
        return bool(one == pytest.approx(two, rel=1e-6, abs=1e-6))
    return bool(one == two)


@FEW
@given(st.lists(row, min_size=1, max_size=12))
def test_results_are_finite_or_none(rows: list[tuple[float, float, str]]) -> None:
    d, workload = split(rows)
    for function in (mean_ratio, limits_of_agreement, prediction, correction):
        json.dumps(to_json(function(d, workload)), allow_nan=False)
    ratio = mean_ratio(d, workload).ratio
    if ratio.low is not None and ratio.high is not None:
        assert ratio.low <= ratio.value * (1 + 1e-12) and ratio.value <= ratio.high * (1 + 1e-12)


@FEW
@given(st.lists(st.tuples(anything, energy, label), min_size=1, max_size=8))
def test_energies_without_a_logarithm_are_refused(rows: list[tuple[float, float, str]]) -> None:
    probe, reference, _ = zip(*rows, strict=True)
    if all(math.isfinite(p) and p > 0 for p in probe):
        assert np.isfinite(log_ratio(probe, reference)).all()
    else:
        with pytest.raises(ValueError, match=r"in run \d"):
            log_ratio(probe, reference)


@FEW
@given(energy, energy, st.integers(1, 6))
def test_duplicates_give_the_ratio_and_a_warning(p: float, r: float, n: int) -> None:
    d, workload = split([(p, r, "a")] * n)
    found = mean_ratio(d, workload).ratio
    assert found.value == pytest.approx(p / r) and found.checks
    assert (found.low is None) == (n == 1)


@FEW
@given(st.lists(st.tuples(anything, anything, anything, label), min_size=1, max_size=10))
def test_diagnosis_always_answers(rows: list[tuple[float, float, float, str]]) -> None:
    probe, reference, seconds, workload = zip(*rows, strict=True)
    found = diagnose(Runs(probe, reference, seconds, workload, resolution_j=0.1))
    json.dumps(asdict(found), allow_nan=False)
    assert found.sentence.endswith(".")


@FEW
@given(st.lists(row, min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_diagnosis_does_not_depend_on_order(
    rows: list[tuple[float, float, str]], random: Any
) -> None:
    answers = []
    for each in (rows, random.sample(rows, len(rows))):
        probe, reference, workload = zip(*each, strict=True)
        found = diagnose(Runs(probe, reference, [5.0] * len(each), workload))
        answers.append({c.name: c.probability for c in found.candidates})
    assert answers[0] == pytest.approx(answers[1], abs=1e-5)
