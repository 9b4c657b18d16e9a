"""What an importer hands over: probes as feeds of readings, and the windows that are runs.

Instants are nanoseconds since 1970, UTC: other people's files have no monotonic clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import CrosswattError
from calibrate.probe import Domain

#: Joules or watts in one of each unit that a file may be in.
UNITS = {
    "W": 1.0, "mW": 1e-3, "uW": 1e-6, "kW": 1e3,
    "J": 1.0, "mJ": 1e-3, "uJ": 1e-6, "kJ": 1e3, "Ws": 1.0,
    "Wh": 3600.0, "mWh": 3.6, "kWh": 3.6e6,
}  # fmt: skip
POWER = frozenset(("W", "mW", "uW", "kW"))


@dataclass(frozen=True)
class Chunk:
    """Readings in order of time: instants, shape (n,), and values by domain, NaN where missing."""

    at_ns: NDArray[np.int64]
    values: Mapping[str, NDArray[np.float64]]


@runtime_checkable
class Resumable(Protocol):
    """Chunks of a long file that can be gone on with where an import was interrupted.

    ``state`` is, after each chunk, all that is needed to go on behind it, as JSON has it.
    """

    state: dict[str, Any]

    def resume(self, state: dict[str, Any]) -> None:
        """Begin behind the chunk after which `state` was taken."""

    def __iter__(self) -> Iterator[Chunk]:
        """Yield chunks in order of time."""


@dataclass(frozen=True)
class Feed:
    """A probe of other people's.

    Parameters
    ----------
    name : the probe's.
    domains : what it covers.
    chunks : its readings; each chunk begins no earlier than the one before ended.
    facts : release, mode and settings, as far as the files tell.
    library : whose files they are; empty where the files do not tell, and the name may.
    """

    name: str
    domains: tuple[Domain, ...]
    chunks: Iterable[Chunk]
    facts: Mapping[str, str] = field(default_factory=dict)
    library: str = ""


@dataclass(frozen=True)
class Window:
    """A stretch of time that is a run: what ran, and when.

    ``probes`` are those that were measuring, where not all were.
    """

    workload: str
    begin_ns: int
    end_ns: int
    probes: tuple[str, ...] | None = None
    result: Mapping[str, float | int | str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """Everything that one import found.

    Parameters
    ----------
    feeds : the probes.
    windows : the runs; empty where the files do not say, and the whole time is one run.
    machine : what the files call the machine.
    cpu : its processor.
    notes : what the reader should know of how the files were taken.
    """

    feeds: Sequence[Feed]
    windows: Sequence[Window] = ()
    machine: str = "not known"
    cpu: str = "not known"
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Options:
    """What the user says where the files do not.

    Parameters
    ----------
    zone : of times without an offset.
    unit : of figures without one.
    scope : what a meter of no known place covers.
    mapping : the mapping file of the format `csv`.
    name : the probe's.
    reject : called with a line that makes no sense, and why; raises past a limit.
    seen : called with how many bytes have been read from a disk.
    """

    zone: str | None = None
    unit: str | None = None
    scope: str | None = None
    mapping: str | None = None
    name: str | None = None
    reject: Callable[[str, str], None] = lambda line, why: None
    seen: Callable[[int], None] = lambda size: None


def zone_of(options: Options, example: str) -> ZoneInfo:
    """Return the zone that the user named for times without an offset.

    Raises
    ------
    CrosswattError : none is named, or there is none of that name; says what choices would mean.
    """
    if options.zone is None:
        shown = "; ".join(f"--zone {name} makes it {_utc(example, name)}" for name in _EXAMPLES)
        raise CrosswattError(
            f"The times have no zone (the first is {example!r}): {shown}. Say which it is."
        )
    try:
        return ZoneInfo(options.zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise CrosswattError(
            f"{options.zone!r} is no time zone; write for example UTC or Europe/Paris."
        ) from None


#: Instants from 1970 to 2116; more seconds than that are another unit.
_LAST_NS = 2**62
_EXAMPLES = ("UTC", "Europe/Paris", "America/New_York")


def _utc(text: str, zone: str) -> str:
    try:
        local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    except ValueError:
        return f"a time in {zone}"
    return local.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%d %H:%M:%S UTC")


def epoch_ns(text: str, options: Options) -> int:
    """Return an instant from ISO 8601 text, or from seconds since 1970.

    Raises
    ------
    ValueError : it is neither, or not between 1970 and 2116.
    CrosswattError : it has no offset and no zone was named.
    """
    at_ns = _epoch_ns(text.strip()[:64], options)
    if not 0 <= at_ns < _LAST_NS:
        raise ValueError(f"{text} is no time between 1970 and 2116, as ISO 8601 or in seconds")
    return at_ns


def _epoch_ns(text: str, options: Options) -> int:
    if text.replace(".", "", 1).isdecimal() and text.isascii():
        whole, _, part = text.partition(".")
        return int(whole or 0) * 1_000_000_000 + int((part + "0" * 9)[:9])
    whole, _, part = text.partition(".")
    digits = "".join(c for c in part[:9] if c.isdigit())
    rest = part[len(digits) :].lstrip("0123456789")
    moment = datetime.fromisoformat(whole + rest)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone_of(options, text))
    return int(moment.timestamp()) * 1_000_000_000 + int((digits + "0" * 9)[:9] or 0)


def unit_of(options: Options, what: str, first: float) -> str:
    """Return the unit that the user named for figures without one.

    Raises
    ------
    CrosswattError : none is named, or an unknown one; says what choices would mean.
    """
    if options.unit is None:
        shown = ", ".join(f"--unit {u}: {first * UNITS[u]:g} {_of(u)}" for u in ("W", "mW", "uW"))
        raise CrosswattError(
            f"The file does not say in which unit {what} is. The first figure, {first:g}, would be "
            f"with {shown}. Say which it is ({', '.join(UNITS)})."
        )
    if options.unit not in UNITS:
        raise CrosswattError(f"{options.unit!r} is no unit known here: {', '.join(UNITS)}.")
    return options.unit


def _of(unit: str) -> str:
    return "W" if unit in POWER else "J"


def power(name: str, scope: str, family: str, basis: str = "measured") -> Domain:
    """Return a domain in watts."""
    return Domain(name, scope, "power", basis, family)  # type: ignore[arg-type]


def counter(name: str, scope: str, family: str, basis: str = "measured") -> Domain:
    """Return a domain of joules that only grow."""
    return Domain(name, scope, "counter", basis, family)  # type: ignore[arg-type]


def rapl(scope: str) -> Domain:
    """Return RAPL's counter of a scope; the platform's has a family of its own."""
    return counter(scope, scope, "rapl-psys" if scope == "psys" else "rapl")


def slug(name: str) -> str:
    """Return a name that can be a folder's."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-").lower() or "measured"
