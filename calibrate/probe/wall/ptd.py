"""The log that SPEC's PTDaemon writes of an accredited power analyser, followed as it grows.

A line is ``Time,12-23-2020 10:21:51.496,Watts,23.43,Volts,228.37,Amps,0.204,PF,0.50,Mark,name``.
The time is of the clock of the machine that PTDaemon runs on. Figures that the analyser could not
give are -1.
Sources: SPEC Power and Temperature Measurement Setup Guide; logs of mlcommons/power-dev.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from calibrate.probe.wall.meter import Figures, Settings, need
from calibrate.quantity import finite_number

_FORMAT = "%m-%d-%Y %H:%M:%S.%f"
_TAIL = 4096


@dataclass(frozen=True)
class Line:
    """One line: the director's clock, watts, and the mark that a client has set."""

    at: datetime
    watts: float
    mark: str


class Ptd:
    """The last line of a log; ``file`` is its path."""

    joules_step: float | None = None

    def __init__(self, settings: Settings) -> None:
        self._path = Path(need(settings, "file"))
        self._first = self._last()

    def _last(self) -> Line:
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            text = file.read().decode("ascii", errors="replace")
        whole, newline, _ = text.rpartition("\n")  # the last may be half written
        if not newline:
            raise ValueError(f"{self._path} has no line yet")
        return parse(whole.rpartition("\n")[2])

    def ask(self) -> Figures:
        """See `Meter`."""
        return Figures(self._last().watts)

    def about(self) -> Mapping[str, str]:
        """See `Meter`."""
        at = self._first.at.isoformat(timespec="milliseconds")
        return {"meter": "SPEC PTDaemon", "clock": f"director's, {at} at the start"}

    def close(self) -> None:
        """See `Meter`."""


def parse(line: str) -> Line:
    """Return one line of a log.

    Raises
    ------
    ValueError : it is none, or the analyser had no figure.
    """
    cells = line.strip().split(",")
    pairs: Iterator[str] = iter(cells)
    row = dict(zip(pairs, pairs, strict=False))
    if "Time" not in row or "Watts" not in row:
        raise ValueError(f"{line[:80]!r} is no line of PTDaemon's")
    watts = finite_number(row["Watts"], "Watts")
    if watts < 0:
        raise ValueError(f"the analyser had no watts at {row['Time']}")
    return Line(datetime.strptime(row["Time"], _FORMAT), watts, row.get("Mark", ""))
