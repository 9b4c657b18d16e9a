"""The command that makes other people's measurements a campaign."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeElapsedColumn

from calibrate import ingest
from calibrate.errors import CrosswattError
from calibrate.ingest import folder as folders
from calibrate.ingest import opened
from calibrate.ingest.feed import Options
from calibrate.ingest.folder import Rejects
from calibrate.stage import interruptible
from calibrate.terminal import err, out

_HELP = (
    "The format: " + ", ".join(ingest.formats()) + ". Files may be packed (gz, xz, bz2, zip, zst)."
)


def import_(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help=_HELP)],
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders as published.")],
    folder: Annotated[Path, typer.Option("--out", help="The folder to write; new or empty.")],
    zone: Annotated[
        str | None, typer.Option("--zone", help="Of times without one: UTC, Europe/Paris ...")
    ] = None,
    unit: Annotated[
        str | None, typer.Option("--unit", help="Of figures without one: W, mW, J, kWh ...")
    ] = None,
    scope: Annotated[
        str | None, typer.Option("--scope", help="What the meter covers, where nothing says it.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option("--mapping", help="What the columns of a CSV are, TOML.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What to call the probe.")] = None,
    max_bad: Annotated[
        int, typer.Option("--max-bad", min=0, help="More bad lines than this end the import.")
    ] = 1000,
) -> None:
    """Make measurements that were taken elsewhere a campaign, for analyze, report and correct.

    One that was interrupted goes on when the same is typed again.
    """
    importer = ingest.find(form)
    for path in paths:
        if not path.exists():
            raise CrosswattError(f"{path}: there is no such file or folder.")
    words = (zone, unit, scope, opened.checksum(mapping) if mapping else None, name)
    done = folders.prepare(folder, folders.origin(form, paths, words))
    part = folders.working(folder)
    rejects = Rejects(part / folders.REJECTED, max_bad, done.rejects if done else 0)
    bar = _Bar(paths)
    options = Options(zone, unit, scope, str(mapping) if mapping else None, name, rejects, bar.seen)
    if done:
        out.print(f"Going on after {sum(n for run in done.counts for n in run.values())} readings.")
    try:
        with _readable(form, paths), interruptible(), bar:
            found = importer(paths, options)
            record = folders.write(found, folder, paths, form, rejects, bar.readings, done)
    except KeyboardInterrupt:
        if not (part / folders.CHECKPOINT).exists():
            folders.discard(folder)
        else:
            err.print("Interrupted. Type the same again to go on.")
        raise
    except BaseException:
        folders.discard(folder)
        raise
    for note in found.notes:
        out.print(note)
    probes = ", ".join(source.name for source in record.sources)
    out.print(f"{len(record.jobs)} runs of {_names(j.workload for j in record.jobs)}; {probes}")
    if rejects.count:
        out.print(
            f"{rejects.count} lines made no sense and are kept in {folder / folders.REJECTED}; the "
            f"first: {rejects.first}"
        )
    out.print(f"Now: crosswatt report {folder} --reference NAME --out report.html")


def merge(
    folder: Annotated[Path, typer.Argument(help="A campaign's folder.")],
    other: Annotated[Path, typer.Argument(help="An imported one, of the same time.")],
    target: Annotated[Path, typer.Option("--out", help="The folder to write.")],
) -> None:
    """Join a log that was taken elsewhere to a campaign: a wall meter as its reference."""
    from calibrate import store
    from calibrate.ingest import merge as merging

    runs = merging.merge(store.load_campaign(folder), store.load_campaign(other), target)
    out.print(f"{len(runs)} runs have more probes now: {', '.join(runs)}")
    out.print(f"Now: crosswatt align {target} --reference NAME, if the clocks may differ")


@contextmanager
def _readable(form: str, paths: list[Path]) -> Iterator[None]:
    """Take whatever else an importer stumbles over for a file that is not of its format."""
    try:
        yield
    except (ValueError, LookupError, TypeError, ArithmeticError, AttributeError) as error:
        what = f"{type(error).__name__}: {error}"[:200]
        raise CrosswattError(
            f"{', '.join(map(str, paths))} cannot be read as {form} ({what}). Is it the right "
            "format? crosswatt import --help lists them."
        ) from None


class _Bar:
    """A line that shows how much of the files has been read, and how many readings they gave.

    Parameters
    ----------
    paths : the files; one that is read for several probes is gone through several times.
    """

    def __init__(self, paths: list[Path]) -> None:
        files = (each for path in paths for each in folders.files(path))
        self._size = max(1, sum(each.stat().st_size for each in files))
        self._read = 0
        self._progress = Progress(
            "{task.description}", BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
            console=err, transient=True,
        )  # fmt: skip
        self._task = self._progress.add_task("importing", total=self._size)

    def seen(self, size: int) -> None:
        """Count bytes."""
        self._read += size
        self._progress.update(self._task, completed=(self._read - 1) % self._size + 1)

    def readings(self, count: int) -> None:
        """Show readings."""
        self._progress.update(self._task, description=f"{count} readings")

    def __enter__(self) -> None:
        self._progress.start()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _names(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(names))
    more = f" and {len(found) - 6} more" if len(found) > 6 else ""
    return ", ".join(found[:6]) + more
