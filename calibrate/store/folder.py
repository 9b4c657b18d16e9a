"""A campaign with its finished runs, as its folder has them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from calibrate.errors import BadFile, CrosswattError
from calibrate.store.documents import (
    _DERIVED,
    CAMPAIGN,
    FOREIGN,
    OUTPUT,
    PROBES,
    RUN,
    STOP,
    STRAY,
    CampaignRecord,
    Job,
    ProbesRecord,
    ProbeState,
    RunRecord,
    StopRecord,
    StrayRecord,
    read,
    save,
)
from calibrate.store.files import copy_folder, is_folder, make_working_folder, sync_folder
from calibrate.store.readings import Library, ProbeLog, load_log

#: The name of a copy in its working folder, where nothing else has a name.
_COPY = "copy"


@dataclass(frozen=True)
class Run:
    """A finished run as it lies on disk; ``has_output``: the workload's output was kept."""

    folder: Path
    record: RunRecord
    logs: dict[str, ProbeLog]
    has_output: bool = False


@dataclass(frozen=True)
class SetAside:
    """A run that was rejected and repeated.

    Parameters
    ----------
    folder : where it lies now.
    run : the folder of the planned run that it was.
    """

    folder: Path
    run: str
    record: RunRecord
    why: StrayRecord


@dataclass(frozen=True)
class Campaign:
    """A campaign as it lies on disk, with the runs that are finished.

    Parameters
    ----------
    folder : where it lies.
    record : ``campaign.json``: plan, machine, probes and the order of the runs.
    probes : by name, whether each could be opened, and why not.
    runs : finished ones in order, each with its ``record`` (window and phases in CLOCK_MONOTONIC
        ns, exit code) and its ``logs``: by probe, domains and readings in J and W.
    stop : why it ended before all that was planned, where it did.
    set_aside : runs that were rejected and repeated.
    """

    folder: Path
    record: CampaignRecord
    probes: dict[str, ProbeState]
    runs: tuple[Run, ...]
    stop: StopRecord | None = None
    set_aside: tuple[SetAside, ...] = ()


def load_campaign(folder: Path | str) -> Campaign:
    """Read a campaign folder and every finished run in it.

    Parameters
    ----------
    folder : what ``crosswatt run --out`` or `calibrate.measure` wrote.

    Returns
    -------
    Campaign : the plan and the machine (``record``), the state of every probe (``probes``), and
        the finished runs with all readings (``runs``).

    Raises
    ------
    CrosswattError : there is no such folder.
    BadFile : a document or a line of readings in it is damaged, or is a link.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CrosswattError(f"{folder}: there is no such folder. {FOREIGN}")
    record = read(folder / CAMPAIGN, CampaignRecord)
    runs = [load_run(folder / job.folder) for job in record.jobs if is_finished(folder, job)]
    tried = folder / PROBES
    probes = read(tried, ProbesRecord).probes if tried.exists() else {}
    ended = folder / STOP
    stop = read(ended, StopRecord) if ended.exists() else None
    return Campaign(folder, record, probes, tuple(runs), stop, tuple(load_set_aside(folder)))


def library_of(campaign: Campaign, probe: str) -> Library:
    """Return what a probe's figures come from, as the first run says in which it opened.

    A probe that never opened is known by its adapter's file; one of an unknown adapter by its own
    name.

    Parameters
    ----------
    campaign : with its runs.
    probe : the name by which it takes part, which may be any.
    """
    logs = (run.logs[probe] for run in campaign.runs if probe in run.logs)
    recorded = next((log.library for log in logs if log.library), None)
    if recorded:
        return recorded
    adapters = {each.name: Path(each.adapter) for each in campaign.record.sources}
    adapter = adapters.get(probe, Path(probe))
    return Library(adapter.stem if adapter.suffix == ".py" else probe)


@contextmanager
def changed_copy(folder: Path, out: Path) -> Iterator[Path]:
    """Give a working copy of a campaign, less what is derived, which becomes `out` in the end.

    Raises
    ------
    CrosswattError : there is something at `out` already.
    """
    part = make_working_folder(out)
    try:
        copy_folder(folder, part / _COPY, frozenset(_DERIVED))
        yield part / _COPY
        sync_folder(part / _COPY)
        (part / _COPY).replace(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def is_finished(folder: Path, job: Job) -> bool:
    """Tell whether a planned run has been done.

    Raises
    ------
    BadFile : what should be its folder is a link.
    """
    place = folder / job.folder
    if place.is_symlink():
        raise BadFile(place, "it is a link", fix="Put the folder itself there.")
    return (place / RUN).exists()


def set_aside(folder: Path, job: Job, why: StrayRecord) -> None:
    """Keep a finished run under another name, with the reason, so that it can be done again."""
    number = 1 + sum(each.run == job.folder for each in load_set_aside(folder))
    save(folder / job.folder / STRAY, why)
    (folder / job.folder).rename(folder / f"{job.folder}.stray-{number}")


def load_set_aside(folder: Path) -> list[SetAside]:
    """Read the runs that were set aside, the first attempts first."""
    found: dict[tuple[str, int], Path] = {}
    for path in folder.iterdir():
        run, dot, number = path.name.rpartition(".stray-")
        if dot and number.isascii() and number.isdecimal() and is_folder(path):
            found[run, int(number)] = path
    return [
        SetAside(path, run, read(path / RUN, RunRecord), read(path / STRAY, StrayRecord))
        for (run, _), path in sorted(found.items())
    ]


def load_run(folder: Path) -> Run:
    """Read one run and all its probes."""
    record = read(folder / RUN, RunRecord)
    logs = {name: load_log(folder / f"{name}.jsonl") for name in record.probes}
    return Run(folder, record, logs, (folder / OUTPUT).exists())
