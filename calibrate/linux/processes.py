"""Processes and what they have started, as /proc shows them."""

from __future__ import annotations

import contextlib
import os
import signal
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


def descendants(pid: int) -> list[int]:
    """Return the numbers of all processes that a process has started, directly or not."""
    found: list[int] = []
    for task in threads(pid):
        with contextlib.suppress(OSError):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def threads(pid: int) -> set[int]:
    """Return the threads of a process; none where it has ended."""
    try:
        return {int(name) for name in os.listdir(f"/proc/{pid}/task")}  # noqa: PTH208 - names only
    except OSError:
        return set()
