"""The log that SPEC's PTDaemon writes of an accredited power analyser, followed as it grows.

A line is ``Time,12-23-2020 10:21:51.496,Watts,23.43,Volts,228.37,Amps,0.204,PF,0.50,Mark,name``.
The time is of the clock of the machine that PTDaemon runs on. Figures that the analyser could not
give are -1. With several analysers the total stands first, then ``Analyzer1,Time,...`` of each.
Sources: SPEC Power and Temperature Measurement Setup Guide; logs of mlcommons/power-dev.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
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
    whole, *analysers = re.split(r",Analyzer\d+,", line.strip())
    row = _pairs(whole)
    if "Time" not in row or "Watts" not in row:
        raise ValueError(f"{line[:80]!r} is no line of PTDaemon's")
    watts = finite_number(row["Watts"], "Watts")
    if watts < 0:
        raise ValueError(f"the analyser had no watts at {row['Time']}")
    _agree(watts, [_pairs(each) for each in analysers])
    return Line(datetime.strptime(row["Time"], _FORMAT), watts, row.get("Mark", ""))


def _pairs(text: str) -> dict[str, str]:
    """Return names and figures that take turns; a name that comes twice is refused."""
    cells = iter(text.split(","))
    pairs = list(zip(cells, cells, strict=False))
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError(f"{text[:80]!r} has a name twice")
    return row


def _agree(watts: float, analysers: Sequence[Mapping[str, str]]) -> None:
    """Refuse a line whose analysers do not make its total."""
    each = [finite_number(row.get("Watts", ""), "Watts") for row in analysers]
    if any(value < 0 for value in each):
        raise ValueError(f"an analyser reads {min(each):g} W, as one that is connected in reverse")
    if each and abs(sum(each) - watts) > max(0.01 * watts, 0.1):
        raise ValueError(f"the analysers make {sum(each):g} W, and the line says {watts:g} W")
