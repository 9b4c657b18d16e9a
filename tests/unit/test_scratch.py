"""What a process had half made goes when it was killed, and only then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from calibrate import store
from calibrate.campaign import Plan, create_campaign
from calibrate.scratch import ScratchFolder, new_file, sweep_half_made

#: Makes something beside a file, says where it is, and is gone.
DIES = """
import os, sys
from pathlib import Path
from calibrate.scratch import ScratchFolder, new_file
beside = Path(sys.argv[2])
made = new_file(beside)[1] if sys.argv[1] == "file" else ScratchFolder(beside).path
print(made, flush=True)
os._exit(9)
"""


def left(kind: str, beside: Path) -> Path:
    """Return what a killed process had half made."""
    told = subprocess.run(
        [sys.executable, "-c", DIES, kind, str(beside)],
        stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    path = Path(told.stdout.strip())
    assert path.parent == beside.parent and path.exists()
    return path


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_process_had_half_made_goes(tmp_path: Path, kind: str) -> None:
    assert sweep_half_made(tmp_path) == []
    path = left(kind, tmp_path / "name")
    assert sweep_half_made(tmp_path) == [path]
    assert not path.exists()


def test_what_is_being_made_stays(tmp_path: Path) -> None:
    handle, file = new_file(tmp_path / "one")
    folder = ScratchFolder(beside=tmp_path / "two")
    assert sweep_half_made(tmp_path) == []
    assert file.exists() and folder.path.is_dir()
    folder.close()
    os.close(handle)


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("x")
    (tmp_path / ".a.abcdefgh.crosswatt").symlink_to(victim)
    os.mkfifo(tmp_path / ".b.abcdefgh.crosswatt")
    (tmp_path / ".c.abcdefgh.crosswatt").mkdir()
    mine = (".a.abcdefgh", ".a.crosswatt", "a.abcdefgh.crosswatt", ".a.ABCDEFGH.crosswatt")
    for name in (*mine, ".bashrc.original.new"):
        (tmp_path / name).write_text("x")
    before = sorted(tmp_path.iterdir())
    assert sweep_half_made(tmp_path) == []
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_that_was_swept_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    real = fcntl.flock
    seen: list[Path] = []

    def late(handle: int, how: int) -> None:
        if not seen:
            [made] = tmp_path.iterdir()
            seen.append(made)
            made.unlink()
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    handle, path = new_file(tmp_path / "name")
    assert list(tmp_path.iterdir()) == [path] and path != seen[0]
    os.close(handle)


def test_writing_and_copying_leave_nothing_and_clear_up(tmp_path: Path) -> None:
    gone = [left("file", tmp_path / "out.json"), left("folder", tmp_path / "copy")]
    store.write(tmp_path / "out.json", "1")
    assert [each.name for each in tmp_path.iterdir()] == ["out.json"]
    assert not any(each.exists() for each in gone)


def test_a_folder_with_nothing_but_what_is_half_made_is_empty(tmp_path: Path) -> None:
    left("file", tmp_path / "campaign.json")
    plan = Plan.model_validate({"title": "t", "repeats": 1, "workload": [{"name": "idle"}]})
    create_campaign(tmp_path, plan, [], seed=1)
    assert (tmp_path / "campaign.json").exists()
