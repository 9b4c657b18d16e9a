"""One process at a time measures into a folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from calibrate.errors import CrosswattError


def lock_folder(folder: Path) -> int:
    """Lock a folder for one process at a time; the lock ends with its process.

    Returns
    -------
    int : a file descriptor; closing it ends the lock.

    Raises
    ------
    CrosswattError : another process has it.
    """
    lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise CrosswattError(
            f"Another process measures into {folder} now. Wait for its end, or choose another "
            "folder; of several processes that work together, the first one measures them all."
        ) from None
    return lock
