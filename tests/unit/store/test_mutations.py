"""Damaged folders: a sentence or a result, never an internal error, and nothing outside changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate import cli
from tests.faults import mutations


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sound")
    mutations.make_sound(place)
    return place


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_a_damaged_folder_is_read_or_refused(sound: Path, first: int) -> None:
    found = mutations.trials(sound, range(first, first + 10))
    assert [(each.what, [*each.faults]) for each in found if [*each.faults]] == []
    assert {each.taken.code for each in found} <= {0, 1, 2, 64}


def test_the_harness_sees_what_it_looks_for(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(arguments: list[str]) -> int:
        (sound / "table.csv").write_text("changed")
        raise ZeroDivisionError(arguments)

    monkeypatch.setattr(cli, "main", broken)
    faults = [*mutations.trials(sound, [1])[0].faults]
    assert "ZeroDivisionError" in faults[0] and faults[1].startswith("changed something outside")
