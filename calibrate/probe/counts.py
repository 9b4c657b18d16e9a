"""What a process tree and the whole machine did: the counters of a PowerAPI-style sensor.

With a PMU these are instructions, cycles, reference cycles and cache misses, as hwpc-sensor has
them; without one, CPU time alone, and the sensor is called `reduced`: it cannot tell work that
heats the processor from work that waits for memory.

Sources: perf_event_open(2); proc_stat(5); hwpc-sensor of PowerAPI.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from calibrate.linux.perf_event import (
    EVENTS,
    HARDWARE,
    SOFTWARE,
    TASK_CLOCK,
    close,
    follow,
    open_event,
    scaled,
)
from calibrate.linux.processes import descendants, threads

_STAT = Path("/proc/stat")
_TICK_NS = 1e9 / os.sysconf("SC_CLK_TCK")

Counts = tuple[float, ...]


class Sensor:
    """Cumulative counts of one process tree, or of a control group, and of the machine.

    Parameters
    ----------
    pid : root of the tree, with all that it starts from now on; None for the machine alone.
    cpus : the online CPUs.
    cgroup : a control group's folder, to be counted instead of the tree.

    Raises
    ------
    OSError : the kernel permits neither a PMU's events nor the task clock, or there is no such
        group.
    """

    def __init__(self, pid: int | None, cpus: Sequence[int], cgroup: Path | None = None) -> None:
        self._group = cgroup
        self._target: list[list[int]] = []
        self._machine: list[list[int]] = []
        self.reduced = False
        try:
            self._machine = [[_hardware(config, cpu=cpu) for cpu in cpus] for config in _configs()]
            if cgroup is not None:
                self._target = _grouped(cgroup, cpus)
            elif pid is not None:
                self._target = _follow(pid, [(HARDWARE, config) for config in _configs()])
        except OSError:  # no PMU, or not for this user
            self.close()
            self.reduced = True
            if cgroup is not None:
                _used_ns(cgroup)
            elif pid is not None:
                self._target = _follow(pid, [(SOFTWARE, TASK_CLOCK)])
        self.events = ("task-clock",) if self.reduced else tuple(EVENTS)

    def machine(self) -> Counts:
        """Return the counts of all CPUs; CPU time in ns where it is reduced."""
        return (_busy_ns(_STAT.read_text(encoding="ascii")),) if self.reduced else (
            _sums(self._machine)
        )  # fmt: skip

    def target(self) -> Counts | None:
        """Return the counts of the tree, or None where there is none."""
        if self.reduced and self._group is not None:
            return (_used_ns(self._group),)
        return _sums(self._target) if self._target else None

    def close(self) -> None:
        """Close every counter."""
        close([*self._target, *self._machine])
        self._target, self._machine = [], []


def _configs() -> Iterable[int]:
    return EVENTS.values()


def _hardware(config: int, pid: int = -1, cpu: int = -1) -> int:
    return open_event(HARDWARE, config, pid, cpu, times=True)


def _follow(pid: int, wanted: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return for each event the descriptors that count a tree."""
    ways = [partial(open_event, kind, config, inherit=True, times=True) for kind, config in wanted]
    return follow(lambda: _tree(pid), ways)


def _grouped(cgroup: Path, cpus: Sequence[int]) -> list[list[int]]:
    """Return for each event the descriptors that count a control group, one a CPU."""
    folder = os.open(cgroup, os.O_RDONLY)
    try:
        return [
            [open_event(HARDWARE, config, folder, cpu, times=True, cgroup=True) for cpu in cpus]
            for config in _configs()
        ]
    finally:
        os.close(folder)


def _used_ns(cgroup: Path) -> float:
    """Return the CPU time of a control group, of either version."""
    old = cgroup / "cpuacct.usage"
    if old.exists():
        return float(old.read_text(encoding="ascii"))
    for line in (cgroup / "cpu.stat").read_text(encoding="ascii").splitlines():
        name, value = line.split()
        if name == "usage_usec":
            return float(value) * 1e3
    raise OSError(0, f"{cgroup} tells no CPU time")


def _tree(pid: int) -> set[int]:
    """Return the threads of a tree; recorders that it started measure it, and are no part of it."""
    every = (pid, *descendants(pid, without="calibrate.probe.recorder"))
    return set().union(*(threads(each) for each in every))


def _sums(files: Sequence[Sequence[int]]) -> Counts:
    return tuple(sum(scaled(file) for file in each) for each in files)


def _busy_ns(text: str) -> float:
    """Return the CPU time of all CPUs: all of /proc/stat's first line but idle, iowait, steal."""
    _, user, nice, system, _idle, _iowait, irq, softirq = text.split()[:8]
    return sum(map(int, (user, nice, system, irq, softirq))) * _TICK_NS
