"""What takes long to make and is the same each time, kept in this user's cache folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from calibrate.scratch import new_file


def cache_folder() -> Path:
    """Return the folder of what can be made again: ``crosswatt`` in XDG_CACHE_HOME or ~/.cache.

    Raises
    ------
    RuntimeError : there is no home folder.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(given) if Path(given).is_absolute() else Path("~/.cache")
    return root.expanduser() / "crosswatt"


def cached_text(name: str, make: Callable[[], str]) -> str:
    """Return a text from the cache, or make it and keep it there where that is possible.

    A file that others can write, or that belongs to somebody else, is not read.

    Parameters
    ----------
    name : of the file; has all that the text depends on, such as a version.
    make : makes the text.
    """
    path = None
    with suppress(OSError, RuntimeError, ValueError):
        path = cache_folder() / name
        return _own_text(path)
    text = make()
    with suppress(OSError):
        if path is not None:
            _keep(path, text)
    return text


def _own_text(path: Path) -> str:
    """Return a file of this user's; raise OSError where it is not theirs alone."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, encoding="utf-8") as file:
        found = os.fstat(descriptor)
        shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or shared:
            raise OSError(f"{path} is not a file of this user alone.")
        return file.read()


def _keep(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, made = new_file(path)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            made.replace(path)
    except BaseException:
        with suppress(OSError):
            made.unlink()
        raise
