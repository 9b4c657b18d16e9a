"""A campaign: planned runs on one machine, in a folder that can be continued.

A run that was interrupted leaves a folder without ``run.json``; continuing removes it and does
that run again. A disturbed run (`calibrate.campaign.disturbed`), one that lost a process
(`calibrate.campaign.lost`) and one whose files are damaged are kept under another name and done
again. Nothing else is ever changed.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Literal, Protocol

from calibrate import bench, store
from calibrate._version import __version__
from calibrate.campaign.conditions import are_conditions, possible_jobs
from calibrate.campaign.crew import Crew, Timeouts
from calibrate.campaign.disturbed import disturbed_runs, repeating_helps
from calibrate.campaign.duration import Deadline
from calibrate.campaign.lock import lock_folder
from calibrate.campaign.lost import Losses, loss
from calibrate.campaign.machine import (
    FIXED,
    describe_machine,
    machine_differences,
    require_bench,
)
from calibrate.campaign.plan import Plan, jobs_alone, plan_jobs, planned_s
from calibrate.campaign.probes import recorded_sources, source_records, with_meters
from calibrate.campaign.run import describe_probes, perform_run
from calibrate.campaign.trust import PYTHON_TITLES, SIGNATURE, sign_campaign
from calibrate.campaign.withheld import withhold
from calibrate.campaign.work import WorkloadLost, check_workloads
from calibrate.errors import BadFile, CrosswattError, MachineLost
from calibrate.probe.available import Source
from calibrate.quantity import parse_share
from calibrate.scratch import sweep_half_made
from calibrate.store import (
    CampaignRecord,
    Job,
    KnownFactor,
    ProbeLog,
    ProbeState,
    RunRecord,
    StopRecord,
    StrayRecord,
)
from calibrate.tokens import masked

#: A workload of a plan is stopped after so many times what was planned, and an hour at least.
_PATIENCE = 2
#: Room below which a campaign is not begun: a quick probe writes some 100 kB a second.
ROOM_BYTES = 256 << 20
#: Workloads that are checked at the same time, before the first run.
CHECKS_AT_ONCE = min(os.cpu_count() or 1, 4)


class Goal(Protocol):
    """When a campaign may stop: every factor is known well enough."""

    target: float

    def add(self, campaign: store.Campaign, runs: Sequence[store.Run]) -> None:
        """Take in the runs of a finished repeat."""

    def factors(self) -> tuple[KnownFactor, ...]:
        """Return what is known of each probe."""

    @property
    def reached(self) -> bool:
        """Whether every factor is known well enough."""

    @property
    def settled(self) -> bool:
        """Whether no repeat is needed, or helps: every factor is known or drifts."""


class Watcher(Protocol):
    """Somebody who shows what is going on."""

    def planned(self, campaign: CampaignRecord) -> None:
        """The order is known."""

    def probes(self, states: dict[str, tuple[ProbeState, ProbeLog]]) -> None:
        """Every probe has been tried."""

    def started(self, job: Job, folder: Path) -> None:
        """A run begins."""

    def stage(self, name: str) -> None:
        """A run goes on."""

    def finished(self, record: RunRecord) -> None:
        """A run has ended."""

    def strayed(self, job: Job, why: str) -> None:
        """A run is rejected and will be done again."""

    def known(self, factors: tuple[KnownFactor, ...], target: float) -> None:
        """A repeat has ended; so well are the factors known."""


@dataclass(frozen=True)
class Ending:
    """What a campaign lacks when it ends.

    Parameters
    ----------
    left_out : runs that were not begun, since the campaign has taken twice its announced time.
    straying : runs that stray and were not repeated again, since repeating did not help.
    lost : runs that lost the process of a probe or of the workload in every attempt, each with
        what was lost.
    """

    left_out: tuple[Job, ...] = ()
    straying: tuple[str, ...] = ()
    lost: Mapping[str, str] = field(default_factory=dict)


def create_campaign(
    folder: Path,
    plan: Plan,
    chosen: Sequence[Source],
    seed: int,
    model: str | None = None,
    workloads: Sequence[Path] = (),
    faults: Sequence[str] = (),
    until: float | None = None,
    alone: str | None = None,
    need: float | None = None,
) -> CampaignRecord:
    """Write ``campaign.json`` in a new or empty folder.

    Parameters
    ----------
    folder : made if it is not there.
    plan, chosen, seed : what to run, which probes, and the seed of the order.
    model : the simulated machine it will be performed on, a name or a file; None for this host.
    workloads : folders with workloads of the user's own.
    faults : what is wrong with the simulated machine.
    until : stop when every factor is known to this, relative; the plan's repeats are the most.
    alone : run each probe alone beside this reference, all together, and none, to see what they
        do to the machine and to each other.
    need : the expanded uncertainty of one corrected reading that is good enough; None: the plan's.

    Raises
    ------
    CrosswattError : the folder has something in it.
    UnknownName : the plan states something of a probe that does not take part.
    """
    plan = withhold(plan)
    chosen = with_meters(chosen, plan)
    if need is None and plan.need is not None:
        need = parse_share(plan.need)
    sweep_half_made(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CrosswattError(
            f"{folder} is not empty. Choose another --out, or continue it with "
            f"'crosswatt run --resume {folder}'."
        )
    simulated = bench.load(model).model_dump(mode="json") if model else None
    record = CampaignRecord(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        crosswatt=__version__,
        plan=plan.model_dump(mode="json"),
        seed=seed,
        bench=str(Path(model).resolve()) if model and model not in bench.names() else model,
        faults=tuple(faults),
        machine=describe_machine(simulated, faults),
        sources=source_records(chosen),
        jobs=_jobs(plan, seed, workloads, alone, [s.name for s in chosen]),
        until=until,
        need=need,
        command=masked(sys.argv),
    )
    folder.mkdir(parents=True, exist_ok=True)
    store.sync_folder(folder.parent)
    store.save(folder / store.CAMPAIGN, record)
    sign_campaign(folder)
    return record


def _jobs(
    plan: Plan, seed: int, workloads: Sequence[Path], alone: str | None, names: Sequence[str]
) -> tuple[Job, ...]:
    if alone is None:
        return plan_jobs(plan, seed, workloads)
    return jobs_alone(plan, seed, alone, names, workloads)


def perform_campaign(
    folder: Path,
    watcher: Watcher,
    limits: Timeouts = Timeouts(),
    goal: Goal | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> Ending:
    """Do every run of a campaign that has not been done, or until its factors are known.

    No run begins that would end after twice the time that those which are due were announced to
    take (`calibrate.campaign.duration`); disturbed runs are repeated only in what is left of it.

    Parameters
    ----------
    folder : of a campaign that `create_campaign` made.
    watcher : told what happens.
    limits : how long a probe or a workload may take, seconds.
    goal : decides after each repeat whether the campaign may stop; None does all runs.
    meanwhile : done once while the probes open: nothing is measured yet.

    Returns
    -------
    Ending : what was left out, and which runs still stray.

    Raises
    ------
    CrosswattError : this is another machine than the campaign began on, another process measures
        into the folder, there is no room, no probe works, or a workload lacks something.
    MachineLost : the simulated machine has ended; the run that it ended in is gone.
    """
    record = store.read(folder / store.CAMPAIGN, CampaignRecord)
    require_same_machine(record)
    lock = lock_folder(folder)
    try:
        watcher.planned(record)
        _repair(folder, record, watcher)
        if (folder / store.STOP).exists():
            return Ending()
        with Crew() as crew:
            return _perform(folder, record, watcher, limits, goal, crew, meanwhile)
    finally:
        os.close(lock)


def _perform(
    folder: Path,
    record: CampaignRecord,
    watcher: Watcher,
    limits: Timeouts,
    goal: Goal | None,
    crew: Crew,
    meanwhile: Callable[[], object],
) -> Ending:
    """Do what is left of a campaign, all of it with one crew."""
    chosen = recorded_sources(record.sources)
    require_bench()
    with _nothing_left(folder):
        due = _due(folder, record)

        def prepare() -> None:
            check_workloads(due, CHECKS_AT_ONCE)
            meanwhile()

        states = describe_probes(chosen, limits.open_s, crew, prepare)
    watcher.probes(states)
    if are_conditions(record.jobs) and not any(store.is_finished(folder, j) for j in record.jobs):
        with _nothing_left(folder):
            record = _possible(folder, record, {name: state for name, (state, _) in states.items()})
        watcher.planned(record)
    _keep_states(folder, states)
    working = [s for s in chosen if states[s.name][0].status == "ok"]
    if not working:
        reasons = "; ".join(f"{name}: {state.reason}" for name, (state, _) in states.items())
        raise CrosswattError(f"No probe works here ({reasons}). Try 'crosswatt doctor'.")
    runs = _Runs(folder, record, working, limits, watcher, crew)
    plan = runs.plan
    deadline = Deadline(plan, runs.left)
    for number, repeat in groupby(record.jobs, lambda job: job.repeat):
        planned = list(repeat)
        for job in planned:
            if job.folder not in runs.done and not deadline.allows(job):
                return runs.ending()
            runs.do(job, deadline)
        again = _settle(runs, deadline)
        changed = [*(job for job in again if job not in planned), *planned]
        if goal and _enough(folder, record, goal, changed, number, watcher):
            return replace(runs.ending(), left_out=())
    return runs.ending()


class _Runs:
    """The runs of a campaign: those that are done, and those that are left.

    Parameters
    ----------
    folder, record : the campaign.
    working : the probes that take part.
    limits, watcher, crew : as of `perform_campaign`.
    """

    def __init__(
        self,
        folder: Path,
        record: CampaignRecord,
        working: Sequence[Source],
        limits: Timeouts,
        watcher: Watcher,
        crew: Crew,
    ) -> None:
        self.folder, self.jobs = folder, record.jobs
        self.plan = Plan.model_validate(record.plan)
        self._working, self._limits, self._watcher, self._crew = working, limits, watcher, crew
        #: By folder, how each that is done ended.
        self.done = {
            job.folder: store.read(folder / job.folder / store.RUN, RunRecord)
            for job in record.jobs
            if store.is_finished(folder, job)
        }
        self._losses = Losses(self.plan.retries)

    @property
    def left(self) -> list[Job]:
        """Those that are not done."""
        return [job for job in self.jobs if job.folder not in self.done]

    def do(self, job: Job, deadline: Deadline) -> None:
        """Do a run unless it is done; again where it lost a process, and there is time."""
        if job.folder not in self.done:
            self.done[job.folder] = self._attempt(job)
        while self._losses.again(job, why := self._lost(job)) and deadline.allows(job):
            self.repeat(job, StrayRecord(reason=why, tolerance=None))

    def repeat(self, job: Job, why: StrayRecord) -> None:
        """Set a run aside, and do it again."""
        self._watcher.strayed(job, why.reason)
        store.set_aside(self.folder, job, why)
        self.done[job.folder] = self._attempt(job)

    def ending(self) -> Ending:
        """Return what is missing."""
        there = [job for job in self.jobs if job.folder in self.done]
        lost = {job.folder: why for job in there if (why := self._lost(job))}
        return Ending(tuple(self.left), _straying(self), lost)

    def _attempt(self, job: Job) -> RunRecord:
        """Do a run; again where its workload was lost before it began."""
        for _ in range(self.plan.retries):
            try:
                return self._once(job)
            except WorkloadLost as lost:
                require_bench()
                self._watcher.strayed(job, str(lost))
        return self._once(job)

    def _once(self, job: Job) -> RunRecord:
        place = self.folder / job.folder
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        self._watcher.started(job, place)
        probes = [s for s in self._working if job.probes is None or s.name in job.probes]
        limits = replace(self._limits, workload_s=self._longest_s(job))
        stage = self._watcher.stage
        ended = perform_run(job, probes, place, self.plan.pause, limits, stage, self._crew)
        try:
            require_bench()
        except MachineLost:
            shutil.rmtree(place)  # what was recorded is of no machine
            raise
        self._watcher.finished(ended)
        return ended

    def _lost(self, job: Job) -> str:
        return loss(self.done[job.folder], self._longest_s(job))

    def _longest_s(self, job: Job) -> float:
        """Return after how long a workload is stopped; a command of one's own never is."""
        longest_s = max(self._limits.workload_s, _PATIENCE * planned_s(job))
        return longest_s if job.script else math.inf


