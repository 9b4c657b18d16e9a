"""The recorders of a campaign: one process for each probe, opened and closed for every run.

A recorder that may stay waits between runs with its probe closed. A probe that takes no part in a
run is therefore closed in it, and what is left of it is a process that waits for its input: it has
no thread but that one (`calibrate.probe.recorder` sees to it), so that nothing wakes it up and it
takes no CPU time. That is why `observe`, where a probe may cost nothing in the runs without it,
needs no recorder ended.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self, cast

from calibrate import store
from calibrate.errors import CrosswattError
from calibrate.probe.available import Source
from calibrate.scratch import ScratchFolder
from calibrate.store import ProbeState

PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Timeouts:
    """Seconds after which a probe that does not answer is stopped for good."""

    open_s: float = 60.0
    begin_s: float = 10.0
    end_s: float = 10.0
    stop_s: float = 10.0
    workload_s: float = 3600.0


class Recording:
    """The parent's end of one recorder process, for one run after the other.

    Parameters
    ----------
    source : the probe.
    import_path : where the process finds this package.

    Raises
    ------
    OSError : its interpreter cannot be started.
    """

    def __init__(self, source: Source, import_path: str) -> None:
        self.source = source
        #: The file of the present run, and how the run ended for this probe.
        self.path = Path()
        self.state: ProbeState | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the recorder
        self._errors_read = 0
        options = [f"{key}={value}" for key, value in source.options.items()]
        try:
            self._process = subprocess.Popen(
                [source.python, "-P", "-m", "calibrate.probe.recorder", source.adapter, *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, "PYTHONPATH": _python_path(source, import_path)},
                start_new_session=True,  # Ctrl-C is for the parent, which then stops everybody
                bufsize=0,
            )
        except OSError:
            self._errors.close()
            raise
        self._orders = cast(IO[bytes], self._process.stdin)
        #: What the recorder answers on.
        self.pipe = cast(IO[bytes], self._process.stdout)
        self._answer = b""
        self._ended = False

    @property
    def alive(self) -> bool:
        """Whether it still takes part in the present run."""
        return self.state is None

    @property
    def waiting(self) -> bool:
        """Whether it waits for the next run; one that died meanwhile does not."""
        return not self._ended and self._process.poll() is None

    def open(self, path: Path, pid: int | None) -> None:
        """Begin a run, with its file and the workload's process."""
        self.path, self.state = path, None
        self._errors_read = os.fstat(self._errors.fileno()).st_size
        self.tell("open", out=str(path.absolute()), pid=pid)

    def tell(self, word: str, **details: object) -> None:
        """Send an order; a recorder that is gone is noticed when its answer is missed."""
        line = f"{word} {json.dumps(details)}" if details else word
        with suppress(BrokenPipeError):
            self._orders.write(line.encode() + b"\n")

    def listen(self) -> str | None:
        """Return the next whole word on the pipe, ``""`` at its end, None before either."""
        chunk = os.read(self.pipe.fileno(), 4096)
        if not chunk:
            return ""
        self._answer += chunk
        word, newline, rest = self._answer.partition(b"\n")
        if not newline:
            return None
        self._answer = rest
        return word.decode(errors="replace")

    def closed(self) -> None:
        """Take how the run ended; the recorder waits for the next."""
        if not self._told(self._said()):
            self.kill("killed", "its file has no stop document")

    def finish(self) -> None:
        """Collect a recorder whose pipe has closed, and take how the run ended."""
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:  # it closed its pipe and lives on
            os.killpg(self._process.pid, signal.SIGKILL)
            code = self._process.wait()
        said = self._said()
        self._close()
        if not self._told(said):
            last_words = f": {said}" if said else ""
            self._conclude("killed", f"its process ended with code {code}{last_words}")

    def _told(self, said: str) -> bool:
        """Take the state from the stop document of its file, if there is one."""
        try:
            stop = store.load_log(self.path).stop
        except CrosswattError:
            return False
        if "at_ns" not in stop:
            return False
        self.state = ProbeState(
            status=stop["status"], reason=stop["reason"], fix=stop["fix"], said=said
        )
        return True

    def kill(self, status: store.ProbeStatus, reason: str) -> None:
        """Stop it for good and write why, if it is in a run."""
        self.end()
        if self.alive:
            self._conclude(status, reason)

    def end(self) -> None:
        """Stop it for good."""
        if self._ended:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._close()

    def _conclude(self, status: store.ProbeStatus, reason: str) -> None:
        self.state = ProbeState(status=status, reason=reason)
        store.close_log(self.path, self.state, time.monotonic_ns())

    def _said(self) -> str:
        """Return the last line on its standard error in the present run."""
        # The process writes at the same place of the same open file: it must not be moved.
        file = self._errors.fileno()
        text = os.pread(file, os.fstat(file).st_size - self._errors_read, self._errors_read)
        lines = text.decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else ""

    def _close(self) -> None:
        self._ended = True
        for stream in (self._orders, self.pipe, self._errors):
            stream.close()


