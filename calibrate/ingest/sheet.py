"""Rows of delimited text: strictly, with what makes no sense kept aside."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from calibrate.errors import BadFile
from calibrate.ingest import opened
from calibrate.ingest.feed import Options, epoch_ns
from calibrate.quantity import finite_number

Row = dict[str, str]


def rows(
    path: Path, options: Options, needed: Sequence[str], delimiter: str = ",", until: str = ""
) -> Iterator[Row]:
    """Yield the rows of a file with a header, up to a line that begins with `until`.

    Raises
    ------
    BadFile : it has no header, or the header lacks a column that is needed.
    """
    with opened.text(path, options.seen) as stream:
        lines = csv.reader((line.replace("\0", "") for line in stream), delimiter=delimiter)
        header = [name.strip() for name in next(lines, [])]
        missing = [name for name in needed if name not in header]
        if missing:
            raise BadFile(
                path, f"it has no column {missing[0]!r} (its columns: {', '.join(header)[:200]})",
                fix="Name the right format: crosswatt import --help lists them.",
            )  # fmt: skip
        try:
            for cells in lines:
                if until and cells and cells[0].startswith(until):
                    return
                if len(cells) == len(header):
                    yield dict(zip(header, cells, strict=True))
                elif cells:
                    why = f"{len(cells)} cells instead of {len(header)}"
                    options.reject(delimiter.join(cells), why)
        except csv.Error as error:
            raise BadFile(path, f"it is no table ({error})", lines.line_num) from None


def instant(row: Row, column: str, options: Options) -> int | None:
    """Return a cell as ns since 1970; None where it is no time, and kept aside."""
    try:
        return epoch_ns(row[column], options)
    except (ValueError, OverflowError) as error:
        options.reject(",".join(row.values()), f"no time ({error})")
        return None


def figure(row: Row, column: str, options: Options) -> float | None:
    """Return a cell as a number; None where it is empty, or none and kept aside."""
    text = row[column].strip()
    if not text or text.lower() in {"nan", "none", "null", "n/a", "[n/a]"}:
        return None
    try:
        return finite_number(text, column)
    except ValueError as error:
        options.reject(",".join(row.values()), str(error))
        return None
