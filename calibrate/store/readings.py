"""The readings of one probe in one run, as its file has them."""

from __future__ import annotations

import json
import math
import os
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from calibrate.errors import BadFile
from calibrate.probe import Domain
from calibrate.store.documents import ProbeState, ProbeStatus
from calibrate.store.files import (
    LINE_BYTES,
    FileName,
    Finite,
    Nanoseconds,
    Whole,
    open_file,
    parse_json,
    part_files,
    part_lines,
)
from calibrate.store.packed import LARGEST_J, LAST_NS, MOST_DOMAINS, unpack


@dataclass(frozen=True)
class Reading:
    """Values with the monotonic instants before and after they were taken."""

    before_ns: int
    after_ns: int
    values: dict[str, float]


@dataclass(frozen=True)
class Readings:
    """All readings of a probe in one run, as columns: a million of them are a few arrays.

    Parameters
    ----------
    before_ns, after_ns : monotonic instants, shape (n,).
    values : domain -> joules or watts, shape (n,); NaN where a reading lacks the domain.
    """

    before_ns: NDArray[np.int64]
    after_ns: NDArray[np.int64]
    values: dict[str, NDArray[np.float64]]

    def __len__(self) -> int:
        """Return the number of readings."""
        return int(self.before_ns.size)

    @classmethod
    def of(cls, readings: Iterable[Reading] = ()) -> Readings:
        """Return readings as columns.

        Raises
        ------
        TypeError, OverflowError : an instant or a value is no number.
        """
        taken = _Taken()
        for each in readings:
            taken.add(each)
        return taken.readings()


class _Taken:
    """Readings that are being read, one by one or many at a time, as growing columns."""

    def __init__(self) -> None:
        self._before, self._after = array("q"), array("q")
        self._values: dict[str, array[float]] = {}

    def add(self, reading: Reading) -> None:
        """Append one."""
        self._name(reading.values.keys() - self._values.keys())
        self._before.append(reading.before_ns)
        self._after.append(reading.after_ns)
        for name, column in self._values.items():
            column.append(reading.values.get(name, math.nan))

    def add_all(
        self,
        before_ns: NDArray[np.int64],
        after_ns: NDArray[np.int64],
        values: dict[str, NDArray[np.float64]],
    ) -> None:
        """Append many."""
        self._name(values.keys() - self._values.keys())
        self._before.frombytes(before_ns.tobytes())
        self._after.frombytes(after_ns.tobytes())
        for name, column in self._values.items():
            more = values.get(name)
            missing = array("d", [math.nan])
            column.extend(missing * before_ns.size if more is None else array("d", more.tobytes()))

    def _name(self, names: Iterable[str]) -> None:
        for name in names:
            self._values[name] = array("d", [math.nan]) * len(self._before)

    def readings(self) -> Readings:
        """Return all of them."""
        if not self._before:
            values = {name: np.empty(0) for name in self._values}
            return Readings(np.empty(0, np.int64), np.empty(0, np.int64), values)
        return Readings(
            np.frombuffer(self._before, np.int64),
            np.frombuffer(self._after, np.int64),
            {name: np.frombuffer(column, np.float64) for name, column in self._values.items()},
        )


@dataclass(frozen=True)
class Library:
    """What a probe's figures come from.

    Parameters
    ----------
    name : of the distribution, or of the probe where its figures come from no library.
    version : its release; empty where that is not known.
    """

    name: str
    version: str = ""

    def is_called(self, name: str) -> bool:
        """Tell whether this is the distribution of that name, however it is spelt (PEP 503)."""
        return _normalized(self.name) == _normalized(name)


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True)
class ProbeLog:
    """A probe's file of one run.

    Parameters
    ----------
    library : what its figures come from; None when the probe never opened.
    domains : by name; empty when the probe never opened.
    readings : in the order they were taken; see `Readings`.
    window_ns : from the end of `Probe.begin` to the start of `Probe.end`; None without both.
    stop : the stop document; its status is ``killed`` when the file has none.
    """

    name: str
    domains: dict[str, Domain] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    period_s: float = 0.0
    readings: Readings = field(default_factory=Readings.of)
    window_ns: tuple[int, int] | None = None
    stop: dict[str, Any] = field(default_factory=dict)
    library: Library | None = None


