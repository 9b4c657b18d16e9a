"""Where a campaign is performed: on this machine, or on a simulated one."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from calibrate.cli.console import err, out, stdout_for_json
from calibrate.cli.options import DEFAULT_MODEL
from calibrate.errors import CrosswattError

if TYPE_CHECKING:
    from calibrate.bench import Setup


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


def inside(wanted: Setup, target: Path) -> int:
    """Perform a campaign on the simulated machine, as a command that runs there."""
    from calibrate import bench
    from calibrate.campaign import rapl_readable, why_no_rapl

    if not rapl_readable():
        err.print(why_no_rapl(), markup=False)
    told = f"model {wanted.model}" + "".join(f", fault {each}" for each in wanted.faults)
    err.print(f"Running on a simulated machine ({told}).", markup=False)
    command = [sys.executable, "-m", "calibrate", "run", "--resume", str(target)]
    return bench.execute(wanted, command)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let the first Ctrl-C (or SIGTERM) interrupt, and no later one disturb the clearing up."""

    def interrupt(_number: int, _frame: object) -> None:
        for number in handled:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    handled = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, interrupt) for number in handled]
    try:
        yield
    finally:
        for number, handler in zip(handled, before, strict=True):
            signal.signal(number, handler)


def ready(model: str | None) -> None:
    """Refuse a simulated machine that cannot be, before anything is written."""
    from calibrate import bench
    from calibrate.campaign import on_bench

    if model and not on_bench():
        bench.check()


def perform(
    folder: Path, model: str | None, faults: Sequence[str], *, as_json: bool = False
) -> int:
    """Perform a campaign here or on the simulated machine; return an exit code.

    Its progress goes to standard output, or with `as_json` to standard error.
    """
    from calibrate.bench import Setup
    from calibrate.campaign import on_bench, perform_campaign
    from calibrate.cli.progress import watcher

    if model and not on_bench():
        with stdout_for_json(as_json):
            return inside(Setup(model, tuple(faults)), folder)
    with interruptible(), watcher(err if as_json else out) as watching:
        perform_campaign(folder, watching)
    return 0
