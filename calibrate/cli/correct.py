"""The command that applies a calibration to other readings."""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from calibrate.cli import complete
from calibrate.cli.console import err
from calibrate.cli.help import Commands, examples
from calibrate.cli.options import ENERGY_UNITS

commands = Commands()


@commands.command(
    epilog=examples(
        "crosswatt correct emissions.csv --calibration first/calibration.json",
        "crosswatt correct runs.csv --calibration c.json -p rapl --energy joules",
    )
)
def correct(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE",
            help="A CSV file; CodeCarbon's emissions.csv and carbontracker's logs as they are.",
        ),
    ],
    calibration: Annotated[
        Path,
        typer.Option("--calibration", metavar="FILE", help="The calibration.json of a campaign."),
    ],
    probe: Annotated[
        str,
        typer.Option(
            "--probe",
            "-p",
            metavar="PROBE",
            help="The probe, as the calibration calls it.",
            autocompletion=complete.probe_names,
        ),
    ] = "codecarbon",
    energy: Annotated[
        list[str] | None,
        typer.Option(
            "--energy",
            metavar="COLUMN",
            help="A column with energy, or COLUMN=CALIBRATED where the calibration has another "
            "name for it; may be repeated.",
        ),
    ] = None,
    unit: Annotated[
        str, typer.Option("--unit", metavar="UNIT", help=f"The unit of energy: {ENERGY_UNITS}.")
    ] = "J",
    seconds: Annotated[
        str,
        typer.Option("--seconds", metavar="COLUMN", help="The column with the duration, seconds."),
    ] = "seconds",
    target: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="The file to write; - or none prints it."),
    ] = None,
    anyway: Annotated[
        bool,
        typer.Option(
            "--anyway",
            help="Correct also rows of another release, and far outside of the calibrated power "
            "and length.",
        ),
    ] = False,
) -> None:
    """Apply a calibration to a table of readings.

    Adds columns with the corrected energy, limits that hold the energy of that one run with 95 %,
    and notes where the calibration does not cover a row.
    """
    from calibrate import store
    from calibrate.calibration import (
        Columns,
        carbontracker_table,
        codecarbon_columns,
        correct_csv,
        load_calibration,
        read_header,
        read_table,
    )

    found = load_calibration(calibration)
    text = read_table(table)
    log = None if energy else carbontracker_table(text)
    if log is not None:
        text, columns = log, Columns({"energy": None}, "seconds", "kWh")
    elif energy:
        named = (each.partition("=") for each in energy)
        columns = Columns({n: ours or None for n, _, ours in named}, seconds, unit)
    else:
        columns = codecarbon_columns(read_header(text), found, probe)
    made = correct_csv(text, found, probe, columns, anyway=anyway)
    rows = csv.DictReader(io.StringIO(made))
    notes = Counter(row["crosswatt_notes"] for row in rows)
    if target is None or target == Path("-"):
        sys.stdout.write(made)
    else:
        store.write(target, made)
    for note, count in notes.items():
        if note:
            err.print(f"{count} of {notes.total()} rows: {note}", markup=False)
