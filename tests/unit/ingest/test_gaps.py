"""Logs of differences with intervals missing: a gap is a gap, and not nothing used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibrate.ingest.divide import between, find_gaps, labelled
from calibrate.ingest.feed import Window
from tests.helpers.cases import shared_case
from tests.helpers.imports import imported, joules

MAPPING = """[time]
column = "time"
[[value]]
column = "joules"
unit = "J"
kind = "delta"
scope = "node"
probe = "meter"
"""


def test_intervals_that_are_missing_are_a_gap() -> None:
    at = np.array([0, 1, 2, 3, 4, 9, 10, 11, 12, 13, 14])
    assert find_gaps(at) == [(4, 9)]
    assert find_gaps(np.array([0, 1, 2, 3, 4, 6, 7, 8])) == []


def test_instants_without_an_order_of_their_own_have_no_gaps() -> None:
    assert find_gaps(np.array([0, 1, 3, 9, 10, 14, 30, 31, 45])) == []
    assert find_gaps(np.array([0, 1, 9])) == []


def test_a_window_is_cut_by_gaps_and_by_labels() -> None:
    whole = Window("measured", 0, 100)
    found = between(whole, [(20, 30), (25, 40), (90, 120)])
    assert [(each.begin_ns, each.end_ns) for each in found] == [(0, 20), (40, 90)]
    runs = labelled(whole, [("Train 1", -5, 40), ("", 40, 60), ("b", 90, 120), ("c", 120, 130)])
    told = [(each.workload, each.begin_ns, each.end_ns) for each in runs]
    assert told == [("train-1", 0, 40), ("measured", 40, 60), ("b", 90, 100)]


def test_a_gap_ends_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, mapping = tmp_path / "log.csv", tmp_path / "m.toml"
    mapping.write_text(MAPPING)
    seconds = [*range(20), *range(40, 60)]
    rows = (f"2025-01-01T00:00:{second:02d}Z,100\n" for second in seconds)
    log.write_text("time,joules\n" + "".join(rows))
    found = imported(tmp_path / "out", "csv", log, "--mapping", mapping)
    assert [joules(run, "meter", "node") for run in found] == [1900, 1900]
    assert "a gap from 2025-01-01 00:00:19 UTC" in " ".join(capsys.readouterr().out.split())
    assert not list((tmp_path / "out").glob("whole"))


def test_the_case_of_a_gap(tmp_path: Path) -> None:
    log = shared_case("analysis/08-gap-delta.csv")
    found = imported(tmp_path / "out", "csv", log, "--mapping", log.with_suffix(".toml"))
    powers = [joules(run, "meter", "node") / run.record.seconds for run in found]
    assert powers == pytest.approx([100, 100])
