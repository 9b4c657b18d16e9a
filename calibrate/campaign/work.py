"""The process of a workload: its start, its marks and its output."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from calibrate import store
from calibrate.campaign.guard import Guard
from calibrate.campaign.lost import ended_by
from calibrate.campaign.output import Output
from calibrate.campaign.withheld import given_back
from calibrate.errors import CrosswattError
from calibrate.loads import PREFIX, VARIABLE, Value
from calibrate.scratch import scratch_folder
from calibrate.store import Job, PhaseRecord


class WorkloadLost(CrosswattError):
    """The process of a workload was ended from outside before it could begin."""


class WorkloadProcess:
    """The workload's process, its marks and its output.

    Parameters
    ----------
    job : a workload's script, or a command of the user's own, which a shell holds until its start
        so that its process is known to the probes before.
    folder : ``output.log`` is written here.

    Raises
    ------
    CrosswattError : it cannot be started.
    """

    _HOLD = ("/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "sh")

    def __init__(self, job: Job, folder: Path) -> None:
        self._marks = job.script is not None
        own = [sys.executable, job.script, "--marks"] if job.script else [*self._HOLD]
        if not self._marks and shutil.which(job.arguments[0]) is None:
            raise CrosswattError(
                f"{job.arguments[0]} cannot be run: there is no such program, or it is not "
                "executable. Give its path, or make it so with chmod +x."
            )
        self._name = job.workload
        self._able, self._ready = threading.Event(), threading.Event()
        self.phases: list[PhaseRecord] = []
        self.result: dict[str, Value] = {}
        self._guard = Guard()
        try:
            self._process = subprocess.Popen(
                [*own, *given_back(job.arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, VARIABLE: "1"},
                bufsize=0,
                start_new_session=True,
            )
        except BaseException:
            self._guard.dismiss()
            raise
        try:
            self._guard.watch(self._process.pid)
            pipe = cast(IO[bytes], self._process.stdout)
            self._output = Output(pipe, folder / store.OUTPUT, self._mark, PREFIX)
        except BaseException:
            self._end()
            raise

    @property
    def pid(self) -> int:
        """The process, the same before and after its start."""
        return self._process.pid

    def require_output(self) -> None:
        """See that its output is being kept.

        Raises
        ------
        CrosswattError : it cannot be.
        """
        if self._output.trouble:
            raise CrosswattError(f"The workload {self._name}: {self._output.trouble}.")

    def prepare(self, within_s: float = 120.0) -> None:
        """Wait until a script is ready; a user's own command has nothing to prepare."""
        self._await(self._ready, within_s)

    def check(self, within_s: float = 120.0) -> None:
        """Wait until a script has all that it needs, ready or not."""
        self._await(self._able, within_s)

    def _await(self, event: threading.Event, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while self._marks and not event.wait(0.05):
            if self._process.poll() is None and time.monotonic() < deadline:
                continue
            self._output.join(2)  # it may have said so in its last words
            if not event.is_set():
                ended = self._process.poll()
                self.kill()
                why = f"The workload {self._name} did not get ready: {self._output.last_words()}"
                if name := ended_by(ended or 0):
                    raise WorkloadLost(f"{why} ({name})")
                raise CrosswattError(why)

    def _mark(self, text: str) -> bool:
        """Take one mark; whatever is not a proper mark is output."""
        try:
            data: dict[str, Any] = json.loads(text)
            kind = data.pop("mark")
            if kind in {"able", "ready"}:
                self._able.set()
                if kind == "ready":
                    self._ready.set()
            elif kind == "phase":
                phase = PhaseRecord.model_validate(data)
                # Of another clock, or turned round, it says nothing of this run.
                if not phase.begin_ns <= phase.end_ns <= time.monotonic_ns():
                    return False
                self.phases.append(phase)
            elif kind == "result":
                self.result.update(data["values"])
            else:
                return False
        except (ValueError, KeyError, TypeError, AttributeError):
            return False
        return True

    def go(self) -> None:
        """Let it start."""
        orders = cast(IO[bytes], self._process.stdin)
        with suppress(BrokenPipeError):  # it has ended already; its exit code tells
            orders.write(b"go\n")

    def done(self, within_s: float) -> bool:
        """Wait a moment for its end."""
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def finish(self) -> int:
        """Collect its output and return its exit code.

        Raises
        ------
        CrosswattError : its output could not be kept.
        """
        self._join()
        self.require_output()
        return self._process.returncode

    def kill(self) -> None:
        """Stop it, and whatever it started."""
        self._stop()
        self._join()

    def _end(self) -> None:
        """Leave nothing of a process whose output cannot be taken."""
        self._stop()
        self._guard.dismiss()
        self._close()

    def _stop(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _join(self) -> None:
        self._guard.dismiss()
        self._output.leave(2)
        self._close()

    def _close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()


def check_workloads(jobs: Iterable[Job], at_once: int) -> None:
    """Start workloads until each says that it has all it needs, and stop them there.

    Parameters
    ----------
    jobs : the workloads.
    at_once : how many run at the same time; nothing is being measured.

    Raises
    ------
    CrosswattError : one cannot be started, or its last words: the first that fails.
    """
    started: deque[WorkloadProcess] = deque()
    with scratch_folder() as place:
        try:
            for number, job in enumerate(jobs):
                if len(started) == at_once:
                    _check_first(started)
                folder = place / str(number)
                folder.mkdir()
                started.append(WorkloadProcess(job, folder))
            while started:
                _check_first(started)
        finally:
            for work in started:
                work.kill()


def _check_first(started: deque[WorkloadProcess]) -> None:
    """Wait until the workload that was started first has all it needs, and stop it."""
    started[0].check()
    started.popleft().kill()
