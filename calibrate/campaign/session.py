"""TODO."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from calibrate import campaign, store
from calibrate._version import __version__
from calibrate.campaign import (
    Pause,
    Source,
    describe_machine,
    describe_probes,
    on_bench,
    perform_run_here,
    recorded_sources,
    require_same_machine,
    source_records,
)
from calibrate.errors import CrosswattError
from calibrate.store import CampaignRecord, Job, PhaseRecord, Run

TITLE = "notebook"
PAUSE = Pause(0.5, 0.3)
#: Says that a cell has ended: an exit code, and its phases.
Act = Callable[[], tuple[int, Sequence[PhaseRecord]]]


def measure_here(
    act: Act, code: str, folder: Path, probes: Sequence[str] = (), name: str = "cell"
) -> Run:
    """Measure something that this process does, as one more run of a campaign in a folder.

    Parameters
    ----------
    act : does it; see `calibrate.campaign.run.perform_run_here`.
    code : what was done; kept as ``cell.py``.
    folder : of the campaign; made if it is not there.
    probes : names; none means all that work here.
    name : of the workload.

    Raises
    ------
    CrosswattError : the folder holds something else, or was made with other probes or on another
        machine; no probe works.
    """
    there = folder.is_dir() and any(folder.iterdir())
    record = _continued(folder, probes) if there else _begun(probes)
    sources = recorded_sources(record)
    if there:
        states = store.read(folder / store.PROBES, store.ProbesRecord).probes
    else:
        states = {each: state for each, (state, _) in describe_probes(sources).items()}
    working = [source for source in sources if states[source.name].status == "ok"]
    if not working:
        reasons = "; ".join(f"{each}: {state.reason}" for each, state in states.items())
        raise CrosswattError(
            f"No probe works here ({reasons}). A kernel on a simulated machine has some: start it "
            "with 'crosswatt bench exec -- jupyter lab'."
        )
    repeat = 1 + sum(job.workload == name for job in record.jobs)
    number = len(record.jobs) + 1
    job = Job(folder=f"{number:03d}-{name}", number=number, workload=name, repeat=repeat)
    _perform(folder, job, act, code, working)
    if not there:
        store.save(folder / store.PROBES, store.ProbesRecord(probes=states))
    store.save(folder / store.CAMPAIGN, record.model_copy(update={"jobs": (*record.jobs, job)}))
    return store.load_run(folder / job.folder)


def _perform(folder: Path, job: Job, act: Act, code: str, sources: Sequence[Source]) -> None:
    """Do a run; one that is interrupted leaves nothing behind."""
    made = not folder.exists()
    place = folder / job.folder
    place.mkdir(parents=True)
    try:
        (place / "cell.py").write_text(code, encoding="utf-8")
        perform_run_here(job, act, sources, place, PAUSE)
    except BaseException:
        shutil.rmtree(folder if made else place)
        raise


def _begun(probes: Sequence[str]) -> CampaignRecord:
    """Return a campaign without runs."""
    chosen = campaign.sources(probes, simulated=on_bench())
    return CampaignRecord(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        crosswatt=__version__,
        plan={"title": TITLE, "workload": [{"name": "cell"}], "strays": 0},
        seed=0,
        machine=describe_machine(),
        sources=source_records(chosen),
        jobs=(),
    )


def _continued(folder: Path, probes: Sequence[str]) -> CampaignRecord:
    """Return the campaign in a folder, if one more cell may be added to it."""
    if not (folder / store.CAMPAIGN).exists():
        raise CrosswattError(f"{folder} is not empty, and no campaign. Choose another --out.")
    record = store.read(folder / store.CAMPAIGN, CampaignRecord)
    if record.plan.get("title") != TITLE:
        raise CrosswattError(f"{folder} is a campaign of 'crosswatt run'. Choose another --out.")
    require_same_machine(record)
    names = [source.name for source in record.sources]
    if probes and set(probes) != set(names):
        raise CrosswattError(
            f"{folder} was begun with {', '.join(names)}; leave --probe out, or choose another "
            "--out."
        )
    return record
