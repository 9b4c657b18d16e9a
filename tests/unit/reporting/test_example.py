"""The campaign in ``reports/examples/first``: commands that read a folder need no measuring."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from calibrate.analysis import analyze
from calibrate.cli import main
from calibrate.diagnosis import NO_FAULT

ROOT = Path(__file__).parents[3]
FIRST = ROOT / "reports" / "examples" / "first"
OLD = "codecarbon-1.2.0"


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A copy, since commands write into a folder."""
    return Path(shutil.copytree(FIRST, tmp_path / "first"))


def test_it_is_small_and_names_no_place_of_the_machine_that_made_it() -> None:
    files = [path for path in FIRST.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 1_000_000
    assert not any(b"/root" in path.read_bytes() for path in files)


def test_it_shows_the_founding_fault_beside_sound_meters() -> None:
    analysis = analyze(FIRST)
    assert analysis.comparison.simulated and analysis.comparison.reference == "truth"
    assert "scale 1e-3" in analysis[OLD].diagnosis.name
    sound = [f for f in analysis if f.headline and f.probe != OLD]
    assert {f.probe for f in sound} == {"codecarbon", "powerapi", "pyjoules", "rapl"}
    assert {f.diagnosis.name for f in sound} == {NO_FAULT}


def test_commands_that_read_a_folder_work(first: Path, tmp_path: Path) -> None:
    policy = tmp_path / "gate.toml"
    assert main(["analyze", str(first)]) == 0
    assert main(["report", str(first)]) == 0
    assert "simulated machine" in (first / "report.html").read_text()
    init = ["gate", "--init", str(first), "--out", str(policy), "--need", "10%"]
    assert main(init) == 64  # CodeCarbon 1.2.0 is a thousandth
    assert main([*init, "--accept", "the release of the study"]) == 0
    assert main(["gate", str(first), "--policy", str(policy)]) == 0


def test_the_python_of_the_readme_runs(
    first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [code] = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    examples = tmp_path / "reports" / "examples"
    examples.mkdir(parents=True)
    first.rename(examples / "first")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - that is the test
    assert OLD in capsys.readouterr().out
    assert (tmp_path / "report.html").exists()
