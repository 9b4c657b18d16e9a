"""CPU time of a process and all that it starts, exact to the nanosecond at every read.

The kernel's software event "task clock" counts the time a process runs, separately for each CPU
and with its descendants when asked to inherit. A read brings a running process up to date, which
accounting files do only at the scheduler's ticks, every 1 to 10 ms; a meter that looks at a window
of 10 ms would see those steps instead of the load. It needs no PMU.

Source: perf_event_open(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
from collections.abc import Sequence

_SYSCALLS = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "ppc64le": 319, "s390x": 331}
_SOFTWARE, _TASK_CLOCK = 1, 1
_SIZE = 128
_INHERIT, _EXCLUDE_KERNEL = 1 << 1, 1 << 5
_CLOSE_ON_EXEC = 8
_ATTEMPTS = 50
_OTHER_FILES = 1024
_libc = ctypes.CDLL(None, use_errno=True)


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
        now = [
            sum(int.from_bytes(os.read(file, 8), "little") for file in files)
            for files in self._files
        ]
        self._last = [max(was, value) for was, value in zip(self._last, now, strict=True)]
        return self._last


def _follow(pid: int, cpus: Sequence[int]) -> list[list[int]]:
    """Return for each CPU the descriptors that count all threads of a process.

    A thread started in between might be counted twice, with its parent and by itself. If one was,
    it starts again.
    """
    for _ in range(_ATTEMPTS):
        threads = _threads(pid)
        _allow_files(len(threads) * len(cpus))
        files: list[list[int]] = []
        try:
            for cpu in cpus:
                files.append([])
                for thread in threads:
                    files[-1].append(_open(thread, cpu))
            if _threads(pid) <= threads:
                return files
        except ProcessLookupError:
            pass  # a thread ended meanwhile
        except BaseException:
            _close(files)
            raise
        _close(files)
    raise OSError(errno.EAGAIN, "the process starts threads all the time")


def _threads(pid: int) -> set[int]:
    return {int(name) for name in os.listdir(f"/proc/{pid}/task")}  # noqa: PTH208 - names only


def _close(files: Sequence[Sequence[int]]) -> None:
    for each in files:
        for file in each:
            os.close(file)


def _allow_files(more: int) -> None:
    """Let this process have as many more files open, as far as it may decide that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = more + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if resource.RLIM_INFINITY != soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _open(pid: int, cpu: int) -> int:
    """Return a descriptor that counts a process tree on one CPU."""
    number = _SYSCALLS.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, "no perf_event_open known for this processor")
    for flags in (_INHERIT, _INHERIT | _EXCLUDE_KERNEL):  # the second where paranoid forbids more
        attributes = bytearray(_SIZE)
        struct.pack_into("=IIQ", attributes, 0, _SOFTWARE, _SIZE, _TASK_CLOCK)
        struct.pack_into("=Q", attributes, 40, flags)
        buffer = (ctypes.c_char * _SIZE).from_buffer(attributes)
        file: int = _libc.syscall(number, buffer, pid, cpu, -1, _CLOSE_ON_EXEC)
        if file >= 0:
            return file
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "perf_event_open")
