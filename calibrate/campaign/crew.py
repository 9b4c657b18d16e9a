"""TODO."""

from __future__ import annotations

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
from typing import IO, cast

from calibrate import store
from calibrate.errors import CrosswattError
from calibrate.probe.available import Source
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
    """The parent's end of one recorder process."""

    def __init__(self, source: Source, path: Path, import_path: str, pid: int | None) -> None:
        self.name = source.name
        self.path = path
        self.state: ProbeState | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the recorder
        options = [f"{key}={value}" for key, value in source.options.items()]
        options += [f"pid={pid}"] if pid else []
        self._process = subprocess.Popen(
            [source.python, "-P", "-m", "calibrate.probe.recorder", source.adapter, path, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": _python_path(source, import_path)},
            start_new_session=True,  # Ctrl-C is for the parent, which then stops everybody
            bufsize=0,
        )
        self._orders = cast(IO[bytes], self._process.stdin)
        #: What the recorder answers on.
        self.pipe = cast(IO[bytes], self._process.stdout)
        self._answer = b""

    @property
    def alive(self) -> bool:
        """Whether it still takes part."""
        return self.state is None

    def tell(self, word: str) -> None:
        """Send a word; a recorder that is gone is noticed when its answer is missed."""
        with suppress(BrokenPipeError):
            self._orders.write(word.encode() + b"\n")

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

    def finish(self) -> None:
        """Collect a recorder whose pipe has closed: take the state from its own stop document."""
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:  # it closed its pipe and lives on
            os.killpg(self._process.pid, signal.SIGKILL)
            code = self._process.wait()
        said = self._said()
        self._close()
        try:
            stop = store.load_log(self.path).stop
        except CrosswattError as error:
            stop = {"status": "killed", "reason": str(error)}
        if "at_ns" in stop:
            self.state = ProbeState(
                status=stop["status"], reason=stop["reason"], fix=stop["fix"], said=said
            )
            return
        last_words = f": {said}" if said else ""
        self._conclude("killed", f"its process ended with code {code}{last_words}")

    def kill(self, status: store.ProbeStatus, reason: str) -> None:
        """Stop it for good and write why."""
        if not self.alive:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._close()
        self._conclude(status, reason)

    def _conclude(self, status: store.ProbeStatus, reason: str) -> None:
        self.state = ProbeState(status=status, reason=reason)
        store.close_log(self.path, self.state, time.monotonic_ns())

    def _said(self) -> str:
        """Return the last line on its standard error."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else ""

    def _close(self) -> None:
        for stream in (self._orders, self.pipe, self._errors):
            stream.close()


class Crew:
    """All recorders of one run, spoken to together.

    Parameters
    ----------
    sources : the probes.
    folder : where their files go.
    pid : the workload, for probes that measure processes.
    """

    def __init__(self, sources: Iterable[Source], folder: Path, pid: int | None = None) -> None:
        self._imports = _import_folder()
        self.members = [
            Recording(source, folder / f"{source.name}.jsonl", self._imports.name, pid)
            for source in sources
        ]

    def tell(self, word: str) -> None:
        """Send a word to every living member."""
        for member in self.members:
            if member.alive:
                member.tell(word)

    def gather(self, word: str, within_s: float) -> None:
        """Wait until every living member has answered `word`, or is gone, or is late and killed."""
        until_ns = time.monotonic_ns() + int(within_s * 1e9)
        waiting = {member for member in self.members if member.alive}
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

    def dismiss(self) -> None:
        """Kill whoever is left; leave nothing behind."""
        for member in self.members:
            member.kill("killed", "the run was interrupted")
        self._imports.cleanup()


def _python_path(source: Source, import_path: str) -> str:
    """Return where a recorder imports from: a foreign interpreter gets nothing of this one's."""
    own = source.python == Path(sys.executable) and os.environ.get("PYTHONPATH")
    return f"{import_path}{os.pathsep}{own}" if own else import_path


def _import_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder in which only this package can be imported.

    A recorder under a foreign interpreter needs `calibrate`, and must not see whatever else is
    installed beside it.
    """
    place = tempfile.TemporaryDirectory(prefix="crosswatt-")
    (Path(place.name) / "calibrate").symlink_to(PACKAGE)
    return place
