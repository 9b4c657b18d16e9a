"""Where a campaign is performed: on this machine, or on a simulated one."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from calibrate.cli.console import err, out, stdout_for_json
from calibrate.cli.options import DEFAULT_MODEL, INCONCLUSIVE, INTERRUPTED, LOST
from calibrate.errors import CrosswattError

if TYPE_CHECKING:
    from calibrate.bench import Setup
    from calibrate.campaign import Ending

#: Runs that are named where many were left out.
_NAMED = 5
#: How often a simulated machine that was lost is started again.
_RESTARTS = 2
#: What shows that it was lost: its files are gone, or the process that holds it was killed.
_LOST = (LOST, 128 + signal.SIGKILL)
#: Signals to end, and what a process ends with that has got one.
_TO_END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_ENDED = tuple(128 + number for number in _TO_END)


def bench_model(bench: str | None, faults: list[str], no_bench: bool) -> str | None:
    """Return the model of the simulated machine to run on, or None for this machine."""
    from calibrate.bench import Setup
    from calibrate.campaign import rapl_readable

    if bench and no_bench:
        raise CrosswattError("Choose one of --bench and --no-bench.")
    if not bench and (no_bench or rapl_readable()):
        if faults:
            raise CrosswattError("Only a simulated machine can have faults: add --bench desktop.")
        return None
    Setup(bench or DEFAULT_MODEL, tuple(faults)).check()
    return bench or DEFAULT_MODEL


def inside(wanted: Setup, target: Path, options: Sequence[str] = ()) -> int:
    """Perform a campaign on the simulated machine, as a command that runs there."""
    from calibrate import bench
    from calibrate.campaign import rapl_readable, why_no_rapl

    if not rapl_readable():
        err.print(why_no_rapl(), markup=False)
    told = f"model {wanted.model}" + "".join(f", fault {each}" for each in wanted.faults)
    err.print(f"Running on a simulated machine ({told}).", markup=False)
    # That it may run was settled here; -P: nothing in the current folder is imported.
    command = [sys.executable, "-P", "-m", "calibrate", "run", "--trust", "--resume", str(target)]
    command += options
    for left in reversed(range(_RESTARTS + 1)):
        code = bench.execute(wanted, command)
        if code in _ENDED:
            return INTERRUPTED
        if code not in _LOST:
            return code
        if left:
            err.print("The simulated machine is started again.")
    return LOST


@contextmanager
def interruptible() -> Iterator[None]:
    """Let the first Ctrl-C or signal to end interrupt, and no later one disturb the clearing up."""

    def interrupt(_number: int, _frame: object) -> None:
        for number in _TO_END:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = [signal.signal(number, interrupt) for number in _TO_END]
    try:
        yield
    finally:
        for number, handler in zip(_TO_END, before, strict=True):
            signal.signal(number, handler)


def ready(model: str | None) -> None:
    """Refuse a simulated machine that cannot be, before anything is written."""
    from calibrate import bench
    from calibrate.campaign import on_bench

    if model and not on_bench():
        bench.check()


def warn_of_others() -> None:
    """Say in a sentence that other programs keep the machine busy, where they do."""
    from calibrate.campaign import busy_cores, disturbance

    if told := disturbance(busy_cores(), os.cpu_count() or 1):
        err.print(told, style="yellow", markup=False)


def shortfall(ending: Ending, folder: Path) -> int:
    """Say what a campaign lacks; return the exit code, 2 where runs were left out or lost."""
    if ending.straying:
        err.print(
            f"Repeating disturbed runs did not help ({', '.join(ending.straying)} stray still), so "
            "no more were repeated. Measure while nothing else runs on the machine.",
            markup=False,
        )
    if ending.lost:
        err.print(
            f"Lost in every attempt: {_few([f'{run}: {why}' for run, why in ending.lost.items()])}."
            " Find what kills or stops these processes, and measure again.",
            markup=False,
        )
    if not ending.left_out:
        return INCONCLUSIVE if ending.lost else 0
    err.print(
        "This takes more than twice the announced time. Left out: "
        f"{_few([job.folder for job in ending.left_out])}. Go on with: "
        f"crosswatt run --resume {shlex.quote(str(folder))} (where a workload always takes longer "
        "than its seconds, the plan may say so: about_s = 60)",
        markup=False,
    )
    return INCONCLUSIVE


def _few(names: Sequence[str]) -> str:
    """Return names in a row; of many, the first and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def perform(
    folder: Path, model: str | None, faults: Sequence[str], *, as_json: bool = False
) -> int:
    """Perform a campaign here or on the simulated machine; return an exit code.

    It is 2 where runs were left out. Its progress goes to standard output, or with `as_json` to
    standard error.
    """
    from calibrate.bench import Setup
    from calibrate.campaign import on_bench, perform_campaign
    from calibrate.cli.progress import watcher

    if model and not on_bench():
        with stdout_for_json(as_json):
            return inside(Setup(model, tuple(faults)), folder)
    warn_of_others()
    with interruptible(), watcher(err if as_json else out, folder) as watching:
        ending = perform_campaign(folder, watching)
    return shortfall(ending, folder)
