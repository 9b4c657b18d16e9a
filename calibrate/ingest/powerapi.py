"""PowerAPI's power reports: its CSV, and what MongoDB's tools make of its collection.

``mongoexport`` writes JSON, a document a line or an array, ``mongodump`` BSON. Sources: powerapi
2.10, `PowerReport`; smartwatts 2.4, the metadata of its reports; MongoDB Extended JSON, version 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from calibrate.errors import BadFile
from calibrate.ingest import bson
from calibrate.ingest.documents import each
from calibrate.ingest.feed import Chunk, Feed, Found, Options, epoch_ns, power
from calibrate.ingest.long import Long
from calibrate.ingest.opened import binary
from calibrate.ingest.sheet import figure, instant, rows
from calibrate.probe import Domain
from calibrate.quantity import finite_number

_SCOPES = {"cpu": "package", "dram": "dram"}
_STORED = (
    "PowerAPI stores the time of its container's clock as if it were UTC, where its reports did "
    "not come from MongoDB; --zone says which zone that clock had. UTC was taken."
)


@dataclass(frozen=True)
class Report:
    """One report: ``scope`` and ``socket`` are of its metadata."""

    at_ns: int
    target: str
    scope: str
    socket: str
    watts: float


def powerapi(paths: Sequence[Path], options: Options) -> Found:
    """Power reports of PowerAPI; ``rapl`` and ``global`` are pseudo-targets."""
    tables = [table(path, options) for path in paths]
    covers = {domain.name: domain for domains, _ in tables for domain in domains}
    chunks = sorted((chunk for _, chunk in tables), key=lambda chunk: int(chunk.at_ns[0]))
    stored = options.zone is None and any(_kind(path) != "csv" for path in paths)
    feed = Feed(options.name or "powerapi", tuple(covers.values()), chunks)
    return Found([feed], notes=[_STORED] if stored else [])


def table(path: Path, options: Options) -> tuple[tuple[Domain, ...], Chunk]:
    """Return the reports of a file; the pseudo-targets are told from real ones.

    ``rapl`` is RAPL itself, and the total of its sockets and scopes is the machine. ``global`` is
    the model's word for the same, and each real target a part of it: they are never added up.
    """
    covers: dict[str, Domain] = {}
    long = Long()
    reports = _rows if (kind := _kind(path)) == "csv" else _documents
    for report in reports(path, options):
        part = _SCOPES.get(report.scope)
        if part is None or not report.socket.isdecimal():
            continue
        place = f"{part}-{report.socket}"
        name = place if report.target == "rapl" else f"{report.target} {place}"
        if name not in covers:
            covers[name] = _domain(name, report.target, place)
        long.put(report.at_ns, name, report.watts)
    if not long:
        raise BadFile(path, f"it has no power report (read as {kind})")
    return tuple(covers.values()), long.whole()


def _domain(name: str, target: str, place: str) -> Domain:
    if target == "rapl":
        return power(name, place, "rapl-power")
    scope = place if target == "global" else "process"
    return power(name, scope, "model", "modelled")


def _kind(path: Path) -> str:
    """Tell what a file is: no text has a NUL where a document's length ends."""
    with binary(path) as stream:
        head = stream.read(64)
    if head[3:4] == b"\0":
        return "bson"
    return "json" if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[") else "csv"


def _rows(path: Path, options: Options) -> Iterator[Report]:
    """Yield the reports of a table; PowerAPI's own are in milliseconds."""
    for row in rows(path, options, ("timestamp", "target", "power", "scope", "socket")):
        if (at := row["timestamp"]).isdecimal():
            row["timestamp"] = f"{at[:-3]}.{at[-3:]}"
        watts, at_ns = figure(row, "power", options), instant(row, "timestamp", options)
        if watts is not None and at_ns is not None:
            yield Report(at_ns, row["target"], row["scope"], row["socket"], watts)


def _documents(path: Path, options: Options) -> Iterator[Report]:
    """Yield the reports among the documents of a collection."""
    found = _dumped(path, options) if _kind(path) == "bson" else each(path, options)
    for document in found:
        try:
            told = {str(key): _plain(value) for key, value in document.items()}
            metadata = told["metadata"]
            report = Report(
                _date(told["timestamp"], options),
                str(told["target"]),
                str(_plain(metadata["scope"])),
                str(_plain(metadata["socket"])),
                finite_number(told["power"], "power"),
            )
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            why = f"no power report ({type(error).__name__}: {error})"
            options.reject(str(document)[:300], why)
            continue
        yield report


def _dumped(path: Path, options: Options) -> Iterator[Mapping[str, Any]]:
    with binary(path, options.seen) as stream:
        try:
            yield from bson.documents(stream)
        except ValueError as error:
            options.reject(path.name, f"the dump ends with {error}")


def _plain(value: Any) -> Any:
    """Return a value without Extended JSON's type around it."""
    match value:
        case {"$numberDouble": inner} | {"$numberInt": inner} | {"$numberLong": inner}:
            return inner
        case {"$date": inner}:
            inner = _plain(inner)
            return int(inner) if str(inner).lstrip("-").isdecimal() else inner
        case _:
            return value


def _date(value: Any, options: Options) -> int:
    """Return an instant; with a zone named, what is stored as UTC is that zone's clock."""
    text = f"{value // 1000}.{value % 1000:03d}" if isinstance(value, int) else str(value)
    at_ns = epoch_ns(text, options)
    if options.zone is None:
        return at_ns
    clock = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).replace(tzinfo=None)
    return epoch_ns(f"{clock.isoformat()}.{at_ns % 1_000_000_000:09d}", options)
