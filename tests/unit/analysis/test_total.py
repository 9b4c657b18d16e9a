"""The total that a meter makes of its columns is compared with the references of all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from calibrate import analysis
from calibrate.analysis import Analysis
from calibrate.diagnosis import FAULTY_PART, NO_FAULT, Severity
from calibrate.probe import Domain
from tests.helpers.campaigns import Fake, build, domain


def part(share: float, scope: str, name: str = "", family: str = "truth") -> Fake:
    """A column with a share of the power; memory and GPUs do not follow the packages."""
    own = replace(domain(scope, family, "window"), name=name or scope)
    return Fake(lambda watts, seconds: share * watts * seconds, own)


def memory(factor: float, scope: str, name: str = "", family: str = "truth") -> Fake:
    own = replace(domain(scope, family, "window"), name=name or scope)
    return Fake(lambda watts, seconds: factor * (2 + watts**2 / 500) * seconds, own)


def tracker(ram: float, gpu: float) -> Fake:
    """A tracker as CodeCarbon: three columns, and the total of them."""
    total = Domain("energy", "system", "window", "modelled", "model", sum_of=("cpu", "ram", "gpu"))
    made = Fake(
        lambda watts, seconds: (watts + ram * (2 + watts**2 / 500) + gpu * 3 * watts) * seconds,
        total,
    )
    cpu = part(1.0, "package", "cpu", "rapl")
    more = (memory(ram, "dram", "ram", "model"), part(3 * gpu, "gpu", "gpu", "nvml"), made)
    return replace(cpu, more=more)


def campaign(
    folder: Path, *, gpu_known: bool = True, ram: float = 1.0, gpu: float = 1.0
) -> Analysis:
    more = (memory(1.0, "dram"), *([part(3.0, "gpu")] if gpu_known else []))
    fakes = {"truth": replace(part(1.0, "package"), more=more), "tracker": tracker(ram, gpu)}
    return analysis.analyze(build(folder / "c", fakes))


def test_a_total_is_compared_with_all_of_its_parts_together(tmp_path: Path) -> None:
    found = campaign(tmp_path)
    total = found["tracker", "energy"]
    assert total.pair.parts == ("cpu", "ram", "gpu")
    row = total.pair.rows[0]
    assert row.reference_j == pytest.approx((4 * 20 + 2 + 20**2 / 500) * 5)
    assert total.diagnosis.name == NO_FAULT
    assert found.probe_verdict("tracker").sound
    assert found["tracker"].column == "cpu"


def test_a_total_whose_parts_the_reference_lacks_is_not_covered(tmp_path: Path) -> None:
    found = campaign(tmp_path, gpu_known=False)
    verdict = found.probe_verdict("tracker")
    assert {each.column: each.missing_scope for each in verdict.not_covered} == {
        "gpu": "gpu",
        "energy": "gpu",
    }
    assert ("tracker", "energy") not in found


def test_a_total_with_a_dead_part_says_so_and_gets_no_factor(tmp_path: Path) -> None:
    found = campaign(tmp_path, gpu=0.0)
    verdict = found.probe_verdict("tracker")
    assert verdict.worst is not None
    assert (verdict.worst.column, verdict.severity) == ("gpu", Severity.DEAD)
    total = found["tracker", "energy"]
    assert (total.diagnosis.name, total.diagnosis.faulty_parts) == (FAULTY_PART, ("gpu",))
    assert total.correction.verdict == "not calibratable"
    assert "gpu" in total.correction.reason


def test_half_of_the_memory_is_found_although_processors_are_right(tmp_path: Path) -> None:
    found = campaign(tmp_path, ram=0.5)
    worst = found.probe_verdict("tracker").worst
    assert worst is not None
    assert (worst.column, worst.severity) == ("ram", Severity.FAULT)
    assert found["tracker", "cpu"].diagnosis.name == NO_FAULT
