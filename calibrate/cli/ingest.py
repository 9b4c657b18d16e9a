"""The command that makes other people's measurements a campaign."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeElapsedColumn

from calibrate.cli import complete
from calibrate.cli.console import err, out
from calibrate.cli.help import Commands, examples
from calibrate.cli.options import LogMapping, LogScope, LogUnit, LogZone
from calibrate.cli.stage import interruptible
from calibrate.ingest import can_resume, import_files, importers, source_files
from calibrate.quantity import counted

commands = Commands()

_HELP = "The format: " + ", ".join(importers()) + ". Files may be packed (gz, xz, bz2, zip, zst)."


@commands.command(
    "import",
    epilog=examples(
        "crosswatt import codecarbon emissions.csv --out mine",
        "crosswatt import csv power.csv --mapping columns.toml --out wall",
        "crosswatt import shelly log.jsonl --zone Europe/Paris --out plug",
    ),
)
def import_(
    form: Annotated[
        str,
        typer.Argument(metavar="FORMAT", help=_HELP, autocompletion=complete.import_formats),
    ],
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Files, or folders as published.")
    ],
    folder: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FOLDER", help="The folder to write, new or empty."),
    ],
    zone: LogZone = None,
    unit: LogUnit = None,
    scope: LogScope = None,
    mapping: LogMapping = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What to call the probe.")
    ] = None,
    max_bad: Annotated[
        int,
        typer.Option(
            "--max-bad", min=0, metavar="N", help="Stop when more lines than this are bad."
        ),
    ] = 1000,
) -> None:
    """Make a campaign from measurements that were taken elsewhere.

    analyze, report, gate, diff and correct take it as any other. After an interruption, give the
    same command again to go on.
    """
    try:
        with interruptible(), _Bar(paths) as bar:
            made = import_files(
                form, paths, folder, bar,
                zone=zone, unit=unit, scope=scope, mapping=mapping, name=name,
                max_rejected=max_bad,
            )  # fmt: skip
    except KeyboardInterrupt:
        if can_resume(folder):
            err.print("Interrupted. Give the same command again to go on.")
        raise
    for note in made.notes:
        out.print(note)
    record = made.record
    probes = ", ".join(source.name for source in record.sources)
    runs = counted(len(record.jobs), "run")
    out.print(f"{runs} of {_names(job.workload for job in record.jobs)}; {probes}")
    if made.rejected:
        out.print(
            f"{counted(made.rejected, 'line')} could not be parsed; see {made.rejects_file}. The "
            f"first: {made.first_rejected}"
        )
    out.print(
        f"Now: crosswatt report {folder}, with --reference NAME where a probe can serve as one"
    )


class _Bar:
    """A line that shows how much of the files has been read, and how many readings they gave.

    Parameters
    ----------
    paths : the files; one that is read for several probes is gone through several times.
    """

    def __init__(self, paths: list[Path]) -> None:
        files = (each for path in paths for each in source_files(path) if path.exists())
        self._size = max(1, sum(each.stat().st_size for each in files))
        self._read = 0
        self._progress = Progress(
            "{task.description}", BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
            console=err, transient=True,
        )  # fmt: skip
        self._task = self._progress.add_task("importing", total=self._size)

    def resumed(self, readings: int) -> None:
        """Say where an interrupted import goes on."""
        out.print(f"Going on after {readings} readings.")

    def seen(self, size: int) -> None:
        """Count bytes."""
        self._read += size
        self._progress.update(self._task, completed=(self._read - 1) % self._size + 1)

    def readings(self, count: int) -> None:
        """Show readings."""
        self._progress.update(self._task, description=f"{count} readings")

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _names(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(names))
    more = f" and {len(found) - 6} more" if len(found) > 6 else ""
    return ", ".join(found[:6]) + more
