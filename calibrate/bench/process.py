"""The processes of the bench: how they are started, waited for and ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_SI_KERNEL = 0x80
_FORWARDED = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}
_libc = ctypes.CDLL(None, use_errno=True)


def python(code: str, *arguments: str) -> list[str]:
    """Return how to run Python code that imports ours, whatever folder and PYTHONPATH are set."""
    root = str(Path(__file__).resolve().parents[2])
    start = f"import sys; {root!r} in sys.path or sys.path.insert(0, {root!r})\n"
    return [sys.executable, "-P", "-c", start + code, *arguments]


def own(module: str, *arguments: str) -> list[str]:
    """Return how to run a module of ours as a process, whatever folder and PYTHONPATH are set.

    Parameters
    ----------
    module : its dotted name.
    arguments : of its command line.
    """
    code = f"import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    return python(code, *arguments)


def adopt() -> None:
    """Become the parent of whatever our children leave behind, so that `end_children` finds it."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_children() -> None:
    """Kill whatever the command left behind: as subreaper, the keeper inherits all of it."""
    me = os.getpid()
    children = Path(f"/proc/{me}/task/{me}/children")
    with contextlib.suppress(FileNotFoundError, ChildProcessError):  # a kernel without that file
        while living := children.read_text(encoding="ascii").split():
            for child in living:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)
            os.waitpid(-1, 0)


class patient:  # noqa: N801 - used as a verb: with patient() as wait
    """Wait for a child as a shell does: the child decides what a signal means.

    Ctrl-C comes from the kernel and reaches the child as well; what somebody sends to this
    process alone is passed on. Signals are blocked for the time being, and the child must
    unblock them (`hear_signals`). Only a main thread may do so; others just wait.
    """

    def __enter__(self) -> patient:
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            awaited = _FORWARDED | {signal.SIGCHLD}
            self._before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
        return self

    def __exit__(self, *_: object) -> None:
        if self._main:
            while signal.sigtimedwait(_FORWARDED, 0):
                pass  # the rest of a Ctrl-C that the child has answered already
            signal.pthread_sigmask(signal.SIG_SETMASK, self._before)

    def __call__(self, child: subprocess.Popen[bytes], parent: int | None = None) -> int:
        """Return the exit code; with the number of our own parent, give up when that one ends."""
        while self._main and child.poll() is None:
            heard = signal.sigtimedwait(_FORWARDED | {signal.SIGCHLD}, 1.0)
            if parent is not None and os.getppid() != parent:
                child.kill()
            elif heard and heard.si_signo != signal.SIGCHLD and heard.si_code != _SI_KERNEL:
                child.send_signal(heard.si_signo)
        code = child.wait()
        return 128 - code if code < 0 else code


def hear_signals() -> None:
    """Undo in a new child what `patient` does to its parent."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
