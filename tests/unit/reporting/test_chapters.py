"""Chapters that some reports have: by workload and by socket."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibrate import analysis
from calibrate.energy import headline_column, native_columns
from calibrate.probe.contract import Domain
from calibrate.reporting.chapters.workloads import workload_chapter
from calibrate.stats import limits_of_agreement, limits_of_differences
from tests.helpers.campaigns import LOADS, Fake, build, domain, truth


def test_each_workload_has_a_ratio_and_watts(tmp_path: Path) -> None:
    more = Fake(lambda watts, seconds: (watts + 3.0) * seconds, domain())
    found = workload_chapter(
        analysis.analyze(build(tmp_path / "c", {"truth": truth(), "more": more}))
    )
    assert found is not None
    cells = {row.cells[0]: row.cells[1] for row in found.table.rows}
    assert cells["idle"] == "1.15 (+3 W)" and cells["gemm"] == "1.05 (+3 W)"
    assert cells["limits of agreement"] == "3 to 3 W"
    assert found.words[0].endswith("and as a share in idle (1.15 of the reference).")


def test_levels_stand_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    loads = {"at-13.9": 20.0, "at-2.8": 30.0, "at-100": 40.0}
    made = build(tmp_path / "c", {"truth": truth(), "same": truth()}, loads)
    found = workload_chapter(analysis.analyze(made))
    assert found is not None
    names = [row.cells[0] for row in found.table.rows[:3]]
    assert names == ["at-2.8", "at-13.9", "at-100"]


def test_one_workload_needs_no_table(tmp_path: Path) -> None:
    made = build(tmp_path / "c", {"truth": truth(), "same": truth()}, {"gemm": 60.0})
    assert workload_chapter(analysis.analyze(made)) is None


def test_all_sockets_together_speak_for_a_probe() -> None:
    domains = [Domain(f"dram-{n}", f"dram-{n}", "power", "measured", "wall") for n in (0, 1)]
    found = headline_column(native_columns(domains))
    assert found is not None and (found.name, found.parts) == ("dram", ("dram-0", "dram-1"))
    alone = headline_column(native_columns(domains[:1]))
    assert alone is not None and alone.name == "dram-0"


def test_limits_of_differences_are_those_of_logarithms_on_another_scale() -> None:
    d = np.array([0.1, 0.3, -0.2, 0.25, 0.0, 0.15])
    cluster = ["a", "a", "b", "b", "c", "c"]
    plain, logs = limits_of_differences(d, cluster), limits_of_agreement(d, cluster)
    assert plain.lower and plain.upper and logs.lower and logs.upper and logs.upper.high
    assert plain.sd == logs.sd
    assert plain.lower.value == pytest.approx(np.log(logs.lower.value))
    assert plain.upper.high == pytest.approx(np.log(logs.upper.high))
    far = limits_of_differences(d * 1e4, cluster)  # no ratio of e^1000 is meant
    assert far.upper and far.upper.value == pytest.approx(1e4 * plain.upper.value)


def test_workloads_of_a_campaign_are_all_there(tmp_path: Path) -> None:
    made = build(tmp_path / "c", {"truth": truth(), "same": truth()})
    found = workload_chapter(analysis.analyze(made))
    assert found is not None and found.words == ()  # it is off nowhere
    assert {row.cells[0] for row in found.table.rows} == {*LOADS, "limits of agreement"}
    assert found.table.rows[0].cells[1] == "1 (< 0.001 W)"
