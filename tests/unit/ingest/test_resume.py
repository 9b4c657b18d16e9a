"""An import that was interrupted goes on where it was, and ends as if nothing had been."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from calibrate import store
from calibrate.cli import ingest as imports
from calibrate.cli import main
from calibrate.ingest import folder as folders
from calibrate.ingest import mapping
from calibrate.ingest.folder import PROVENANCE, REJECTED
from tests.unit.ingest.test_formats import MAPPING, sheet

pytest.importorskip("pyarrow", reason="pip install 'crosswatt[import]'")

BEGIN = datetime(2024, 5, 1, 10, tzinfo=UTC)
TIMES = [(BEGIN + timedelta(seconds=n)).isoformat() for n in range(2000)]


class Impatient(imports._Bar):
    """Somebody who presses Ctrl-C after so many readings."""

    after = 0

    def readings(self, count: int) -> None:
        super().readings(count)
        if count >= self.after:
            raise KeyboardInterrupt


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of 2000 lines in blocks of a few, two of them bad, and a checkpoint after each."""
    lines = sheet(TIMES).splitlines()
    lines[300], lines[1500] = "too,short", f"{TIMES[1500]},no watts,1,0.3,on"
    text = "\n".join(lines) + "\n"
    (tmp_path / "mine.csv").write_text(text)
    (tmp_path / "mine.csv.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "map.toml").write_text(MAPPING.format(unit="iso", zone=""))
    monkeypatch.setattr(mapping, "_BLOCK", 4096)
    monkeypatch.setattr(folders, "CHECK_S", -1.0)
    return tmp_path


def importing(place: Path, name: str, out: str) -> int:
    line = ["import", "csv", str(place / name), "--out", str(place / out)]
    return main([*line, "--mapping", str(place / "map.toml")])


def interrupted(
    place: Path, name: str, out: str, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Impatient, "after", after)
        patch.setattr(imports, "_Bar", Impatient)
        assert importing(place, name, out) == 130
    assert not (place / out).exists()


def contents(folder: Path) -> dict[str, bytes]:
    """Everything in a folder but when it was made."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in {PROVENANCE, store.CAMPAIGN}
    }


@pytest.mark.parametrize("name", ["mine.csv", "mine.csv.gz"])
def test_it_ends_as_if_nothing_had_been(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert importing(place, name, "whole") == 0
    for after in (500, 1900, 2500, 4500):  # in the first probe, and in the ones after it
        interrupted(place, name, "again", after, monkeypatch)
        assert "Give the same command again" in capsys.readouterr().err
        assert list(place.glob("*.part"))
    assert importing(place, name, "again") == 0
    assert "Going on after" in capsys.readouterr().out
    assert contents(place / "again") == contents(place / "whole")
    assert len((place / "again" / REJECTED).read_text().splitlines()) > 2
    assert not list(place.glob("*.part"))


@pytest.mark.parametrize(
    "change",
    [
        lambda place: (place / "mine.csv").write_text(sheet(TIMES[:1000])),
        lambda place: (place / "map.toml").write_text(
            MAPPING.format(unit="iso", zone="").replace('unit = "W"', 'unit = "kW"')
        ),
    ],
    ids=["another file", "another mapping"],
)
def test_what_has_changed_begins_anew(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Path], object],
) -> None:
    interrupted(place, "mine.csv", "out", 500, monkeypatch)
    change(place)
    assert importing(place, "mine.csv", "fresh") == 0
    assert importing(place, "mine.csv", "out") == 0
    assert "Going on" not in capsys.readouterr().out
    assert contents(place / "out") == contents(place / "fresh")


def test_without_a_checkpoint_nothing_is_left(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "CHECK_S", 1e9)
    interrupted(place, "mine.csv", "out", 500, monkeypatch)
    assert not list(place.glob("*.part"))


def test_many_runs_need_no_file_each(tmp_path: Path) -> None:
    """CodeCarbon's table has a run a row: thousands of them are ordinary."""
    head = "timestamp,project_name,duration,emissions,energy_consumed"
    rows = [f"{(BEGIN + timedelta(minutes=n)).isoformat()},train,30,0.1,0.001" for n in range(1500)]
    (tmp_path / "emissions.csv").write_text("\n".join([head, *rows]) + "\n")
    out = tmp_path / "out"
    assert main(["import", "codecarbon", str(tmp_path / "emissions.csv"), "--out", str(out)]) == 0
    assert len(store.load_campaign(out).runs) == 1500
    assert len(list(out.rglob("*"))) < 100
