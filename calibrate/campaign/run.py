"""One workload while every probe records, once.

    spawn all -> ready -> idle -> begin -> workload -> end -> idle -> stop -> run.json

Every probe is a process of its own, so that one which crashes, hangs or prints rubbish costs its
own readings and nothing else. A probe that does not answer within `Limits` is killed.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from calibrate import store
from calibrate.campaign.crew import Crew, Timeouts
from calibrate.campaign.work import WorkloadProcess
from calibrate.loads import Value
from calibrate.probe.available import Source
from calibrate.store import Job, PhaseRecord, ProbeState, RunRecord


@dataclass(frozen=True)
class Pause:
    """Seconds of idleness recorded before and after the workload."""

    before_s: float = 1.0
    after_s: float = 0.5


@contextmanager
def _hired(
    job: Job, sources: Sequence[Source], folder: Path
) -> Iterator[tuple[Crew, WorkloadProcess]]:
    """Spawn everybody, and leave nobody behind however it ends."""
    work = WorkloadProcess(job, folder)
    try:
        crew = Crew(sources, folder, work.pid)
        try:
            yield crew, work
        finally:
            work.kill()
            crew.dismiss()
    finally:
        work.kill()


def perform_run(
    job: Job,
    sources: Sequence[Source],
    folder: Path,
    pause: Pause = Pause(),
    limits: Timeouts = Timeouts(),
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
        crew.gather("ready", limits.open_s)
        instants = _begin(crew, pause, limits, watch)
        work.go()
        while not work.done(0.25):
            watch("measuring")
            if time.monotonic_ns() - instants["begin_ns"] > limits.workload_s * 1e9:
                work.kill()
        instants |= _end(crew, pause, limits, watch)
        code = work.finish()
        return _keep(folder, job, crew, instants, code, work.phases, work.result)


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
        self._crew = Crew(sources, folder, os.getpid())

    def open(self) -> dict[str, ProbeState]:
        """Wait until every probe is open, and return which are, and why the others are not."""
        self._crew.gather("ready", self._limits.open_s)
        return {m.name: m.state or ProbeState(status="ok") for m in self._crew.members}

    def leave_out(self, names: Iterable[str]) -> None:
        """Drop probes that are not open; the run then knows nothing of them."""
        gone = {*names}
        for member in [each for each in self._crew.members if each.name in gone]:
            self._crew.members.remove(member)
            member.path.unlink(missing_ok=True)

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
        self._crew.dismiss()


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
        probes={m.name: m.state for m in crew.members if m.state},
    )
    store.save(folder / store.RUN, record)
    return record


def _begin(
    crew: Crew,
    pause: Pause,
    limits: Timeouts,
    watch: Callable[[str], None] = lambda stage: None,
) -> dict[str, int]:
    """Have open probes record, rest, and begin; return these instants of a `RunRecord`."""
    crew.tell("record")
    recording_ns = time.monotonic_ns()
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
    crew.tell("stop")
    crew.gather("", limits.stop_s)
    return {"end_ns": end_ns, "stopped_ns": time.monotonic_ns()}


def _rest(seconds: float, watch: Callable[[str], None]) -> None:
    """Let the machine idle while every probe records."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        watch("idle")
        time.sleep(min(0.25, left))


def describe_probes(
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
