"""The cell magic, in IPython's own shell, beside a synthetic probe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calibrate import analysis, store
from calibrate.campaign import Pause, session
from tests.helpers.campaigns import Fake, build, domain, truth
from tests.helpers.host import blur_j

pytest.importorskip("IPython")


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A shell with the extension, as a notebook has it."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setattr(session, "PAUSE", Pause(0.1, 0.1))
    monkeypatch.chdir(tmp_path)
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    assert run(made, "%load_ext calibrate")
    yield made
    InteractiveShell.clear_instance()


def run(shell: Any, text: str) -> bool:
    return bool(shell.run_cell(text).success)


def measured(shell: Any, line: str, cell: str) -> bool:
    return run(shell, f"%%crosswatt {line}\n{cell}")


WORK = """
import time, calibrate
with calibrate.mark("train", epoch=1) as phase:
    time.sleep(0.3)
    phase.values["wer"] = 0.5
answer = 6 * seven
"""


def test_a_cell_is_measured_where_its_variables_live(
    shell: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.user_ns["seven"] = 7
    assert measured(shell, "--probe synthetic --out c", WORK)
    assert shell.user_ns["answer"] == 42
    campaign = store.load_campaign(tmp_path / "c")
    [done] = campaign.runs
    assert (done.record.workload, done.record.exit_code) == ("cell", 0)
    [phase] = done.record.phases
    assert (phase.name, phase.values) == ("train[1]", {"epoch": 1, "wer": 0.5})
    assert done.record.begin_ns <= phase.begin_ns < phase.end_ns <= done.record.end_ns
    assert (done.folder / "cell.py").read_text() == WORK
    assert campaign.probes["synthetic"].status == "ok"
    # Ten watts over the cell, as the table says.
    said = capsys.readouterr().out.splitlines()
    assert f"cell: {done.record.seconds:.3g} s, c/001-cell" in said
    row = next(line for line in said if line.startswith("synthetic"))
    expected_j = 10 * done.record.seconds
    within_j = 0.01 * expected_j + blur_j(done.logs["synthetic"], 10)
    assert float(row.split()[-1]) == pytest.approx(expected_j, abs=within_j)


def test_another_cell_is_another_run(shell: Any, tmp_path: Path) -> None:
    for line in ("--probe synthetic", "", "--name test", ""):
        assert measured(shell, f"{line} --out c", "pass")
    runs = store.load_campaign(tmp_path / "c").runs
    assert [(r.folder.name, r.record.repeat) for r in runs] == [
        ("001-cell", 1), ("002-cell", 2), ("003-test", 1), ("004-cell", 3)
    ]  # fmt: skip
    assert analysis.analyze(tmp_path / "c", reference="synthetic").comparison.runs == 4


def test_a_cell_that_fails_is_no_success_and_is_kept(
    shell: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not measured(shell, "--probe synthetic --out c", "1 / 0")
    said = "".join(capsys.readouterr())
    assert "ZeroDivisionError" in said and "its run is kept, and left out" in said
    [done] = store.load_campaign(tmp_path / "c").runs
    assert done.record.exit_code == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--probe sinthetic --out c", "did you mean synthetic"),
        ("--bench desktop", "unrecognized arguments: --bench desktop"),
        ("--name a/b --out c", "letters, digits and dashes"),
        ("--probe truth --out c", "No probe works here"),
        ("--out full", "is not empty, and no campaign"),
        ("--out other", "is a campaign of 'crosswatt run'"),
    ],
)
def test_a_refusal_is_a_sentence_and_nothing_is_run(
    shell: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, words: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    build(tmp_path / "other", {"truth": truth(), "m": Fake(lambda w, s: w * s, domain())})
    assert not measured(shell, line, "ran = True")
    said = "".join(capsys.readouterr())
    assert words in " ".join(said.split()) and "Traceback" not in said
    assert "ran" not in shell.user_ns
    assert not (tmp_path / "c").exists()


def test_other_probes_need_another_folder(
    shell: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measured(shell, "--probe synthetic --out c", "pass")
    assert not measured(shell, "--probe rapl --out c", "pass")
    assert "was begun with synthetic" in "".join(capsys.readouterr())


def test_an_interrupted_cell_leaves_nothing(shell: Any, tmp_path: Path) -> None:
    assert not measured(shell, "--probe synthetic --out new", "raise KeyboardInterrupt")
    assert not (tmp_path / "new").exists()
    assert measured(shell, "--probe synthetic --out c", "pass")
    assert not measured(shell, "--out c", "raise KeyboardInterrupt")
    assert [run.folder.name for run in store.load_campaign(tmp_path / "c").runs] == ["001-cell"]
    assert not (tmp_path / "c" / "002-cell").exists()
