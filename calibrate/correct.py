"""Apply a calibration to other readings: a number, or a column of a CSV file.

    corrections = calibrate.load("calibration.json")
    found = corrections.correct(5230.0, seconds=61.2, probe="codecarbon")
    found.joules, found.low_j, found.high_j, found.notes

A correction holds for the probe, its release, its machine and the loads with which it was made.
Outside of these it is still applied, and every departure is said: in `Corrected.notes`, and as a
`CorrectionWarning`. A probe that was found not calibratable is refused.
"""

from __future__ import annotations

import csv
import io
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from calibrate import store
from calibrate.errors import BadFile, CrosswattError, UnknownName
from calibrate.fit import Calibration, Correction

#: Joules in a unit that a file may use.
UNITS = {"J": 1.0, "kJ": 1e3, "mJ": 1e-3, "uJ": 1e-6, "Wh": 3600.0, "kWh": 3.6e6}
#: CodeCarbon's columns of kWh, and the name of the same figure in a campaign.
CODECARBON = {"cpu_energy": "cpu", "gpu_energy": "gpu", "ram_energy": "ram"}
CODECARBON_TOTAL = {"energy_consumed": "energy"}


class CorrectionWarning(UserWarning):
    """A correction is applied outside of what it was made for."""


@dataclass(frozen=True)
class Corrected:
    """Energy after correction.

    Parameters
    ----------
    joules : J.
    u_j : standard uncertainty for a workload that was not among those calibrated with, J; None
        where the calibration has none.
    low_j, high_j : limits of the interval at the calibration's level, J; None where it has none.
    notes : why the correction may not hold here, a sentence each; empty where it should.
    """

    joules: float
    u_j: float | None
    low_j: float | None
    high_j: float | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Corrections:
    """The corrections of one calibration."""

    calibration: Calibration

    def find(self, probe: str, column: str | None = None) -> Correction:
        """Return the correction of a probe's column; the column may be left out if it has one.

        Raises
        ------
        UnknownName : the probe or the column is not in the calibration.
        CrosswattError : the probe has several columns and none was named.
        """
        every = self.calibration.corrections
        ours = [each for each in every if each.probe == probe]
        if not ours:
            raise UnknownName("probe in this calibration", probe, {each.probe for each in every})
        columns = [each.column for each in ours]
        if column is None and len(ours) > 1:
            raise CrosswattError(
                f"{probe} has {len(ours)} columns in this calibration; name one of "
                f"{', '.join(columns)}."
            )
        for each in ours:
            if column in (None, each.column):
                return each
        raise UnknownName(f"column of {probe} in this calibration", str(column), columns)

    def correct(
        self,
        joules: float,
        *,
        seconds: float,
        probe: str,
        column: str | None = None,
        release: str | None = None,
        machine: str | None = None,
    ) -> Corrected:
        """Correct one reading.

        Parameters
        ----------
        joules : what the probe reported, J.
        seconds : for how long, s.
        probe, column : whose correction to apply; the column may be left out if there is one.
        release, machine : with what and where the reading was made, where that is known.

        Raises
        ------
        UnknownName, CrosswattError : there is no such correction, or the probe cannot be
            calibrated, or a number is not finite, or the duration not above zero.

        Warns
        -----
        CorrectionWarning : once for every note of the result.
        """
        found = self._apply(joules, seconds, self.find(probe, column), release, machine)
        for note in found.notes:
            warnings.warn(note, CorrectionWarning, stacklevel=2)
        return found

    def _apply(
        self,
        joules: float,
        seconds: float,
        correction: Correction,
        release: str | None,
        machine: str | None,
    ) -> Corrected:
        if not (math.isfinite(joules) and math.isfinite(seconds) and seconds > 0 and joules >= 0):
            raise CrosswattError(
                f"{joules:g} J in {seconds:g} s cannot be corrected; the energy must be zero or "
                "more and the duration above zero."
            )
        if correction.verdict == "offset" and correction.offset_w is not None:
            made = _less(joules, seconds, correction.offset_w)
        elif correction.verdict != "not calibratable" and correction.factor is not None:
            made = _times(joules, correction)
        else:
            raise CrosswattError(
                f"{correction.probe} {correction.column} is not calibratable: {correction.reason}."
            )
        return replace(
            made, notes=tuple(self._notes(made.joules, seconds, correction, release, machine))
        )

    def _notes(
        self,
        corrected_j: float,
        seconds: float,
        correction: Correction,
        release: str | None,
        machine: str | None,
    ) -> list[str]:
        """Return in what this reading departs from those calibrated with."""
        notes = []
        if self.calibration.simulated:
            notes.append("This calibration was made on a simulated machine.")
        if release is not None and release != correction.release:
            notes.append(
                f"The reading is of release {release}, the calibration of "
                f"{correction.probe} {correction.release}."
            )
        if machine is not None and machine != self.calibration.machine:
            notes.append(
                f"The calibration was made on another machine, {self.calibration.machine}."
            )
        if correction.valid is not None:
            watts = corrected_j / seconds
            for name, value, (low, high) in (
                ("W", watts, correction.valid.watts),
                ("s", seconds, correction.valid.seconds),
            ):
                if not low <= value <= high:
                    notes.append(
                        f"{value:.3g} {name} is outside the {low:.3g} to {high:.3g} {name} that "
                        "were calibrated."
                    )
        return notes


