"""A campaign with its finished runs, as its folder has them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeVar

from calibrate.errors import BadFile, CrosswattError
from calibrate.store.bundle import BUNDLE, read_bundle, unbundle
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
#: What comes after the name of a run that was set aside, before the number of the attempt.
_STRAYED, _DAMAGED = ".stray-", ".damaged-"

_Loaded = TypeVar("_Loaded")


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
class DamagedRun:
    """A run that was finished, and cannot be read any more.

    Parameters
    ----------
    folder : where it lies.
    reason : what is wrong: a sentence with the file and the line.
    """

    folder: Path
    reason: str


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
    damaged : runs, finished or set aside, that cannot be read; they take no part.
    """

    folder: Path
    record: CampaignRecord
    probes: dict[str, ProbeState]
    runs: tuple[Run, ...]
    stop: StopRecord | None = None
    set_aside: tuple[SetAside, ...] = ()
    damaged: tuple[DamagedRun, ...] = ()

    def require_runs(self) -> None:
        """Refuse a campaign whose finished runs are all damaged.

        Raises
        ------
        CrosswattError : no run can be read; has the first reason.
        """
        if self.damaged and not self.runs:
            raise CrosswattError(
                f"{self.folder}: no run can be read. {self.damaged[0].reason} Runs that were "
                f"measured here are done again by 'crosswatt run --resume {self.folder}'."
            )


def load_campaign(folder: Path | str) -> Campaign:
    """Read a campaign folder and every finished run in it.

    A run whose files are damaged is left out and named in ``damaged``.

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
    BadFile : a document of the campaign itself is damaged, or is a link.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CrosswattError(f"{folder}: there is no such folder. {FOREIGN}")
    record = read(folder / CAMPAIGN, CampaignRecord)
    damaged: list[DamagedRun] = []
    bundled = _bundled(folder)
    lost = [job.folder for job in record.jobs if job.folder not in bundled]
    if (folder / BUNDLE).exists() and lost:
        raise BadFile(folder / BUNDLE, f"run {lost[0]!r} is not in it", fix="Import it again.")
    runs = [bundled[job.folder] for job in record.jobs if bundled] or _readable(
        load_run, _finished_folders(folder, record.jobs), damaged
    )
    aside = _readable(_load_aside, _folders_set_aside(folder), damaged)
    tried = folder / PROBES
    probes = read(tried, ProbesRecord).probes if tried.exists() else {}
    ended = folder / STOP
    stop = read(ended, StopRecord) if ended.exists() else None
    return Campaign(folder, record, probes, tuple(runs), stop, tuple(aside), tuple(damaged))


def _readable(
    load: Callable[[Path], _Loaded], folders: Iterable[Path], damaged: list[DamagedRun]
) -> list[_Loaded]:
    """Load runs; those that are damaged are added to a list instead."""
    found = []
    for folder in folders:
        try:
            found.append(load(folder))
        except BadFile as error:
            damaged.append(DamagedRun(folder, str(error)))
    return found


def _bundled(folder: Path) -> dict[str, Run]:
    """Return the runs that lie in one file, by their folder."""
    path = folder / BUNDLE
    return {
        run.folder: Run(folder / run.folder, run.record, run.logs(path, number))
        for number, run in read_bundle(folder)
    }


def load_logs(campaign: Campaign, probe: str) -> Iterator[tuple[Run, ProbeLog]]:
    """Yield the runs of a campaign in which a probe took part, with its log read again.

    Raises
    ------
    BadFile : a line in one of its files is damaged.
    """
    bundled = _bundled(campaign.folder)
    for run in campaign.runs:
        if probe in run.record.probes:
            together = bundled.get(run.folder.name)
            yield run, together.logs[probe] if together else load_log(run.folder / f"{probe}.jsonl")


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

    Every run has its folder in it.

    Raises
    ------
    CrosswattError : there is something at `out` already.
    """
    working = make_working_folder(out)
    part = working.path / _COPY
    try:
        copy_folder(folder, part, frozenset(_DERIVED))
        unbundle(part)
        yield part
        sync_folder(part)
        part.replace(out)
    finally:
        working.close()


def is_finished(folder: Path, job: Job) -> bool:
    """Tell whether a planned run has been done; whether it can be read is another question."""
    place = folder / job.folder
    alone = place.is_symlink() or (place / RUN).exists() or (place / RUN).is_symlink()
    return alone or (folder / BUNDLE).exists()


def damaged_runs(folder: Path, jobs: Iterable[Job]) -> list[DamagedRun]:
    """Return the finished runs that cannot be read; of runs in one file, none."""
    damaged: list[DamagedRun] = []
    _readable(load_run, _finished_folders(folder, jobs), damaged)
    return damaged


def _finished_folders(folder: Path, jobs: Iterable[Job]) -> list[Path]:
    """Return the folders of the runs that have been done; runs in one file have none."""
    if (folder / BUNDLE).exists():
        return []
    return [folder / job.folder for job in jobs if is_finished(folder, job)]


def set_aside(folder: Path, job: Job, why: StrayRecord) -> None:
    """Keep a finished run under another name, with the reason, so that it can be done again."""
    save(folder / job.folder / STRAY, why)
    (folder / job.folder).rename(_free_name(folder, f"{job.folder}{_STRAYED}"))
    sync_folder(folder)


def set_damaged_aside(run: Path) -> Path:
    """Keep a run that cannot be read under another name; return it. Nothing in it is read again."""
    place = _free_name(run.parent, f"{run.name}{_DAMAGED}")
    run.rename(place)
    sync_folder(run.parent)
    return place


def load_set_aside(folder: Path) -> list[SetAside]:
    """Read the runs that were set aside, the first attempts first; damaged ones are left out."""
    return _readable(_load_aside, _folders_set_aside(folder), [])


def load_run(folder: Path) -> Run:
    """Read one run and all its probes.

    Raises
    ------
    BadFile : one of its files is damaged, missing or a link.
    """
    if folder.is_symlink():
        raise BadFile(folder, "it is a link", fix="Put the folder itself there.")
    record = read(folder / RUN, RunRecord)
    logs = {name: load_log(folder / f"{name}.jsonl") for name in record.probes}
    return Run(folder, record, logs, (folder / OUTPUT).exists())


def _load_aside(folder: Path) -> SetAside:
    """Read a run that was set aside, without its readings."""
    run = folder.name.rpartition(_STRAYED)[0]
    return SetAside(folder, run, read(folder / RUN, RunRecord), read(folder / STRAY, StrayRecord))


def _folders_set_aside(folder: Path) -> list[Path]:
    """Return the folders of runs that were set aside, the first attempts first."""
    found: dict[tuple[str, int], Path] = {}
    for path in folder.iterdir():
        run, dot, number = path.name.rpartition(_STRAYED)
        if dot and number.isascii() and number.isdecimal() and is_folder(path):
            found[run, int(number)] = path
    return [path for _, path in sorted(found.items())]


def _free_name(folder: Path, start: str) -> Path:
    """Return the first name of a kind that is not taken."""
    return next(
        path for number in count(1) if not os.path.lexists(path := folder / f"{start}{number}")
    )
