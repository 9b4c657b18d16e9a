"""Any CSV by a short mapping file, in constant memory.

[time]
column = "timestamp"
unit = "iso"              # or s, ms, us, ns since 1970
zone = "Europe/Paris"     # of times without an offset

[[value]]
column = "watts"
unit = "W"                # W, mW, uW, kW; J, mJ, uJ, kJ, Wh, mWh, kWh
kind = "power"            # power; counter: joules that grow; delta: joules since the last line
scope = "node"            # machine, package-0, dram-1, gpu-0, process, ...
probe = "wall"
step = "3600 J"           # smallest step of a count, where it is known: J, Wh, kWh, ...
class = "1 %"             # accuracy class, where it is known
where = { metric = "wattmetre_power_watt" }   # only lines with these cells

[run]                     # where the file has several runs
label = "task"            # the column that says what ran; a line without one is in no run
pause_s = 60              # or: a run ends where no line follows for so long

A table with a run per row has [time] as its begin, and values of the kind "run", joules or watts:

[run]
label = "task"
duration = "seconds"      # the column of its length; or end = "stop", the column of its end
duration_unit = "s"       # or ns, us, ms, min, h
time_is = "begin"         # or "end"
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field

from calibrate import store
from calibrate.errors import BadFile, CrosswattError
from calibrate.ingest import opened
from calibrate.ingest.feed import (
    FIRST_NS,
    LAST_NS,
    POWER,
    UNITS,
    Chunk,
    Feed,
    Found,
    Options,
    epoch_ns,
    utc,
    zone_of,
)
from calibrate.ingest.long import Order
from calibrate.ingest.opened import LINE_BYTES, binary
from calibrate.ingest.run_rows import run_rows
from calibrate.probe import SCOPES, Basis, Domain, Kind
from calibrate.quantity import parse_joules, parse_share, u_of_class
from calibrate.requirement import pip_install
from calibrate.store import Document

Unit = Literal["iso", "s", "ms", "us", "ns"]
_NS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
_BLOCK = 1 << 22
_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
#: A figure with a decimal comma, and one that may have groups of thousands.
_COMMA = r"^\s*[+-]?(\d{1,3}(\.\d{3})+|\d+),\d+([eE][+-]?\d+)?\s*$"
_GROUPS = r"^\s*[+-]?\d{1,3}(\.\d{3})+\s*$"
_FIX = "See the example at the top of docs/importing.md."


class Time(Document):
    """The column of instants."""

    column: str
    unit: Unit = "iso"
    zone: str | None = None


class Value(Document):
    """A column of figures; see the module. ``step`` is in J, ``class_`` a share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    unit: str
    kind: Literal["power", "counter", "delta", "run"]
    scope: str
    probe: str
    name: str = ""
    basis: Basis = "measured"
    family: str = "imported"
    wraps_at: float | None = None
    step: Annotated[float, BeforeValidator(parse_joules)] | None = None
    class_: Annotated[float, BeforeValidator(parse_share)] | None = Field(None, alias="class")
    where: Mapping[str, str] = {}

    def domain(self) -> Domain:
        """Return the domain, joules or watts."""
        kind: Kind = "power" if self.kind == "power" else "counter"
        wraps = None if self.wraps_at is None else self.wraps_at * UNITS[self.unit]
        name = self.name or self.scope
        u = None if self.class_ is None else u_of_class(self.class_)
        return Domain(name, self.scope, kind, self.basis, self.family, self.step, wraps, u)


class Run(Document):
    """Which runs a file has; see the module."""

    label: str | None = None
    pause_s: float | None = None
    duration: str | None = None
    duration_unit: Literal["ns", "us", "ms", "s", "min", "h"] = "s"
    end: str | None = None
    time_is: Literal["begin", "end"] = "begin"


class Mapping_(Document):  # noqa: N801 - `Mapping` is the standard library's
    """A mapping file."""

    time: Time
    value: tuple[Value, ...]
    run: Run | None = None

    @property
    def has_run_per_row(self) -> bool:
        """Whether each row is a run."""
        return any(value.kind == "run" for value in self.value)


