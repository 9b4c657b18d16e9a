"""Energy to CO2e: joules times the carbon intensity of the electricity, with its uncertainty.

`intensity.csv` has annual means of countries (Our World in Data, from Ember and the Energy
Institute) and of the states of the USA (EPA, eGRID2023), each with its year. They are of what is
generated: losses in the grid, cooling and the making of the hardware are not in them.

How well a mean is known is not published. Taken here, as standard uncertainties: 10 % for the
factors of the fuels and the accounting, and 4 % for every year since, which is about what means of
countries changed by in a year. An hour may be half or twice the mean; that is not in the figure.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from calibrate.calibration import (
    Calibration,
    Corrected,
    CorrectedReading,
    Correction,
    Corrector,
)
from calibrate.comparison import Comparison, Pair, PairedRun, widest_pair
from calibrate.errors import CrosswattError, UnknownName
from calibrate.quantity import J_PER_KWH
from calibrate.store import Document

_TABLE = Path(__file__).with_name("intensity.csv")
_SOURCES = {
    "owid": "Our World in Data, carbon intensity of electricity, from Ember and the Energy "
    "Institute (CC BY 4.0)",
    "egrid": "EPA eGRID2023, annual CO2e total output emission rate",
}
_U_FACTOR, _U_YEAR = 0.10, 0.04
_GIVEN = "given"


class Intensity(Document):
    """Carbon intensity: grams of CO2e per kWh, and its relative standard uncertainty.

    ``u_relative`` is None where nobody has stated any.
    """

    code: str
    name: str
    g_per_kwh: float
    u_relative: float | None
    year: int | None = None
    source: str

    @property
    def asked(self) -> str:
        """What `find` is to be asked for, to find it again."""
        if self.code != _GIVEN:
            return self.code
        u = "" if self.u_relative is None else f"+-{self.u_relative * self.g_per_kwh:.12g}"
        return f"{self.g_per_kwh:.12g}{u}"


class Emission(Document):
    """CO2e of a mean run of one workload, by one probe.

    ``how``: ``reference``, ``corrected`` by the probe's calibration, ``needs no correction``, or
    ``as reported``, of which nobody knows the uncertainty. ``u_g`` is half of the expanded
    uncertainty (95 %), None where it is not known.
    """

    workload: str
    probe: str
    scope: str
    runs: int
    how: str
    joules: float
    grams: float
    u_g: float | None


@dataclass(frozen=True)
class Footprint:
    """Emissions of a campaign at one intensity."""

    intensity: Intensity
    emissions: tuple[Emission, ...]


def find_intensity(text: str, today: date) -> Intensity:
    """Return the intensity of a country or state, or a figure of the user's own.

    Parameters
    ----------
    text : an ISO 3166 code of three letters (``FRA``), a state (``USA-CA``), or g CO2e per kWh
        (``56`` or ``56+-6``).
    today : decides how old a mean is.

    Raises
    ------
    UnknownName : a place that is not in the table.
    CrosswattError : a figure below zero, or none.
    """
    if text[:1].isdigit() or text[:1] in "+-.":
        return _given(text)
    with _TABLE.open(encoding="utf-8", newline="") as file:
        rows = {r["code"]: r for r in csv.DictReader(x for x in file if not x.startswith("#"))}
    row = rows.get(text.upper())
    if row is None:
        raise UnknownName("place with a known carbon intensity", text.upper(), rows)
    age = max(0, today.year - int(row["year"]))
    return Intensity(
        code=row["code"],
        name=row["name"],
        g_per_kwh=float(row["g_per_kwh"]),
        u_relative=(_U_FACTOR**2 + (_U_YEAR * age) ** 2) ** 0.5,
        year=int(row["year"]),
        source=_SOURCES[row["source"]],
    )


def _given(text: str) -> Intensity:
    value, plus, spread = text.replace("±", "+-").partition("+-")
    try:
        g_per_kwh, u = float(value), float(spread) if plus else None
    except ValueError:
        g_per_kwh, u = -1.0, None
    if not 0 < g_per_kwh < 1e5 or (u is not None and not 0 <= u < 1e5):
        raise CrosswattError(
            f"{text!r} is no carbon intensity: write g CO2e per kWh, with its standard uncertainty "
            "as in 56+-6, or a country's code as in FRA."
        )
    return Intensity(
        code=_GIVEN,
        name="given by the user",
        g_per_kwh=g_per_kwh,
        u_relative=None if u is None else u / g_per_kwh,
        source="the user" + ("" if plus else ", who gave no uncertainty"),
    )


def footprint(comparison: Comparison, calibration: Calibration, intensity: Intensity) -> Footprint:
    """Return the emissions of a mean run of every workload: by the reference, then by each probe.

    A probe's joules are what its calibration makes of every run, by any form; the uncertainty is
    that of one run of a new workload.
    """
    widest = widest_pair(comparison.pairs)
    made: list[Emission] = []
    for workload in comparison.workloads:
        if widest:
            made += _by_reference(comparison.reference, widest, workload, intensity)
        for pair in comparison.pairs:
            if pair.headline:
                made += _by_probe(pair, workload, calibration, intensity)
    return Footprint(intensity, tuple(made))


def _by_reference(name: str, pair: Pair, workload: str, intensity: Intensity) -> list[Emission]:
    rows = [row for row in pair.rows if row.workload == workload]
    if not rows:
        return []
    joules = sum(row.reference_j for row in rows) / len(rows)
    reading = sum(row.u_reference_j for row in rows) / len(rows) / joules if joules > 0 else 0.0
    u = (reading**2 + (pair.u_reference or 0.0) ** 2) ** 0.5
    return [_emission(workload, name, pair.scope, len(rows), "reference", joules, u, intensity)]


def _by_probe(
    pair: Pair, workload: str, calibration: Calibration, intensity: Intensity
) -> list[Emission]:
    rows = [row for row in pair.rows if row.workload == workload]
    if not rows:
        return []
    found = next(
        c for c in calibration.corrections if (c.probe, c.column) == (pair.probe, pair.column)
    )
    joules = sum(row.probe_j for row in rows) / len(rows)
    how, u = "as reported", None
    made = _corrected(rows, found, calibration)
    if made:
        joules = sum(each.joules for each in made) / len(made)
        how = "needs no correction" if found.verdict == "not needed" else "corrected"
        u = _half_of_expanded(made, joules)
    return [_emission(workload, pair.probe, pair.scope, len(rows), how, joules, u, intensity)]


def _corrected(
    rows: Sequence[PairedRun], found: Correction, calibration: Calibration
) -> list[Corrected[float]]:
    """Return every run as `crosswatt correct` corrects it; none where one cannot be."""
    corrector = Corrector(calibration)
    readings = [CorrectedReading(r.probe_j, r.seconds, None, None, date.today()) for r in rows]
    try:
        return [corrector.apply(reading, found, anyway=True) for reading in readings]
    except CrosswattError:
        return []


def _half_of_expanded(made: Sequence[Corrected[float]], joules: float) -> float | None:
    """Return half of the relative expanded uncertainty, which runs of a workload have in common."""
    if joules <= 0:
        return None
    reach = [
        max(each.high - each.joules, each.joules - each.low)
        for each in made
        if each.low is not None and each.high is not None
    ]
    return sum(reach) / len(reach) / joules / 2 if len(reach) == len(made) else None


def _emission(
    workload: str, probe: str, scope: str, runs: int, how: str, joules: float,
    u: float | None, intensity: Intensity,
) -> Emission:  # fmt: skip
    grams, u_place = joules / J_PER_KWH * intensity.g_per_kwh, intensity.u_relative
    return Emission(
        workload=workload,
        probe=probe,
        scope=scope,
        runs=runs,
        how=how,
        joules=joules,
        grams=grams,
        u_g=None if u is None or u_place is None else abs(grams) * (u**2 + u_place**2) ** 0.5,
    )
