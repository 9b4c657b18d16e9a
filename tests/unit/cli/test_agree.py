"""`crosswatt agree`: what it prints, writes and refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from calibrate.agreement import Agreement, agree, read_table
from calibrate.cli import main
from calibrate.cli.agree import show

DATA = Path(__file__).parents[2] / "data"
SAMPLE = DATA / "agree.csv"
U = {"wall_j": "wall_u_j", "codecarbon_j": "codecarbon_u_j"}


@pytest.fixture(scope="module")
def found() -> Agreement:
    test = ["codecarbon_j", "rapl_j"]
    return agree(read_table(SAMPLE), reference="wall_j", test=test, group="workload", u=U)


def shown(found: Agreement) -> str:
    """Return what a terminal shows."""
    file = io.StringIO()
    show(found, Console(file=file, width=110, highlight=False, soft_wrap=True))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def test_the_terminal_shows_what_it_showed_before(found: Agreement) -> None:
    """Remake tests/data/agree.txt on purpose only, and read the difference."""
    assert shown(found) == (DATA / "agree.txt").read_text(encoding="utf-8")


def test_a_big_factor_is_said_as_a_number(found: Agreement) -> None:
    table = read_table(SAMPLE)
    table["rapl_j"] *= 1000
    text = shown(agree(table, reference="wall_j", test=["rapl_j"]))
    assert "rapl_j / wall_j is 905 (855 to" in text
    assert "% more on average" not in text


def test_a_meter_without_a_ratio() -> None:
    table = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.5], "b": [0.0, 2.1, 2.9, 4.4]})
    text = shown(agree(table, reference="a", test=["b"]))
    assert "There is no ratio. b is 0 in row 0; a ratio needs energies above zero." in text
    assert "Deming through the origin" in text


def test_names_are_shown_as_they_are() -> None:
    names = ["[bold]$x^2$ & $y$", "<i>", "[/]"]
    table = pd.DataFrame({name: [10.0 + i, 20, 30, 41, 52] * 3 for i, name in enumerate(names)})
    assert f"{names[0]} / {names[1]} is" in shown(agree(table, reference=names[1], test=[names[0]]))
    assert f"sd of the error of {names[0]}" in shown(agree(table, reference=None, test=names))


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "out.html"
    asked = ["agree", str(SAMPLE), "--reference", "wall_j", "--group", "workload"]
    asked += ["--test", "codecarbon_j", "--test", "rapl_j", "--uncertainty", "wall_j=wall_u_j"]
    asked += ["--uncertainty", "codecarbon_j=codecarbon_u_j", "--report", str(report)]
    assert main(asked) == 0
    assert "codecarbon_j / wall_j is 0.917 (0.901 to 0.933, 95 %)" in capsys.readouterr().out
    assert report.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_json_margin_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["agree", str(SAMPLE), "--reference", "wall_j", "--test", "codecarbon_j", "--json"]
    assert main([*asked, "--margin", "0.12", "--level", "90%"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["margin"], told["level"]) == (0.12, 0.9)
    assert told["meters"][0]["equivalence"]["state"] == "pass"
    assert told["meters"][0]["ratio"]["ratio"]["level"] == 0.9


@pytest.mark.parametrize(
    "more, why",
    [
        (["--test", "wall_j", "--test", "rapl_j"], "three meters or more, not 2"),
        ([], "no meter to test"),
        (["--reference", "wall", "--test", "rapl_j"], "did you mean wall_j"),
        (["--test", "rapl_j", "--margin", "small"], "--margin 'small' is not a share"),
        (["--test", "rapl_j", "--level", "1"], "The level is 1;"),
        (["--test", "rapl_j", "--uncertainty", "u"], "'u' is not COLUMN=UCOLUMN"),
    ],
)
def test_refused(more: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agree", str(SAMPLE), *more]) == 64
    assert why in capsys.readouterr().err


def test_refused_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--reference", "wall_j", "--test", "rapl_j"]
    assert main(["agree", str(tmp_path / "none.csv"), *asked]) == 64
    assert "none.csv: it cannot be read" in capsys.readouterr().err
    there = str(tmp_path / "no-folder" / "out.html")
    assert main(["agree", str(SAMPLE), *asked, "--report", there]) == 64
    assert "No such file or directory" in capsys.readouterr().err
