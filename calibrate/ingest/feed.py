"""What an importer hands over: probes as feeds of readings, and the windows that are runs.

Instants are nanoseconds since 1970, UTC: other people's files have no monotonic clock.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
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


@runtime_checkable
class Telling(Protocol):
    """Chunks that know, once they have been read, what should be known of them."""

    def notes(self) -> Sequence[str]:
        """Return a sentence for each thing, without the probe's name and a full stop."""

    def differences(self) -> set[str]:
        """Return the columns whose joules are added up from one interval to the next.

        What is used where no interval is told is in none of them.
        """


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

    def __post_init__(self) -> None:
        """Refuse a name that is there twice: one column would overwrite the other."""
        names = Counter(domain.name for domain in self.domains)
        if twice := [name for name, count in names.items() if count > 1]:
            raise CrosswattError(
                f"The probe {self.name} has more than one column {twice[0]!r}. Give each a name "
                "of its own."
            )


@dataclass(frozen=True)
class Window:
    """A stretch of time that is a run: what ran, and when.

    ``probes`` are those that were measuring, where not all were; ``columns`` those of their columns
    that have a figure, where not all have.
    """

    workload: str
    begin_ns: int
    end_ns: int
    probes: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
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


@dataclass
class LocalClock:
    """The last local time that was read, which tells the two hours at the end of summer time.

    ``last_ns`` is its instant, ns since 1970.
    """

    last_ns: int = 0

    def choose(self, first_ns: int, second_ns: int) -> int:
        """Return which of the two instants of a local time follows the last one."""
        returns = self.last_ns - first_ns >= BACK_NS and second_ns >= self.last_ns
        return second_ns if returns else first_ns


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
    clock : the last local time.
    """

    zone: str | None = None
    unit: str | None = None
    scope: str | None = None
    mapping: str | None = None
    name: str | None = None
    reject: Callable[[str, str], None] = lambda line, why: None
    seen: Callable[[int], None] = lambda size: None
    clock: LocalClock = field(default_factory=LocalClock)


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


#: Instants of 2000 to 2116, ns since 1970: a clock that was never set stands before, and the same
#: figure cannot be an instant in two units.
FIRST_NS, LAST_NS = 946_684_800_000_000_000, 2**62
#: ns in one of s, ms, us and ns.
_UNITS_NS = (1_000_000_000, 1_000_000, 1_000, 1)
#: Local times that go back by more than this have passed the end of summer time, ns.
BACK_NS = 900_000_000_000
_EXAMPLES = ("UTC", "Europe/Paris", "America/New_York")


def _utc(text: str, zone: str) -> str:
    try:
        local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    except ValueError:
        return f"a time in {zone}"
    return local.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%d %H:%M:%S UTC")


def epoch_ns(text: str, options: Options) -> int:
    """Return an instant from ISO 8601 text, or from s, ms, us or ns since 1970.

    The unit of a number is the one that makes it an instant of 2000 to 2116; only one does. A local
    time that comes twice, at the end of summer time, is taken in the order of the file.

    Raises
    ------
    ValueError : it is neither, not between 2000 and 2116, or a local time that does not exist.
    CrosswattError : it has no offset and no zone was named.
    """
    text = text.strip()[:64]
    at_ns = _number_ns(text) if _is_number(text) else _iso_ns(text, options)
    if at_ns is None or not FIRST_NS <= at_ns < LAST_NS:
        raise ValueError(f"{text} is no time between 2000 and 2116")
    return at_ns


def _is_number(text: str) -> bool:
    return text.isascii() and text.replace(".", "", 1).isdecimal()


def _number_ns(text: str) -> int | None:
    """Return the instant of a number in the one unit that fits; None where none does."""
    whole, _, part = text.partition(".")
    for unit_ns in _UNITS_NS:
        at_ns = int(whole or 0) * unit_ns + int((part + "0" * 9)[:9]) * unit_ns // _UNITS_NS[0]
        if FIRST_NS <= at_ns < LAST_NS:
            return at_ns
    return None


_FRACTION = re.compile(r"(?<=\d)[.,](\d+)")
_OFFSET = re.compile(r"\s*(?:UTC|GMT|[zZ])$|\s+(?=[+-]\d\d(?::?\d\d)?$)")


def _iso_ns(text: str, options: Options) -> int:
    """Return the instant of ISO 8601 text; an offset of any of its forms counts."""
    fraction = _FRACTION.search(text)
    digits = fraction[1] if fraction else ""
    whole = _FRACTION.sub("", text, count=1)
    moment = datetime.fromisoformat(
        _OFFSET.sub(lambda found: "+00:00" if found[0].strip() else "", whole)
    )
    part_ns = int((digits + "0" * 9)[:9])
    if moment.tzinfo is None:
        return _local_ns(moment, text, options) + part_ns
    return _whole_ns(moment) + part_ns


def _whole_ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000


def _local_ns(moment: datetime, text: str, options: Options) -> int:
    """Return the instant of a local time; of one that comes twice, the one in order."""
    zone = zone_of(options, text)
    first, second = (moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    before, after = first.utcoffset(), second.utcoffset()
    if before is not None and after is not None and before < after:
        raise ValueError(f"{text} is no time in {zone}: the clocks were put forward over it")
    at_ns = options.clock.choose(_whole_ns(first), _whole_ns(second))
    options.clock.last_ns = at_ns
    return at_ns


def utc(at_ns: int) -> str:
    """Return an instant for people; one of a file without a date is none."""
    if at_ns < FIRST_NS:
        return "date not known"
    return datetime.fromtimestamp(at_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


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
