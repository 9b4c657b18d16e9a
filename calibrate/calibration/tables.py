"""Correct the files that meters write: a table of their readings, or a log."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from calibrate import textfile
from calibrate.calibration.apply import UNITS, CorrectedReading, Corrector
from calibrate.calibration.correction import Correction
from calibrate.errors import BadFile, CrosswattError, UnknownName
from calibrate.ingest import consumptions
from calibrate.quantity import csv_text

#: CodeCarbon's columns of kWh, and the name of the same figure in a campaign.
CODECARBON = {"cpu_energy": "cpu", "gpu_energy": "gpu", "ram_energy": "ram"}
CODECARBON_TOTAL = {"energy_consumed": "energy"}
_ENDS = ("corrected", "low", "high")


def read_table(path: Path) -> str:
    """Return the text of a CSV file.

    Raises
    ------
    BadFile : it cannot be read, or is too large.
    """
    return textfile.read_text(path, textfile.TABLE_BYTES, "Give a CSV file.")


@dataclass(frozen=True)
class Totals:
    """The columns of a file that follow from its energies, as CodeCarbon has them.

    Parameters
    ----------
    energy : the sum of `parts`, perhaps with a factor for a data centre's overhead.
    emissions : in proportion to it.
    parts : columns with the energies that are added up.
    """

    energy: str = "energy_consumed"
    emissions: str = "emissions"
    parts: tuple[str, ...] = tuple(CODECARBON)

    def of(self, header: Sequence[str]) -> list[str]:
        """Return the totals that a file has."""
        return [name for name in (self.energy, self.emissions) if name in header]


@dataclass(frozen=True)
class Columns:
    """Which columns of a CSV file hold what.

    Parameters
    ----------
    energy : the file's column -> the calibration's column (None: its only one).
    seconds : the column with the duration, s.
    unit : of the energies, one of `UNITS`.
    release, when : the columns with the probe's release and the instant (ISO 8601); empty where
        there is none.
    totals : columns that follow from the energies; None where there are none.
    """

    energy: Mapping[str, str | None]
    seconds: str
    unit: str
    release: str = ""
    when: str = ""
    totals: Totals | None = None


def carbontracker_table(text: str) -> str | None:
    """Return what a carbontracker output log says was used, as a table; None if it is no such log.

    It has a row for every "Actual consumption", with seconds (whole ones, as carbontracker writes
    them) and the energy in kWh, its factor for a data centre's overhead included.
    """
    rows = [f"{each.what},{each.seconds},{each.kwh}" for each in consumptions(text)]
    return "\n".join(["consumption,seconds,energy", *rows, ""]) if rows else None


def codecarbon_columns(header: Sequence[str], corrector: Corrector, probe: str) -> Columns:
    """Return the columns of CodeCarbon's ``emissions.csv`` that the calibration knows.

    Raises
    ------
    CrosswattError : the header is not CodeCarbon's, or nothing in it was calibrated.
    """
    if "emissions" not in header or "duration" not in header:
        raise CrosswattError(
            "This is not CodeCarbon's emissions.csv; name the columns with --energy, --unit and "
            "--seconds."
        )
    known = {each.column for each in corrector.calibration.corrections if each.probe == probe}
    every = CODECARBON | CODECARBON_TOTAL
    energy = {name: ours for name, ours in every.items() if name in header and ours in known}
    if not energy:
        corrector.find(probe)  # says so where the probe itself is not there
        raise CrosswattError(
            f"The calibration of {probe} is of {', '.join(sorted(known))}; the file has none of "
            "these."
        )
    return Columns(energy, "duration", "kWh", "codecarbon_version", "timestamp", Totals())


def correct_csv(
    text: str, corrector: Corrector, probe: str, columns: Columns, *, anyway: bool = False
) -> str:
    """Return the table with three more columns for every energy, and one of notes.

    ``X_corrected``, ``X_low`` and ``X_high`` are in the unit of ``X``. A cell that is empty, or no
    number, stays empty; so do all of a row with fewer cells than the header, whose cells may have
    moved, and what may not be corrected. The note says why. Totals are corrected where all that
    they add up is.

    Parameters
    ----------
    text : of the file.
    corrector, probe : what to correct with.
    columns : which columns hold what.
    anyway : see `Corrector.correct`.

    Raises
    ------
    UnknownName : a column is not in the file, or a correction not in the calibration.
    CrosswattError : no form describes any energy that was asked for, or no row may be corrected.
    """
    if columns.unit not in UNITS:
        raise UnknownName("unit", columns.unit, UNITS)
    reader = csv.DictReader(io.StringIO(text))
    header = read_header(text)
    for name in (*columns.energy, columns.seconds):
        if name not in header:
            raise UnknownName("column in the file", name, header)
    wanted = {name: corrector.find(probe, ours) for name, ours in columns.energy.items()}
    possible = {n: c for n, c in wanted.items() if c.verdict != "not calibratable"}
    if not possible:
        name, found = next(iter(wanted.items()))
        raise CrosswattError(f"{name} is not calibratable: {found.reason}.")
    totals = columns.totals.of(header) if columns.totals else []
    new = [f"{n}_{end}" for n in dict.fromkeys([*possible, *totals]) for end in _ENDS]
    always = [f"{n} is not calibratable." for n in wanted if n not in possible]
    out = io.StringIO()
    writer = csv.DictWriter(out, [*header, *new, "crosswatt_notes"], lineterminator="\n")
    writer.writeheader()
    rows = corrected = 0
    first = ""
    for row in _rows(reader):
        cells, notes = _row(row, possible, corrector, columns, anyway)
        rows, corrected = rows + 1, corrected + any(n.endswith("_corrected") for n in cells)
        first = first or " ".join(notes)
        said = " ".join(dict.fromkeys([*always, *notes]))
        writer.writerow(row | cells | {"crosswatt_notes": csv_text(said)})
    if rows and not corrected:
        raise CrosswattError(f"None of {rows} rows was corrected: {first}")
    return out.getvalue()


def read_header(text: str) -> list[str]:
    """Return the names in the first line of a CSV file.

    Raises
    ------
    BadFile : it is no line of CSV.
    """
    try:
        return next(csv.reader(io.StringIO(text)), [])
    except csv.Error as error:
        raise BadFile("the table", f"it is not CSV ({error})", 1) from None


def _rows(reader: csv.DictReader[str]) -> Iterator[dict[str, str]]:
    """Yield the rows of a table, or raise `BadFile`."""
    try:
        for row in reader:
            if None in row:
                raise BadFile("the table", "it has more cells than its header", reader.line_num)
            yield row
    except csv.Error as error:
        raise BadFile("the table", f"it is not CSV ({error})", reader.line_num) from None


def _row(
    row: Mapping[str, str],
    possible: Mapping[str, Correction],
    corrector: Corrector,
    columns: Columns,
    anyway: bool,
) -> tuple[dict[str, str], list[str]]:
    """Return the new cells of a row, and its notes."""
    cells = dict[str, str]()
    if None in row.values():
        return cells, ["The row has fewer cells than the header: they may have moved."]
    notes = list[str]()
    for name, correction in possible.items():
        more, said = _energy(row, name, correction, corrector, columns, anyway)
        cells |= more
        notes += said
    if columns.totals:
        more, said = _totals(row, cells, columns.totals)
        cells |= more
        notes += said
    return cells, notes


def _energy(
    row: Mapping[str, str],
    name: str,
    correction: Correction,
    corrector: Corrector,
    columns: Columns,
    anyway: bool,
) -> tuple[dict[str, str], Sequence[str]]:
    """Return the new cells of one energy of one row, and the notes."""
    unit = UNITS[columns.unit]
    release, on = row.get(columns.release) or None, _day(row.get(columns.when))
    try:
        joules, seconds = float(row[name]) * unit, float(row[columns.seconds])
        reading = CorrectedReading(joules, seconds, release, None, on)
        found = corrector.apply(reading, correction, anyway=anyway)
    except (ValueError, TypeError):
        return {}, [f"{name} or {columns.seconds} is no number."]
    except CrosswattError as why:
        return {}, [f"{name} is not corrected: {why}"]
    values = zip(_ENDS, (found.joules, found.low, found.high), strict=True)
    return {
        f"{name}_{end}": "" if value is None else f"{value / unit:.9g}" for end, value in values
    }, found.notes


def _totals(
    row: Mapping[str, str], cells: Mapping[str, str], totals: Totals
) -> tuple[dict[str, str], list[str]]:
    """Return the new cells of totals, or the note that they are not corrected, and why."""
    present = totals.of(list(row))
    if f"{totals.energy}_corrected" in cells:
        parts, present = [totals.energy], [totals.emissions] if totals.emissions in row else []
    else:
        parts = [name for name in totals.parts if _number(row.get(name)) != 0]
    missing = [name for name in parts if not cells.get(f"{name}_low")]
    if not present:
        return {}, []
    names = " and ".join(present)
    if missing or not parts:
        why = f"{', '.join(missing)} is not" if missing else "it has no parts"
        return {}, [f"{names}: not corrected, since {why}."]
    whole = sum(_number(row[name]) for name in parts)
    made = dict[str, str]()
    for end in _ENDS:
        # What parts err by may be common to them: their limits are added up.
        ratio = sum(float(cells[f"{name}_{end}"]) for name in parts) / whole
        for name in present:
            value = _number(row[name])
            made[f"{name}_{end}"] = "" if math.isnan(value) else f"{value * ratio:.9g}"
    return made, []


def _number(text: str | None) -> float:
    """Return a cell as a number; NaN where it is none, zero where the file has no such column."""
    if text is None:
        return 0.0
    try:
        return float(text)
    except ValueError:
        return math.nan


def _day(text: str | None) -> date:
    """Return the day of an instant; today where there is none that can be read."""
    try:
        return datetime.fromisoformat(text or "").date()
    except ValueError:
        return date.today()
