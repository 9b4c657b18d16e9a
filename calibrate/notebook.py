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
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table

from calibrate.campaign import (
    TITLE,
    measure_here,
    on_bench,
)
from calibrate.energy import headline_column, native_columns, window_energy
from calibrate.errors import CrosswattError
from calibrate.loads import Phase, marks_taken, plain_value
from calibrate.simulated import before_figures
from calibrate.store import PhaseRecord, Run


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
    done = measure_here(
        lambda: _execute(shell, cell), cell, given.out or usual, given.probe, given.name
    )
    console = Console(highlight=False, soft_wrap=True)
    console.print(summary(done), markup=False)
    console.print(table(done))
    if done.record.exit_code:  # cells below are not to run on, as after any cell that fails
        raise CrosswattError("The cell failed; its run is kept, and left out of comparisons.")


def _execute(shell: Any, cell: str) -> tuple[int, list[PhaseRecord]]:
    """Run a cell in its kernel; what is wrong with it, the kernel shows."""
    phases: list[Phase] = []
    with marks_taken(phases.append):
        succeeded = shell.run_cell(cell).success
    documents = [json.loads(plain_value(asdict(phase))) for phase in phases]
    return int(not succeeded), [PhaseRecord.model_validate(each) for each in documents]


def summary(done: Run) -> str:
    """Return what was run, for how long, and where it lies."""
    label = before_figures(simulated=on_bench())
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
        column = headline_column(native_columns(log.domains.values()))
        found = None if column is None else window_energy(log, column, window)
        said = "- (its readings do not cover the cell)" if found is None else f"{found.joules:.4g}"
        shown.add_row(name, column.name if column else "-", said)
    return shown
