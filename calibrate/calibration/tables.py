"""Correct the files that meters write: a table of their readings, or a log."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from calibrate.calibration.apply import UNITS, CorrectedReading, Corrector
from calibrate.calibration.fit import Correction
from calibrate.errors import BadFile, CrosswattError, UnknownName
from calibrate.ingest import consumptions

#: CodeCarbon's columns of kWh, and the name of the same figure in a campaign.
CODECARBON = {"cpu_energy": "cpu", "gpu_energy": "gpu", "ram_energy": "ram"}
CODECARBON_TOTAL = {"energy_consumed": "energy"}


def read_table(path: Path) -> str:
    """Return the text of a CSV file.

    Raises
    ------
    BadFile : it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise BadFile(path, f"it cannot be read ({why})", fix="Give a CSV file.") from None


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
    """

    energy: Mapping[str, str | None]
    seconds: str
    unit: str
    release: str = ""
    when: str = ""


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
    return Columns(energy, "duration", "kWh", "codecarbon_version", "timestamp")


def correct_csv(text: str, corrector: Corrector, probe: str, columns: Columns) -> str:
    """Return the table with three more columns for every energy, and one of notes.

    ``X_corrected``, ``X_low`` and ``X_high`` are in the unit of ``X``. A cell that is empty, or no
    number, stays empty; the note says so.

    Raises
    ------
    UnknownName : a column is not in the file, or a correction not in the calibration.
    CrosswattError : no energy that was asked for is calibratable.
    """
    if columns.unit not in UNITS:
        raise UnknownName("unit", columns.unit, UNITS)
    reader = csv.DictReader(io.StringIO(text))
    header = list(reader.fieldnames or ())
    for name in (*columns.energy, columns.seconds):
        if name not in header:
            raise UnknownName("column in the file", name, header)
    wanted = {name: corrector.find(probe, ours) for name, ours in columns.energy.items()}
    possible = {n: c for n, c in wanted.items() if c.verdict != "not calibratable"}
    if not possible:
        name, found = next(iter(wanted.items()))
        raise CrosswattError(f"{name} is not calibratable: {found.reason}.")
    more = [f"{name}_{end}" for name in possible for end in ("corrected", "low", "high")]
    out = io.StringIO()
    writer = csv.DictWriter(out, [*header, *more, "crosswatt_notes"], lineterminator="\n")
    writer.writeheader()
    for row in reader:
        if None in row:
            raise BadFile("the table", "it has more cells than its header", reader.line_num)
        notes = [f"{n} is not calibratable." for n in wanted if n not in possible]
        for name, correction in possible.items():
            cells, said = _row(row, name, correction, corrector, columns)
            row.update(cells)
            notes += said
        row["crosswatt_notes"] = " ".join(dict.fromkeys(notes))
        writer.writerow(row)
    return out.getvalue()


def _row(
    row: Mapping[str, str],
    name: str,
    correction: Correction,
    corrector: Corrector,
    columns: Columns,
) -> tuple[dict[str, str], Sequence[str]]:
    """Return the new cells of one energy of one row, and the notes."""
    unit = UNITS[columns.unit]
    release, on = row.get(columns.release) or None, _day(row.get(columns.when))
    try:
        joules, seconds = float(row[name]) * unit, float(row[columns.seconds])
        found = corrector.apply(CorrectedReading(joules, seconds, release, None, on), correction)
    except (ValueError, TypeError):
        return {}, [f"{name} or {columns.seconds} is no number."]
    except CrosswattError as why:
        return {}, [str(why)]
    values = {"corrected": found.joules, "low": found.low, "high": found.high}
    return {
        f"{name}_{end}": "" if value is None else f"{value / unit:.9g}"
        for end, value in values.items()
    }, found.notes


def _day(text: str | None) -> date:
    """Return the day of an instant; today where there is none that can be read."""
    try:
        return datetime.fromisoformat(text or "").date()
    except ValueError:
        return date.today()