def table(paths: Sequence[Path], options: Options) -> Found:
    """Return what CSV files hold, by the mapping that the options name."""
    if options.mapping is None:
        raise CrosswattError(
            "A CSV does not say what its columns are: give a mapping file with --mapping. For "
            f"this file it could begin like this:\n\n{_template(paths[0])}"
        )
    path = Path(options.mapping)
    mapping = store.read_toml(path, Mapping_, _FIX)
    for value in mapping.value:
        _check(path, value)
    _check_runs(path, mapping)
    if mapping.time.unit == "iso" and mapping.time.zone and options.zone is None:
        options = replace(options, zone=mapping.time.zone)
    if mapping.has_run_per_row and mapping.run is not None:
        return run_rows(paths, mapping, mapping.run, options)
    probes = dict.fromkeys(value.probe for value in mapping.value)
    feeds = []
    for probe in probes:
        mine = tuple(value for value in mapping.value if value.probe == probe)
        feeds.append(
            Feed(
                probe,
                tuple(value.domain() for value in mine),
                _Chunks(paths, mapping.time, mine, mapping.run or Run(), options),
                {"mapping": path.name},
            )
        )
    return Found(feeds)


def _check_runs(path: Path, mapping: Mapping_) -> None:
    """Refuse a mapping whose runs are not said, or in two ways."""
    run = mapping.run or Run()
    per_row = mapping.has_run_per_row
    if per_row and any(value.kind != "run" for value in mapping.value):
        raise BadFile(path, "it has values of the kind run, and others that are not", fix=_FIX)
    if per_row != ((run.duration is None) != (run.end is None)):
        why = (
            "a run per row has a duration or an end in [run]" if per_row
            else "[run] has a duration or an end, and no value is of the kind run"
        )  # fmt: skip
        raise BadFile(path, why, fix=_FIX)


def _check(path: Path, value: Value) -> None:
    if value.unit not in UNITS:
        raise BadFile(path, f"{value.unit!r} is no unit ({', '.join(UNITS)})", fix=_FIX)
    if value.kind != "run" and (value.unit in POWER) != (value.kind == "power"):
        raise BadFile(path, f"{value.unit} is no unit of a {value.kind}", fix=_FIX)
    if value.step is not None and value.unit in POWER:
        why = f"{value.column} is a power, which has no step in joules; state its class alone"
        raise BadFile(path, why, fix=_FIX)
    try:
        value.domain()
    except ValueError as error:
        raise BadFile(path, f"{error} ({', '.join(SCOPES)})", fix=_FIX) from None


def _template(path: Path) -> str:
    """Return a mapping to begin with, from a file's header."""
    with opened.text(path) as stream:
        header = next(csv.reader(stream), ["time", "value"])
    time = next((name for name in header if "time" in name.lower()), header[0])
    units = {"watt": "W", "power": "W", "joule": "J", "energy": "J", "kwh": "kWh"}
    lines = [f'[time]\ncolumn = "{time}"\nunit = "iso"\nzone = "UTC"']
    for name in header:
        unit = next((unit for word, unit in units.items() if word in name.lower()), None)
        if name != time and unit:
            kind = "power" if unit == "W" else "counter"
            lines.append(
                f'[[value]]\ncolumn = "{name}"\nunit = "{unit}"   # look it up\nkind = "{kind}"\n'
                f'scope = "node"   # what does it cover?\nprobe = "meter"'
            )
    return "\n\n".join(lines) + f"\n\n(columns of the file: {', '.join(header)})"