def _repair(folder: Path, record: CampaignRecord, watcher: Watcher) -> None:
    """Set damaged runs aside, so that they are done again; a stop that came before holds no more.

    Raises
    ------
    CrosswattError : runs are damaged that cannot be done again: they were imported, or are of a
        Python program.
    """
    damaged = store.damaged_runs(folder, record.jobs)
    if damaged and (record.is_import or record.plan.get("title") in PYTHON_TITLES):
        how = "import the files again" if record.is_import else "run the program again"
        raise CrosswattError(f"{damaged[0].reason} It cannot be done again here: {how}.")
    jobs = {job.folder: job for job in record.jobs}
    for run in damaged:
        kept = store.set_damaged_aside(run.folder)
        job = jobs[run.folder.name]
        watcher.strayed(job, f"{run.reason} What is left of it: {kept.name}")
    if damaged or not _stop_can_be_read(folder / store.STOP):
        (folder / store.STOP).unlink(missing_ok=True)


def _stop_can_be_read(path: Path) -> bool:
    try:
        return bool(store.read(path, StopRecord))
    except BadFile:
        return False


def _settle(runs: _Runs, deadline: Deadline) -> list[Job]:
    """Repeat the runs that stray, until none does or each has had its retries; return them.

    None is repeated where repeating does not help, or takes the time of runs that are due.
    """
    again: list[Job] = []
    plan = runs.plan
    while plan.strays:
        found = disturbed_runs(runs.done, plan.strays)
        tried = _strays_repeated(runs.folder)
        due = [job for job in runs.jobs if job.folder in found and tried[job.folder] < plan.retries]
        if not due or not repeating_helps(tried, found) or not deadline.allows(*runs.left, *due):
            break
        for job in due:
            runs.repeat(job, StrayRecord(reason=found[job.folder], tolerance=plan.strays))
        again += due
    return again


