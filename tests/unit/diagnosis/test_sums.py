"""A sum takes its findings from its parts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from calibrate.diagnosis import (
    FAULTY_PART,
    NO_FAULT,
    Diagnosis,
    Runs,
    Severity,
    diagnose,
    of_sum,
    severity_of,
)

LOADS_W = {"idle": 20.0, "gemm": 160.0, "copy": 90.0, "square": 120.0}
#: What each part uses of a load, W: memory does not follow the packages.
MEMORY_W = {"idle": 4.0, "gemm": 6.0, "copy": 20.0, "square": 5.0}
WORKLOADS = [name for name in LOADS_W for _ in range(3)]
SECONDS = np.linspace(8.0, 12.0, len(WORKLOADS))
PACKAGE_J = np.array([LOADS_W[name] for name in WORKLOADS]) * SECONDS
MEMORY_J = np.array([MEMORY_W[name] for name in WORKLOADS]) * SECONDS


def found(probe_j: np.ndarray, reference_j: np.ndarray) -> Diagnosis:
    noise = np.random.default_rng(1).normal(0, 0.002, probe_j.size)
    return diagnose(Runs(probe_j * np.exp(noise), reference_j, SECONDS, WORKLOADS))


def summed(package: float, memory: float) -> tuple[Diagnosis, Mapping[str, Diagnosis]]:
    """Return a sum whose parts are off by these factors, and the parts."""
    whole = found(package * PACKAGE_J + memory * MEMORY_J, PACKAGE_J + MEMORY_J)
    parts = {
        "package-0": found(package * PACKAGE_J, PACKAGE_J),
        "dram-0": found(memory * MEMORY_J, MEMORY_J),
    }
    return of_sum(whole, parts), parts


def test_a_sum_of_sound_parts_is_sound() -> None:
    whole, _ = summed(1.0, 1.0)
    assert (whole.name, whole.faulty_parts) == (NO_FAULT, ())


def test_a_sum_with_one_part_too_large_takes_its_name_from_it() -> None:
    whole, parts = summed(1.0, 33.0)
    assert parts["package-0"].name == NO_FAULT
    assert (whole.name, whole.key, whole.faulty_parts) == (FAULTY_PART, "faulty-part", ("dram-0",))
    assert whole.conclusive
    assert whole.sentence == (
        f"Its part dram-0 ({parts['dram-0'].name}) is at fault. The other shows no fault."
    )
    assert whole.factor is None


def test_a_sum_with_a_dead_part_is_at_fault_however_small_the_part() -> None:
    whole, parts = summed(1.0, 0.0)
    assert severity_of(parts["dram-0"]) is Severity.DEAD
    assert (whole.name, whole.faulty_parts) == (FAULTY_PART, ("dram-0",))
    sound = found(PACKAGE_J, PACKAGE_J)
    assert of_sum(sound, {"a": sound, "b": parts["dram-0"]}).name == FAULTY_PART


def test_a_part_that_is_far_off_is_at_fault_though_no_load_shows_why() -> None:
    rest_j = 4.0 * SECONDS
    part = diagnose(Runs(33 * rest_j, rest_j, SECONDS, WORKLOADS))
    assert severity_of(part) is Severity.UNEXPLAINED
    other = found(MEMORY_J, MEMORY_J)
    whole = found(33 * rest_j + MEMORY_J, rest_j + MEMORY_J)
    assert of_sum(whole, {"dram-0": part, "dram-1": other}).faulty_parts == ("dram-0",)


def test_a_slip_in_all_parts_is_the_slip_of_the_sum() -> None:
    whole, _ = summed(1e-3, 1e-3)
    assert whole.name.startswith("scale 1e-3")
    assert whole.factor == 1e-3


def test_a_sum_that_agrees_although_a_part_does_not_says_so() -> None:
    sound, off = found(PACKAGE_J, PACKAGE_J), found(0.8 * MEMORY_J, MEMORY_J)
    whole = of_sum(sound, {"package-0": sound, "dram-0": off})
    assert (whole.name, whole.faulty_parts) == (NO_FAULT, ("dram-0",))
    assert whole.reasons[-1].startswith("Its part dram-0 (constant gain) is at fault; the sum")


def test_a_meter_that_counts_nothing_at_all_is_dead_after_two_runs() -> None:
    two = Runs([0.0, 0.0], [3000.0, 5000.0], [9.0, 9.0], ["a", "b"])
    assert diagnose(two).name == "no energy counted"


def test_a_meter_whose_step_is_longer_than_the_runs_is_not_tried_and_not_at_fault() -> None:
    runs = Runs(
        np.array([0.0, 3600.0, 0.0, 0.0]), [900.0, 1000.0, 1100.0, 950.0], [9.0] * 4, list("aabb"),
        resolution_j=3600.0,
    )  # fmt: skip
    short = diagnose(runs)
    assert short.least_s is not None
    assert severity_of(short) is Severity.UNTRIED