def load_log(path: Path) -> ProbeLog:
    """Read a probe's file.

    A last line that was cut short is what a killed recorder leaves: it is dropped, and the file
    has no stop document. Damage anywhere else raises `BadFile` with the line.
    """
    return log_of_documents(path, path.stem, _lines(path))


def log_of_documents(
    path: Path, name: str, documents: Iterable[tuple[int, dict[str, Any]]]
) -> ProbeLog:
    """Return what documents of a probe say, each with the number of its line in a file.

    Raises
    ------
    BadFile : one of them is damaged.
    """
    log: dict[str, Any] = {"name": name}
    marks: dict[str, tuple[int, int]] = {}
    taken = _taken(path, documents, log, marks)
    columns = log.pop("columns", None)
    log["readings"] = taken.readings() if columns is None else _mapped(path, columns)
    if len(marks) == 2:
        log["window_ns"] = (marks["begin"][1], marks["end"][0])
    log.setdefault("stop", {"status": "killed", "reason": "its file has no stop document"})
    return ProbeLog(**log)


class _Line(BaseModel):
    """A line of a probe's file; later releases may say more in it."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _Library(_Line):
    name: str
    version: str


class _Description(_Line):
    """What a probe is."""

    name: str
    domains: tuple[dict[str, Any], ...] = Field(max_length=MOST_DOMAINS, strict=False)
    facts: dict[str, str | Finite | Whole | bool | None]
    period_s: Finite
    library: _Library | None = None

    def named_domains(self) -> dict[str, Domain]:
        """Return the domains by name."""
        domains = [Domain(**each) for each in self.domains]
        for each in domains:
            sizes = each.resolution_j, each.wraps_at_j, each.u_relative
            if not all(size is None or (0 <= size <= LARGEST_J) for size in sizes):
                raise ValueError(f"domain {each.name!r}: a size is negative or no size of energy")
        if len({each.name for each in domains}) < len(domains):
            raise ValueError("two domains have one name")
        return {each.name: each for each in domains}

    def source(self) -> Library:
        """Return the library; older files have the adapter's name and its facts."""
        if self.library:
            return Library(self.library.name, self.library.version)
        return Library(self.name, str(self.facts.get("release", "")))


class _Mark(_Line):
    """When `Probe.begin` or `Probe.end` was called."""

    before_ns: Nanoseconds
    after_ns: Nanoseconds


class _Stop(_Line):
    """How a recorder ended."""

    status: ProbeStatus
    reason: str = ""
    fix: str = ""
    said: str = ""
    readings: Whole = 0
    missed: Whole = 0
    rejected: Whole = 0
    cpu_s: Finite = 0.0
    lost_bytes: Whole = 0
    at_ns: Nanoseconds = 0


class _Columns(_Line):
    """Where the readings of an imported probe lie."""

    file: FileName
    names: tuple[str, ...] = Field(max_length=MOST_DOMAINS, strict=False)
    count: int = Field(ge=0, le=2**40)


def _taken(
    path: Path,
    documents: Iterable[tuple[int, dict[str, Any]]],
    log: dict[str, Any],
    marks: dict[str, tuple[int, int]],
) -> _Taken:
    """Return the readings among documents; what else they say goes into `log` and `marks`."""
    taken = _Taken()
    for number, data in documents:
        try:
            match data["doc"]:
                case "reading":
                    taken.add(_reading(data))
                case "readings":
                    taken.add_all(*unpack(data))
                case "probe":
                    about = _Description.model_validate(data)
                    log["domains"], log["library"] = about.named_domains(), about.source()
                    log["facts"] = {name: str(value) for name, value in about.facts.items()}
                    log["period_s"] = about.period_s
                case "begin" | "end" as name:
                    mark = _Mark.model_validate(data)
                    marks[name] = (mark.before_ns, mark.after_ns)
                case "columns":
                    log["columns"] = _Columns.model_validate(data)
                case "stop":
                    log["stop"] = _Stop.model_validate(data).model_dump(exclude_unset=True)
                case other:
                    raise ValueError(f"unknown document {other!r:.80}")
        except ValidationError as error:
            raise BadFile(path, f"it is not a probe's document ({_first(error)})", number) from None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadFile(path, f"it is not a probe's document ({error!r:.200})", number) from None
    return taken


