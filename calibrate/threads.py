"""Threads whose start is never waited for without an end.

`threading.Thread.start` waits until the new thread says that it runs. Where memory is short, a
thread may die before it can, and the wait has no end. This module imports the standard library
only.
"""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")

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


def in_threads(work: Callable[[T], U], items: Sequence[T], at_once: int) -> list[U]:
    """Do the same with each of many things, several at once; return what comes of each, in order.

    This thread takes part, so that it gets done where no other can be started.

    Raises
    ------
    Exception : what the work raises first.
    """
    done: dict[int, U] = {}
    errors: list[BaseException] = []
    left = iter(range(len(items)))

    def take() -> None:
        for place in left:  # each is taken once, whoever asks
            if errors:
                return
            try:
                done[place] = work(items[place])
            except BaseException as error:
                errors.append(error)

    helpers: list[Follower] = []
    with suppress(MemoryError):
        while len(helpers) < min(at_once, len(items)) - 1:
            helpers.append(Follower(take))
    take()
    for each in helpers:
        each.join()
    while not errors and len(done) < len(items):  # one came to run after all, late
        time.sleep(_WAIT_S)
    if errors:
        raise errors[0]
    return [done[place] for place in range(len(items))]
