"""Import files: from a format and paths to a campaign, in one call."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from calibrate.errors import BadFile, CrosswattError
from calibrate.ingest.feed import Found, Options
from calibrate.ingest.folder import (
    CHECKPOINT,
    REJECTED,
    Rejects,
    discard,
    origin,
    prepare,
    working,
    write,
)
from calibrate.ingest.formats import Importer, find_importer
from calibrate.store import CampaignRecord
from calibrate.textfile import TOML_BYTES, read_text


class ImportWatcher(Protocol):
    """Told how far an import is."""

    def resumed(self, readings: int) -> None:
        """An import that was interrupted goes on after so many readings."""

    def seen(self, size: int) -> None:
        """So many bytes more have been read."""

    def readings(self, count: int) -> None:
        """So many readings have been taken in."""


@dataclass(frozen=True)
class Imported:
    """What an import has made.

    Parameters
    ----------
    record : of the campaign.
    notes : what the user should know, a sentence each.
    rejected : how many lines could not be parsed.
    first_rejected : the first of them, with the reason; empty if there is none.
    rejects_file : where they are kept.
    """

    record: CampaignRecord
    notes: tuple[str, ...]
    rejected: int
    first_rejected: str
    rejects_file: Path


def import_files(
    form: str,
    paths: Sequence[Path],
    out: Path,
    watcher: ImportWatcher,
    *,
    zone: str | None = None,
    unit: str | None = None,
    scope: str | None = None,
    mapping: Path | None = None,
    name: str | None = None,
    max_rejected: int = 1000,
) -> Imported:
    """Make a campaign of files that another program wrote.

    If the same call was interrupted before, it goes on where it was.

    Parameters
    ----------
    form : the format, as `find_importer` knows it.
    paths : files, or folders as published.
    out : the folder to write; new or empty.
    watcher : told how far the import is.
    zone, unit, scope, mapping, name : see `calibrate.ingest.feed.Options`.
    max_rejected : more lines than this that cannot be parsed end the import.

    Raises
    ------
    CrosswattError : a file is not there, is not of the format, or `out` is not empty.
    KeyboardInterrupt : passed on; `can_resume` tells whether the import can go on later.
    """
    importer = find_importer(form)
    for path in paths:
        if not path.exists():
            raise CrosswattError(f"{path}: there is no such file or folder.")
    # A mapping is read within its bounds before anything else is, and known by what it says.
    mapped = read_text(mapping, TOML_BYTES) if mapping else None
    known = hashlib.sha256(mapped.encode()).hexdigest() if mapped is not None else None
    words = (zone, unit, scope, known, name)
    done = prepare(out, origin(form, paths, words))
    rejects = Rejects(working(out) / REJECTED, max_rejected, done.rejects if done else 0)
    file = str(mapping) if mapping else None
    options = Options(zone, unit, scope, file, name, rejects, watcher.seen)
    if done:
        watcher.resumed(sum(count for run in done.counts for count in run.values()))
    try:
        with readable(form, paths, rejects):
            found = found_in(importer, list(paths), options, rejects)
            written = write(found, out, paths, form, rejects, watcher.readings, done)
    except KeyboardInterrupt:
        if not can_resume(out):
            discard(out)
        raise
    except BaseException:
        discard(out)
        raise
    return Imported(written.record, written.notes, rejects.count, rejects.first, out / REJECTED)


def found_in(importer: Importer, paths: list[Path], options: Options, rejects: Rejects) -> Found:
    """Return what files hold; one of many that cannot be read is left out, and told."""
    left: list[str] = []
    while True:
        try:
            found = importer(paths, options)
        except BadFile as error:
            bad = [path for path in paths if path == error.path]
            if len(paths) < 2 or not bad:
                raise
            paths = [path for path in paths if path not in bad]
            left.append(f"Left out: {error}")
            rejects.restart()
            options.clock.last_ns = 0
        else:
            return replace(found, notes=[*left, *found.notes])


def can_resume(out: Path) -> bool:
    """Tell whether an interrupted import into a folder can go on."""
    return (working(out) / CHECKPOINT).exists()


@contextmanager
def readable(form: str, paths: Sequence[Path], rejects: Rejects) -> Iterator[None]:
    """Turn whatever else an importer raises into: the file is not of its format.

    A refusal quotes the first line that could not be read: that is often its cause.
    """
    try:
        yield
    except CrosswattError as error:
        if not rejects.first or rejects.first in str(error):
            raise
        raise CrosswattError(
            f"{error} {rejects.count} lines could not be read; the first: {rejects.first}."
        ) from error
    except (
        ValueError,
        LookupError,
        TypeError,
        ArithmeticError,
        AttributeError,
        csv.Error,
    ) as error:
        what = f"{type(error).__name__}: {error}"[:200]
        raise CrosswattError(
            f"{', '.join(map(str, paths))} cannot be read as {form} ({what}). Is it the right "
            "format? crosswatt import --help lists them."
        ) from None
