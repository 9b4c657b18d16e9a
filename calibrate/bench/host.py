"""What happens to the simulated machine while it runs, by the clock: a thread of the server.

It renews the conditions, has every fault noticed when it begins and ends, forgets the demands of
processes that have ended, and puts the machine to sleep. A sleeping machine uses nothing, and the
command's processes stand still. Clocks go on, for those of a kernel cannot be stopped: a program
sees the sleep as a time in which it was not scheduled.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections.abc import Callable

from calibrate.bench.demand import Demand
from calibrate.bench.gpus import shortest_window_s
from calibrate.bench.power import TICK_S
from calibrate.bench.snapshot import Snapshots
from calibrate.linux.processes import descendants
from calibrate.threads import Follower

_LAZY_S = 0.25
#: Points of the past in the shortest window of a GPU's power, and how near each other at most.
_NOTES, _FINEST_S = 5, 0.002


class Host:
    """The clockwork of a machine.

    Parameters
    ----------
    snapshots, demand : the machine.
    pid : the keeper; its descendants, but not this process, stand still in a sleep.
    """

    def __init__(self, snapshots: Snapshots, demand: Demand, pid: int) -> None:
        self._snapshots = snapshots
        self._machine = snapshots.machine
        self._demand = demand
        self._pid = pid
        distorted = any(fault.group == "counter" for fault in snapshots.faults)
        self._step_s = TICK_S if self._machine.restless or distorted else _LAZY_S
        # A mean over a short window needs a past that is as fine.
        window_s = shortest_window_s(snapshots.model, snapshots.faults)
        self._note_s = max(window_s / _NOTES, _FINEST_S)
        self._events = sorted(self._list(), key=lambda event: event[0])

    def _list(self) -> list[tuple[float, Callable[[], None]]]:
        """Return when something happens, and what."""
        events: list[tuple[float, Callable[[], None]]] = []
        for fault in self._snapshots.faults:
            events += [
                (at_s, self._snapshots.mark)
                for at_s in (fault.at_s, fault.until_s)
                if math.isfinite(at_s)
            ]
            if fault.name == "suspend":
                events.append((fault.at_s, self._suspend))
                events.append((fault.at_s + fault.size, self._resume))
        return events

    def start(self) -> None:
        """Start the thread."""
        Follower(self._run)

    def _run(self) -> None:
        while True:
            now_s = self._snapshots.seconds()
            while self._events and self._events[0][0] <= now_s:
                self._events.pop(0)[1]()
            self._machine.renew()
            self._demand.refresh()
            until_s = self._snapshots.seconds() + self._step_s
            if self._events:
                until_s = min(until_s, self._events[0][0])
            self._wait(until_s)

    def _wait(self, until_s: float) -> None:
        """Wait, and put the past down as often as somebody needs it."""
        while True:
            left_s = until_s - self._snapshots.seconds()
            time.sleep(max(0.0005, min(left_s, self._note_s)))
            if left_s <= self._note_s:
                return
            self._machine.note()

    def _suspend(self) -> None:
        self._machine.sleep(True)
        stopped: set[int] = set()
        while fresh := set(descendants(self._pid)) - stopped - {os.getpid()}:
            for pid in fresh:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            stopped |= fresh

    def _resume(self) -> None:
        self._machine.sleep(False)
        for pid in set(descendants(self._pid)) - {os.getpid()}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
