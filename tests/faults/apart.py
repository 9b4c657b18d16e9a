"""Run a command of crosswatt in a process of its own, and measure what it took."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import resource
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibrate import cli

#: What a command may take.
CPU_S, MEMORY_BYTES = 5, 256 << 20
#: CPU seconds and bytes at which a command is ended.
_KILLED_CPU_S, _KILLED_BYTES = 20, 2 << 30


@dataclass(frozen=True)
class Taken:
    """What a command came to.

    Parameters
    ----------
    code : its exit code.
    error : the last line of an internal error; empty where there was none.
    words : what it printed, at most 2000 characters.
    cpu_s, memory_bytes : what it took, beyond what the process had before.
    """

    code: int
    error: str
    words: str
    cpu_s: float
    memory_bytes: int

    @property
    def faults(self) -> list[str]:
        """What is wrong with it."""
        found = [self.error] if self.error else []
        found += [f"took more than {CPU_S} s"] if self.cpu_s > CPU_S else []
        if self.memory_bytes > MEMORY_BYTES:
            found.append(f"took more than {MEMORY_BYTES >> 20} MiB")
        return found


def run(arguments: list[str]) -> tuple[int, str, str]:
    """Run a command of crosswatt; return its exit code, internal error and what it printed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = cli.main(arguments)
        except BaseException:
            return 70, _last(traceback.format_exc()), ""
    words = said.getvalue()
    return code, _last(words) if "Traceback" in words else "", words[-2000:]


def _last(text: str) -> str:
    """Return where an error was raised, and the error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    places = [line for line in lines if line.startswith("File ") and "/calibrate/" in line]
    place = places[-1].split("/calibrate/")[-1] if places else ""
    errors = [
        line for line in lines if line.split(":")[0].endswith(("Error", "Exception", "Warning"))
    ]
    return f"{place[:80]}: {(errors or lines)[-1][:150]}"


def measured(work: Callable[[], tuple[int, str, str]]) -> Taken:
    """Do something in this process; it is ended where that takes far too much CPU time."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    base_kib, begun_s = _status_kib("VmRSS"), time.process_time()
    most_s = round(begun_s) + _KILLED_CPU_S
    _, hard_s = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (most_s, hard_s))
    code, error, words = work()
    cpu_s = time.process_time() - begun_s
    return Taken(code, error, words, cpu_s, (_status_kib("VmHWM") - base_kib) * 1024)


def apart(work: Callable[[], Any], within_s: int) -> Any:
    """Do something in a process of its own.

    Returns
    -------
    What it returned, as JSON has it; the number of the signal that ended it.
    """
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
        child = os.fork()
    if child == 0:
        os.close(read)
        try:
            _limit(within_s)
            result = work()
            with os.fdopen(write, "w") as pipe:
                json.dump(result, pipe)
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(child, 0)
    return json.loads(data) if data else os.WTERMSIG(status)


def _limit(within_s: int) -> None:
    """End this process where it takes far too much time or memory."""
    size = _status_kib("VmSize") * 1024 + _KILLED_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(within_s)


def _status_kib(key: str) -> int:
    """Return a figure of this process's memory."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise RuntimeError(f"/proc/self/status has no {key}")


def digest(folder: Path) -> str:
    """Return a checksum of all names and files in a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        total.update(os.fsencode(path))
        if path.is_file() and not path.is_symlink():
            total.update(path.read_bytes())
    return total.hexdigest()