def _straying(runs: _Runs) -> tuple[str, ...]:
    """Return the runs that stray, where repeating them did not help."""
    if not runs.plan.strays:
        return ()
    found = disturbed_runs(runs.done, runs.plan.strays)
    tried = _strays_repeated(runs.folder)
    return () if repeating_helps(tried, found) else tuple(sorted(found))


def _strays_repeated(folder: Path) -> Counter[str]:
    """Return how often each run was repeated since it strayed."""
    aside = store.load_set_aside(folder)
    return Counter(each.run for each in aside if each.why.tolerance is not None)


@contextmanager
def _nothing_left(folder: Path) -> Iterator[None]:
    """Remove the folder of a campaign that is refused before anything of it was measured."""
    try:
        yield
    except CrosswattError:
        if {path.name for path in folder.iterdir()} <= {store.CAMPAIGN, SIGNATURE}:
            shutil.rmtree(folder)
        raise


def _due(folder: Path, record: CampaignRecord) -> list[Job]:
    """Return one run of each workload that is left to do, or refuse where there is no room."""
    due = [job for job in record.jobs if not store.is_finished(folder, job)]
    if due and record.plan.get("title") in PYTHON_TITLES:
        raise CrosswattError(
            f"{folder} was made in Python, and a run in it was broken off: go on by "
            "calibrate.measure or %%crosswatt with this folder."
        )
    first = [job for job in due if job.repeat == due[0].repeat]  # it has every workload once
    free = shutil.disk_usage(folder).free
    if due and free < ROOM_BYTES:
        raise CrosswattError(
            f"There are {free >> 20} MiB left where {folder} is, and a campaign may need "
            f"{ROOM_BYTES >> 20} MiB: make room there, or choose another --out."
        )
    return list({(job.script, job.arguments): job for job in first}.values())


