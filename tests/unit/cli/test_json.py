"""`--json`: standard output holds one JSON document, whatever else is printed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from calibrate import studies
from calibrate.cli import main
from tests.helpers.campaigns import Fake, build, domain, truth


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    good = Fake(lambda w, s: w * s, domain())
    return build(tmp_path / "campaign", {"truth": truth(), "good": good})


def run(script: str) -> tuple[str, str]:
    """Run Python; return its standard output and standard error."""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


def test_what_is_printed_meanwhile_goes_to_standard_error() -> None:
    script = """
import subprocess, sys
from calibrate.cli.console import out, print_json, stdout_for_json
with stdout_for_json(True):
    out.print("progress")
    subprocess.run(["echo", "of a program"], check=True)
print_json("{}")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "{}\n"
    assert sorted(done.stderr.splitlines()) == ["of a program", "progress"]


def test_without_json_all_goes_to_standard_output() -> None:
    script = """
from calibrate.cli.console import out, stdout_for_json
with stdout_for_json(False):
    out.print("progress")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("progress\n", "")


def test_align_writes_a_folder_and_prints_json_only(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # This campaign is too short to align; what is written is another test's.
    monkeypatch.setattr(studies, "write_aligned", lambda _campaign, _clocks, target: target.mkdir())
    target = tmp_path / "aligned"
    line = ["align", str(folder), "--reference", "truth", "--json", "--out", str(target)]
    assert main(line) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["kind"] == "clocks"
    assert "".join(printed.err.split()) == f"Written:{target}"
    assert target.is_dir()


def test_conformance_prints_earlier_results_and_writes_them_in_each_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = Path(__file__).parents[3] / "reports" / "examples" / "conformance" / "meters.json"
    files = [tmp_path / name for name in ("a.json", "b.html", "c.xml")]
    outs = [word for file in files for word in ("--out", str(file))]
    code = main(["conformance", "--from", str(earlier), "--json", *outs])
    assert code == 1  # some of those meters are silently wrong
    printed = capsys.readouterr().out
    assert json.loads(printed) == json.loads(earlier.read_text())
    assert files[0].read_text() == printed
    assert files[1].read_text().startswith("<!doctype html>")
    assert files[2].read_text().startswith("<?xml")
