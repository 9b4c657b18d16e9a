"""A long table, (instant, column, value), and the columns that are made of it."""

from __future__ import annotations

import tempfile
import weakref
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from calibrate.errors import CrosswattError
from calibrate.ingest.feed import Chunk, Feed, utc
from calibrate.probe import Domain

_RECORD = np.dtype([("at_ns", "<i8"), ("number", "<u2"), ("value", "<f8")])

_TOO_MANY = (
    "There are more than {most} different columns ({name!r} is one too many). Choose some of them "
    "where the file is made."
)


@dataclass
class Order:
    """How far the lines of a file are from one reading after the other.

    Parameters
    ----------
    steps : how often the time of a column went back.
    first : from which instant to which it did first, ns since 1970.
    clashes : figures of a column that differ from the one before of the same instant.
    """

    steps: int = 0
    first: tuple[int, int] = (0, 0)
    clashes: int = 0

    def back(self, from_ns: int, to_ns: int) -> None:
        """Count a step back."""
        self.first = self.first if self.steps else (from_ns, to_ns)
        self.steps += 1

    def notes(self) -> list[str]:
        """Return a sentence for each thing, without a full stop."""
        found = []
        if self.steps:
            times = "once" if self.steps == 1 else f"{self.steps} times"
            begin, end = map(utc, self.first)
            found.append(
                f"its times go back {times} (first from {begin} to {end}); its readings were put "
                "in order of time"
            )
        if self.clashes:
            found.append(
                f"{self.clashes} figures differ from another one of the same column and instant; "
                "the last counts"
            )
        return found


