"""Ends a workload when the process that started it is gone, however that ended.

A shell waits at a pipe that only this process holds open. When this process ends without a word,
the pipe closes, and the shell kills the process group of the workload.
"""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import IO, cast

_WAIT = 'read -r done || kill -s KILL -- "-$1" 2>/dev/null'


class Guard:
    """Watches over one process group, until it is told that the group has ended.

    Parameters
    ----------
    group : number of the process group to end.
    """

    def __init__(self, group: int) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _WAIT, "sh", str(group)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # what ends the runner's group shall not end this
            bufsize=0,
        )

    def dismiss(self) -> None:
        """Say that the group has ended, and wait until the guard has, too; once or more often."""
        pipe = cast(IO[bytes], self._process.stdin)
        if pipe.closed:
            return
        with suppress(OSError):  # somebody killed it
            pipe.write(b"done\n")
        pipe.close()
        self._process.wait()
