"""What an importer hands over: probes as feeds of readings, and the windows that are runs.

Instants are nanoseconds since 1970, UTC: other people's files have no monotonic clock.
"""

from __future__ import annotations

import re
from array import array
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
    """

    name: str
    domains: tuple[Domain, ...]
    chunks: Iterable[Chunk]
    facts: Mapping[str, str] = field(default_factory=dict)


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


class Long:
    """A long table as it is read: instants, columns and values, 18 bytes a reading.

    It is its own chunks, in order of time; the last of several values of one column at one instant
    counts.
    """

    #: More columns than this are another format, or a question that was too wide.
    MOST = 1000
    #: Readings that are made columns together.
    BLOCK = 1 << 20

    def __init__(self) -> None:
        self._at_ns, self._number, self._value = array("q"), array("H"), array("d")
        self._numbers: dict[str, int] = {}
        self._sums: dict[str, float] = {}

    def put(self, at_ns: int, name: str, value: float) -> None:
        """Put one reading.

        Raises
        ------
        CrosswattError : there are more than `MOST` columns now.
        ValueError : the instant is none that 64 bits can hold.
        """
        number = self._numbers.setdefault(name, len(self._numbers))
        if number >= self.MOST:
            raise CrosswattError(
                f"There are more than {self.MOST} different columns ({name!r} is one too many). "
                "Choose some of them where the file is made."
            )
        try:
            self._at_ns.append(at_ns)
        except OverflowError:
            raise ValueError(f"{at_ns} ns is no instant") from None
        self._number.append(number)
        self._value.append(value)

    def add(self, at_ns: int, name: str, joules: float) -> None:
        """Put a counter's next reading: so many joules since the one before.

        Raises
        ------
        ValueError : it would run backwards.
        """
        if joules < 0:
            raise ValueError(f"{name} would run backwards by {-joules:g} J")
        total = self._sums.get(name, 0.0) + joules
        self.put(at_ns, name, total)
        self._sums[name] = total

    @property
    def names(self) -> list[str]:
        """The columns, in the order in which they were first seen."""
        return list(self._numbers)

    def __len__(self) -> int:
        """Count the readings."""
        return len(self._at_ns)

    def __iter__(self) -> Iterator[Chunk]:
        """Yield the readings as columns, block by block."""
        at_ns = np.frombuffer(self._at_ns, dtype=np.int64)
        number, value = np.frombuffer(self._number, np.uint16), np.frombuffer(self._value)
        order = np.argsort(at_ns, kind="stable")
        names, begin = self.names, 0
        while begin < order.size:
            end = min(begin + self.BLOCK, order.size)
            last = at_ns[order[end - 1]]
            while end < order.size and at_ns[order[end]] == last:
                end += 1
            part = order[begin:end]
            yield _spread(at_ns[part], names, number[part], value[part])
            begin = end

    def whole(self) -> Chunk:
        """Return all readings as one chunk."""
        number = np.frombuffer(self._number, np.uint16)
        at_ns = np.frombuffer(self._at_ns, dtype=np.int64)
        return _spread(at_ns, self.names, number, np.frombuffer(self._value))

    def feed(
        self, name: str, cover: Callable[[str], Domain], facts: Mapping[str, str] | None = None
    ) -> Feed:
        """Return it as a probe's; `cover` makes a domain of a column's name."""
        return Feed(name, tuple(cover(each) for each in self._numbers), self, facts or {})


def _spread(at_ns: Any, names: Sequence[str], number: Any, value: Any) -> Chunk:
    """Return a long table as columns; those that have nothing in it are left out."""
    instants, place = np.unique(at_ns, return_inverse=True)
    columns = {}
    for index in np.unique(number):
        column = np.full(instants.size, np.nan)
        mine = number == index
        column[place[mine]] = value[mine]
        columns[str(names[index])] = column
    return Chunk(instants, columns)


def pivot(at_ns: Any, domain: Sequence[str], value: Any) -> Chunk:
    """Return a long table (instant, domain, value) as columns, in order of time."""
    names, number = np.unique(np.asarray(domain, dtype=object).astype(str), return_inverse=True)
    at = np.asarray(at_ns, dtype=np.int64)
    return _spread(at, list(names), number, np.asarray(value, dtype=np.float64))


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