class Long:
    """A long table as it is read: instants, columns and values, 18 bytes a reading.

    It is its own chunks, in order of time; the last of several values of one column at one instant
    counts. What is more than a block waits in a temporary file, so that a log of gigabytes needs no
    memory; only one whose lines are not in order of time needs 16 bytes a reading, to be sorted.
    """

    #: More columns than this are another format, or a question that was too wide.
    MOST = 1000
    #: Readings that are made columns together, and figures in such columns.
    BLOCK, FIGURES = 1 << 19, 1 << 23

    def __init__(self) -> None:
        self._at_ns, self._number, self._value = array("q"), array("H"), array("d")
        self._numbers: dict[str, int] = {}
        self._sums: dict[str, float] = {}
        self._last: dict[int, tuple[int, float]] = {}
        self._order = Order()
        self._file: IO[bytes] | None = None
        self._filed, self._last_ns, self._in_order = 0, -(2**63), True

    def put(self, at_ns: int, name: str, value: float) -> None:
        """Put one reading.

        Raises
        ------
        CrosswattError : there are more than `MOST` columns now.
        ValueError : the instant is none that 64 bits can hold.
        """
        number = self._numbers.setdefault(name, len(self._numbers))
        if number >= self.MOST:
            raise CrosswattError(_TOO_MANY.format(most=self.MOST, name=name))
        try:
            self._at_ns.append(at_ns)
        except OverflowError:
            raise ValueError(f"{at_ns} ns is no instant") from None
        self._number.append(number)
        self._value.append(value)
        before_ns, before = self._last.get(number, (at_ns, value))
        if at_ns < before_ns:
            self._order.back(before_ns, at_ns)
        elif at_ns == before_ns and value != before:
            self._order.clashes += 1
        self._last[number] = at_ns, value
        self._in_order = self._in_order and at_ns >= self._last_ns
        self._last_ns = at_ns
        if len(self._at_ns) >= self.BLOCK:
            self._put_away()

    def _put_away(self) -> None:
        """Move what is in memory to the file."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="crosswatt-")  # noqa: SIM115 - kept open
            weakref.finalize(self, self._file.close)
        records = self._records()
        self._file.write(records.tobytes())
        self._filed += records.size
        for column in (self._at_ns, self._number, self._value):
            del column[:]

    def _records(self) -> Any:
        """Return what is in memory as records."""
        records = np.empty(len(self._at_ns), dtype=_RECORD)
        for name, column in zip(
            _RECORD.names or (), (self._at_ns, self._number, self._value), strict=True
        ):
            records[name] = column
        return records

    def add(self, at_ns: int, name: str, joules: float) -> None:
        """Put a counter's next reading: so many joules since the one before.

        Raises
        ------
        ValueError : it would run backwards, or there was one of this interval already.
        """
        if joules < 0:
            raise ValueError(f"{name} would run backwards by {-joules:g} J")
        number = self._numbers.get(name)
        if number in self._last and joules:
            if at_ns == self._last[number][0]:
                raise ValueError(f"{name} has this interval twice")
            if at_ns < self._last[number][0]:
                raise ValueError(f"{name} has a later interval before; name the earlier file first")
        total = self._sums.get(name, 0.0) + joules
        self.put(at_ns, name, total)
        self._sums[name] = total

    def notes(self) -> list[str]:
        """See `calibrate.ingest.feed.Telling`."""
        return self._order.notes()

    @property
    def steps_back(self) -> int:
        """How often the time of a column went back."""
        return self._order.steps

    def differences(self) -> set[str]:
        """See `calibrate.ingest.feed.Telling`."""
        return set(self._sums)

    @property
    def names(self) -> list[str]:
        """The columns, in the order in which they were first seen."""
        return list(self._numbers)

    def __contains__(self, name: object) -> bool:
        """Tell whether a column has a reading."""
        return name in self._numbers

    def __len__(self) -> int:
        """Count the readings."""
        return self._filed + len(self._at_ns)

    def __iter__(self) -> Iterator[Chunk]:
        """Yield the readings as columns, block by block."""
        held = np.empty(0, dtype=_RECORD)
        for block in self._blocks() if self._in_order else self._sorted_blocks():
            # Values of one instant belong together: those at an end go with what follows.
            end = int(np.searchsorted(held["at_ns"], block["at_ns"][0]))
            if end:
                yield _spread(held[:end], self.names)
            held = np.concatenate([held[end:], block])
        if held.size:
            yield _spread(held, self.names)

    def _blocks(self) -> Iterator[Any]:
        """Yield records as they were put."""
        count = self._count()
        if self._file is not None:
            self._file.seek(0)
            while data := self._file.read(count * _RECORD.itemsize):
                yield np.frombuffer(data, dtype=_RECORD)
        if self._at_ns:
            records = self._records()
            yield from (records[begin : begin + count] for begin in range(0, records.size, count))

    def _count(self) -> int:
        """Return how many readings are made columns together: the fewer, the more columns."""
        return min(self.BLOCK, max(self.FIGURES // max(len(self._numbers), 1), 1))

    def _sorted_blocks(self) -> Iterator[Any]:
        """Yield records in order of time, those of one instant as they were put."""
        if self._file is None:
            every: Any = self._records()
        else:
            self._put_away()
            self._file.flush()
            every = np.memmap(self._file, _RECORD, "r")
        order = np.argsort(every["at_ns"], kind="stable")
        count = self._count()
        for begin in range(0, order.size, count):
            yield np.array(every[order[begin : begin + count]])

    def whole(self) -> Chunk:
        """Return all readings as one chunk.

        Raises
        ------
        CrosswattError : they are more figures, missing ones included, than fit into memory.
        """
        records = np.concatenate([*self._blocks()])
        if np.unique(records["at_ns"]).size * len(self.names) > 2 * self.FIGURES:
            raise CrosswattError(
                f"{len(self.names)} columns at {len(self):,} instants do not fit into memory. "
                "Choose some of them where the file is made."
            )
        return _spread(records, self.names)

    def feed(
        self, name: str, cover: Callable[[str], Domain], facts: Mapping[str, str] | None = None
    ) -> Feed:
        """Return it as a probe's; `cover` makes a domain of a column's name."""
        return Feed(name, tuple(cover(each) for each in self._numbers), self, facts or {})


def _spread(records: Any, names: Sequence[str]) -> Chunk:
    """Return a long table as columns; those that have nothing in it are left out."""
    instants, place = np.unique(records["at_ns"], return_inverse=True)
    columns = {}
    for index in np.unique(records["number"]):
        column = np.full(instants.size, np.nan)
        mine = records["number"] == index
        column[place[mine]] = records["value"][mine]
        columns[str(names[index])] = column
    return Chunk(instants, columns)


def pivot(at_ns: Any, domain: Sequence[str], value: Any) -> Chunk:
    """Return a long table (instant, domain, value) as columns, in order of time."""
    names, number = np.unique(np.asarray(domain, dtype=object).astype(str), return_inverse=True)
    if names.size > Long.MOST:
        raise CrosswattError(_TOO_MANY.format(most=Long.MOST, name=str(names[-1])))
    records = np.empty(len(number), dtype=_RECORD)
    records["at_ns"], records["number"], records["value"] = at_ns, number, value
    return _spread(records, list(names))
