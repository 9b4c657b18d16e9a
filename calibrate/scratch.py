"""Temporary folders that go away, also when the process that made them was killed.

Each holds a locked file for as long as its process lives. Who makes one removes those of this user
whose lock is free, since their processes have ended. This module imports the standard library only.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

_PREFIX = "crosswatt-"
_LOCK = ".in-use"


class ScratchFolder:
    """A temporary folder, from its making to `close`.

    Parameters
    ----------
    name : as text, for those who need no `Path`.
    path : where it is.
    """

    def __init__(self) -> None:
        sweep()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
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
