"""Run a command that sees the simulated machine in /sys, while everybody else sees the real one.

    host      the caller; `execute` starts the keeper and waits
    keeper    `calibrate.bench.keeper`: has mounts of its own, starts the other two, cleans up
    server    serves the files; see `calibrate.bench.server`
    command   what the user asked for

/sys does not allow new folders, so the keeper lays memory over /sys/class, /sys/devices/virtual and
/dev and binds each of their entries back to its place; only the sensors are new or different. The
mount point of the server, /sys/devices/virtual/crosswatt, stands there too: nothing is ever on
disk, and the kernel removes all of it with the last process of the namespace.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from calibrate.bench.process import own, patient
from calibrate.bench.setup import Setup
from calibrate.errors import Unsupported
from calibrate.simulated import bench_folder

MOUNTPOINT = "/sys/devices/virtual/crosswatt"

_CLONE_NEWNS, _CLONE_NEWUSER = 0x0002_0000, 0x1000_0000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x4_0000
_libc = ctypes.CDLL(None, use_errno=True)


def execute(wanted: Setup, command: Sequence[str]) -> int:
    """Run a command on a simulated machine.

    Parameters
    ----------
    wanted : the machine.
    command : program and arguments.

    Returns
    -------
    Exit code of the command, 128 + n when signal n ended it, 127 when it was not found and 126
    when it could not be started: as a shell has it.

    Raises
    ------
    Unsupported : this host cannot have a bench, or the process is on one already.
    CrosswattError : see `calibrate.bench.setup.Setup.check`.
    """
    from calibrate.bench.require import check

    if not command:
        raise Unsupported("There is no command to run on the bench.")
    if bench_folder():
        raise Unsupported("This already is a simulated machine; a bench within a bench is refused.")
    wanted.check()
    check()
    read_end, write_end = os.pipe()
    with patient() as wait:
        arguments = [str(os.getpid()), str(write_end), wanted.text(), *command]
        keeper = subprocess.Popen(own("calibrate.bench.keeper", *arguments), pass_fds=[write_end])
        os.close(write_end)
        with open(read_end, encoding="utf-8") as report:  # noqa: PTH123 - a descriptor
            refusal = report.read()
        code = wait(keeper)
    if refusal:
        raise Unsupported(refusal)
    return code


def enter() -> None:
    """Give this process mounts of its own; without root, as root of a user namespace of its own.

    Raises
    ------
    OSError : the kernel does not permit it.
    """
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(_CLONE_NEWNS) != 0:
        _check(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS), "unshare")
        with contextlib.suppress(FileNotFoundError):  # kernels before 3.19
            Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="ascii")
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    names = [None if text is None else text.encode() for text in (source, target, kind)]
    _check(_libc.mount(*names, ctypes.c_ulong(flags), options.encode()), target)


def bind(source: str, target: str) -> None:
    """Show one folder or file in the place of another, with all that is mounted in it."""
    _mount(source, target, None, _MS_BIND | _MS_REC)


def cover(folder: str, *added: str) -> None:
    """Lay memory over a folder: its entries show through, and the added ones are empty folders."""
    original = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    entries = list(os.scandir(f"/proc/self/fd/{original}"))
    _mount("crosswatt", folder, "tmpfs", 0, "mode=755,size=64k")
    for name in added:
        Path(folder, name).mkdir()
    for entry in entries:
        target = Path(folder, entry.name)
        if entry.name in added:
            continue
        if entry.is_symlink():
            target.symlink_to(os.readlink(entry.path))  # noqa: PTH115 - path lies behind a descriptor
            continue
        target.mkdir() if entry.is_dir() else target.touch()
        bind(entry.path, str(target))
    os.close(original)
