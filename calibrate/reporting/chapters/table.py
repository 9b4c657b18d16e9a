"""A table of text, as every report format lays it out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A row of a table; `main` ones are what the reader should see first."""

    cells: tuple[str, ...]
    main: bool = True


@dataclass(frozen=True)
class Table:
    """A table of text; `numeric` are the places of columns of numbers."""

    head: tuple[str, ...]
    rows: tuple[Row, ...]
    numeric: frozenset[int] = frozenset()
