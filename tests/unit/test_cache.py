"""A text that is made once; only this user's own file is believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate.cache import cache_folder, cached_text


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "crosswatt"


def never() -> str:
    raise AssertionError("It is in the cache.")


def test_it_is_made_once(folder: Path) -> None:
    assert cache_folder() == folder
    assert cached_text("one", lambda: "made") == "made"
    assert cached_text("one", never) == "made"
    assert [path.name for path in folder.iterdir()] == ["one"]
    assert folder.stat().st_mode & 0o077 == 0


def test_what_others_can_write_is_not_read(folder: Path) -> None:
    cached_text("one", lambda: "made")
    (folder / "one").chmod(0o666)
    assert cached_text("one", lambda: "again") == "again"
    assert (folder / "one").stat().st_mode & 0o022 == 0


def test_a_link_or_a_pipe_is_not_followed(folder: Path, tmp_path: Path) -> None:
    import os

    folder.mkdir()
    (tmp_path / "elsewhere").write_text("theirs")
    (folder / "one").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(folder / "two")
    assert cached_text("one", lambda: "mine") == "mine"
    assert cached_text("two", lambda: "mine") == "mine"
    assert (tmp_path / "elsewhere").read_text() == "theirs"


def test_without_a_place_it_is_made_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cached_text("one", lambda: "made") == "made"
    assert cached_text("one", lambda: "again") == "again"


def test_a_failure_leaves_nothing(folder: Path) -> None:
    def fails() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cached_text("one", fails)
    assert not folder.exists() or not list(folder.iterdir())
