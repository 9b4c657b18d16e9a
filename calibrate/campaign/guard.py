"""Ends a workload when the process that started it is gone, however that ended.

A shell waits at a pipe that only this process holds open. When this process ends without a word,
the pipe closes, and the shell kills the process group of the workload.
"""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import IO, cast

_WAIT = 'read -r group || exit; read -r done || kill -s KILL -- "-$group" 2>/dev/null'


class Guard:
    """Watches over one process group, until it is told that the group has ended.

    It is started before there is a group, so that no workload is ever without it.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _WAIT],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # what ends the runner's group shall not end this
            bufsize=0,
        )
        self._pipe = cast(IO[bytes], self._process.stdin)

    def watch(self, group: int) -> None:
        """Say which process group is to end with this process."""
        with suppress(OSError):  # somebody killed the guard
            self._pipe.write(f"{group}\n".encode())

    def dismiss(self) -> None:
        """Say that the group has ended, and wait until the guard has, too; once or more often."""
        if self._pipe.closed:
            return
        with suppress(OSError):
            self._pipe.write(b"done\n")
        self._pipe.close()
        self._process.wait()
