"""`crosswatt report`: where it writes, and what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate.cli import main
from tests.helpers.campaigns import Fake, build, domain, truth

SAID = "SIMULATED MACHINE. No fault found in 1 of 1 meter.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    good = Fake(lambda w, s: w * s, domain())
    return build(tmp_path / "campaign", {"truth": truth(), "good": good})


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ([], "report.html"),
        (["--format", "markdown"], "report.md"),
        (["-f", "json"], "report.json"),
    ],
)
def test_it_is_written_into_the_folder_and_its_path_is_printed(
    folder: Path, options: list[str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(folder.iterdir())
    assert main(["report", str(folder), *options]) == 0
    assert capsys.readouterr().out == f"{SAID}Report: {folder / name}\n"
    assert set(folder.iterdir()) - before == {folder / name}
    assert "truth" in (folder / name).read_text()


def test_a_report_in_the_folder_changes_no_later_result(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["report", str(folder), "--format", "json", "--out", "-"]
    assert main(line) == 0
    first = capsys.readouterr().out
    for form in ("html", "markdown", "json"):
        assert main(["report", str(folder), "--format", form]) == 0
    capsys.readouterr()
    assert main(line) == 0
    assert capsys.readouterr().out == first


def test_it_goes_where_out_says(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "mine.md"
    assert main(["report", str(folder), "-f", "markdown", "-o", str(target)]) == 0
    assert capsys.readouterr().out == f"{SAID}Report: {target}\n"
    assert not (folder / "report.md").exists()
    assert main(["report", str(folder), "-f", "markdown", "-o", "-"]) == 0
    printed = capsys.readouterr().out
    assert "Report:" not in printed and printed.startswith("#")
