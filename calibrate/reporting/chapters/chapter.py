"""What every format of a report shows of a chapter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from calibrate.reporting.chapters.table import Table
from calibrate.reporting.charts.chart import Chart

NO_TABLE = Table((), ())


@dataclass(frozen=True)
class Chapter:
    """A part of a report.

    Parameters
    ----------
    name : its heading.
    words : paragraphs before the table: what was found.
    table : may have no rows.
    note : how to read the table.
    charts : makes the charts, which not every format shows; they share the caption.
    """

    name: str
    words: tuple[str, ...] = ()
    table: Table = NO_TABLE
    note: str = ""
    charts: Callable[[], Sequence[Chart]] = tuple
    caption: str = ""
