"""Counters of the kernel's perf_event: one descriptor each, eight bytes a read.

Source: perf_event_open(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
from collections.abc import Callable, Iterable, Sequence

HARDWARE, SOFTWARE = 0, 1
TASK_CLOCK = 1
#: PERF_TYPE_HARDWARE: what a PMU of any make counts.
EVENTS = {"cycles": 0, "instructions": 1, "cache-misses": 3, "ref-cycles": 9}

#: By processor, all of them little-endian, as what is read and packed here.
_SYSCALLS = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "ppc64le": 319}
_SIZE = 128
_INHERIT, _EXCLUDE_KERNEL = 1 << 1, 1 << 5
_TIMES = 1 | 2  # with the time it was enabled, and the time it really counted
_CLOSE_ON_EXEC, _PID_CGROUP = 8, 4
_OTHER_FILES = 1024
_ATTEMPTS = 50


def open_event(
    kind: int,
    config: int,
    pid: int = -1,
    cpu: int = -1,
    *,
    inherit: bool = False,
    times: bool = False,
    cgroup: bool = False,
) -> int:
    """Open an event that counts from now on.

    Parameters
    ----------
    kind, config : the PMU's number and the event in it.
    pid : a thread; -1 for all of a CPU.
    cpu : a CPU; -1 for all CPUs of a thread.
    inherit : count threads and children with it that are started from now on.
    times : reads give the time enabled and the time counted too; see `scaled`.
    cgroup : `pid` is the descriptor of a control group's folder, whose tasks are counted on `cpu`.

    Raises
    ------
    OSError : the kernel does not permit it, or has no such event.
    """
    number = _SYSCALLS.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, "no perf_event_open known for this processor")
    call = ctypes.CDLL(None, use_errno=True).syscall
    how = _CLOSE_ON_EXEC | (_PID_CGROUP if cgroup else 0)
    for flags in (0, _EXCLUDE_KERNEL):  # the second where paranoid forbids more
        attributes = bytearray(_SIZE)
        struct.pack_into("=IIQ", attributes, 0, kind, _SIZE, config)
        struct.pack_into("=Q", attributes, 32, _TIMES if times else 0)
        struct.pack_into("=Q", attributes, 40, flags | (_INHERIT if inherit else 0))
        buffer = (ctypes.c_char * _SIZE).from_buffer(attributes)
        made: int = call(number, buffer, pid, cpu, -1, ctypes.c_ulong(how))
        if made >= 0:
            return made
        if kind not in (HARDWARE, SOFTWARE):
            break  # a PMU outside the core knows no modes to leave out
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code), "perf_event_open")


def value(file: int) -> int:
    """Return what an event has counted."""
    return int.from_bytes(os.read(file, 8), "little")


def scaled(file: int) -> float:
    """Return what an event would have counted, had it not shared its counter with others."""
    count, enabled, running = struct.unpack("<QQQ", os.read(file, 24))
    return float(count * enabled / running) if running else 0.0


def follow(
    threads: Callable[[], set[int]], ways: Sequence[Callable[[int], int]]
) -> list[list[int]]:
    """Open events of threads that may start others meanwhile; return the descriptors by way.

    A thread started in between might be counted twice, with its parent and by itself. If one was,
    it starts again.

    Parameters
    ----------
    threads : lists the threads as they are now.
    ways : open one event of a thread each.

    Raises
    ------
    OSError : the kernel does not permit it, or threads are started all the time.
    """
    for _ in range(_ATTEMPTS):
        there = threads()
        allow_files(len(there) * len(ways))
        files: list[list[int]] = [[] for _ in ways]
        try:
            for mine, opened in zip(files, ways, strict=True):
                for thread in there:
                    mine.append(opened(thread))
            if threads() <= there:
                return files
        except ProcessLookupError:
            pass  # a thread ended meanwhile
        except BaseException:
            close(files)
            raise
        close(files)
    raise OSError(errno.EAGAIN, "the process starts threads all the time")


def close(files: Iterable[Iterable[int]]) -> None:
    """Close descriptors."""
    for file in (file for each in files for file in each):
        os.close(file)


def allow_files(more: int) -> None:
    """Let this process have as many more files open, as far as it may decide that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = more + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if resource.RLIM_INFINITY != soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
