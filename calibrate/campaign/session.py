"""One more run of a campaign in a folder, of what this process does.

`calibrate.measure` and the cell magic stand on it. The folder is a campaign like any other; a run
that did not come to its end leaves nothing, and one of a process that was killed is cleared away by
the next.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from calibrate import store
from calibrate._version import __version__
from calibrate.campaign.campaign import require_same_machine
from calibrate.campaign.lock import lock_folder
from calibrate.campaign.machine import describe_machine
from calibrate.campaign.probes import recorded_sources, source_records
from calibrate.campaign.run import Pause, RunHere
from calibrate.campaign.trust import PYTHON_TITLES
from calibrate.errors import CrosswattError
from calibrate.probe.available import Source
from calibrate.scratch import sweep_half_made
from calibrate.store import CampaignRecord, Job, PhaseRecord, ProbesRecord, ProbeState, Run

TITLE = PYTHON_TITLES[0]
PAUSE = Pause(0.5, 0.3)


class Session:
    """A run of a campaign, from `start` to `finish` or `abandon`.

    Parameters
    ----------
    folder : of the campaign; made if it is not there.
    chosen : the probes; of a campaign that is there already, they have to be the same ones.
    any_probes : whether a campaign that is there may have other probes.
    name : of the workload.
    code : what is done, kept as ``cell.py``; empty where it is not known.
    """

    def __init__(
        self, folder: Path, chosen: Sequence[Source], any_probes: bool, name: str, code: str = ""
    ) -> None:
        self._folder, self._name, self._code = folder, name, code
        self._chosen, self._any_probes = chosen, any_probes
        self._running: RunHere | None = None
        self._job: Job | None = None
        self._new = self._empty = False

    def start(self) -> dict[str, ProbeState]:
        """Begin, and return which probes are open and why the others are not.

        Raises
        ------
        CrosswattError : the folder holds something else, was made with other probes or on another
            machine, or is being measured into; no probe works. Nothing is left of the run.
        """
        self._new = not self._folder.exists()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise CrosswattError(f"{self._folder} is a file. Choose another folder.") from None
        self._lock = lock_folder(self._folder)
        try:
            sweep_half_made(self._folder)
            self._empty = not any(self._folder.iterdir())
            self._record = _begun(self._chosen) if self._empty else self._continued()
            self._job = self._listed()
            return self._open(self._job)
        except BaseException:
            self.abandon()
            raise

    def finish(self, exit_code: int, phases: Sequence[PhaseRecord], output: str = "") -> Run:
        """End, and return the finished run.

        Parameters
        ----------
        exit_code : 0 where the work succeeded.
        phases : what was marked.
        output : why it failed, kept as ``output.log``.
        """
        assert self._running is not None  # noqa: S101 - it was started
        assert self._job is not None  # noqa: S101
        place = self._folder / self._job.folder
        try:
            (place / store.OUTPUT).write_text(output, encoding="utf-8")
            self._running.end(exit_code, phases)
        except BaseException:
            self.abandon()
            raise
        self._running.dismiss()
        self._unlock()
        return store.load_run(place)

    def abandon(self) -> None:
        """Stop; nothing is left of the run, nor of a campaign that it was the first of."""
        try:
            if self._running:
                self._running.dismiss()  # what still writes would be in the way
            if self._job is not None:
                shutil.rmtree(self._folder / self._job.folder, ignore_errors=True)
                store.save(self._folder / store.CAMPAIGN, self._record)
            if self._empty:
                for name in (store.CAMPAIGN, store.PROBES):
                    (self._folder / name).unlink(missing_ok=True)
            if self._new:
                self._folder.rmdir()
        finally:
            self._unlock()

    def _unlock(self) -> None:
        fcntl.flock(self._lock, fcntl.LOCK_UN)  # closing it would leave it to a forked process
        os.close(self._lock)

    def _listed(self) -> Job:
        """Add this run to the campaign, whose unfinished ones are of processes that were killed."""
        record = self._record
        done = tuple(job for job in record.jobs if store.is_finished(self._folder, job))
        for job in {*record.jobs} - {*done}:
            shutil.rmtree(self._folder / job.folder, ignore_errors=True)
        self._record = record.model_copy(update={"jobs": done})
        number, name = 1 + max((job.number for job in done), default=0), self._name
        repeat = 1 + sum(job.workload == name for job in done)
        mine = Job(folder=f"{number:03d}-{name}", number=number, workload=name, repeat=repeat)
        names = dict.fromkeys(job.workload for job in (*done, mine))
        plan = record.plan | {"workload": [{"name": each} for each in names]}
        listed = record.model_copy(update={"jobs": (*done, mine), "plan": plan})
        store.save(self._folder / store.CAMPAIGN, listed)
        return mine

    def _open(self, job: Job) -> dict[str, ProbeState]:
        """Open the probes, of a new campaign all, of another those that work there; begin."""
        place, tried = self._folder / job.folder, self._folder / store.PROBES
        place.mkdir()
        if self._code:
            (place / "cell.py").write_text(self._code, encoding="utf-8")
        then = {} if self._empty else dict(store.read(tried, ProbesRecord).probes)
        sources = recorded_sources(self._record.sources)
        there = [each for each in sources if each.name not in then or _works(then[each.name])]
        self._running = RunHere(job, there, place, PAUSE)
        now = self._running.open()
        if not any(map(_works, now.values())):
            raise _none_works(then | now)
        if self._empty:
            self._running.leave_out([name for name, state in now.items() if not _works(state)])
            store.save(tried, ProbesRecord(probes=now))
        self._running.begin()
        return then | now

    def _continued(self) -> CampaignRecord:
        """Return the campaign in the folder, if one more run may be added to it."""
        folder = self._folder
        if not (folder / store.CAMPAIGN).exists():
            raise CrosswattError(f"{folder} is not empty, and no campaign. Choose another folder.")
        record = store.read(folder / store.CAMPAIGN, CampaignRecord)
        if record.plan.get("title") not in PYTHON_TITLES:
            raise CrosswattError(
                f"{folder} is a campaign of 'crosswatt run'. Choose another folder."
            )
        require_same_machine(record)
        then = {each.name: each.options for each in record.sources}
        now = {each.name: dict(each.options) for each in self._chosen}
        if not self._any_probes and then != now:
            how = "other settings of " if then.keys() == now.keys() else ""
            raise CrosswattError(
                f"{folder} was begun with {how}{', '.join(then)}; leave the probes out, or choose "
                "another folder."
            )
        return record


def _works(state: ProbeState) -> bool:
    return state.status == "ok"


def _none_works(states: dict[str, ProbeState]) -> CrosswattError:
    reasons = "; ".join(f"{name}: {state.reason}" for name, state in states.items())
    return CrosswattError(
        f"No probe works here ({reasons}). On a simulated machine some do: start it with "
        "'crosswatt bench exec -- python script.py', or jupyter lab."
    )


def _begun(chosen: Sequence[Source]) -> CampaignRecord:
    """Return a campaign without runs."""
    return CampaignRecord(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        crosswatt=__version__,
        plan={"title": TITLE, "workload": [], "strays": 0},
        seed=0,
        machine=describe_machine(),
        sources=source_records(chosen),
        jobs=(),
    )
