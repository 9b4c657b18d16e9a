"""The readings of one probe in one run, as its file has them."""

from __future__ import annotations

import json
import math
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import BadFile
from calibrate.probe import Domain
from calibrate.store.documents import ProbeState


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
        before, after = array("q"), array("q")
        values: dict[str, array[float]] = {}
        for each in readings:
            for name in each.values.keys() - values.keys():
                values[name] = array("d", [math.nan]) * len(before)
            before.append(each.before_ns)
            after.append(each.after_ns)
            for name, column in values.items():
                column.append(each.values.get(name, math.nan))
        return cls(
            np.array(before, dtype=np.int64),
            np.array(after, dtype=np.int64),
            {name: np.array(column, dtype=np.float64) for name, column in values.items()},
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
    log: dict[str, Any] = {"name": path.stem}
    marks: dict[str, tuple[int, int]] = {}
    taken = Readings.of(_readings(path, log, marks))
    columns = log.pop("columns", None)
    log["readings"] = taken if columns is None else _mapped(path, columns)
    if len(marks) == 2:
        log["window_ns"] = (marks["begin"][1], marks["end"][0])
    log.setdefault("stop", {"status": "killed", "reason": "its file has no stop document"})
    return ProbeLog(**log)


def _readings(
    path: Path, log: dict[str, Any], marks: dict[str, tuple[int, int]]
) -> Iterator[Reading]:
    """Yield the readings of a file; what else it says goes into `log` and `marks`."""
    for number, data in _lines(path):
        try:
            if data["doc"] == "reading":
                yield _reading(data)
            elif data["doc"] == "probe":
                log["domains"] = {each["name"]: Domain(**each) for each in data["domains"]}
                log["facts"], log["period_s"] = data["facts"], data["period_s"]
                log["library"] = _library(data)
            elif data["doc"] in {"begin", "end"}:
                marks[data["doc"]] = (data["before_ns"], data["after_ns"])
            elif data["doc"] == "columns":
                log["columns"] = data
            elif data["doc"] == "stop":
                log["stop"] = data
            else:
                raise ValueError(f"unknown document {data['doc']!r}")
        except (KeyError, TypeError, ValueError) as error:
            raise BadFile(path, f"it is not a probe's document ({error!r})", number) from None


def _library(data: dict[str, Any]) -> Library:
    """Return the library of a description; older ones have the adapter's name and its facts."""
    older = {"name": data["name"], "version": dict(data["facts"]).get("release", "")}
    library = data.get("library", older)
    return Library(str(library["name"]), str(library["version"]))


def columns_type(names: Sequence[str]) -> np.dtype[Any]:
    """Return the type of a record of an imported probe: an instant (ns), and a value a domain."""
    return np.dtype([("at_ns", "<i8"), *((name, "<f8") for name in names)])


def _mapped(path: Path, columns: Mapping[str, Any]) -> Readings:
    """Return the readings of an imported probe, mapped into memory."""
    try:
        file, names, count = columns["file"], columns["names"], columns["count"]
        form = columns_type(names)
        place = path.with_name(Path(file).name)  # never outside its folder
        if place.stat().st_size != count * form.itemsize:
            raise ValueError(f"{file} has not the {count} readings that it should have")
        records = np.memmap(place, form, "r", shape=(count,)) if count else np.empty(0, form)
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise BadFile(path, f"its columns cannot be read ({error})") from None
    at_ns = records["at_ns"]
    return Readings(at_ns, at_ns, {name: records[name] for name in names})


def _reading(data: dict[str, Any]) -> Reading:
    """Return a reading, or raise what its document makes of it."""
    before, after, values = data["before_ns"], data["after_ns"], data["values"]
    if type(before) is not int or type(after) is not int or not 0 <= before <= after < 2**63:
        raise ValueError("its instants are not two whole numbers of nanoseconds in order")
    if not all(type(value) in (float, int) for value in values.values()):
        raise ValueError("a value is not a number")
    return Reading(before, after, values)


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, document); forgive a last line without its end."""
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith("\n"):
                    yield number, _document(path, number, line)
    except FileNotFoundError:
        raise BadFile(path, "there is no such file, though run.json names the probe") from None
    except UnicodeDecodeError as error:
        raise BadFile(path, f"it is not text ({error})") from None


def _document(path: Path, number: int, line: str) -> dict[str, Any]:
    """Return one line as a document."""
    try:
        data = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadFile(path, f"the line is damaged ({error.msg})", number) from None
    if not isinstance(data, dict):
        raise BadFile(path, "the line is not a document", number)
    return data


def close_log(path: Path, state: ProbeState, at_ns: int) -> None:
    """Give a file whose recorder was killed its stop document, dropping a half-written line."""
    text = path.read_bytes() if path.exists() else b""
    whole = text[: text.rfind(b"\n") + 1]
    stop = {"doc": "stop", **state.model_dump(), "lost_bytes": len(text) - len(whole)}
    path.write_bytes(whole + json.dumps({**stop, "at_ns": at_ns}).encode() + b"\n")
