"""A table with one row a run: read from a file, and its columns as numbers or labels."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calibrate.errors import BadFile, CrosswattError
from calibrate.stats import Vector
from calibrate.textfile import TABLE_BYTES, read_text

if TYPE_CHECKING:
    import pandas as pd

#: What stands in a cell where nothing was measured.
MISSING = frozenset({"", "na", "n/a", "nan", "none", "null", "-"})
#: A larger table is refused: it holds 20,000 runs of ten meters.
MOST_CELLS, MOST_COLUMNS = 200_000, 1000


def read_table(path: Path) -> pd.DataFrame:
    """Return a CSV file as a table whose index is the line in the file.

    Parameters
    ----------
    path : the file: UTF-8, commas between cells, a line of names first.

    Returns
    -------
    table : a column whose cells are all numbers or missing is of numbers, others are of text. A
        cell is missing where it is empty or says NA, NaN, None, null or "-".

    Raises
    ------
    BadFile : the file cannot be read, has no rows, a name twice, or lines of unequal length.
    """
    import pandas as pd

    text = read_text(path, TABLE_BYTES, "Give a table as CSV, UTF-8.")
    header, rows, lines = _cells(path, text)
    table = pd.DataFrame(rows, columns=header, index=pd.Index(lines, name="line"), dtype=object)
    for name in header:
        numbers = pd.to_numeric(table[name], errors="coerce")
        if (numbers.notna() == table[name].notna()).all():
            table[name] = numbers.astype(float)
    return table


def _cells(path: Path, text: str) -> tuple[list[str], list[list[str | None]], list[int]]:
    """Return the names, the cells (None where missing) and the line that each row ends on."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str | None]] = []
    lines: list[int] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(path, header)
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                why = f"it has {len(row)} cells for {len(header)} columns"
                fix = "Put cells that have a comma in them between quotes."
                raise BadFile(path, why, reader.line_num, fix)
            if len(header) * len(rows) > MOST_CELLS:
                why = f"it has more than {MOST_CELLS:,} cells"
                raise BadFile(path, why, reader.line_num, "Give fewer columns or rows.")
            cells = (cell.strip() for cell in row)
            rows.append([None if cell.lower() in MISSING else cell for cell in cells])
            lines.append(reader.line_num)
    except csv.Error as error:
        raise BadFile(path, f"it is not CSV ({error})", reader.line_num) from error
    if not rows:
        raise BadFile(path, "it has no rows below the names", fix="Give one row for each run.")
    return header, rows, lines


def _check_header(path: Path, header: list[str]) -> None:
    """Refuse a first line that does not name the columns."""
    if len(header) > MOST_COLUMNS:
        raise BadFile(path, f"it has {len(header)} columns, more than {MOST_COLUMNS}", 1)
    if not any(header):
        raise BadFile(path, "its first line names no columns", 1, "Begin with a line of names.")
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        why = "its cells are not separated by commas"
        raise BadFile(path, why, 1, "Save it as CSV with commas, and with decimal points.")
    twice = next((name for name, count in Counter(header).items() if count > 1), None)
    if twice is not None:
        raise BadFile(path, f"two columns are named {twice!r}", 1, "Rename one of them.")


def numbers(table: pd.DataFrame, column: str) -> Vector:
    """Return a column as numbers, NaN where a cell is missing, or refuse a cell that is none."""
    import pandas as pd

    cells = table[column]
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=float, na_value=math.nan)
    text = cells.map(lambda cell: "" if pd.isna(cell) else str(cell).strip().lower())
    bad = np.flatnonzero((np.isnan(numbers) & ~text.isin(MISSING)) | np.isinf(numbers))
    if bad.size:
        place = int(bad[0])
        raise CrosswattError(
            f"Column {column}, {row_name(table, place)}: {str(cells.iloc[place])!r} is not a "
            "number. Correct the cell, or leave it empty where nothing was measured."
        )
    return np.asarray(numbers)


def labels(table: pd.DataFrame, column: str) -> list[str | None]:
    """Return a column as labels, None where a cell is missing."""
    import pandas as pd

    out: list[str | None] = []
    for cell in table[column]:
        text = f"{cell:g}" if isinstance(cell, float) else str(cell).strip()
        out.append(None if pd.isna(cell) or text.lower() in MISSING else text)
    return out


def row_name(table: pd.DataFrame, place: int) -> str:
    """Return what a row is called: "line 7" of a file, "row 7" of another table."""
    return f"{table.index.name or 'row'} {table.index[place]}"
