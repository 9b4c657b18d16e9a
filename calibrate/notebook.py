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
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table

from calibrate.campaign import on_bench
from calibrate.errors import CrosswattError
from calibrate.measurement import Measurement
from calibrate.simulated import before_figures


def load_ipython_extension(shell: Any) -> None:
    """Register ``%%crosswatt`` with an interactive shell; ``%load_ext calibrate`` calls this.

    Parameters
    ----------
    shell : of IPython.

    Raises
    ------
    UsageError : by the magic, where it is refused; the cell is then not run.
    """
    usual = Path(f"crosswatt-notebook-{datetime.now():%Y%m%d-%H%M%S}")

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


class _CellFailed(Exception):
    """The kernel has shown why already."""


class _CellInterrupted(BaseException):
    """The kernel has shown that already."""


def _magic(shell: Any, line: str, cell: str, usual: Path) -> None:
    given = _options().parse_args(line.split())
    run = Measurement(given.out or usual, given.probe, {}, (), given.name, code=cell)
    failed = False
    try:
        with run:
            done = shell.run_cell(cell)
            if isinstance(done.error_in_exec, KeyboardInterrupt):
                raise _CellInterrupted
            if not done.success:
                raise _CellFailed from (done.error_before_exec or done.error_in_exec)
    except _CellFailed:
        failed = True
    except _CellInterrupted:
        raise CrosswattError("The cell was interrupted; nothing of its run is kept.") from None
    console = Console(highlight=False, soft_wrap=True)
    console.print(summary(run, given.name, failed), markup=False)
    console.print(table(run))
    if failed:  # cells below are not to run on, as after any cell that fails
        raise CrosswattError("The cell failed; its run is kept, and left out of comparisons.")


def summary(run: Measurement, name: str, failed: bool) -> str:
    """Return what was run, for how long, and where it lies."""
    label = before_figures(simulated=on_bench())
    return f"{label}{name}{', which failed' if failed else ''}: {run.seconds:.3g} s, {run.folder}"


def table(run: Measurement) -> Table:
    """Return the joules of a run by each probe, or why there are none."""
    shown = Table(box=None, pad_edge=False)
    for heading, justify in (("probe", "left"), ("column", "left"), ("joules", "right")):
        shown.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for name, joules in run.joules.items():
        if name in run.missing:
            shown.add_row(name, "-", f"- ({run.missing[name]})")
        elif joules is None:
            shown.add_row(name, run.columns[name].name, "- (its readings do not cover the cell)")
        else:
            shown.add_row(name, run.columns[name].name, f"{joules:.4g}")
    return shown
