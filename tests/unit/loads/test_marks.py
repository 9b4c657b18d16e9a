"""Marks of a user's own program: printed when it is measured, silent otherwise."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import calibrate
from calibrate import store
from calibrate.campaign import Pause, Source, perform_run
from calibrate.loads import PREFIX, VARIABLE, Phase, marks_taken
from calibrate.store import Job

ROOT = Path(__file__).parents[3]
STEADY = Source("steady", ROOT / "tests" / "adapters" / "steady.py")
DOCS = (ROOT / "docs" / "workloads.md").read_text()


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "1")


def printed(text: str) -> list[dict[str, object]]:
    assert all(line.startswith(PREFIX) for line in text.splitlines())
    return [json.loads(line.removeprefix(PREFIX)) for line in text.splitlines()]


def test_a_mark_is_a_phase(measured: None, capsys: pytest.CaptureFixture[str]) -> None:
    with calibrate.mark("train", epoch=3) as phase:
        phase.values["wer"] = np.float32(0.25)  # type: ignore[assignment]  # as libraries give
        phase.work, phase.unit = 12.0, "utterance"
    [told] = printed(capsys.readouterr().out)
    assert told.pop("begin_ns") < told.pop("end_ns")  # type: ignore[operator]
    assert told == {
        "mark": "phase", "name": "train[3]", "work": 12.0, "unit": "utterance",
        "values": {"epoch": 3, "wer": 0.25},
    }  # fmt: skip


def test_a_mark_may_begin_and_end_by_calls(
    measured: None, capsys: pytest.CaptureFixture[str]
) -> None:
    phase = calibrate.mark("load")
    phase.begin()
    phase.end()
    phase.begin().end()
    assert [each["name"] for each in printed(capsys.readouterr().out)] == ["load", "load"]
    with pytest.raises(RuntimeError, match=r"'load' ends without a beginning"):
        phase.end()


def test_nothing_is_said_to_nobody(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with calibrate.mark("train", epoch=0):
        pass
    assert capsys.readouterr().out == ""


def test_a_phase_that_is_broken_off_is_none(
    measured: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ZeroDivisionError), calibrate.mark("train", epoch=0):
        raise ZeroDivisionError
    assert capsys.readouterr().out == ""


def test_an_index_is_one_whole_number() -> None:
    assert calibrate.mark("train", step=np.int64(7)).name == "train[7]"
    for index in ({"epoch": 1.5}, {"epoch": "one"}, {"epoch": 1, "batch": 2}):
        with pytest.raises(TypeError, match="a phase has one index, a whole number such as"):
            calibrate.mark("train", **index)


def test_who_takes_marks_gets_them_instead(
    measured: None, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[Phase] = []
    with marks_taken(found.append), calibrate.mark("train", index=2):
        pass
    assert [each.name for each in found] == ["train[2]"]
    assert capsys.readouterr().out == ""


def test_marks_cost_a_training_script_no_library() -> None:
    heavy = ("numpy", "pydantic", "multiprocessing", "argparse", "IPython")
    code = f"import calibrate, sys; calibrate.mark; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def does(folder: Path, script: str) -> store.Run:
    """Run a program of the user's own as `crosswatt run -- python FILE` does."""
    path = folder / "train.py"
    path.write_text(script)
    place = folder / "run"
    place.mkdir()
    job = Job(folder="-", number=1, workload="command", arguments=(sys.executable, str(path)))
    perform_run(job, [STEADY], place, Pause(0.1, 0.1))
    return store.load_run(place)


@pytest.mark.parametrize("heading", ["With marks", "With `calibrate.mark`"])
def test_the_examples_in_the_docs_run(tmp_path: Path, heading: str) -> None:
    """Ten lines each, as they stand there."""
    [script] = re.findall(rf"### {re.escape(heading)}\n.*?```python\n(.*?)```", DOCS, re.DOTALL)
    assert len(script.strip().splitlines()) <= 10
    assert ("calibrate" in script) == ("calibrate" in heading)
    done = does(tmp_path, script)
    log = (done.folder / "output.log").read_text()
    assert (done.record.exit_code, PREFIX in log) == (0, False), log
    names = [phase.name for phase in done.record.phases]
    assert names == ["train[0]", "train[1]", "train[2]"]
    for phase in done.record.phases:
        assert done.record.begin_ns <= phase.begin_ns < phase.end_ns <= done.record.end_ns
        assert isinstance(phase.values["loss"], float)


def test_a_mark_behind_a_progress_bar_is_taken(tmp_path: Path) -> None:
    """Bars end no line, and go to standard error, which is the same file."""
    script = (
        "import sys, calibrate\n"
        "sys.stderr.write('\\r 45%|####     '); sys.stderr.flush()\n"
        "with calibrate.mark('train', epoch=0): pass\n"
        "print('crosswatt: is the name of it')\n"
    )
    done = does(tmp_path, script)
    assert [phase.name for phase in done.record.phases] == ["train[0]"]
    log = (done.folder / "output.log").read_text()
    assert "45%|####     crosswatt: is the name of it\n" in log
