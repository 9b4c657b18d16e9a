"""One workload while every probe records, once.

    spawn all -> ready -> idle -> begin -> workload -> end -> idle -> stop -> run.json

Every probe is a process of its own, so that one which crashes, hangs or prints rubbish costs its
own readings and nothing else. A probe that does not answer within `Limits` is killed.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from calibrate import store
from calibrate.campaign.crew import Crew, Source, Timeouts
from calibrate.campaign.work import WorkloadProcess
from calibrate.loads import Value
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


def perform_run_here(
    job: Job,
    act: Callable[[], tuple[int, Sequence[PhaseRecord]]],
    sources: Sequence[Source],
    folder: Path,
    pause: Pause = Pause(),
    limits: Timeouts = Timeouts(),
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


def _measure(
    crew: Crew,
    act: Callable[[], object],
    pause: Pause,
    limits: Timeouts,
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
