"""What else this host does, and what a reading may be off for it.

A test whose result depends on who else has the CPUs measures that here, and expects accordingly.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np

from calibrate.store import ProbeLog

STAT = Path("/proc/stat")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Host:
    """CPU time of this host over any window while it is watched.

    The time of a virtual machine's other tenants is not in it: proc_stat(5), ``steal``.
    """

    def __init__(self, period_s: float = 0.1) -> None:
        self._period_s = period_s
        self._at_ns: list[int] = []
        self._busy_s: list[float] = []
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Host:
        """Start to watch."""
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look once more, and stop."""
        self._stop.set()
        self._watch.join()

    def _look(self) -> None:
        while True:
            self._at_ns.append(time.monotonic_ns())
            self._busy_s.append(_busy_s(STAT.read_text(encoding="ascii")))
            if self._stop.wait(self._period_s):
                return

    def busy_s(self, begin_ns: int, end_ns: int) -> float:
        """Return the CPU time in seconds of all processes between two instants."""
        begin_s, end_s = np.interp([begin_ns, end_ns], self._at_ns, self._busy_s)
        return float(end_s - begin_s)


def _busy_s(text: str) -> float:
    """Add user, nice, system, irq and softirq of the line of all CPUs."""
    user, nice, system, _idle, _iowait, irq, softirq = map(int, text.split(maxsplit=8)[1:8])
    return (user + nice + system + irq + softirq) * TICK_S


def blur_j(log: ProbeLog, watts: float) -> float:
    """Return the joules that a window may be off where a probe works its joules out by the clock.

    It does so at some instant between the two that the recorder takes, and a process that is held
    up there is late by the time between them.
    """
    gaps_ns = log.readings.after_ns - log.readings.before_ns
    return watts * float(gaps_ns.max()) / 1e9
