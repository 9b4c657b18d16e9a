"""One workload while every probe records, once.

    open all -> ready -> idle -> begin -> workload -> end -> idle -> close all -> run.json

Every probe is a process of its own, so that one which crashes, hangs or prints rubbish costs its
own readings and nothing else. A probe that does not answer within `Timeouts` is killed. The
processes are a crew's: given one, they stay for the next run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from calibrate import store
from calibrate.campaign.crew import Crew, Timeouts
from calibrate.campaign.work import WorkloadProcess
from calibrate.errors import CrosswattError
from calibrate.loads import Value
from calibrate.probe.available import Source
from calibrate.scratch import scratch_folder
from calibrate.store import Job, PhaseRecord, ProbeState, RunRecord


@dataclass(frozen=True)
class Pause:
    """Seconds of idleness recorded before and after the workload."""

    before_s: float = 1.0
    after_s: float = 0.5


@contextmanager
def _crew_or_new(crew: Crew | None) -> Iterator[Crew]:
    """Yield a crew; no member is left in a run, and of a new one no process."""
    with nullcontext(crew) if crew else Crew() as present:
        try:
            yield present
        finally:
            present.dismiss()


@contextmanager
def _started(job: Job, folder: Path) -> Iterator[WorkloadProcess]:
    """Start a workload's process, and leave nothing of it behind however it ends."""
    work = WorkloadProcess(job, folder)
    try:
        yield work
    finally:
        work.kill()


def perform_run(
    job: Job,
    sources: Sequence[Source],
    folder: Path,
    pause: Pause = Pause(),
    limits: Timeouts = Timeouts(),
    watch: Callable[[str], None] = lambda stage: None,
    crew: Crew | None = None,
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
    crew : the recorders of a campaign; without them the run has its own.

    Raises
    ------
    CrosswattError : the workload cannot be started, or there is no room left for what is measured.
    """
    with _started(job, folder) as work, _crew_or_new(crew) as present:
        present.open(sources, folder, work.pid)
        watch("opening probes")
        work.prepare()
        present.gather("ready", limits.open_s)
        instants = _begin(present, pause, limits, watch)
        work.go()
        while not work.done(0.25):
            watch("measuring")
            work.require_output()
            _require_room(folder)
            if time.monotonic_ns() - instants["begin_ns"] > limits.workload_s * 1e9:
                work.kill()
        instants |= _end(present, pause, limits, watch)
        code = work.finish()
        return _keep(folder, job, present, instants, code, work.phases, work.result)


class RunHere:
    """One run whose workload is what this process does between `begin` and `end`.

    Parameters
    ----------
    job : what the record says of it.
    sources : the probes.
    folder : where the files go; it exists and is empty.
    pause : idle time before and after, in which this process waits.
    limits : how long a probe may be silent.
    """

    def __init__(
        self,
        job: Job,
        sources: Sequence[Source],
        folder: Path,
        pause: Pause = Pause(),
        limits: Timeouts = Timeouts(),
    ) -> None:
        self._job, self._folder = job, folder
        self._pause, self._limits = pause, limits
        self._instants: dict[str, int] = {}
        self._sources = sources
        self._crew = Crew()

    def open(self) -> dict[str, ProbeState]:
        """Wait until every probe is open, and return which are, and why the others are not."""
        self._crew.open(self._sources, self._folder, os.getpid())
        self._crew.gather("ready", self._limits.open_s)
        ended = self._crew.states
        return {s.name: ended.get(s.name, ProbeState(status="ok")) for s in self._sources}

    def leave_out(self, names: Iterable[str]) -> None:
        """Drop probes that are not open; the run then knows nothing of them."""
        self._crew.leave_out(names)

    def begin(self) -> None:
        """Record idleness, then begin: what this process does from now on is measured."""
        self._instants |= _begin(self._crew, self._pause, self._limits)

    def end(self, exit_code: int, phases: Sequence[PhaseRecord]) -> RunRecord:
        """End, record idleness, stop the probes, and write ``run.json``.

        Parameters
        ----------
        exit_code : 0 where the work succeeded.
        phases : what was marked.
        """
        self._instants |= _end(self._crew, self._pause, self._limits)
        return _keep(self._folder, self._job, self._crew, self._instants, exit_code, phases, {})

    def dismiss(self) -> None:
        """Kill what is left of the probes; to be called however it ends."""
        self._crew.end()


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
        planned_s=job.seconds,
        repeat=job.repeat,
        exit_code=exit_code,
        **instants,
        phases=tuple(phases),
        result=dict(result),
        probes=crew.states,
    )
    for name in record.probes:
        with suppress(OSError, CrosswattError):  # the lines are there still, and are as good
            store.pack(folder / f"{name}.jsonl")
    store.sync_folder(folder, files=True)  # run.json says that all of this is there
    store.save(folder / store.RUN, record)
    store.sync_folder(folder.parent)  # the run's own name
    return record


def _begin(
    crew: Crew,
    pause: Pause,
    limits: Timeouts,
    watch: Callable[[str], None] = lambda stage: None,
) -> dict[str, int]:
    """Have open probes record, rest, and begin; return these instants of a `RunRecord`."""
    recording_ns = time.monotonic_ns()  # before any reading, however late this process goes on
    crew.tell("record")
    _rest(pause.before_s, watch)
    crew.tell("begin")
    crew.gather("begun", limits.begin_s)
    return {
        "recording_ns": recording_ns,
        "begin_ns": time.monotonic_ns(),
        "epoch_ns": time.time_ns(),
    }


def _end(
    crew: Crew,
    pause: Pause,
    limits: Timeouts,
    watch: Callable[[str], None] = lambda stage: None,
) -> dict[str, int]:
    """End, rest, and stop the probes; return these instants of a `RunRecord`."""
    end_ns = time.monotonic_ns()
    crew.tell("end")
    crew.gather("ended", limits.end_s)
    _rest(pause.after_s, watch)
    crew.close(limits.stop_s)
    return {"end_ns": end_ns, "stopped_ns": time.monotonic_ns()}


def _require_room(folder: Path) -> None:
    """Break a run off whose readings no longer find room: there is nothing to wait for."""
    disk = os.statvfs(folder)
    free = disk.f_bfree if os.geteuid() == 0 else disk.f_bavail
    if disk.f_blocks and not free:
        raise CrosswattError(
            f"The disk where {folder.parent} is has become full, and the run was broken off. Make "
            "room there, then go on with 'crosswatt run --resume'."
        )


def _rest(seconds: float, watch: Callable[[str], None]) -> None:
    """Let the machine idle while every probe records."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        watch("idle")
        time.sleep(min(0.25, left))


def describe_probes(
    sources: Sequence[Source],
    within_s: float = 60.0,
    crew: Crew | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> dict[str, tuple[ProbeState, store.ProbeLog]]:
    """Open every probe once, without measuring: what is there, and why the rest is not.

    Parameters
    ----------
    sources : the probes.
    within_s : how long a probe may take.
    crew : the recorders of a campaign, which are kept; without them new ones.
    meanwhile : what to do while the probes open.
    """
    with scratch_folder() as place, _crew_or_new(crew) as present:
        present.open(sources, place)
        meanwhile()
        present.gather("ready", within_s)
        present.close(within_s)
        logs = present.logs()
        return {name: (state, logs[name]) for name, state in present.states.items()}
