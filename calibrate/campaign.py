"""A campaign: planned runs on one machine, in a folder that can be continued.

A run that was interrupted leaves a folder without ``run.json``; continuing removes it and does
that run again. One whose load strays (`calibrate.stray`) is kept under another name and done again.
Nothing else is ever changed.
"""

from __future__ import annotations

import math
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Protocol

from calibrate import __version__, bench, catalog, environment, machine, store
from calibrate.errors import CrosswattError, UnknownName
from calibrate.plan import Plan, jobs, jobs_alone, planned_s
from calibrate.run import Limits, Source, check, describe, run
from calibrate.store import (
    CampaignRecord,
    Job,
    KnownFactor,
    ProbeLog,
    ProbeState,
    RunRecord,
    SourceRecord,
    StopRecord,
    StrayRecord,
)
from calibrate.stray import strays
from calibrate.until import Goal

#: A workload of a plan is stopped after so many times what was planned, and an hour at least.
_PATIENCE = 2
#: Room below which a campaign is not begun: a quick probe writes some 100 kB a second.
ROOM_BYTES = 256 << 20


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

    def finished(self, record: store.RunRecord) -> None:
        """A run has ended."""

    def strayed(self, job: Job, why: str) -> None:
        """A run is rejected and will be done again."""

    def known(self, factors: tuple[KnownFactor, ...], target: float) -> None:
        """A repeat has ended; so well are the factors known."""


def known(extra: Iterable[Path] = ()) -> dict[str, Source]:
    """Return every probe that there is, by name: adapters, then environments."""
    adapters = catalog.files("adapters", extra)
    return {name: Source(name, path) for name, path in adapters.items()} | environment.sources()


def sources(
    wanted: Sequence[str] = (), extra: Iterable[Path] = (), *, simulated: bool = True
) -> list[Source]:
    """Return the probes asked for, or all that are meant to run by default.

    The truth is asked for only where a machine is simulated. ``NAME=PROBE`` asks for a probe under
    a name of its own, so that one probe can take part several times, with other settings.

    Raises
    ------
    UnknownName : a probe that is neither an adapter nor an environment.
    CrosswattError : a name that is taken, or cannot be a file's.
    """
    every = known(extra)
    chosen: dict[str, Source] = {}
    for each in wanted:
        name, _, probe = each.rpartition("=")
        if probe not in every:
            raise UnknownName("probe", probe, every)
        if name and (name in every or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name)):
            raise CrosswattError(
                f"{name!r} cannot name a probe: it is one's name already, or more than letters, "
                f"digits, dots and dashes. Write for example --probe my-{probe}={probe}."
            )
        if (name or probe) in chosen:
            raise CrosswattError(f"The probe {name or probe!r} is named twice.")
        chosen[name or probe] = replace(every[probe], name=name or probe)
    if chosen:
        return list(chosen.values())
    return [
        source
        for name, source in every.items()
        if catalog.load_probe(source.adapter).default and (simulated or name != "truth")
    ]


def at_rates(chosen: Sequence[Source], rates: Sequence[str]) -> list[Source]:
    """Return the probes with other rates of reading.

    Parameters
    ----------
    chosen : the probes of a campaign.
    rates : ``NAME=HZ`` each: readings a second of one probe.

    Raises
    ------
    UnknownName : a probe that is not among them.
    CrosswattError : a rate that is no number between 0.001 and 10000.
    """
    wanted = {}
    for each in rates:
        name, _, hertz = each.partition("=")
        if name not in {source.name for source in chosen}:
            raise UnknownName("probe of this campaign", name, [source.name for source in chosen])
        try:
            rate_hz = float(hertz)
        except ValueError:
            rate_hz = 0.0
        if not 1e-3 <= rate_hz <= 1e4:
            raise CrosswattError(
                f"{each!r} is not a rate: write for example {name}=100, readings a second between "
                "0.001 and 10000."
            )
        wanted[name] = {"rate_hz": hertz}
    return _with_options(chosen, wanted)


