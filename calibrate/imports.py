"""The command that makes other people's measurements a campaign."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TimeElapsedColumn

from calibrate import ingest
from calibrate.errors import CrosswattError
from calibrate.ingest import folder as folders
from calibrate.ingest.feed import Found, Options
from calibrate.ingest.folder import Rejects
from calibrate.store import CampaignRecord
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
    """Make measurements that were taken elsewhere a campaign, for analyze, report and correct."""
    importer = ingest.find(form)
    for path in paths:
        if not path.exists():
            raise CrosswattError(f"{path}: there is no such file or folder.")
    part = folders.prepare(folder)
    rejects = Rejects(part / folders.REJECTED, max_bad)
    options = Options(zone, unit, scope, str(mapping) if mapping else None, name, rejects)
    try:
        with _readable(form, paths):
            found = importer(paths, options)
            record = _written(found, folder, paths, form, rejects)
    finally:
        folders.discard(part)
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


def _written(
    found: Found, folder: Path, paths: list[Path], form: str, rejects: Rejects
) -> CampaignRecord:
    """Write the campaign, with a line that counts."""
    with Progress(
        "{task.description}", BarColumn(), TimeElapsedColumn(), console=err, transient=True
    ) as bar:
        task = bar.add_task("importing", total=None)
        return folders.write(
            found, folder, paths, form, rejects,
            lambda readings: bar.update(task, description=f"{readings} readings"),
        )  # fmt: skip


def _names(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(names))
    more = f" and {len(found) - 6} more" if len(found) > 6 else ""
    return ", ".join(found[:6]) + more
