"""The cell magic ``%%crosswatt``: the code of a cell as the workload, in the user's own kernel.

    %load_ext calibrate

    %%crosswatt --probe rapl --out folder
    with calibrate.mark("train", epoch=1):
        model.fit(x, y)

The cell runs where its variables live, while the probes record beside it, each in a process of its
own. FOLDER becomes a campaign with one run; each further cell with the same FOLDER is another run.
A kernel that runs cannot enter a simulated machine: start it there, with
``crosswatt bench exec -- jupyter lab``.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table

from calibrate import __version__, campaign, machine, marks, series, store
from calibrate.errors import CrosswattError
from calibrate.run import Pause, Source, describe, run_here
from calibrate.store import CampaignRecord, Job, PhaseRecord, Run

TITLE = "notebook"
PAUSE = Pause(0.5, 0.3)
#: Says that a cell has ended: an exit code, and its phases.
Act = Callable[[], tuple[int, Sequence[PhaseRecord]]]


def load_ipython_extension(shell: Any) -> None:
    """Register ``%%crosswatt`` with an interactive shell."""
    usual = Path(f"crosswatt-{TITLE}-{datetime.now():%Y%m%d-%H%M%S}")

    def crosswatt(line: str, cell: str) -> None:
        from IPython.core.error import UsageError

        try:
            _magic(shell, line, cell, usual)
        except CrosswattError as refusal:
            raise UsageError(str(refusal)) from None

    crosswatt.__doc__ = _options().format_help()
    shell.register_magic_function(crosswatt, "cell")


class _Parser(argparse.ArgumentParser):
    """Options whose errors are refusals and do not end the kernel."""

    def error(self, message: str) -> NoReturn:
        raise CrosswattError(f"{message}. Type %%crosswatt? for what it takes.")


def _options() -> argparse.ArgumentParser:
    options = _Parser(
        prog="%%crosswatt", add_help=False, description="Measure this cell while probes record."
    )
    options.add_argument(
        "--probe", action="append", default=[], help="only this probe; may be repeated"
    )
    options.add_argument(
        "--out", type=Path, help="the folder; a cell with the same folder is another run"
    )
    options.add_argument("--name", default="cell", help="what the work is called")
    return options


def _magic(shell: Any, line: str, cell: str, usual: Path) -> None:
    given = _options().parse_args(line.split())
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*", given.name):
        raise CrosswattError(f"--name {given.name}: it is letters, digits and dashes.")
    done = measure(lambda: _execute(shell, cell), cell, given.out or usual, given.probe, given.name)
    console = Console(highlight=False, soft_wrap=True)
    console.print(summary(done), markup=False)
    console.print(table(done))
    if done.record.exit_code:  # cells below are not to run on, as after any cell that fails
        raise CrosswattError("The cell failed; its run is kept, and left out of comparisons.")


def _execute(shell: Any, cell: str) -> tuple[int, list[PhaseRecord]]:
    """Run a cell in its kernel; what is wrong with it, the kernel shows."""
    phases: list[marks.Phase] = []
    with marks.taken(phases.append):
        succeeded = shell.run_cell(cell).success
    documents = [json.loads(marks.plain(asdict(phase))) for phase in phases]
    return int(not succeeded), [PhaseRecord.model_validate(each) for each in documents]


def measure(
    act: Act, code: str, folder: Path, probes: Sequence[str] = (), name: str = "cell"
) -> Run:
    """Measure something that this process does, as one more run of a campaign in a folder.

    Parameters
    ----------
    act : does it; see `calibrate.run.run_here`.
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
    sources = campaign.recorded(record)
    if there:
        states = store.read(folder / store.PROBES, store.ProbesRecord).probes
    else:
        states = {each: state for each, (state, _) in describe(sources).items()}
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
        run_here(job, act, sources, place, PAUSE)
    except BaseException:
        shutil.rmtree(folder if made else place)
        raise


def _begun(probes: Sequence[str]) -> CampaignRecord:
    """Return a campaign without runs."""
    chosen = campaign.sources(probes, simulated=machine.on_bench())
    return CampaignRecord(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        crosswatt=__version__,
        plan={"title": TITLE, "workload": [{"name": "cell"}], "strays": 0},
        seed=0,
        machine=machine.describe(),
        sources=campaign.records(chosen),
        jobs=(),
    )


def _continued(folder: Path, probes: Sequence[str]) -> CampaignRecord:
    """Return the campaign in a folder, if one more cell may be added to it."""
    if not (folder / store.CAMPAIGN).exists():
        raise CrosswattError(f"{folder} is not empty, and no campaign. Choose another --out.")
    record = store.read(folder / store.CAMPAIGN, CampaignRecord)
    if record.plan.get("title") != TITLE:
        raise CrosswattError(f"{folder} is a campaign of 'crosswatt run'. Choose another --out.")
    campaign.same_machine(record)
    names = [source.name for source in record.sources]
    if probes and set(probes) != set(names):
        raise CrosswattError(
            f"{folder} was begun with {', '.join(names)}; leave --probe out, or choose another "
            "--out."
        )
    return record


def summary(done: Run) -> str:
    """Return what was run, for how long, and where it lies."""
    label = "SIMULATED MACHINE. " if machine.on_bench() else ""
    failed = ", which failed" if done.record.exit_code else ""
    return f"{label}{done.record.workload}{failed}: {done.record.seconds:.3g} s, {done.folder}"


def table(done: Run) -> Table:
    """Return the joules of a run by each probe, or why there are none."""
    shown = Table(box=None, pad_edge=False)
    for heading, justify in (("probe", "left"), ("column", "left"), ("joules", "right")):
        shown.add_column(heading, justify=justify)  # type: ignore[arg-type]
    window = done.record.begin_ns, done.record.end_ns
    for name, state in done.record.probes.items():
        if state.status != "ok":
            shown.add_row(name, "-", f"- ({state.reason})")
            continue
        log = done.logs[name]
        column = series.headline(series.native(log.domains.values()))
        found = None if column is None else series.energy(log, column, window)
        said = "- (its readings do not cover the cell)" if found is None else f"{found.joules:.4g}"
        shown.add_row(name, column.name if column else "-", said)
    return shown