class _Chunks:
    """The readings of one probe, read anew at every iteration; see `Resumable`."""

    def __init__(
        self,
        paths: Sequence[Path],
        time: Time,
        values: Sequence[Value],
        run: Run,
        options: Options,
    ) -> None:
        self._run = run
        self._runs: list[tuple[str, int, int]] = []
        self._paths, self._time, self._values, self._options = paths, time, values, options
        sums = dict.fromkeys((value.domain().name for value in values), 0.0)
        ends = dict.fromkeys(sums, -1)
        self._begin: dict[str, Any] = {
            "file": 0, "byte": 0, "last_ns": -1, "sums": sums, "ends": ends,
            "runs": [],
        }  # fmt: skip
        self.state = self._begin
        self._order = Order()
        for path in paths:
            _Parser(
                path, self._wanted()
            )  # a file that lacks a column is refused before any is read

    def resume(self, state: dict[str, Any]) -> None:
        """See `Resumable`."""
        self._begin = state

    def notes(self) -> list[str]:
        """See `Telling`."""
        return self._order.notes()

    @property
    def steps_back(self) -> int:
        """How often the time of a column went back."""
        return self._order.steps

    def stretches(self) -> list[tuple[str, int, int]]:
        """See `calibrate.ingest.divide.Dividing`."""
        if self._run.label:
            return [run for run in self._runs if run[0]]
        return self._runs if self._run.pause_s is not None else []

    def _wanted(self) -> list[str]:
        """Return the columns that are read."""
        wanted = [self._time.column, *(value.column for value in self._values)]
        wanted += [name for value in self._values for name in value.where]
        wanted += [self._run.label] if self._run.label else []
        return list(dict.fromkeys(wanted))

    def _divide(self, batch: Any, at_ns: Any, kept: Any) -> None:
        """Note which runs the kept rows of a batch are in."""
        if not self._run.label and self._run.pause_s is None:
            return
        labels = np.full(at_ns.size, "", dtype=object)
        if self._run.label:
            texts = batch[self._run.label].to_numpy(zero_copy_only=False)[kept]
            labels = np.array([str(text or "").strip() for text in texts], dtype=object)
        pause_ns = np.inf if self._run.pause_s is None else self._run.pause_s * 1e9
        new = (labels[1:] != labels[:-1]) | (np.diff(at_ns) > pause_ns)
        begins = [0, *(np.flatnonzero(new) + 1)] if at_ns.size else []
        for first, last in pairwise([*begins, at_ns.size]):
            label, begin, end = str(labels[first]), int(at_ns[first]), int(at_ns[last - 1])
            before = self._runs[-1] if self._runs else None
            if before and before[0] == label and begin - before[2] <= pause_ns:
                self._runs[-1] = (label, before[1], end)
            else:
                self._runs.append((label, begin, end))

    def differences(self) -> set[str]:
        """See `Telling`."""
        return {value.domain().name for value in self._values if value.kind == "delta"}

    def __iter__(self) -> Iterator[Chunk]:
        """Yield chunks in order of time."""
        begin, last_ns = self._begin, self._begin["last_ns"]
        sums, ends = dict(begin["sums"]), dict(begin["ends"])
        self._order, self._runs = Order(), [(str(a), int(b), int(c)) for a, b, c in begin["runs"]]
        for number, path in enumerate(self._paths[begin["file"] :], start=begin["file"]):
            first = begin["byte"] if number == begin["file"] else 0
            for end, batch in _batches(path, self._wanted(), self._options, first):
                chunk = self._chunk(batch, last_ns, sums, ends)
                last_ns = int(chunk.at_ns[-1]) if chunk.at_ns.size else last_ns
                self.state = {
                    "file": number, "byte": end, "last_ns": last_ns,
                    "sums": dict(sums), "ends": dict(ends), "runs": list(self._runs),
                }  # fmt: skip
                if chunk.at_ns.size:
                    yield chunk

    def _chunk(
        self, batch: Any, last_ns: int, sums: dict[str, float], ends: dict[str, int]
    ) -> Chunk:
        """Return a batch as columns; deltas are added up from batch to batch."""
        at_ns = _instants(batch[self._time.column], self._time, self._options)
        known = at_ns >= 0
        for _ in range(int((known & (at_ns < last_ns)).sum())):
            self._options.reject("", "a reading earlier than one in a block before it")
        known &= at_ns >= last_ns
        columns = {
            value.domain().name: self._figures(batch, value)[known] for value in self._values
        }
        self._count_back(at_ns[known], columns)
        order = np.argsort(at_ns[known], kind="stable")
        at = at_ns[known][order]
        columns = {name: column[order] for name, column in columns.items()}
        for value in self._values:
            name = value.domain().name
            if value.kind == "delta":
                columns[name] = self._once(at, columns[name], name, ends)
                steps = np.nancumsum(columns[name]) + sums[name]
                sums[name] = float(steps[-1]) if steps.size else sums[name]
                columns[name] = np.where(np.isnan(columns[name]), np.nan, steps)
        keep = ~np.all([np.isnan(column) for column in columns.values()], axis=0)
        self._divide(batch, at[keep], np.flatnonzero(known)[order][keep])
        return Chunk(at[keep], {name: column[keep] for name, column in columns.items()})

    def _figures(self, batch: Any, value: Value) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the joules or watts of a value; NaN in lines that are of another."""
        import pyarrow.compute as pc

        column = _numbers(batch[value.column], self._options) * UNITS[value.unit]
        for name, cell in value.where.items():
            column = np.where(np.asarray(pc.equal(batch[name], cell)), column, np.nan)
        return column

    def _count_back(self, at_ns: Any, columns: Mapping[str, Any]) -> None:
        """Count where the time of a column goes back."""
        for column in columns.values():
            own = at_ns[~np.isnan(column)]
            for place in np.flatnonzero(np.diff(own) < 0):
                self._order.back(int(own[place]), int(own[place + 1]))

    def _once(self, at: Any, column: Any, name: str, ends: dict[str, int]) -> Any:
        """Return intervals in order of time without those that are there twice."""
        there = np.flatnonzero(~np.isnan(column))
        before = np.concatenate([[ends[name]], at[there]])
        again = there[np.diff(before) == 0]
        for place in again:
            self._options.reject(utc(int(at[place])), f"{name} has this interval twice")
        ends[name] = int(before[-1])
        kept = np.array(column)
        kept[again] = np.nan
        return kept


def _batches(
    path: Path, wanted: list[str], options: Options, first: int
) -> Iterator[tuple[int, Any]]:
    """Yield (the byte where it ends, a table of strings of the columns that are wanted).

    While one block is used the next is parsed.
    """
    parser = _Parser(path, wanted)
    with ThreadPoolExecutor(1) as pool:
        ahead: deque[tuple[int, Future[tuple[Any, list[tuple[str, str]]]]]] = deque()
        for end, block in _blocks(path, first, options):
            ahead.append((end, pool.submit(parser.parse, block)))
            if len(ahead) > 1:
                yield _taken(*ahead.popleft(), options)
        while ahead:
            yield _taken(*ahead.popleft(), options)


def _taken(end: int, parsed: Future[Any], options: Options) -> tuple[int, Any]:
    """Return a parsed block, its bad lines kept aside in their order."""
    found, bad = parsed.result()
    for line, why in bad:
        options.reject(line, why)
    return end, found


def _blocks(path: Path, first: int, options: Options) -> Iterator[tuple[int, bytes]]:
    """Yield (the byte where it ends, whole lines) of a file, unpacked, without its header."""
    with binary(path, options.seen, LINE_BYTES) as stream:
        place = len(stream.readline())
        # A packed file has no other way to a place than to read up to it.
        while place < first and (passed := stream.read(min(_BLOCK, first - place))):
            place += len(passed)
        rest = b""
        while block := stream.read(_BLOCK):
            place += len(block)
            whole, newline, tail = (rest + block).rpartition(b"\n")
            if newline:
                yield place - len(tail), whole + newline
            rest = tail
        if rest:
            yield place, rest


class _Parser:
    """Turns whole lines into a table of strings.

    Parameters
    ----------
    path : for its header and for messages.
    columns : the columns that are wanted.
    """

    def __init__(self, path: Path, columns: list[str]) -> None:
        try:
            import pyarrow
            from pyarrow import csv as arrow
        except ImportError:
            raise CrosswattError(
                f"Importing a CSV needs pyarrow: {pip_install('pyarrow')}."
            ) from None
        self._path, self._arrow, self._invalid = path, arrow, pyarrow.ArrowInvalid
        with opened.text(path) as stream:
            header = stream.readline()
        self._delimiter = max(",;\t", key=header.count)
        names = next(csv.reader([header.replace("\0", "")], delimiter=self._delimiter), [])
        for column in columns:
            if column not in names:
                raise BadFile(path, f"it has no column {column!r} ({', '.join(names)[:200]})")
            if names.count(column) > 1:
                raise BadFile(path, f"it has more than one column {column!r}", fix="Rename one.")
        self._header = header.strip().encode()
        self._read = arrow.ReadOptions(column_names=names, block_size=_BLOCK)
        self._convert = arrow.ConvertOptions(
            include_columns=columns,
            column_types=dict.fromkeys(columns, pyarrow.string()),
            strings_can_be_null=True,
            null_values=["", "nan", "NaN", "None", "null", "N/A"],
            check_utf8=False,
        )

    def parse(self, block: bytes) -> tuple[Any, list[tuple[str, str]]]:
        """Return the table of a block, and (line, why) of what is none of it."""
        import pyarrow

        bad: list[tuple[str, str]] = []

        def skip(row: Any) -> str:
            why = f"{row.actual_columns} cells, not {row.expected_columns}"
            bad.append((row.text or "", why))
            return "skip"

        if self._header in block:  # another session that was appended, with its header
            lines = block.splitlines(keepends=True)
            block = b"".join(line for line in lines if line.strip() != self._header)
        text = block if block.isascii() else block.decode("utf-8", "replace").encode()
        parsing = self._arrow.ParseOptions(delimiter=self._delimiter, invalid_row_handler=skip)
        try:
            found = self._arrow.read_csv(
                pyarrow.BufferReader(text), self._read, parsing, self._convert
            )
        except (self._invalid, UnicodeDecodeError) as error:
            raise BadFile(self._path, f"it is no table of these columns ({error})") from None
        found = found.combine_chunks()
        return (found if self._delimiter == "," else _pointed(found, bad)), bad


def _pointed(found: Any, bad: list[tuple[str, str]]) -> Any:
    """Return a table with points for decimal commas, where commas do not separate cells.

    In a column with decimal commas a figure as 1.234 may be more than a thousand, and is none.
    """
    import pyarrow
    import pyarrow.compute as pc

    for place, name in enumerate(found.column_names):
        column = found.column(place).combine_chunks()
        commas = pc.fill_null(pc.match_substring_regex(column, _COMMA), False)
        if not pc.any(commas).as_py():
            continue
        groups = pc.fill_null(pc.match_substring_regex(column, _GROUPS), False)
        bad += [(str(text), "1234 or 1.234") for text in column.filter(groups).to_pylist()]
        pointed = pc.replace_substring(pc.replace_substring(column, ".", ""), ",", ".")
        none = pyarrow.nulls(len(column), pyarrow.string())
        column = pc.if_else(groups, none, pc.if_else(commas, pointed, column))
        found = found.set_column(place, name, column)
    return found


def _numbers(column: Any, options: Options) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a column of text as numbers; NaN where it is empty, or none and kept aside."""
    import pyarrow
    import pyarrow.compute as pc

    try:
        found = pc.cast(column, pyarrow.float64())
    except pyarrow.ArrowInvalid:
        fine = pc.match_substring_regex(column, _NUMBER)
        for text in pc.filter(column, pc.invert(fine)).to_pylist():
            options.reject(str(text), "no number")
        cleaned = pc.if_else(fine, pc.utf8_trim_whitespace(column), None)
        found = pc.cast(cleaned, pyarrow.float64())
    values: np.ndarray[Any, np.dtype[np.float64]] = found.to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(values), values, np.nan)


