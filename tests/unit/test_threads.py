"""A thread that dies before it runs is told, not waited for."""

from __future__ import annotations

import _thread
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from calibrate import threads
from calibrate.threads import Follower, in_threads


def test_it_works_and_ends() -> None:
    done: list[int] = []
    follower = Follower(lambda: done.append(1))
    assert follower.join(60)
    assert done == [1]


def test_its_end_is_waited_for_only_so_long() -> None:
    gate = _thread.allocate_lock()
    with gate:
        follower = Follower(gate.acquire)
        assert not follower.join(0.05)
    assert follower.join(60)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_error_in_it_is_its_end() -> None:
    assert Follower(lambda: 1 / 0).join(60)
    time.sleep(0.1)  # Python tells the error after that


def test_a_thread_that_dies_at_once_is_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(work: Callable[[], object], arguments: tuple[object, ...]) -> int:
        return 1

    monkeypatch.setattr(_thread, "start_new_thread", dies)
    monkeypatch.setattr(threads, "_WAIT_S", 0.001)
    with pytest.raises(MemoryError, match="did not come to run"):
        Follower(lambda: None)


def test_a_thread_that_cannot_be_started_is_a_lack_of_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(work: Callable[[], object], arguments: tuple[object, ...]) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refused)
    with pytest.raises(MemoryError, match="can't start new thread"):
        Follower(lambda: None)


def test_no_amount_of_memory_makes_it_hang() -> None:
    """From none at all to enough for a thread: each time it runs, or is a lack of memory."""
    script = """
import resource, sys
from calibrate.threads import Follower, in_threads
size = 1024 * int([l for l in open("/proc/self/status") if l.startswith("VmSize")][0].split()[1])
ended = 0
for kib in range(0, 17000, 700):
    resource.setrlimit(resource.RLIMIT_AS, (size + 1024 * kib, -1))
    try:
        ended += Follower(lambda: None).join(30)
    except MemoryError:
        ended += 1
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
print(ended)
"""
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=200, check=True
    )
    assert told.stdout.split() == ["25"]


@pytest.mark.parametrize("at_once", [1, 3, 50])
def test_many_things_come_in_order(at_once: int) -> None:
    assert in_threads(lambda n: n * n, range(20), at_once) == [n * n for n in range(20)]
    assert in_threads(str, [], at_once) == []


def test_the_work_gets_done_without_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(work: Callable[[], object], arguments: tuple[object, ...]) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refused)
    assert in_threads(str, [1, 2, 3], 4) == ["1", "2", "3"]


def test_an_error_of_the_work_is_raised() -> None:
    def fails(n: int) -> int:
        raise ValueError(n)

    with pytest.raises(ValueError, match=r"\d"):
        in_threads(fails, range(9), 3)