def _times(joules: float, correction: Correction) -> Corrected:
    """Return the energy times the factor; one that is not needed is not applied.

    Its uncertainty remains that of the reading.
    """
    factor = correction.factor or {}
    shift = 1.0 if correction.verdict == "not needed" else factor["value"]
    u, low, high = correction.relative_u, factor["low"], factor["high"]
    scale = joules * shift / factor["value"]
    return Corrected(
        joules * shift,
        None if u is None else joules * shift * u,
        None if low is None else scale * low,
        None if high is None else scale * high,
    )


def _less(joules: float, seconds: float, offset_w: Mapping[str, float]) -> Corrected:
    """Return the energy less a constant power; no limit is below zero."""
    left = joules - offset_w["value"] * seconds
    if left < 0:
        raise CrosswattError(
            f"{joules:g} J in {seconds:g} s is less than the offset of {offset_w['value']:.3g} W "
            "alone; the reading is not of the machine that was calibrated."
        )
    low, high = (max(joules - offset_w[end] * seconds, 0.0) for end in ("high", "low"))
    return Corrected(left, offset_w["u"] * seconds, low, high)


def load(path: Path | str) -> Corrections:
    """Read a ``calibration.json``.

    Raises
    ------
    BadFile : it is not there, or is no calibration.
    """
    return Corrections(store.read(Path(path), Calibration))


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
    release : the column with the probe's release; empty where there is none.
    """

    energy: Mapping[str, str | None]
    seconds: str
    unit: str
    release: str = ""


def codecarbon_columns(header: Sequence[str], corrections: Corrections, probe: str) -> Columns:
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
    known = {each.column for each in corrections.calibration.corrections if each.probe == probe}
    every = CODECARBON | CODECARBON_TOTAL
    energy = {name: ours for name, ours in every.items() if name in header and ours in known}
    if not energy:
        corrections.find(probe)  # says so where the probe itself is not there
        raise CrosswattError(
            f"The calibration of {probe} is of {', '.join(sorted(known))}; the file has none of "
            "these."
        )
    return Columns(energy, "duration", "kWh", "codecarbon_version")


def correct_csv(text: str, corrections: Corrections, probe: str, columns: Columns) -> str:
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
    wanted = {name: corrections.find(probe, ours) for name, ours in columns.energy.items()}
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
            cells, said = _row(row, name, correction, corrections, columns)
            row.update(cells)
            notes += said
        row["crosswatt_notes"] = " ".join(dict.fromkeys(notes))
        writer.writerow(row)
    return out.getvalue()


def _row(
    row: Mapping[str, str],
    name: str,
    correction: Correction,
    corrections: Corrections,
    columns: Columns,
) -> tuple[dict[str, str], Sequence[str]]:
    """Return the new cells of one energy of one row, and the notes."""
    unit = UNITS[columns.unit]
    release = row.get(columns.release) or None
    try:
        joules, seconds = float(row[name]) * unit, float(row[columns.seconds])
        found = corrections._apply(joules, seconds, correction, release, None)
    except (ValueError, TypeError):
        return {}, [f"{name} or {columns.seconds} is no number."]
    except CrosswattError as why:
        return {}, [str(why)]
    values = {"corrected": found.joules, "low": found.low_j, "high": found.high_j}
    return {
        f"{name}_{end}": "" if value is None else f"{value / unit:.9g}"
        for end, value in values.items()
    }, found.notes
