"""A program that prints figures as long as it runs: started, followed, and ended with us."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO

from calibrate.probe.contract import Unavailable

_FIRST_S = 10.0


class Stream:
    """A program beside us whose standard output is followed.

    Parameters
    ----------
    command : the program and its arguments.
    follow : reads the stream until it ends; called in a thread of its own.
    fix : what to do where there is no such program.

    Raises
    ------
    Unavailable : there is no such program.
    """

    def __init__(self, command: Sequence[str], follow: Callable[[IO[str]], None], fix: str) -> None:
        program = shutil.which(command[0])
        if program is None:
            raise Unavailable(f"there is no program {command[0]!r}", fix)
        self.program = program
        self._said = ""
        self._error: Exception | None = None
        self._process = subprocess.Popen(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._threads = [
            threading.Thread(target=self._guarded, args=(follow,), daemon=True),
            threading.Thread(target=self._listen, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _guarded(self, follow: Callable[[IO[str]], None]) -> None:
        if self._process.stdout is None:
            return
        try:
            follow(self._process.stdout)
        except (ValueError, KeyError, TypeError) as error:
            self._error = error

    def _listen(self) -> None:
        """Keep what it complains of, so that it is never held up by nobody listening."""
        for line in self._process.stderr or ():
            self._said = (self._said + line)[-2000:]

    def wait(self, there: Callable[[], bool], fix: str) -> None:
        """Wait for its first figures.

        Raises
        ------
        Unavailable : it ends, or says nothing, or something else, within 10 s; it is ended.
        """
        until_s = time.monotonic() + _FIRST_S
        while not there():
            if self._error or self._process.poll() is not None or time.monotonic() > until_s:
                time.sleep(0.05)  # for its last words
                why = self.why()
                self.close()
                raise Unavailable(f"{self.program}: {why}", fix)
            time.sleep(0.01)

    def check(self) -> None:
        """Raise ValueError if it has ended, or said what makes no sense."""
        if self._error or self._process.poll() is not None:
            raise ValueError(f"{self.program}: {self.why()}")

    def why(self) -> str:
        """Return why there are no figures."""
        if self._error:
            return str(self._error)
        if self._process.poll() is None:
            return f"it gave no figures within {_FIRST_S:g} s"
        lines = (line.strip() for line in self._said.splitlines())
        return next((line for line in lines if line), "it ended and said nothing")

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        for thread in self._threads:
            thread.join(5)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


def monotonic_ns(at_s: float) -> int:
    """Return an instant of the system's clock (s since 1970) as CLOCK_MONOTONIC ns.

    The two clocks are compared when it is asked, so that a step of the system's clock since then
    moves the instant by as much.
    """
    return time.monotonic_ns() - round((time.time() - at_s) * 1e9)


def version(program: str) -> str:
    """Return the last word that a program says of its version."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    words = (done.stdout or done.stderr).split()
    return words[-1] if words else ""