def with_settings(chosen: Sequence[Source], settings: Sequence[str]) -> list[Source]:
    """Return the probes with settings of the user's.

    Parameters
    ----------
    chosen : the probes of a campaign.
    settings : ``PROBE.KEY=VALUE`` each.

    Raises
    ------
    UnknownName : a probe that is not among them.
    CrosswattError : not of that form.
    """
    wanted: dict[str, dict[str, str]] = {}
    for each in settings:
        where, equals, value = each.partition("=")
        # A release has dots of its own: codecarbon-1.2.0.output=...
        name = next((s.name for s in chosen if where.startswith(f"{s.name}.")), None)
        if not equals or "." not in where:
            raise CrosswattError(f"{each!r} is not a setting: write PROBE.KEY=VALUE.")
        if name is None:
            names = [source.name for source in chosen]
            raise UnknownName("probe of this campaign", where.partition(".")[0], names)
        wanted.setdefault(name, {})[where.removeprefix(f"{name}.")] = value
    return _with_options(chosen, wanted)


def _with_options(
    chosen: Sequence[Source], wanted: Mapping[str, Mapping[str, str]]
) -> list[Source]:
    """Return the probes with more options, by probe."""
    return [
        replace(source, options={**source.options, **wanted.get(source.name, {})})
        for source in chosen
    ]


