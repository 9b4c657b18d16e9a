"""Processes and what they have started, as /proc shows them."""

from __future__ import annotations

import contextlib
import os
import signal
from itertools import pairwise
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None, number: int = signal.SIGKILL) -> None:
    """Have the kernel end this process when its parent ends.

    Parameters
    ----------
    parent : process number of the parent, which may have ended before this call; None where the
        parent is known to live.
    number : the signal.

    Raises
    ------
    ImportError, OSError, AttributeError : this Python or this system has no means for it.
    """
    import ctypes  # an interpreter may lack it

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), number)


def descendants(pid: int, without: str = "") -> list[int]:
    """Return the numbers of all processes that a process has started, directly or not.

    Parameters
    ----------
    pid : the process.
    without : a module of Python; processes that run it, and theirs, are left out.
    """
    found: list[int] = []
    for task in threads(pid):
        with contextlib.suppress(OSError):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                if not (without and runs_module(int(child), without)):
                    found += [int(child), *descendants(int(child), without)]
    return found


def runs_module(pid: int, module: str) -> bool:
    """Tell whether a process is a Python that runs a module, ``python -m MODULE``."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return (b"-m", module.encode()) in pairwise(words)


def threads(pid: int) -> set[int]:
    """Return the threads of a process; none where it has ended."""
    try:
        return {int(name) for name in os.listdir(f"/proc/{pid}/task")}  # noqa: PTH208 - names only
    except OSError:
        return set()
