"""Many small runs in one file: the same runs as in folders, and folders again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrate import store
from calibrate.analysis.frames import readings_frame
from calibrate.errors import BadFile
from calibrate.ingest import folder as ingest_folder
from tests.helpers.imports import imported

MAPPING = """
[time]
column = "begin"
unit = "s"
[run]
label = "task"
duration = "s"
[[value]]
column = "wall"
unit = "J"
kind = "run"
scope = "node"
probe = "wall"
[[value]]
column = "rapl"
unit = "J"
kind = "run"
scope = "package-0"
probe = "rapl"
"""


def _made(folder: Path, out: str) -> store.Campaign:
    """Import forty runs; `rapl` has nothing of every third, `wall` of every fifth."""
    rows = [
        f"{'ab'[n % 2]},{10**9 + 100 * n},30,{n + 0.1 if n % 5 else ''},{n + 0.7 if n % 3 else ''}"
        for n in range(1, 41)
    ]
    (folder / "t.csv").write_text("\n".join(["task,begin,s,wall,rapl", *rows]) + "\n")
    (folder / "m.toml").write_text(MAPPING)
    imported(folder / out, "csv", folder / "t.csv", "--mapping", folder / "m.toml")
    return store.load_campaign(folder / out)


def _assert_same(one: store.Campaign, other: store.Campaign) -> None:
    assert [run.record for run in one.runs] == [run.record for run in other.runs]
    assert [run.folder.name for run in one.runs] == [run.folder.name for run in other.runs]
    for run, same in zip(one.runs, other.runs, strict=True):
        assert run.logs.keys() == same.logs.keys()
        for name, log in run.logs.items():
            again = same.logs[name]
            assert (log.domains, log.stop, log.library) == (
                again.domains,
                again.stop,
                again.library,
            )
            assert np.array_equal(log.readings.before_ns, again.readings.before_ns)
            assert log.readings.values.keys() == again.readings.values.keys()
            for domain, column in log.readings.values.items():
                assert column.tobytes() == again.readings.values[domain].tobytes()


def test_many_runs_in_one_file_are_the_same_as_in_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = _made(tmp_path, "together")
    assert (tmp_path / "together" / store.BUNDLE).exists()
    assert len([*(tmp_path / "together").rglob("*")]) < 10
    monkeypatch.setattr(ingest_folder, "_BUNDLED", 0)
    apart = _made(tmp_path, "apart")
    assert not (tmp_path / "apart" / store.BUNDLE).exists()
    _assert_same(together, apart)
    for probe in ("wall", "rapl"):
        assert readings_frame(together, probe).equals(readings_frame(apart, probe))


def test_readings_that_were_put_into_files_before_leave_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _made(tmp_path, "whole")
    monkeypatch.setattr(ingest_folder, "_PENDING", 0)
    spilt = _made(tmp_path, "spilt")
    assert len([*(tmp_path / "spilt").rglob("*")]) < 10
    _assert_same(whole, spilt)


def test_a_changed_copy_has_a_folder_for_each_run(tmp_path: Path) -> None:
    made = _made(tmp_path, "out")
    with store.changed_copy(made.folder, tmp_path / "copy"):
        pass
    assert not (tmp_path / "copy" / store.BUNDLE).exists()
    assert (tmp_path / "copy" / made.runs[0].folder.name / store.RUN).exists()
    _assert_same(made, store.load_campaign(tmp_path / "copy"))


def _outside(run: dict[str, Any]) -> None:
    run["folder"] = "../outside"


def _missing(run: dict[str, Any]) -> None:
    run["logs"].popitem()


def _later(run: dict[str, Any]) -> None:
    run["run"]["end_ns"] = 0


def _damaged(run: dict[str, Any]) -> None:
    block = next(d for d in run["logs"]["wall"] if d["doc"] == "readings")
    block["count"] += 1


def _deep(run: dict[str, Any]) -> None:
    run["logs"]["wall"] = [[]]


@pytest.mark.parametrize("change", [_outside, _missing, _later, _damaged, _deep])
def test_a_damaged_run_is_named_by_file_and_line(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    path = _made(tmp_path, "out").folder / store.BUNDLE
    lines = path.read_text().splitlines()
    run = json.loads(lines[1])
    change(run)
    lines[1] = json.dumps(run)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(BadFile, match=r"runs\.jsonl, line 2"):
        store.load_campaign(path.parent)


def test_two_runs_of_one_folder_are_refused(tmp_path: Path) -> None:
    path = _made(tmp_path, "out").folder / store.BUNDLE
    path.write_text(path.read_text() + path.read_text().partition("\n")[0] + "\n")
    with pytest.raises(BadFile, match="is there twice"):
        store.load_campaign(path.parent)


def test_a_bundle_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    path = _made(tmp_path, "out").folder / store.BUNDLE
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BadFile, match=r"runs\.jsonl: run '038-a' is not in it"):
        store.load_campaign(path.parent)


def test_a_bundle_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    path = _made(tmp_path, "out").folder / store.BUNDLE
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadFile, match="it is a link"):
        store.load_campaign(path.parent)
