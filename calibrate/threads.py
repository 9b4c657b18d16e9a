"""Threads whose start is never waited for without an end.

`threading.Thread.start` waits until the new thread says that it runs. Where memory is short, a
thread may die before it can, and the wait has no end. This module imports the standard library
only.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable

#: How often a thread is asked whether it runs, and how long each time, s. Counted, so that a
#: process that was stopped for a while does not take the wait for over.
_ASKED, _WAIT_S = 50, 0.1


class Follower:
    """A thread that does one thing beside this one, and holds up no end of the process.

    Parameters
    ----------
    work : what it does.

    Raises
    ------
    MemoryError : it did not come to run.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._runs, self._done = threading.Event(), threading.Event()
        try:
            _thread.start_new_thread(self._do, ())
        except RuntimeError as error:
            raise MemoryError(str(error)) from None
        if not any(self._runs.wait(_WAIT_S) for _ in range(_ASKED)):
            raise MemoryError("a new thread did not come to run")

    def _do(self) -> None:
        try:
            self._runs.set()
            self._work()
        finally:
            self._done.set()

    def join(self, within_s: float | None = None) -> bool:
        """Wait for its end, at most so long; tell whether it has ended."""
        return self._done.wait(within_s)