class Crew:
    """The recorders of a campaign; those of the present run are spoken to together.

    A context manager that leaves no process behind.
    """

    def __init__(self) -> None:
        self._imports = _import_folder()
        self._recordings: dict[str, Recording] = {}
        #: Those of the present run.
        self._members: list[Recording] = []
        #: Probes of the present run whose recorder cannot be started, each with its file.
        self._unstarted: dict[str, tuple[ProbeState, Path]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End every recorder; what is still in a run is killed."""
        self.dismiss()
        for each in self._recordings.values():
            each.end()
        self._imports.close()

    def open(self, sources: Iterable[Source], folder: Path, pid: int | None = None) -> None:
        """Begin a run: open the probes that take part; ``ready`` is their answer.

        Parameters
        ----------
        sources : the probes.
        folder : where their files go.
        pid : the workload, for probes that measure processes.
        """
        self._members, self._unstarted = [], {}
        for source in sources:
            path = folder / f"{source.name}.jsonl"
            try:
                member = self._recording(source)
            except OSError as error:
                self._unstarted[source.name] = (_cannot_start(source, error), path)
                store.close_log(path, self._unstarted[source.name][0], time.monotonic_ns())
            else:
                self._members.append(member)
        for member in self._members:
            member.open(folder / f"{member.source.name}.jsonl", pid)

    def _recording(self, source: Source) -> Recording:
        """Return the recorder of a probe: the one that waits, or a new one."""
        before = self._recordings.get(source.name)
        if before and before.waiting and before.source == source:
            return before
        if before:
            before.end()
        self._recordings[source.name] = Recording(source, self._imports.name)
        return self._recordings[source.name]

    def leave_out(self, names: Iterable[str]) -> None:
        """Drop probes that are not open; the run then knows nothing of them."""
        gone = {*names}
        for member in [each for each in self._members if each.source.name in gone]:
            self._members.remove(member)
            member.path.unlink(missing_ok=True)
        for name in gone & self._unstarted.keys():
            _, path = self._unstarted.pop(name)
            path.unlink(missing_ok=True)

    @property
    def states(self) -> dict[str, ProbeState]:
        """How the run ended for each probe, by name."""
        unstarted = {name: state for name, (state, _) in self._unstarted.items()}
        return unstarted | {each.source.name: each.state for each in self._members if each.state}

    def logs(self) -> dict[str, store.ProbeLog]:
        """Read the files of the run, by name of the probe."""
        paths = {name: path for name, (_, path) in self._unstarted.items()}
        paths |= {each.source.name: each.path for each in self._members}
        return {name: store.load_log(path) for name, path in paths.items()}

    def tell(self, word: str) -> None:
        """Send a word to every living member."""
        for member in self._members:
            if member.alive:
                member.tell(word)

    def gather(self, word: str, within_s: float) -> None:
        """Wait until every living member has answered `word`, or is gone, or is late and killed."""
        until_ns = time.monotonic_ns() + int(within_s * 1e9)
        waiting = {member for member in self._members if member.alive}
        with selectors.DefaultSelector() as selector:
            for member in waiting:
                selector.register(member.pipe, selectors.EVENT_READ, member)
            while waiting and (left_ns := until_ns - time.monotonic_ns()) > 0:
                for key, _ in selector.select(left_ns / 1e9):
                    member = key.data
                    heard = member.listen()
                    if heard in {word, ""}:
                        selector.unregister(member.pipe)
                        waiting.discard(member)
                    if heard == "":
                        member.finish()
        for member in waiting:
            member.kill("hung", f"it did not answer {word!r} within {within_s:g} s and was stopped")

    def close(self, within_s: float) -> None:
        """End the run: close every probe that is still open."""
        self.tell("stop")
        self.gather("closed", within_s)
        for member in self._members:
            if member.alive:
                member.closed()

    def dismiss(self) -> None:
        """Kill whoever is still in a run, which was interrupted."""
        for member in self._members:
            if member.alive:
                with suppress(OSError):  # its disk may be full; nobody will read this run
                    member.kill("killed", "the run was interrupted")


def _cannot_start(source: Source, error: OSError) -> ProbeState:
    """Return the state of a probe whose interpreter is gone, or may not be run."""
    return ProbeState(
        status="unavailable",
        reason=f"its interpreter {source.python} cannot be started ({error.strerror})",
        fix="install it again; 'crosswatt probes' lists the environments that have one",
    )


def _python_path(source: Source, import_path: str) -> str:
    """Return where a recorder imports from: a foreign interpreter gets nothing of this one's."""
    own = source.python == Path(sys.executable) and os.environ.get("PYTHONPATH")
    return f"{import_path}{os.pathsep}{own}" if own else import_path


def _import_folder() -> ScratchFolder:
    """Return a folder in which only this package can be imported.

    A recorder under a foreign interpreter needs `calibrate`, and must not see whatever else is
    installed beside it.
    """
    place = ScratchFolder()
    (place.path / "calibrate").symlink_to(PACKAGE)
    return place
