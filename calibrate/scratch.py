"""Temporary folders and half-made files that go away, also when their process was killed.

A folder holds a locked file for as long as its process lives, a file is locked itself. Who makes
one removes those of this user whose lock is free, since their processes have ended. This module
imports the standard library only.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

_PREFIX = "crosswatt-"
_LOCK = ".in-use"
_SUFFIX = ".crosswatt"
#: What is to become something beside it, by its name.
_HALF_MADE = re.compile(r"\..+\.[a-z0-9_]{8}\.crosswatt")
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class ScratchFolder:
    """A temporary folder, from its making to `close`.

    Parameters
    ----------
    beside : what something in it is to become, in the same folder; None: it is in the folder for
        temporary files.

    Raises
    ------
    OSError : it cannot be made.
    """

    def __init__(self, beside: Path | None = None) -> None:
        if beside is None:
            sweep()
            made = tempfile.mkdtemp(prefix=_PREFIX)
        else:
            sweep_half_made(beside.parent)
            made = tempfile.mkdtemp(prefix=_prefix(beside), suffix=_SUFFIX, dir=beside.parent)
        #: Where it is, and the same as text.
        self.path = Path(made)
        self.name = str(self.path)
        part = self.path / f"{_LOCK}.new"
        self._lock = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        part.rename(self.path / _LOCK)  # nobody sees it before it is locked

    def close(self) -> None:
        """Remove it, with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):
            os.close(self._lock)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give a temporary folder, and remove it in the end."""
    with ExitStack() as undo:
        folder = ScratchFolder()
        undo.callback(folder.close)
        yield folder.path


def sweep(place: Path | None = None) -> list[Path]:
    """Remove the temporary folders of processes of this user that were killed; return them.

    Parameters
    ----------
    place : where they are; None: the folder for temporary files.
    """
    removed = []
    for folder in Path(place or tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if _is_left(folder):
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder)
    return removed


def _is_left(folder: Path) -> bool:
    """Tell whether a folder is one of this user's whose process has ended."""
    seen = folder.lstat()
    if folder.is_symlink() or not folder.is_dir() or seen.st_uid != os.geteuid():
        return False
    if any(path.is_mount() for path in folder.iterdir()):
        return False
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # its process lives
        return False
    finally:
        os.close(lock)
    return True


def new_file(beside: Path) -> tuple[int, Path]:
    """Make a file, of this user alone, that is to take the place of another beside it.

    Its descriptor has to stay open until it has: it holds the lock without which others take the
    file for one of a dead process.

    Returns
    -------
    int, Path : its descriptor, and where it is.
    """
    sweep_half_made(beside.parent)
    while True:
        handle, name = tempfile.mkstemp(prefix=_prefix(beside), suffix=_SUFFIX, dir=beside.parent)
        with suppress(OSError):  # not all file systems have locks: nobody sweeps there
            fcntl.flock(handle, fcntl.LOCK_EX)
        if Path(name).exists():
            return handle, Path(name)
        os.close(handle)  # somebody swept it before it was locked


def sweep_half_made(place: Path) -> list[Path]:
    """Remove what killed processes of this user had begun to make in a folder; return it."""
    removed = []
    with suppress(OSError), os.scandir(place) as entries:
        half_made = [Path(each.path) for each in entries if _HALF_MADE.fullmatch(each.name)]
        for path in half_made:
            with suppress(OSError):
                if path.is_dir() and _is_left(path):
                    shutil.rmtree(path, ignore_errors=True)
                    removed.append(path)
                elif not path.is_dir() and _unlinked(path):
                    removed.append(path)
    return removed


def _prefix(beside: Path) -> str:
    return f".{beside.name[:50]}."


def _unlinked(path: Path) -> bool:
    """Remove a file of this user's whose process has ended; tell whether it was one."""
    handle = os.open(path, _READ)
    try:
        seen = os.fstat(handle)
        if not stat.S_ISREG(seen.st_mode) or seen.st_uid != os.geteuid():
            return False
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()  # locked: who has just made it sees that it is gone
    finally:
        os.close(handle)
    return True
