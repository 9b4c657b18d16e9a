"""Structures: the closed-form evidence against brute force, and faults told apart or not."""

import dataclasses
import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import trapezoid

from calibrate.diagnosis import NO_FAULT, UNEXPLAINED, Runs, diagnose
from calibrate.diagnosis.evidence import Level, Spread, posterior, sums
from calibrate.diagnosis.models import Table
from calibrate.diagnosis.structures import LAG, STRUCTURES, StructureModel, catalogue

Vector = np.ndarray[Any, np.dtype[np.float64]]
SOUND = (Level(1.0, 0.0, 0.02),)


def _benchmark() -> Any:
    """Return the script that measures how often the diagnosis is right."""
    path = Path(__file__).parents[2] / "benchmarks" / "diagnosis_accuracy.py"
    spec = importlib.util.spec_from_file_location("diagnosis_accuracy", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


accuracy = _benchmark()


def table(seed: int = 0, k: int = 4, repeats: int = 3) -> Table:
    """Return sound runs of 4 workloads at three durations."""
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(k), 3 * repeats)
    seconds = np.tile(np.repeat([5.0, 20.0, 80.0], repeats), k)
    power = np.linspace(50, 200, k)[code]
    y = rng.normal(0, 0.01, code.size) + rng.normal(0, 0.01, k)[code]
    return Table(y, power, code.astype(np.intp), np.zeros(code.size), 0.0, seconds, 40.0)


@pytest.mark.parametrize("structure", [*STRUCTURES, LAG], ids=lambda each: each.name)
@pytest.mark.parametrize("share", [-0.3, 0.0, 0.4])
def test_evidence_is_the_integral_over_theta(structure: Any, share: float) -> None:
    whole = table()
    model = StructureModel(structure, 1.0, SOUND, Spread(0.03, 0.05))
    h, sd = structure.shape(whole), structure.sd(whole)
    theta = share / float(np.abs(h).max())
    runs = dataclasses.replace(whole, y=whole.y + np.log(1 + theta * h))
    found = model.fit(runs)
    assert found.theta == pytest.approx(theta, abs=5 * found.theta_sd)
    grid = found.theta + np.linspace(-9, 9, 181) * found.theta_sd
    heights = []
    for each in grid:
        left = 1 + each * h
        if left.min() <= 0:
            heights.append(-math.inf)
            continue
        data = sums(runs.y - np.log(left), runs.code, runs.floor)
        prior = -0.5 * (each / sd) ** 2 - math.log(sd * math.sqrt(2 * math.pi))
        heights.append(posterior(data, 0.0, SOUND, model.spread).log_evidence + prior)
    top = max(heights)
    area = float(trapezoid(np.exp(np.array(heights) - top), grid))
    assert found.log_evidence == pytest.approx(top + math.log(area), abs=0.1)


@pytest.mark.parametrize("structure", [*STRUCTURES, LAG], ids=lambda each: each.name)
def test_theta_has_its_unit_and_its_uncertainty(structure: Any) -> None:
    """Scaling all joules scales watts and joules, and leaves seconds alone."""
    model = StructureModel(structure, 1.0, SOUND, Spread(0.03, 0.05))
    runs = table(3)
    h = structure.shape(runs)
    shifted = dataclasses.replace(runs, y=runs.y + np.log(1 + 0.2 * h / np.abs(h).max()))
    large = dataclasses.replace(shifted, power_w=shifted.power_w * 1000, idle_w=40_000.0)
    one, other = model.fit(shifted), model.fit(large)
    by = {"W": 1000.0, "J": 1000.0, "s": 1.0}[structure.unit]
    assert other.theta == pytest.approx(by * one.theta, rel=1e-6)
    assert other.theta_sd == pytest.approx(by * one.theta_sd, rel=1e-6)
    assert other.log_evidence - one.log_evidence == pytest.approx(0.0, abs=1e-6) or (
        structure.sd(shifted) != structure.sd(large)
    )


def test_theta_covers_the_truth() -> None:
    model = StructureModel(STRUCTURES[0], 1.0, SOUND, Spread(0.03, 0.05))
    inside = 0
    for seed in range(200):
        runs = table(seed)
        runs = dataclasses.replace(runs, y=runs.y + np.log(1 + 12.0 / runs.power_w))
        found = model.fit(runs)
        inside += abs(found.theta - 12.0) < 1.96 * found.theta_sd
    assert inside >= 180  # the workload effect's prior is wider than what was simulated


#: As many campaigns of each as the suite has time for; the script makes more.
SIMULATIONS = 8


@pytest.mark.parametrize("fault", accuracy.METERS)
def test_a_fault_is_named_in_spite_of_an_effect_of_the_workload(fault: str) -> None:
    share, _, instead = accuracy.accuracy(fault, SIMULATIONS, seed=1)
    assert share >= 0.75, instead


def test_a_missing_part_needs_the_parts_energy() -> None:
    design = accuracy.grid(np.random.default_rng(5))
    runs = design.runs(design.e - design.dram)
    assert diagnose(runs).name == "missing dram"
    blind = diagnose(dataclasses.replace(runs, parts_j={}))
    assert "missing dram" not in blind.name


def test_what_one_duration_cannot_tell_apart_is_named_together() -> None:
    rng = np.random.default_rng(0)
    power = np.repeat([60.0, 120.0, 240.0], 6)
    seconds = np.full(power.size, 10.0)
    e = power * seconds
    runs = Runs(
        (e + 20 * seconds) * np.exp(rng.normal(0, 0.005, e.size)),
        e, seconds, [f"w{p:.0f}" for p in power],
    )  # fmt: skip
    found = diagnose(runs)
    assert set(found.alternatives) == {"idle offset", "fixed energy"}
    assert found.probability is not None and found.probability >= 0.95 and found.conclusive
    assert "cannot be told apart here; a run of" in found.reasons[0]
    # With the run it asks for, they can.
    more = Runs(
        np.append(runs.probe_j, [(240 + 20) * 100.0, (60 + 20) * 100.0] * 2),
        np.append(runs.reference_j, [240 * 100.0, 60 * 100.0] * 2),
        np.append(runs.seconds, [100.0] * 4),
        [*runs.workload, *["w240", "w60"] * 2],
    )
    assert diagnose(more).name == "idle offset"


def test_structures_do_not_accuse_a_sound_meter() -> None:
    accused = 0
    for seed in range(100):
        found = diagnose(accuracy.grid(np.random.default_rng([7, seed])).runs(
            accuracy.grid(np.random.default_rng([7, seed])).e
        ))  # fmt: skip
        accused += found.name not in {NO_FAULT, UNEXPLAINED}
    assert accused <= 1


def test_every_structure_says_what_it_is() -> None:
    for model in catalogue(table()):
        assert model.name and model.cause and model.prior > 0
        if isinstance(model, StructureModel):
            assert "{}" not in model.said(model.fit(table()))
