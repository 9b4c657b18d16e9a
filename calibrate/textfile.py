"""Files that a user names: regular ones, of a size that fits into memory.

A link is followed, since it is the user's own. `calibrate.store` reads the files of a campaign,
which may be anybody's.
"""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any, BinaryIO

from calibrate.errors import BadFile

#: Size beyond which a table is refused: 30,000 rows as CodeCarbon writes them.
TABLE_BYTES = 16 << 20
#: Size beyond which TOML is refused: the largest plan that crosswatt has is 6 KiB.
TOML_BYTES = 256 << 10
#: Points in a line of TOML beyond which it is refused: the time that `tomllib` takes for a key
#: grows with the square of its parts.
_POINTS = 100
#: O_NONBLOCK: a pipe is refused, and not waited for. Windows has neither flag.
_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to read its bytes, without a buffer.

    Raises
    ------
    FileNotFoundError : there is none.
    BadFile : it is a folder, a pipe or a device, or cannot be read.
    """
    try:
        handle = os.open(path, _FLAGS | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BadFile(path, f"it cannot be read ({error.strerror})") from None
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        why = "it is a folder" if stat.S_ISDIR(mode) else "it is not a regular file"
        raise BadFile(path, why, fix="Name a file.")
    return os.fdopen(handle, "rb", buffering=0)


def read_text(path: Path, limit: int, fix: str = "") -> str:
    """Return the text of a file, which is UTF-8 and at most `limit` bytes.

    Parameters
    ----------
    fix : the next step where it is refused.

    Raises
    ------
    BadFile : there is none, it is no regular file, too large, or no text.
    """
    try:
        with open_regular(path) as file:
            data = _head(file, limit + 1)
    except FileNotFoundError:
        raise BadFile(path, "it cannot be read (there is no such file)", fix=fix) from None
    except OSError as error:
        raise BadFile(path, f"it cannot be read ({error.strerror})", fix=fix) from None
    if len(data) > limit:
        raise BadFile(path, f"it is larger than {_size(limit)}", fix=fix)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadFile(path, f"it is not UTF-8 text ({error.reason})", line, fix) from None


def _head(file: BinaryIO, count: int) -> bytes:
    """Return the first bytes of a file, all that it has now where these are fewer."""
    parts = []
    count = min(count, os.fstat(file.fileno()).st_size)
    while count > 0 and (part := file.read(min(count, 1 << 20))):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >> 20 else f"{count >> 10} KiB"


def read_toml(path: Path, fix: str = "") -> dict[str, Any]:
    """Return what a file of TOML says.

    Raises
    ------
    BadFile : it cannot be read, or is not TOML.
    """
    text = read_text(path, TOML_BYTES, fix)
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > _POINTS:
            raise BadFile(path, f"the line has more than {_POINTS} points", number, fix)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise BadFile(path, "it is nested too deep", fix=fix) from None
    except ValueError as error:  # of TOML, of a number of thousands of digits
        raise BadFile(path, f"it is not TOML ({str(error).rstrip('.')})", fix=fix) from None