def _first(error: ValidationError) -> str:
    """Return the first thing that is wrong with a document, and where."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg'][:200]}"


def columns_type(names: Sequence[str]) -> np.dtype[Any]:
    """Return the type of a record of an imported probe: an instant (ns), and a value a domain.

    Raises
    ------
    ValueError : a name is empty, stands twice, or is that of the instants.
    """
    if not all(names) or len({"at_ns", *names}) <= len(names):
        raise ValueError("a column has no name, or the name of another")
    return np.dtype([("at_ns", "<i8"), *((name, "<f8") for name in names)])


def _mapped(path: Path, columns: _Columns) -> Readings:
    """Return the readings of an imported probe, mapped into memory."""
    place = path.with_name(columns.file)  # a name that leads nowhere else
    try:
        form = columns_type(columns.names)
        with open_file(place) as file:
            if os.fstat(file.fileno()).st_size != columns.count * form.itemsize:
                raise ValueError(f"{columns.file} has not the {columns.count} readings it should")
            records = np.empty(0, form)
            if columns.count:
                records = np.memmap(file, form, "r", shape=(columns.count,))
    except (ValueError, OSError) as error:
        raise BadFile(path, f"its columns cannot be read ({error})") from None
    at_ns = records["at_ns"]
    if at_ns.size and not (at_ns.min() >= -LAST_NS and at_ns.max() <= LAST_NS):
        raise BadFile(place, "an instant is out of any range")
    return Readings(at_ns, at_ns, {name: records[name] for name in columns.names})


def _reading(data: dict[str, Any]) -> Reading:
    """Return a reading, or raise what its document makes of it."""
    before, after, values = data["before_ns"], data["after_ns"], data["values"]
    if type(before) is not int or type(after) is not int or not 0 <= before <= after <= LAST_NS:
        raise ValueError("its instants are not two whole numbers of nanoseconds in order")
    if len(values) > MOST_DOMAINS:
        raise ValueError(f"it has more than {MOST_DOMAINS} values")
    for value in values.values():
        if type(value) not in (float, int) or not -LARGEST_J <= value <= LARGEST_J:
            raise ValueError("a value is not a number, or larger than any energy")
    return Reading(before, after, values)


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, document); forgive a last line without its end."""
    try:
        for number, line in part_lines(path):
            yield number, _document(path, number, line)
    except FileNotFoundError:
        raise BadFile(path, "there is no such file, though run.json names the probe") from None


def _document(path: Path, number: int, line: str) -> dict[str, Any]:
    """Return one line as a document."""
    try:
        data = parse_json(line)
    except ValueError as error:
        raise BadFile(path, f"the line is damaged ({error})", number) from None
    if not isinstance(data, dict):
        raise BadFile(path, "the line is not a document", number)
    return data


def close_log(path: Path, state: ProbeState, at_ns: int) -> None:
    """Give a file whose recorder was killed its stop document, dropping a half-written line.

    Of several files it is the one that was written last.
    """
    path = [path, *part_files(path)][-1]
    size, whole = _sizes(path)
    stop = {"doc": "stop", **state.model_dump(), "lost_bytes": size - whole}
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    with os.fdopen(handle, "wb") as file:
        file.truncate(whole)
        file.seek(whole)
        file.write(json.dumps({**stop, "at_ns": at_ns}).encode() + b"\n")


def _sizes(path: Path) -> tuple[int, int]:
    """Return the size of a file, and how much of it is whole lines."""
    try:
        with open_file(path) as file:
            size = whole = file.seek(0, os.SEEK_END)
            while whole > 0:
                start = max(whole - LINE_BYTES, 0)
                file.seek(start)
                end = file.read(whole - start).rfind(b"\n")
                if end >= 0:
                    return size, start + end + 1
                whole = start
            return size, 0
    except FileNotFoundError:
        return 0, 0
