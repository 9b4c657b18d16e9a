"""Processes and what they have started, as /proc shows them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


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
