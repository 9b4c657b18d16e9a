"""A long table, (instant, column, value), and the columns that are made of it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from calibrate.errors import CrosswattError
from calibrate.ingest.feed import Chunk, Feed
from calibrate.probe import Domain


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
