"""CPU time of a process and all that it starts, exact to the nanosecond at every read.

The kernel's software event "task clock" counts the time a process runs, separately for each CPU
and with its descendants when asked to inherit. A read brings a running process up to date, which
accounting files do only at the scheduler's ticks, every 1 to 10 ms; a meter that looks at a window
of 10 ms would see those steps instead of the load. It needs no PMU.

Source: perf_event_open(2).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

from calibrate.linux.perf_event import SOFTWARE, TASK_CLOCK, follow, open_event, value


class TaskClock:
    """The CPU time of one process tree; see `calibrate.bench.activity.Activity`.

    Parameters
    ----------
    pid : the process; threads and children that it starts from now on are counted with it.
    cpus : the CPUs, one count each.

    Raises
    ------
    OSError : the kernel does not permit it; containers often do not.
    """

    source = "task clock of the process tree"
    resolution_ns = 1

    def __init__(self, pid: int, cpus: Sequence[int]) -> None:
        self._files = _follow(pid, cpus)
        self._last = [0] * len(cpus)

    def busy_ns(self) -> Sequence[int]:
        """Return the CPU time of each CPU; no entry ever decreases."""
        now = [sum(value(file) for file in files) for files in self._files]
        self._last = [max(was, new) for was, new in zip(self._last, now, strict=True)]
        return self._last


def _follow(pid: int, cpus: Sequence[int]) -> list[list[int]]:
    """Return for each CPU the descriptors that count all threads of a process."""
    return follow(
        lambda: _threads(pid),
        [partial(open_event, SOFTWARE, TASK_CLOCK, cpu=cpu, inherit=True) for cpu in cpus],
    )


def _threads(pid: int) -> set[int]:
    return {int(name) for name in os.listdir(f"/proc/{pid}/task")}  # noqa: PTH208 - names only
