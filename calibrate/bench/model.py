"""The simulated machine as a file: its packages, their power and their counters.

A model is a TOML file. Three are shipped (`names`); a path to any other works as well:

    title = "..."                  # one line for people
    vendor = "intel"               # or "amd"
    follows = ["..."]              # the public figures it follows, and what is assumed
    energy_unit_j = 6.1e-5         # what one count of the hardware is worth
    update_s = 0.000976            # how often the hardware updates its counters

    [[packages]]
    idle_w = 6.0                   # with every CPU idle
    active_w = 59.0                # added when every CPU of this package is busy
    start_uj = 0                   # what the counter shows when the machine starts
    core = { idle_w = 1.0, active_w = 52.0 }       # part of the package, as is uncore
    dram = { idle_w = 4.0, active_w = 8.0 }        # beside the package

Every zone may have an `energy_unit_j`, a `max_energy_range_uj` and a `start_uj` of its own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from calibrate.errors import BadFile, UnknownName

_HERE = Path(__file__).resolve().parent / "models"

Watts = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
UnitJoules = Annotated[float, Field(ge=1e-9, le=1.0, allow_inf_nan=False)]
#: How RAPL calls the parts of a package, in the order in which the kernel numbers them.
PARTS = ("core", "uncore", "dram")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Zone(_Strict):
    """One energy counter and the power behind it.

    Parameters
    ----------
    idle_w : power with every CPU of the package idle.
    active_w : power added when every CPU of the package is busy.
    energy_unit_j : joules per count; None for the machine's.
    max_energy_range_uj : highest value shown before the counter starts again from zero; None for
        that of a 32-bit register.
    start_uj : value shown when the machine starts.
    """

    idle_w: Watts
    active_w: Watts
    energy_unit_j: UnitJoules | None = None
    max_energy_range_uj: Annotated[int, Field(ge=1_000)] | None = None
    start_uj: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _start_lies_in_range(self) -> Self:
        if self.max_energy_range_uj is not None and self.start_uj > self.max_energy_range_uj:
            raise ValueError("start_uj lies beyond max_energy_range_uj")
        return self


class Package(Zone):
    """One socket: `core` and `uncore` are parts of its power, `dram` stands beside it."""

    core: Zone | None = None
    uncore: Zone | None = None
    dram: Zone | None = None

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        inside = [zone for zone in (self.core, self.uncore) if zone is not None]
        for key in ("idle_w", "active_w"):
            if sum(getattr(zone, key) for zone in inside) > getattr(self, key):
                raise ValueError(f"core and uncore together have more {key} than their package")
        return self

    def parts(self) -> Iterator[tuple[str, Zone]]:
        """Yield name and zone of the parts that this package has, in the kernel's order."""
        for name in PARTS:
            zone = getattr(self, name)
            if zone is not None:
                yield name, zone


class Model(_Strict):
    """A simulated machine.

    Parameters
    ----------
    title : one line for people.
    vendor : whose counters it imitates.
    follows : the public figures it follows, and what is assumed; one entry each.
    energy_unit_j : joules per count of the hardware.
    update_s : seconds between two updates of the counters.
    counters_mode : permissions of `energy_uj` as octal text; real kernels have ``"0400"``.
    packages : the sockets.
    """

    title: str
    vendor: Literal["intel", "amd"]
    follows: tuple[str, ...] = ()
    energy_unit_j: UnitJoules
    update_s: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = 0.000976
    counters_mode: Annotated[str, Field(pattern="^0[0-7]{3}$")] = "0444"
    packages: Annotated[tuple[Package, ...], Field(min_length=1, max_length=16)]


def names() -> list[str]:
    """Return the names of the models that come with crosswatt."""
    return sorted(path.stem for path in _HERE.glob("*.toml"))


def load(name_or_path: str | Path) -> Model:
    """Read a shipped model by its name, or any other by its path.

    Raises
    ------
    UnknownName : there is no model of that name; the nearest are given.
    BadFile : the file is not a model; key and reason are given.
    """
    text = str(name_or_path)
    if text in names():
        return _read(_HERE / f"{text}.toml")
    if not text.endswith(".toml") and "/" not in text:
        raise UnknownName("model", text, names())
    return _read(Path(text))


def _read(path: Path) -> Model:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise BadFile(path, f"cannot be read ({reason})") from None
    except tomllib.TOMLDecodeError as error:
        raise BadFile(path, f"is not TOML: {str(error).rstrip('.')}") from None
    try:
        return Model.model_validate(raw)
    except ValidationError as error:
        raise BadFile(
            path, _first(error), fix="See calibrate/bench/model.py for the keys."
        ) from None


def _first(error: ValidationError) -> str:
    """Say in one line which key is wrong and why; the first of several is enough to go on."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    key = ".".join(str(part) for part in found["loc"]) or "the file"
    reason = found["msg"].removeprefix("Value error, ")
    return f"{key}: {reason[:1].lower()}{reason[1:]}".rstrip(".")
