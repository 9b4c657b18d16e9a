"""Secrets among the settings of a probe: given by reference, since settings are kept in records.

Standard library only: recorders under other interpreters use it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from calibrate.probe.contract import Unavailable

_SECRET = re.compile(r"(^|_)(password|passwd|passphrase|token|secret|api_?key|credentials?)$")
_ENV, _FILE = "env:", "file:"
HOW = "write env:NAME for an environment variable, or file:PATH for a file that only you can read"


def is_secret(key: str) -> bool:
    """Tell whether a setting holds a secret, by its name."""
    return _SECRET.search(key.lower()) is not None


def is_literal(key: str, value: str) -> bool:
    """Tell whether a setting is a secret itself, and not a reference to one."""
    if is_secret(key):
        return bool(value) and not value.startswith((_ENV, _FILE))
    try:
        return "://" in value and urlsplit(value).password is not None
    except ValueError:
        return False


def revealed(settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings with the secrets that they refer to.

    Raises
    ------
    Unavailable : a secret stands among them, or cannot be had.
    """
    return {
        key: _reveal(key, value) if is_secret(key) else value for key, value in settings.items()
    }


def _reveal(key: str, value: str) -> str:
    if value.startswith(_ENV):
        name = value.removeprefix(_ENV)
        if name not in os.environ:
            raise Unavailable(f"the environment variable {name} is not set", f"set it, for {key}")
        return os.environ[name]
    if value.startswith(_FILE):
        return _read(Path(value.removeprefix(_FILE)).expanduser())
    raise Unavailable(f"{key} is a secret, and would be kept in the record", HOW)


def _read(path: Path) -> str:
    """Return the first line of a file that nobody else can read."""
    try:
        with path.open(encoding="utf-8") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise Unavailable(f"others may read {path}", f"chmod 600 {path}")
            return file.readline(4096).rstrip("\n")
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}", "name a file that is there") from None
