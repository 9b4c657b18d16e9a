"""A part is never above the whole that it is in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from calibrate import analysis
from calibrate.cli import main
from calibrate.comparison import PairedRun
from calibrate.diagnosis import Severity
from calibrate.diagnosis.order import out_of_order
from calibrate.stats import deming
from tests.helpers.campaigns import Fake, build, domain
from tests.helpers.cases import shared_case

LOADS_W = (40.0, 80.0, 120.0, 160.0, 200.0)


def runs(
    part_w: Sequence[float], whole_w: Sequence[float], u_whole_j: float = 0.1
) -> list[PairedRun]:
    return [
        PairedRun(run=f"{n:03d}-load{n}", workload=f"load{n}", repeat=1, seconds=10.0,
                  probe_j=10 * part, reference_j=10 * whole, u_reference_j=u_whole_j)
        for n, (part, whole) in enumerate(zip(part_w, whole_w, strict=True), 1)
    ]  # fmt: skip


def test_one_run_with_more_than_the_whole_is_a_fault_and_the_evidence_is_told() -> None:
    whole = [100 + 1.1 * watts for watts in LOADS_W]
    found = out_of_order("package", "node", runs((300.0, *LOADS_W[1:]), whole), None, 0.0)
    assert found is not None
    assert (found.key, found.name) == ("part-above-whole", "part above its whole")
    assert found.sentence.startswith(
        "package shows 300 W where the whole node has 144 W (run 001-load1; in 1 of 5 runs)"
    )


def test_a_part_within_the_uncertainty_of_its_whole_is_in_order() -> None:
    near = [1.03 * watts for watts in LOADS_W]
    assert out_of_order("gpu", "node", runs(near, LOADS_W), None, 0.0) is not None
    assert out_of_order("gpu", "node", runs(near, LOADS_W, 30.0), None, 0.0) is None
    assert out_of_order("gpu", "node", runs(near, LOADS_W), None, 0.02) is None


def test_an_intercept_below_zero_is_a_fault_though_no_run_shows_it() -> None:
    rng = np.random.default_rng(3)
    part = np.repeat(LOADS_W, 3)
    whole = 1.9 * part - 30 + rng.normal(0, 0.5, part.size)
    line = deming(part, whole)
    found = out_of_order("package", "node", runs(part.tolist(), whole.tolist()), line, 0.0)
    assert found is not None
    assert found.sentence.startswith("At rest node would have 30")
    whole = 1.9 * part + rng.normal(0, 0.5, part.size)
    rows = runs(part.tolist(), whole.tolist())
    assert out_of_order("package", "node", rows, deming(part, whole), 0.0) is None


def test_packages_above_their_node_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = shared_case("imports/13-part-above-the-whole")
    monkeypatch.chdir(tmp_path)
    for words in (
        f"import ptd {case / 'node.txt'} --zone UTC --out n --name bmc",
        f"import csv {case / 'pkg.csv'} --mapping {case / 'p.toml'} --out k",
        "merge n k --out j",
    ):
        assert main(words.split()) == 0
    capsys.readouterr()
    found = analysis.analyze("j", "bmc", across=True)
    verdict = found.probe_verdict("likwid")
    assert verdict.severity is Severity.FAULT
    assert verdict.worst is not None
    assert "package shows 146 W where the whole node has 102 W" in verdict.worst.diagnosis.sentence
    plain = analysis.analyze("j", "bmc")
    worst = plain.probe_verdict("likwid").worst
    assert worst is not None and worst.diagnosis.key == "part-above-whole"


def test_a_part_above_its_whole_is_seen_though_the_reference_lacks_its_scope(
    tmp_path: Path,
) -> None:
    node = Fake(lambda w, s: 2 * w * s, domain("node", "wall"))
    sound = Fake(lambda w, s: w * s, domain("package-0"), more=(cards(0.5),))
    wrong = Fake(lambda w, s: w * s, domain("package-0"), more=(cards(3.0),))
    folder = build(tmp_path / "c", {"wall": node, "sound": sound, "wrong": wrong})
    found = analysis.analyze(folder, "wall")
    assert {(pair.probe, pair.column) for pair in found.comparison.pairs} == {("wrong", "gpu-0")}
    verdict = found.probe_verdict("wrong")
    assert verdict.severity is Severity.FAULT and verdict.worst is not None
    assert "gpu-0 shows 180 W where the whole node has 120 W" in verdict.worst.diagnosis.sentence
    assert found.probe_verdict("sound").severity is Severity.NOT_COMPARED
    assert found.calibration.corrections[0].verdict == "not calibratable"


def test_a_sum_of_the_reference_is_no_whole_of_what_it_lacks(tmp_path: Path) -> None:
    """Its packages are those that it has: another one may have more than these."""
    one = Fake(lambda w, s: w * s, domain("package-0", "truth"))
    other = Fake(lambda w, s: 5 * w * s, domain("package-1"))
    folder = build(tmp_path / "c", {"truth": one, "meter": other})
    assert analysis.analyze(folder).comparison.pairs == ()


def cards(of: float) -> Fake:
    """Return a column of a GPU that has a share of the load."""
    return Fake(lambda w, s: of * w * s, domain("gpu-0", "nvml"))
