"""Meters with a coarse step: what it explains is no fault, and what is too short is said to be."""

from typing import Any

import numpy as np
import pytest

from calibrate.diagnosis import NO_ENERGY, NO_FAULT, UNEXPLAINED, Diagnosis, Runs, diagnose

STEP_J = 3600.0
WATTS = {"idle": 20.0, "a": 80.0, "b": 120.0, "c": 160.0}


def plug(seed: int, seconds: tuple[float, ...], gain: float = 1.0, **more: Any) -> Diagnosis:
    """Diagnose a plug that counts watt-hours, each workload once for each length."""
    rng = np.random.default_rng([seed, 18])
    runs = [(name, s) for name in WATTS for s in seconds]
    joules = np.array([WATTS[name] * s for name, s in runs]) * rng.normal(1, 0.004, len(runs))
    shown = np.floor(gain * joules / STEP_J + rng.random(len(runs))) * STEP_J
    lengths = [s for _, s in runs]
    return diagnose(
        Runs(shown, joules, lengths, [n for n, _ in runs], resolution_j=STEP_J, idle_w=20.0, **more)
    )


def test_scatter_that_the_step_explains_is_no_fault() -> None:
    for seed in range(25):
        found = plug(seed, (450.0, 900.0, 1300.0))
        assert found.name == NO_FAULT and found.conclusive, found.sentence
    assert any(text.startswith("The readings leave up to ") for text in found.reasons)


def test_a_coarse_step_does_not_hide_a_factor_of_two() -> None:
    names = {plug(seed, (900.0, 1300.0, 2000.0), gain=2.0).name for seed in range(10)}
    assert all(name.startswith("ratio 2") for name in names)


def test_runs_below_a_step_are_too_short_and_told_for_how_long_they_have_to_be() -> None:
    for seed in range(10):
        found = plug(seed, (5.0, 9.0, 12.0))
        assert found.name == UNEXPLAINED and not found.conclusive
        # Ten steps of 3600 J at 20 W.
        assert found.least_s == pytest.approx(1800, rel=0.05)
        assert found.sentence.startswith("The runs are too short for this meter, whose step is")
        assert {flag.kind for flag in found.flags} == {"below a step"}


def test_a_counter_that_stands_still_is_no_matter_of_its_step() -> None:
    runs = [(name, watts * 900) for name, watts in WATTS.items() for _ in range(3)]
    labels, joules = zip(*runs, strict=True)
    still = Runs([0.0] * 12, joules, [900.0] * 12, labels, resolution_j=STEP_J)
    assert diagnose(still).name == NO_ENERGY
    # Runs of half a step: one zero is chance, twelve are none.
    short = Runs([0.0] * 12, [STEP_J / 2] * 12, [60.0] * 12, labels, resolution_j=STEP_J)
    assert diagnose(short).name == NO_ENERGY


def test_single_runs_below_a_step_are_left_out_and_flagged() -> None:
    labels = ["a", "b", "c"] * 4 + ["idle"]
    joules = [100.0, 300.0, 200.0] * 4 + [0.4]
    shown = [100.0, 301.0, 200.0] * 4 + [0.0]
    found = diagnose(Runs(shown, joules, [5.0] * 13, labels, resolution_j=1.0))
    assert found.name == NO_FAULT and found.n_runs == 13 and found.n_usable == 12
    assert [(flag.kind, flag.runs) for flag in found.flags] == [("below a step", (12,))]
