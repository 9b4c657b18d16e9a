"""Where the CPU time of this host comes from: the input of the power model.

Four sources, the best one that works is used; all count nanoseconds of CPU time that only grow:

    task clock   of the bench's own processes, exact at every read; see `calibrate.bench.taskclock`
    cpuacct      cgroup v1, per CPU; the kernel adds a running task's time at every scheduler tick
                 (1 to 10 ms) and exactly when it leaves the CPU
    cpu.stat     cgroup v2, total only; divided over the CPUs as /proc/stat divides its ticks
    /proc/stat   per CPU in ticks of 10 ms

The first sees what runs on the bench, the next two the container, the last one the whole host.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from calibrate.bench.taskclock import TaskClock
from calibrate.errors import CrosswattError, Unsupported
from calibrate.linux.cpus import numbers

_CPUACCT = (
    "/sys/fs/cgroup/cpuacct/cpuacct.usage_percpu",
    "/sys/fs/cgroup/cpu,cpuacct/cpuacct.usage_percpu",
    "/sys/fs/cgroup/cpuacct,cpu/cpuacct.usage_percpu",
    "/cgroup/cpuacct/cpuacct.usage_percpu",
)
_CPU_STAT = ("/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/unified/cpu.stat")
_PROC_STAT = "/proc/stat"
_ONLINE = "/sys/devices/system/cpu/online"
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_READ = 1 << 20


class Activity(Protocol):
    """Cumulative CPU time of the host.

    Parameters
    ----------
    source : the file it comes from.
    resolution_ns : smallest step to be expected while a CPU is busy.
    """

    source: str
    resolution_ns: int

    def busy_ns(self) -> Sequence[int]:
        """Return the CPU time of each online CPU; no entry ever decreases."""


class Cpuacct:
    """cgroup v1: nanoseconds per CPU."""

    resolution_ns = 4_000_000  # a tick at the usual 250 Hz

    def __init__(self, path: str, cpus: Sequence[int]) -> None:
        self.source = path
        self._cpus = cpus
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._last = [0] * len(cpus)
        self.busy_ns()

    def busy_ns(self) -> Sequence[int]:
        """See `Activity`."""
        values = os.pread(self._fd, _READ, 0).split()
        self._last = keep_growing(self._last, [int(values[cpu]) for cpu in self._cpus])
        return self._last


class ProcStat:
    """/proc/stat: ticks per CPU. Time stolen by a hypervisor is not ours, so it is left out."""

    source = _PROC_STAT
    resolution_ns = _TICK_NS

    def __init__(self, cpus: Sequence[int], path: str = _PROC_STAT) -> None:
        self._places = {b"cpu%d" % cpu: place for place, cpu in enumerate(cpus)}
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._last = [0] * len(cpus)
        if not any(self.busy_ns()):
            raise ValueError(f"{path} names none of the online CPUs")

    def busy_ns(self) -> Sequence[int]:
        """See `Activity`. A CPU that went offline keeps its last value."""
        now = list(self._last)
        for line in os.pread(self._fd, _READ, 0).splitlines():
            if not line.startswith(b"cpu"):
                break
            head, user, nice, system, _idle, _iowait, irq, softirq = line.split()[:8]
            if head in self._places:
                ticks = int(user) + int(nice) + int(system) + int(irq) + int(softirq)
                now[self._places[head]] = ticks * _TICK_NS
        self._last = keep_growing(self._last, now)
        return self._last


class CpuStat:
    """cgroup v2: microseconds in total, divided over the CPUs by their ticks in /proc/stat."""

    def __init__(self, path: str, ticks: Activity) -> None:
        self.source = path
        self.resolution_ns = 4_000_000
        self._ticks = ticks
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._first = list(ticks.busy_ns())
        self._given = [0] * len(self._first)
        self._used_ns = self._total_ns()

    def _total_ns(self) -> int:
        for line in os.pread(self._fd, _READ, 0).splitlines():
            key, value = line.split()
            if key == b"usage_usec":
                return int(value) * 1_000
        raise ValueError(f"{self.source} has no usage_usec")

    def busy_ns(self) -> Sequence[int]:
        """See `Activity`."""
        total_ns = self._total_ns()
        if total_ns > self._used_ns:
            ticked = [
                now - was for now, was in zip(self._ticks.busy_ns(), self._first, strict=True)
            ]
            shares = divide(total_ns - self._used_ns, self._given, ticked)
            self._given = [had + got for had, got in zip(self._given, shares, strict=True)]
            self._used_ns = total_ns
        return self._given


class Script:
    """CPU use that was written down beforehand, for machines whose load must be known.

    Parameters
    ----------
    text : pairs of CPU use and seconds, ``0.9x1.5,0.2x0.5``; repeated for ever.
    n_cpus : how many CPUs share it evenly.

    Raises
    ------
    CrosswattError : the text makes no sense.
    """

    resolution_ns = 1

    def __init__(
        self, text: str, n_cpus: int, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.source = f"load {text}"
        try:
            pairs = [part.split("x") for part in text.split(",")]
            self._steps = [(float(use), round(float(seconds) * 1e9)) for use, seconds in pairs]
        except ValueError:
            raise CrosswattError(
                f"{text!r} is not a load; write for example 0.9x1.5,0.2x0.5"
            ) from None
        if not all(0 <= use <= 1 and ns > 0 for use, ns in self._steps):
            raise CrosswattError(
                f"{text!r} is not a load: use lies between 0 and 1, seconds above 0"
            )
        self._n_cpus, self._clock = n_cpus, clock
        self._start_ns = clock()

    def busy_ns(self) -> Sequence[int]:
        """See `Activity`."""
        round_ns = sum(ns for _, ns in self._steps)
        rounds, rest_ns = divmod(self._clock() - self._start_ns, round_ns)
        busy = rounds * sum(use * ns for use, ns in self._steps)
        for use, ns in self._steps:
            busy += use * min(rest_ns, ns)
            rest_ns -= min(rest_ns, ns)
        return [round(busy)] * self._n_cpus


def divide(amount: int, given: Sequence[int], wanted: Sequence[int]) -> list[int]:
    """Divide an amount so that what each CPU was given follows what its ticks say.

    Ticks come in steps of 10 ms and lag behind, so the shares of one short moment mean nothing;
    following the sums corrects every earlier misjudgement.
    """
    lack = [max(0, want - had) for want, had in zip(wanted, given, strict=True)]
    if not any(lack):
        lack = list(wanted) if any(wanted) else [1] * len(wanted)
    shares = [amount * each // sum(lack) for each in lack]
    shares[lack.index(max(lack))] += amount - sum(shares)
    return shares


def keep_growing(last: Sequence[int], now: Sequence[int]) -> list[int]:
    """Return `now`, but never less than `last`: a cgroup may be recreated, ticks may step back."""
    return [max(was, value) for was, value in zip(last, now, strict=True)]


def online_cpus(path: str = _ONLINE) -> list[int]:
    """Return the numbers of the online CPUs; a list such as ``0-3,8`` comes from the kernel."""
    try:
        text = Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return list(range(os.cpu_count() or 1))
    return numbers(text)


def blocks(n_cpus: int, n_packages: int) -> list[range]:
    """Divide the host's CPUs into one contiguous block a package.

    Every package has at least one CPU; with fewer CPUs than packages they are shared, so that a
    fully busy host is always a fully busy machine.
    """
    if n_cpus < n_packages:
        places = (package * n_cpus // n_packages for package in range(n_packages))
        return [range(place, place + 1) for place in places]
    edges = [package * n_cpus // n_packages for package in range(n_packages + 1)]
    return [range(low, high) for low, high in pairwise(edges)]


def best(pid: int | None = None) -> Activity:
    """Return the finest source of CPU time that works on this host.

    Parameters
    ----------
    pid : the process whose descendants are the machine's load; None for the whole host.
    """
    cpus = online_cpus()
    if pid is not None:
        with contextlib.suppress(OSError):
            return TaskClock(pid, cpus)
    for path in _CPUACCT:
        try:
            return Cpuacct(path, cpus)
        except (OSError, ValueError, IndexError):
            continue
    try:
        ticks = ProcStat(cpus)
    except (OSError, ValueError) as error:
        raise Unsupported(
            f"The bench needs /proc/stat, which cannot be used here: {error}"
        ) from None
    for path in _CPU_STAT:
        try:
            return CpuStat(path, ticks)
        except (OSError, ValueError):
            continue
    return ticks