def _instants(column: Any, time: Time, options: Options) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return a column of text as nanoseconds since 1970; -1 where it is no time of 2000 to 2116."""
    import pyarrow
    import pyarrow.compute as pc

    if time.unit != "iso":
        number = _numbers(column, options) * _NS[time.unit]
        fine = (number >= FIRST_NS) & (number < LAST_NS)
        found = np.where(fine, np.where(fine, number, 0.0), -1).astype(np.int64)
        there = ~np.isnan(number)
    else:
        first = next((str(text) for text in column.slice(0, 100).to_pylist() if text), "")
        offset = first.endswith("Z") or "+" in first[10:] or "-" in first[19:]
        kind = pyarrow.timestamp("ns", "UTC") if offset else pyarrow.timestamp("ns")
        try:
            parsed = pc.cast(column, kind)
        except pyarrow.ArrowInvalid:
            return _one_by_one(column, options)
        if offset:
            found = pc.fill_null(pc.cast(parsed, pyarrow.int64()), -1).to_numpy(False)
        else:
            found = _local(parsed, first, options)
        there = np.asarray(column.is_valid())
    early = (found < FIRST_NS) & there
    for text in pc.filter(column, pyarrow.array(early)).to_pylist():
        options.reject(str(text), f"no time between 2000 and 2116 in {time.unit}, or in its zone")
    return np.where(early, -1, found)


def _local(column: Any, first: str, options: Options) -> Any:
    """Return local times as ns since 1970; -1 where the clocks were put forward over one.

    Of a time that comes twice the instant is taken that follows the line before.
    """
    import pyarrow
    import pyarrow.compute as pc

    zone = str(zone_of(options, first))
    early, late = (
        pc.assume_timezone(column, zone, ambiguous=which, nonexistent=which)
        for which in ("earliest", "latest")
    )
    skipped = pc.fill_null(pc.not_equal(pc.local_timestamp(late), column), False)
    at_ns, second_ns = (
        pc.fill_null(pc.cast(each, pyarrow.int64()), -1).to_numpy(False) for each in (early, late)
    )
    at_ns, clock = np.where(np.asarray(skipped), -1, at_ns), options.clock
    for place in np.flatnonzero((at_ns != second_ns) & (at_ns >= 0)):
        if place and at_ns[place - 1] >= 0:
            clock.last_ns = int(at_ns[place - 1])
        at_ns[place] = clock.choose(int(at_ns[place]), int(second_ns[place]))
    clock.last_ns = int(at_ns[-1]) if at_ns.size else clock.last_ns
    return at_ns


def _one_by_one(column: Any, options: Options) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return times of other forms of ISO 8601, or with offsets in some lines alone."""
    found = np.full(len(column), -1, dtype=np.int64)
    for place, text in enumerate(column.to_pylist()):
        if text is not None:
            try:
                found[place] = epoch_ns(text, options)
            except (ValueError, OverflowError) as error:
                options.reject(text, f"no time ({error})")
    return found
