"""Importing mfusepy without its search for the library, which runs a compiler.

The compiler's temporary files would stay where the process is killed meanwhile.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

#: By the names under which it may be there, in the order in which mfusepy takes them.
_LIBRARIES = ("libfuse.so.2", "libfuse3.so.3", "libfuse3.so.4")
_PATH, _NAME = "FUSE_LIBRARY_PATH", "FUSE_LIBRARY_NAME"


def load_mfusepy() -> Any:
    """Import mfusepy.

    Raises
    ------
    ModuleNotFoundError : it is not there.
    OSError, AttributeError : the library is not there, or too old.
    """
    found = None if os.environ.get(_PATH) or os.environ.get(_NAME) else _library()
    if found:
        os.environ[_PATH] = found
    try:
        import mfusepy
    finally:
        if found:
            del os.environ[_PATH]  # it is nothing to those whom we start
    return mfusepy


def _library() -> str | None:
    for name in _LIBRARIES:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return name
    return None
