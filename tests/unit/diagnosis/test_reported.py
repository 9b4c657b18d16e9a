"""Faults that users reported are found by library, release and key."""

from __future__ import annotations

import pytest

from calibrate.diagnosis import find_report, load_reports
from calibrate.diagnosis.reported import UserReport
from calibrate.store import Library


def reference(alternatives: list[tuple[str, ...]], library: Library) -> str:
    report = find_report(load_reports(), alternatives, library)
    return report.reference if report else ""


def test_a_report_holds_for_the_releases_that_have_the_fault() -> None:
    said = {
        release: bool(reference([("scale-1e-3",)], Library("codecarbon", release)))
        for release in ("0.9", "1.0.0", "1.2.0", "2.0.0", "3.3.2", "")
    }
    assert said == {
        "0.9": False, "1.0.0": True, "1.2.0": True, "2.0.0": False, "3.3.2": False, "": True,
    }  # fmt: skip


def test_one_of_several_alternatives_is_enough_and_part_of_one_is_not() -> None:
    tracker = Library("carbontracker", "2.4.7")
    both = ("packages-twice", "pue-1.58")
    assert "mirrored dies" in reference([("one-socket",), both], tracker)
    assert "overhead" in reference([("pue-1.58",)], tracker)
    assert not reference([("packages-twice",)], tracker)


def test_a_library_is_found_however_its_name_is_spelt() -> None:
    assert reference([("wrap",)], Library("pyJoules", "0.5.1"))
    assert not reference([("wrap",)], Library("pyjoules-check", "0.5.1"))


def test_libraries_with_a_dash_can_be_listed() -> None:
    listed = UserReport(library="perf-stat", faults=("wrap",), reference="here")
    assert find_report([listed], [("wrap",)], Library("perf_stat")) is listed
    assert find_report([listed], [("wrap",)], Library("perf")) is None


def test_a_report_names_faults_of_the_list() -> None:
    with pytest.raises(ValueError, match="wrap"):
        UserReport(library="x", faults=("wrp",), reference="here")
