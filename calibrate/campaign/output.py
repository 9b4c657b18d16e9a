"""What a workload prints: its marks are taken, the rest goes into a file of bounded size."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from calibrate.threads import Follower

#: Bytes without a line end after which a line is taken as it is.
_LONGEST_LINE = 1 << 16
#: Bytes of output that are kept.
MOST_BYTES = 64 << 20
#: Bytes that can be read where memory is short.
_LITTLE = 256
_POLL_S = 0.1


class Output:
    """Reads a pipe in a thread until its end, or until it is left.

    Parameters
    ----------
    pipe : the workload's output.
    path : the file that it is kept in.
    take : given the text after `prefix` in a line; returns whether that was a mark.
    prefix : what stands before a mark.

    Raises
    ------
    OSError, MemoryError : the file cannot be made, or the thread cannot be started.
    """

    def __init__(
        self, pipe: IO[bytes], path: Path, take: Callable[[str], bool], prefix: str
    ) -> None:
        self._pipe, self._take, self._prefix = pipe, take, prefix
        self._path = path
        self._file: IO[bytes] | None = path.open("wb", buffering=0)
        self._room = MOST_BYTES
        self._dropped = 0
        #: Why not all of the output was kept; empty where it was.
        self.trouble = ""
        self._until_s: float | None = None
        try:
            self._thread = Follower(self._guarded)
        except BaseException:
            self._file.close()
            raise

    def leave(self, within_s: float) -> None:
        """Read what is there still, at most for a while, and close the file.

        A daemon that the workload left behind may hold the pipe open for ever.
        """
        self._until_s = time.monotonic() + within_s
        self._thread.join(within_s + 2 * _POLL_S)
        if self._dropped and not self.trouble:
            self._write(
                f"\n... {self._dropped} bytes of output are left out\n".encode(), force=True
            )
        if self._file:
            self._file.close()
            self._file = None

    def join(self, within_s: float) -> None:
        """Wait for the end of the output."""
        self._thread.join(within_s)

    def last_words(self) -> str:
        """Return the last line that was kept."""
        lines = self._path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing."

    def _guarded(self) -> None:
        """Follow; whatever happens, the pipe is emptied, so that the workload never waits."""
        try:
            self._follow()
        except Exception as error:  # above all a lack of memory
            self.trouble = f"its output could not be kept ({_why(error)})"
            while self._is_more():
                pass

    def _is_more(self) -> bool:
        """Drop a little output; tell whether there may be more."""
        try:
            return bool(self._next(self._pipe.fileno(), _LITTLE))
        except MemoryError:
            return True
        except (OSError, ValueError):  # it was closed meanwhile
            return False

    def _follow(self) -> None:
        handle, rest = self._pipe.fileno(), b""
        while data := self._next(handle):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._line(line + b"\n")
            if len(rest) > _LONGEST_LINE:
                self._write(rest)
                rest = b""
        if rest:
            self._line(rest)

    def _next(self, handle: int, most: int = _LONGEST_LINE) -> bytes:
        """Return what comes next; nothing at the end, or when the output is left."""
        while True:
            if self._until_s is not None and time.monotonic() > self._until_s:
                return b""
            ready, _, _ = select.select([handle], [], [], _POLL_S)
            if ready:
                return os.read(handle, most)
            if self._until_s is not None:
                return b""

    def _line(self, line: bytes) -> None:
        """Sort a line into marks and output; a progress bar may stand before a mark."""
        before, found, text = line.partition(self._prefix.encode())
        is_mark = bool(found) and self._take(text.decode(errors="replace"))
        self._write(before if is_mark else line)

    def _write(self, data: bytes, *, force: bool = False) -> None:
        """Keep output; what there is no room for is dropped, so that the workload never waits."""
        kept = data if force else data[: self._room]
        self._dropped += len(data) - len(kept)
        if self._file is None or self.trouble or not kept:
            return
        try:
            self._file.write(kept)
            self._room -= len(kept)
        except OSError as error:
            self.trouble = f"its output could not be kept ({error.strerror})"


def _why(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    return getattr(error, "strerror", None) or type(error).__name__
