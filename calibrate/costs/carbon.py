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
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from calibrate.calibration import Calibration
from calibrate.comparison import Comparison
from calibrate.costs.usage import Usage, workload_usage
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
    """Return the emissions of a mean run of every workload, by the reference and each probe."""
    used = workload_usage(comparison, calibration)
    return Footprint(intensity, tuple(_emission(each, intensity) for each in used))


def _emission(used: Usage, intensity: Intensity) -> Emission:
    grams, u, u_place = grams_of(used, intensity), used.u_relative, intensity.u_relative
    return Emission(
        workload=used.workload,
        probe=used.probe,
        scope=used.scope,
        runs=used.runs,
        how=used.how,
        joules=used.joules,
        grams=grams,
        u_g=None if u is None or u_place is None else abs(grams) * (u**2 + u_place**2) ** 0.5,
    )


def grams_of(used: Usage, intensity: Intensity) -> float:
    """Return the emissions of a mean run, g CO2e."""
    return used.joules / J_PER_KWH * intensity.g_per_kwh
