"""Rows of delimited text: strictly, with what makes no sense kept aside."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from calibrate.errors import BadFile
from calibrate.ingest import opened
from calibrate.ingest.feed import Options, epoch_ns
from calibrate.quantity import finite_number

Row = dict[str, str]
_MOST_COLUMNS = 10_000
#: What stands for a figure that is not there; nvidia-smi writes reasons in brackets.
_NO_FIGURE = frozenset(("nan", "none", "null", "n/a"))


def rows(
    path: Path, options: Options, needed: Sequence[str], delimiter: str = "", until: str = ""
) -> Iterator[Row]:
    """Yield the rows of a file with a header, up to a line that begins with `until`.

    Where a later line has the columns that are needed, another session begins with it. Figures with
    a decimal comma get a point, where commas do not separate cells.

    Parameters
    ----------
    path, options : the file, and where lines go that make no sense.
    needed : columns without which it is another file.
    delimiter : what separates cells; what the header has most of where it is empty.
    until : how the line begins that ends the table.

    Raises
    ------
    BadFile : it has no header, or the header lacks a column that is needed or has one twice.
    """
    with opened.text(path, options.seen) as stream:
        first = stream.readline()
        delimiter = delimiter or max(",;\t", key=first.count)
        every = chain([first], stream)
        lines = csv.reader((line.replace("\0", "") for line in every), delimiter=delimiter)
        try:
            header = _header(path, next(lines, []), needed)
            for cells in lines:
                if until and cells and cells[0].startswith(until):
                    return
                if needed and set(needed) <= {cell.strip() for cell in cells}:
                    header = _header(path, cells, needed)
                elif len(cells) == len(header):
                    figures = cells if delimiter == "," else map(pointed, cells)
                    yield dict(zip(header, figures, strict=True))
                elif cells:
                    why = f"{len(cells)} cells instead of {len(header)}"
                    if delimiter == "," and len(cells) > len(header):
                        why += "; is there a decimal comma?"
                    options.reject(delimiter.join(cells), why)
        except csv.Error as error:
            raise BadFile(path, f"it is no table ({error})", lines.line_num) from None


def _header(path: Path, cells: Sequence[str], needed: Sequence[str]) -> list[str]:
    """Return the names of columns."""
    if len(cells) > _MOST_COLUMNS:
        raise BadFile(path, f"it has {len(cells)} columns, more than {_MOST_COLUMNS}")
    header = [name.strip() for name in cells]
    missing = [name for name in needed if name not in header]
    if missing:
        raise BadFile(
            path, f"it has no column {missing[0]!r} (its columns: {', '.join(header)[:200]})",
            fix="Name the right format: crosswatt import --help lists them.",
        )  # fmt: skip
    twice = [name for name, count in Counter(header).items() if name and count > 1]
    if twice:
        raise BadFile(
            path, f"it has more than one column {twice[0]!r}", fix="Leave one, or rename one."
        )
    return header


_COMMA = re.compile(r"\s*[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+(?:[eE][+-]?\d+)?\s*")


def pointed(text: str) -> str:
    """Return a figure with a decimal comma as one with a point; anything else as it is."""
    return text.replace(".", "").replace(",", ".") if _COMMA.fullmatch(text) else text


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
    if not text or text.lower() in _NO_FIGURE or (text[0] == "[" and text[-1] == "]"):
        return None
    try:
        return finite_number(text, column)
    except ValueError as error:
        hint = "; is it a decimal comma?" if _COMMA.fullmatch(text) else ""
        options.reject(",".join(row.values()), f"{error}{hint}")
        return None