def create(
    folder: Path,
    plan: Plan,
    chosen: Sequence[Source],
    seed: int,
    model: str | None = None,
    workloads: Sequence[Path] = (),
    faults: Sequence[str] = (),
    until: float | None = None,
    alone: str | None = None,
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

    Raises
    ------
    CrosswattError : the folder has something in it.
    """
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
        machine=machine.describe(simulated, faults),
        sources=records(chosen),
        jobs=_jobs(plan, seed, workloads, alone, [s.name for s in chosen]),
        until=until,
        command=tuple(sys.argv),
    )
    folder.mkdir(parents=True, exist_ok=True)
    store.save(folder / store.CAMPAIGN, record)
    return record


def records(chosen: Sequence[Source]) -> tuple[SourceRecord, ...]:
    """Return probes as a campaign's record has them."""
    return tuple(
        SourceRecord(
            name=s.name, adapter=str(s.adapter), python=str(s.python), options=dict(s.options)
        )
        for s in chosen
    )


def recorded(record: CampaignRecord) -> list[Source]:
    """Return the probes of a campaign's record."""
    return [Source(s.name, Path(s.adapter), Path(s.python), s.options) for s in record.sources]


def _jobs(
    plan: Plan, seed: int, workloads: Sequence[Path], alone: str | None, names: Sequence[str]
) -> tuple[Job, ...]:
    if alone is None:
        return jobs(plan, seed, workloads)
    return jobs_alone(plan, seed, alone, names, workloads)


def perform(folder: Path, watcher: Watcher, limits: Limits = Limits()) -> None:
    """Do every run of a campaign that has not been done, or until its factors are known.

    Raises
    ------
    CrosswattError : this is another machine than the campaign began on, there is no room, no
        probe works, or a workload lacks something.
    """
    record = store.read(folder / store.CAMPAIGN, CampaignRecord)
    if (folder / store.STOP).exists():
        return
    same_machine(record)
    watcher.planned(record)
    _check(folder, record)
    chosen = recorded(record)
    states = describe(chosen, limits.open_s)
    watcher.probes(states)
    _keep_states(folder, states)
    working = [s for s in chosen if states[s.name][0].status == "ok"]
    if not working:
        reasons = "; ".join(f"{name}: {state.reason}" for name, (state, _) in states.items())
        raise CrosswattError(f"No probe works here ({reasons}). Try 'crosswatt doctor'.")
    plan = Plan.model_validate(record.plan)
    goal = None if record.until is None else Goal(record.until)

    def do(job: Job) -> RunRecord:
        place = folder / job.folder
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        watcher.started(job, place)
        taking_part = [s for s in working if job.probes is None or s.name in job.probes]
        planned = max(limits.workload_s, _PATIENCE * planned_s(job))
        longest_s = planned if job.script else math.inf  # a training of one's own may take days
        mine = replace(limits, workload_s=longest_s)
        ended = run(job, taking_part, place, plan.pause, mine, watcher.stage)
        watcher.finished(ended)
        return ended

    done = {
        job.folder: store.read(folder / job.folder / store.RUN, RunRecord)
        for job in record.jobs
        if store.is_finished(folder, job)
    }
    for number, repeat in groupby(record.jobs, lambda job: job.repeat):
        planned = list(repeat)
        for job in planned:
            if job.folder not in done:
                done[job.folder] = do(job)
        again = _settle(folder, record.jobs, plan, done, do, watcher)
        changed = [*(job for job in again if job not in planned), *planned]
        if goal and _enough(folder, record, goal, changed, number, watcher):
            return


def _settle(
    folder: Path,
    jobs: Sequence[Job],
    plan: Plan,
    done: dict[str, RunRecord],
    do: Callable[[Job], RunRecord],
    watcher: Watcher,
) -> list[Job]:
    """Repeat the runs that stray, until none does or each has had its retries; return them."""
    again: list[Job] = []
    while plan.strays:
        found = strays(done, plan.strays)
        tried = Counter(each.run for each in store.load_set_aside(folder))
        due = [job for job in jobs if job.folder in found and tried[job.folder] < plan.retries]
        if not due:
            break
        for job in due:
            watcher.strayed(job, found[job.folder])
            why = StrayRecord(reason=found[job.folder], tolerance=plan.strays)
            store.set_aside(folder, job, why)
            done[job.folder] = do(job)
        again += due
    return again


def _check(folder: Path, record: CampaignRecord) -> None:
    """Refuse what cannot be done; a campaign of which nothing was measured leaves nothing."""
    due = [job for job in record.jobs if not store.is_finished(folder, job)]
    first = [job for job in due if job.repeat == due[0].repeat]  # it has every workload once
    try:
        free = shutil.disk_usage(folder).free
        if due and free < ROOM_BYTES:
            raise CrosswattError(
                f"There are {free >> 20} MiB left where {folder} is, and a campaign may need "
                f"{ROOM_BYTES >> 20} MiB: make room there, or choose another --out."
            )
        for job in {(job.script, job.arguments): job for job in first}.values():
            check(job)
    except CrosswattError:
        if [path.name for path in folder.iterdir()] == [store.CAMPAIGN]:
            shutil.rmtree(folder)
        raise


def _enough(
    folder: Path,
    record: CampaignRecord,
    goal: Goal,
    changed: Sequence[Job],
    number: int,
    watcher: Watcher,
) -> bool:
    """Take finished runs in; if all is known well enough, write why the campaign stops."""
    runs = [store.load_run(folder / job.folder) for job in changed]
    goal.add(store.Campaign(folder, record, {}, ()), runs)
    factors = goal.factors()
    watcher.known(factors, goal.target)
    if goal.reached:
        stop = StopRecord(target=goal.target, repeats=number, factors=factors)
        store.save(folder / store.STOP, stop)
    return goal.reached


def _keep_states(folder: Path, states: dict[str, tuple[ProbeState, ProbeLog]]) -> None:
    """Write which probes take part, and why the others do not."""
    tried = {name: state for name, (state, _) in states.items()}
    store.save(folder / store.PROBES, store.ProbesRecord(probes=tried))


def same_machine(record: CampaignRecord) -> None:
    """Refuse another machine than a campaign began on."""
    here, then = machine.describe(), record.machine
    differing = [
        name
        for name in ("simulated", "bench", "cpu", "cpus", "kernel")
        if getattr(here, name) != getattr(then, name)
    ]
    if differing:
        raise CrosswattError(
            f"The campaign began on another machine ({', '.join(differing)} differ); runs of two "
            "machines are never mixed. Start a new one with --out."
        )
