"""One workload while every probe records, once.

    spawn all -> ready -> idle -> begin -> workload -> end -> idle -> stop -> run.json

Every probe is a process of its own, so that one which crashes, hangs or prints rubbish costs its
own readings and nothing else. A probe that does not answer within `Limits` is killed.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from calibrate import store
from calibrate.errors import CrosswattError
from calibrate.marks import PREFIX, VARIABLE, Value
from calibrate.store import Job, PhaseRecord, ProbeState, RunRecord

PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Limits:
    """Seconds after which a probe that does not answer is stopped for good."""

    open_s: float = 60.0
    begin_s: float = 10.0
    end_s: float = 10.0
    stop_s: float = 10.0
    workload_s: float = 3600.0


@dataclass(frozen=True)
class Source:
    """A probe to be recorded.

    Parameters
    ----------
    name : the name its file gets.
    adapter : the adapter's file.
    python : the interpreter it runs under.
    options : settings handed to `Probe.open`.
    """

    name: str
    adapter: Path
    python: Path = Path(sys.executable)
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pause:
    """Seconds of idleness recorded before and after the workload."""

    before_s: float = 1.0
    after_s: float = 0.5


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
            [source.python, "-P", "-m", "calibrate.recorder", source.adapter, path, *options],
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


class Work:
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
        self._log = (folder / "output.log").open("w", encoding="utf-8", buffering=1)
        self._name = job.workload
        self._able, self._ready = threading.Event(), threading.Event()
        self.phases: list[PhaseRecord] = []
        self.result: dict[str, Value] = {}
        self._process = subprocess.Popen(
            [*own, *job.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, VARIABLE: "1"},
            text=True,
            errors="replace",
            bufsize=1,
            start_new_session=True,
        )
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The process, the same before and after its start."""
        return self._process.pid

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
            self._thread.join(2)  # it may have said so in its last words
            if not event.is_set():
                self.kill()
                raise CrosswattError(
                    f"The workload {self._name} did not get ready: {self._last_words()}"
                )

    def _follow(self) -> None:
        """Sort the workload's lines into marks and output."""
        for line in cast(IO[str], self._process.stdout):
            before, found, text = line.partition(PREFIX)  # a progress bar may stand before it
            self._log.write(before if found and self._mark(text) else line)

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
        orders = cast(IO[str], self._process.stdin)
        with suppress(BrokenPipeError):  # it has ended already; its exit code tells
            orders.write("go\n")
            orders.flush()

    def done(self, within_s: float) -> bool:
        """Wait a moment for its end."""
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def finish(self) -> int:
        """Collect its output and return its exit code."""
        self._join()
        return self._process.returncode

    def kill(self) -> None:
        """Stop it, and whatever it started."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._join()

    def _join(self) -> None:
        self._thread.join(2)  # a grandchild may hold the pipe open
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        self._log.close()

    def _last_words(self) -> str:
        lines = Path(self._log.name).read_text(encoding="utf-8").strip().splitlines()
        return lines[-1] if lines else "it said nothing."


@contextmanager
def _hired(job: Job, sources: Sequence[Source], folder: Path) -> Iterator[tuple[Crew, Work]]:
    """Spawn everybody, and leave nobody behind however it ends."""
    work = Work(job, folder)
    try:
        crew = Crew(sources, folder, work.pid)
        try:
            yield crew, work
        finally:
            work.kill()
            crew.dismiss()
    finally:
        work.kill()


def check(job: Job) -> None:
    """Start a workload until it says that it has all it needs, and stop it there.

    Raises
    ------
    CrosswattError : it cannot be started, or its last words.
    """
    with tempfile.TemporaryDirectory(prefix="crosswatt-") as place:
        work = Work(job, Path(place))
        try:
            work.check()
        finally:
            work.kill()


def run(
    job: Job,
    sources: Sequence[Source],
    folder: Path,
    pause: Pause = Pause(),
    limits: Limits = Limits(),
    watch: Callable[[str], None] = lambda stage: None,
) -> RunRecord:
    """Do one run in an existing empty folder and write ``run.json`` last.

    Parameters
    ----------
    job : what to run.
    sources : the probes.
    folder : where the files go.
    pause : idle time before and after.
    limits : how long a probe may be silent.
    watch : called with the stage, several times a second while the workload runs.

    Raises
    ------
    CrosswattError : the workload cannot be started.
    """
    with _hired(job, sources, folder) as (crew, work):
        watch("opening probes")
        work.prepare()

        def act() -> None:
            began_ns = time.monotonic_ns()
            work.go()
            while not work.done(0.25):
                watch("measuring")
                if time.monotonic_ns() - began_ns > limits.workload_s * 1e9:
                    work.kill()

        instants = _measure(crew, act, pause, limits, watch)
        code = work.finish()
        return _keep(folder, job, crew, instants, code, work.phases, work.result)


def run_here(
    job: Job,
    act: Callable[[], tuple[int, Sequence[PhaseRecord]]],
    sources: Sequence[Source],
    folder: Path,
    pause: Pause = Pause(),
    limits: Limits = Limits(),
) -> RunRecord:
    """Do one run, as `run` does, whose workload is a function of this process.

    Parameters
    ----------
    job : what the record says of it.
    act : does the work; returns an exit code and the phases.
    """
    done: list[tuple[int, Sequence[PhaseRecord]]] = []
    crew = Crew(sources, folder, os.getpid())
    try:
        instants = _measure(crew, lambda: done.append(act()), pause, limits)
        [(code, phases)] = done
        return _keep(folder, job, crew, instants, code, phases, {})
    finally:
        crew.dismiss()


def _keep(
    folder: Path,
    job: Job,
    crew: Crew,
    instants: Mapping[str, int],
    exit_code: int,
    phases: Sequence[PhaseRecord],
    result: Mapping[str, Value],
) -> RunRecord:
    """Write ``run.json`` of a run that has ended."""
    record = RunRecord(
        number=job.number,
        workload=job.workload,
        arguments=job.arguments,
        repeat=job.repeat,
        exit_code=exit_code,
        **instants,
        phases=tuple(phases),
        result=dict(result),
        probes={m.name: m.state for m in crew.members if m.state},
    )
    store.save(folder / store.RUN, record)
    return record


def _measure(
    crew: Crew,
    act: Callable[[], object],
    pause: Pause,
    limits: Limits,
    watch: Callable[[str], None] = lambda stage: None,
) -> dict[str, int]:
    """Have a crew record while something is done; return the instants of a `RunRecord`."""
    crew.gather("ready", limits.open_s)
    crew.tell("record")
    recording_ns = time.monotonic_ns()
    _rest(pause.before_s, watch)
    crew.tell("begin")
    crew.gather("begun", limits.begin_s)
    begin_ns, epoch_ns = time.monotonic_ns(), time.time_ns()
    act()
    end_ns = time.monotonic_ns()
    crew.tell("end")
    crew.gather("ended", limits.end_s)
    _rest(pause.after_s, watch)
    crew.tell("stop")
    crew.gather("", limits.stop_s)
    return {
        "recording_ns": recording_ns,
        "begin_ns": begin_ns,
        "end_ns": end_ns,
        "stopped_ns": time.monotonic_ns(),
        "epoch_ns": epoch_ns,
    }


def _rest(seconds: float, watch: Callable[[str], None]) -> None:
    """Let the machine idle while every probe records."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        watch("idle")
        time.sleep(min(0.25, left))


def describe(
    sources: Sequence[Source], within_s: float = 60.0
) -> dict[str, tuple[ProbeState, store.ProbeLog]]:
    """Open every probe once, without measuring: what is there, and why the rest is not."""
    with tempfile.TemporaryDirectory(prefix="crosswatt-") as place:
        crew = Crew(sources, Path(place))
        try:
            crew.gather("ready", within_s)
            crew.tell("stop")
            crew.gather("", within_s)
        finally:
            crew.dismiss()
        return {m.name: (m.state, store.load_log(m.path)) for m in crew.members if m.state}
