"""What the uncertainty of a factor is made of."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calibrate.calibration.budget import (
    DRIFT,
    NO_CERTIFICATE,
    UncertaintyBudget,
    reading_budget,
)
from calibrate.calibration.reading import next_run, scatter
from calibrate.comparison import PairedRun
from calibrate.stats import correction, log_ratio, prediction, t_quantile

RNG = np.random.default_rng(4)
START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Give every test the same random numbers, in whatever order they run."""
    RNG.bit_generator.state = START


def rows(
    between: float, within: float, k: int = 5, m: int = 4, u_j: float = 0.0
) -> list[PairedRun]:
    effect = RNG.normal(0, between, k)
    return [
        PairedRun(
            run=f"{i}-{j}",
            workload=f"w{i}",
            repeat=j,
            seconds=5.0,
            probe_j=100 * math.exp(effect[i] + within * RNG.normal()),
            reference_j=100.0,
            u_reference_j=u_j,
        )
        for i in range(k)
        for j in range(m)
    ]


def factor_budget(
    made: list[PairedRun], resolution_j: float, u_reference: float | None = None
) -> UncertaintyBudget | None:
    """Return the budget of a reading that is corrected by one factor."""
    d = log_ratio([r.probe_j for r in made], [r.reference_j for r in made])
    labels = [r.workload for r in made]
    left = d + math.log(correction(d, labels).factor.value)
    seen = scatter(left, labels, 1)
    if seen is None:
        return None
    run = next_run(seen, made, resolution_j, u_reference)
    return reading_budget(run, run.workloads / math.sqrt(len(set(labels))), made, resolution_j)


def shares(made: list[PairedRun], resolution_j: float = 0.0) -> dict[str, float]:
    found = factor_budget(made, resolution_j)
    assert found is not None
    return {part.name: part.share for part in found.parts}


def test_the_parts_add_up_to_the_uncertainty_of_one_new_run() -> None:
    made = rows(0.03, 0.02)
    found = factor_budget(made, 0.0)
    d = log_ratio([r.probe_j for r in made], [r.reference_j for r in made])
    assert found is not None
    one_run = prediction(d, [r.workload for r in made])
    assert one_run.u is not None
    between, within = (part.u for part in found.parts[:2])
    # t of 96.5 % instead of 95 %: means of workloads are often skewed.
    skewed = t_quantile(0.9825, 4) / t_quantile(0.975, 4)
    assert math.hypot(between / skewed, within / 1.08) == pytest.approx(one_run.u / one_run.value)
    assert math.hypot(between, within) == pytest.approx(found.u)
    assert sum(part.share for part in found.parts) == pytest.approx(1)
    assert found.df is not None and 4 <= found.df <= 19
    assert found.left_out == (NO_CERTIFICATE, DRIFT)


def test_each_source_shows_where_it_is_large() -> None:
    assert shares(rows(0.1, 0.001))["between workloads"] > 0.99
    assert shares(rows(0.0, 0.02, k=20, m=2))["repeatability"] > 0.2
    assert shares(rows(0.0, 1e-6, u_j=5.0))["reading of the reference"] > 0.99
    late = [row.model_copy(update={"u_probe_j": 5.0}) for row in rows(0.0, 1e-6)]
    assert shares(late)["window of the probe"] > 0.99
    # A step is not counted twice.
    stepped = [row.model_copy(update={"u_probe_j": 6 / math.sqrt(6)}) for row in rows(0.0, 1e-6)]
    assert shares(stepped, 6.0)["window of the probe"] == pytest.approx(0.0, abs=1e-9)
    stated = factor_budget(rows(0.0, 1e-6), 0.0, 0.01)
    assert stated is not None and stated.left_out == (DRIFT,)
    assert stated.u == pytest.approx(0.01, rel=1e-3)
    assert shares(rows(0.0, 1e-6), resolution_j=20.0)["resolution"] > 0.99


def test_resolution_is_of_two_readings_of_one_run() -> None:
    found = factor_budget(rows(0.0, 1e-9, k=5, m=4), 12.0)
    assert found is not None
    assert found.u == pytest.approx(12 / math.sqrt(6) / 100, rel=1e-3)


def test_what_the_scatter_already_shows_is_not_counted_again() -> None:
    made = rows(0.0, 0.05, k=10, u_j=1.0)
    assert shares(made)["reading of the reference"] == 0.0


def test_one_workload_or_no_spread_has_no_budget() -> None:
    assert factor_budget(rows(0.0, 0.01, k=1), 0.1) is None
    assert factor_budget(rows(0.0, 0.0), 0.0) is None