def _enough(
    folder: Path,
    record: CampaignRecord,
    goal: Goal,
    changed: Sequence[Job],
    number: int,
    watcher: Watcher,
) -> bool:
    """Take finished runs in; if no further repeat helps, write why the campaign stops."""
    runs = [store.load_run(folder / job.folder) for job in changed]
    goal.add(store.Campaign(folder, record, {}, ()), runs)
    factors = goal.factors()
    watcher.known(factors, goal.target)
    if goal.settled:
        reason: Literal["known", "drift"] = "known" if goal.reached else "drift"
        stop = StopRecord(reason=reason, target=goal.target, repeats=number, factors=factors)
        store.save(folder / store.STOP, stop)
    return goal.settled


def _possible(
    folder: Path, record: CampaignRecord, states: Mapping[str, ProbeState]
) -> CampaignRecord:
    """Leave out the conditions of `observe` that are not possible, and return what is left."""
    reference = (record.jobs[0].probes or ("",))[0]
    working = [name for name, state in states.items() if state.status == "ok"]
    if reference not in working:
        raise CrosswattError(
            f"The reference {reference} cannot be read here ({states[reference].reason}), and "
            "without it nothing can be compared. Name another one with --reference."
        )
    if working == [reference]:
        why = "; ".join(f"{n}: {each.reason}" for n, each in states.items() if n != reference)
        raise CrosswattError(
            f"None of the probes beside {reference} works here ({why}): there is nothing to "
            "observe. Try 'crosswatt doctor'."
        )
    jobs = possible_jobs(record.jobs, working)
    if len(jobs) == len(record.jobs):
        return record
    left = record.model_copy(update={"jobs": jobs})
    store.save(folder / store.CAMPAIGN, left)
    sign_campaign(folder)
    return left


def _keep_states(folder: Path, states: dict[str, tuple[ProbeState, ProbeLog]]) -> None:
    """Write which probes take part, and why the others do not."""
    tried = {name: state for name, (state, _) in states.items()}
    store.save(folder / store.PROBES, store.ProbesRecord(probes=tried))


def require_same_machine(record: CampaignRecord) -> None:
    """Refuse another machine than a campaign began on."""
    differing = machine_differences(describe_machine(), record.machine, FIXED)
    if differing:
        raise CrosswattError(
            f"The campaign began on another machine ({', '.join(differing)} differ); runs of two "
            "machines are never mixed. Start a new one with --out."
        )
