"""The readings of files as they are, without a campaign; and whose format a file is.

Nothing is read here that an importer does not read: its bounds, its refusals and its rejected lines
are those of `crosswatt import`.
"""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibrate.errors import BadFile, CrosswattError
from calibrate.ingest import opened
from calibrate.ingest.divide import find_gaps
from calibrate.ingest.feed import Feed, Options, Telling, Window, epoch_ns
from calibrate.ingest.folder import REJECTED, Rejects
from calibrate.ingest.formats import find_importer, importers
from calibrate.ingest.importing import found_in, readable
from calibrate.probe import Domain

#: Figures of a log that are kept in memory together.
MOST_FIGURES = 30_000_000
_HEAD = 4000
#: A metric with its unit, on a page or in an answer.
_METRIC = re.compile(r"[a-z]_(?:micro|milli|kilo)?(?:joules|watts?)(?:_total)?(?:[{\"]| \d)")

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class LogColumn:
    """One column of a log.

    Parameters
    ----------
    domain : what it covers.
    at_ns : instants that increase, ns since 1970, shape (n,).
    value : joules that grow, or watts; shape (n,).
    unknown : stretches between readings in which the file says nothing, though its count stands
        still there, ns.
    exact : whether a count is of its very instants: it was added up from what runs or intervals
        used, and no update of the meter lies between.
    """

    domain: Domain
    at_ns: NDArray[np.int64]
    value: NDArray[np.float64]
    unknown: Spans = ()
    exact: bool = False


@dataclass(frozen=True)
class LogProbe:
    """A meter of a log; ``steps_back`` says how often its clock went back."""

    name: str
    columns: tuple[LogColumn, ...]
    steps_back: int = 0


@dataclass(frozen=True)
class Log:
    """What files hold.

    Parameters
    ----------
    form : the format that they were read as.
    probes : the meters.
    notes : what the reader should know, a sentence each.
    rejected, first_rejected : lines that made no sense, and the first of them.
    """

    form: str
    probes: tuple[LogProbe, ...]
    notes: tuple[str, ...]
    rejected: int
    first_rejected: str


def read_log(
    paths: Sequence[Path],
    form: str | None = None,
    *,
    zone: str | None = None,
    unit: str | None = None,
    scope: str | None = None,
    mapping: Path | None = None,
    max_rejected: int = 1000,
) -> Log:
    """Read files that another program wrote.

    Parameters
    ----------
    paths : files.
    form : the format, as `find_importer` knows it; by default the one that the first file shows.
    zone, unit, scope, mapping : see `calibrate.ingest.feed.Options`.
    max_rejected : more lines than this that cannot be parsed are refused.

    Raises
    ------
    CrosswattError : a file is not there, not of the format, too long, or its format is not known.
    """
    for path in paths:
        if not path.exists():
            raise CrosswattError(f"{path}: there is no such file or folder.")
    form = form or ("csv" if mapping else format_of(paths[0]))
    importer = find_importer(form)
    with tempfile.TemporaryDirectory(prefix="crosswatt-") as folder:
        rejects = Rejects(Path(folder) / REJECTED, max_rejected)
        options = Options(zone, unit, scope, str(mapping) if mapping else None, None, rejects)
        with readable(form, paths, rejects):
            found = found_in(importer, list(paths), options, rejects)
            probes = tuple(_probe(feed, found.windows) for feed in found.feeds)
    told = [
        f"{feed.name}: {note}."
        for feed in found.feeds
        if isinstance(feed.chunks, Telling)
        for note in feed.chunks.notes()
    ]
    return Log(form, probes, (*found.notes, *told), rejects.count, rejects.first)


def _probe(feed: Feed, windows: Sequence[Window]) -> LogProbe:
    """Return the readings of a probe."""
    at_ns: list[NDArray[np.int64]] = []
    values: list[dict[str, NDArray[np.float64]]] = []
    figures = 0
    for chunk in feed.chunks:
        figures += chunk.at_ns.size * (1 + len(feed.domains))
        if figures > MOST_FIGURES:
            raise CrosswattError(
                f"{feed.name} has more than {MOST_FIGURES:,} figures. Cut the log to the hours "
                "around the window, or import it: crosswatt import."
            )
        at_ns.append(np.asarray(chunk.at_ns))
        values.append(dict(chunk.values))
    differences = feed.chunks.differences() if isinstance(feed.chunks, Telling) else set()
    columns = []
    for domain in feed.domains:
        pairs = [
            (at, each[domain.name]) for at, each in zip(at_ns, values, strict=True)
            if domain.name in each
        ]  # fmt: skip
        if pairs:
            at, value = (np.concatenate(each) for each in zip(*pairs, strict=True))
            there = np.isfinite(value)
            at, value = at[there], value[there]
            new = np.concatenate([np.diff(at) > 0, [True]]) if at.size else there[:0]
            at, value = at[new], value[new]  # of several figures of an instant the last counts
            spans = _unknown(domain, at, windows, domain.name in differences)
            exact = domain.kind != "power" and (bool(windows) or domain.name in differences)
            columns.append(LogColumn(domain, at, value, spans, exact))
    return LogProbe(feed.name, tuple(columns), getattr(feed.chunks, "steps_back", 0))


def _unknown(
    domain: Domain, at_ns: NDArray[np.int64], windows: Sequence[Window], differences: bool
) -> Spans:
    """Return the stretches of which a count says nothing: between runs that were measured whole."""
    if domain.kind == "power" or not at_ns.size:
        return ()
    spans = list(find_gaps(at_ns)) if differences else []
    last = None
    for window in sorted(windows, key=lambda each: each.begin_ns):
        if window.columns is not None and domain.name not in window.columns:
            continue
        if last is not None and window.begin_ns > last:
            spans.append((last, window.begin_ns))
        last = max(window.end_ns, last or 0)
    return tuple(sorted(spans))


def instant_ns(text: str, zone: str | None = None) -> int:
    """Return an instant from ISO 8601 or seconds since 1970, as the importers read it.

    Raises
    ------
    ValueError : it is neither.
    CrosswattError : it has no offset and no zone was named.
    """
    return epoch_ns(text, Options(zone))


#: Columns that the header of a format has, the most telling first.
_HEADERS = (
    ("codecarbon", ("timestamp", "duration", "energy_consumed")),
    ("kwollect", ("timestamp", "metric_id", "value")),
    ("pyjoules", ("timestamp", "tag", "duration")),
    ("zeus", ("start_time", "window_name", "elapsed_time")),
    ("alumet", ("metric", "timestamp", "value", "resource_kind")),
    ("home-assistant", ("entity_id", "state", "last_changed")),
    ("powerapi", ("timestamp", "sensor", "target", "power")),
)


def format_of(path: Path) -> str:
    """Return the format that the beginning of a file shows.

    Raises
    ------
    BadFile : it is none that is known by its beginning.
    """
    if path.is_dir():
        raise BadFile(path, "it is a folder", fix="Name its format with --format, or a file.")
    with opened.characters(path) as stream:
        head = stream.read(_HEAD)
    line = head.lstrip("\ufeff").split("\n", 1)[0]
    names = {name.strip() for name in next(csv.reader([line.replace("\0", "")]), [])}
    names |= {name.strip() for name in line.split(";")}
    if any(name.split()[:1] in (["power.draw"], ["power.draw.average"], ["power.draw.instant"])
           for name in names if name):  # fmt: skip
        return "nvidia-smi"
    for form, header in _HEADERS:
        if names.issuperset(header):
            return form
    marks = {
        "DCGM_FI_": "dcgm", "#Entity": "dcgm", "# Entity": "dcgm", "scaph_": "scaphandre",
        "CarbonTracker:": "carbontracker",
        "Time_Of_Day_Seconds": "turbostat", "Instantaneous power reading": "ipmi",
    }  # fmt: skip
    for mark, form in marks.items():
        if mark in head:
            return form
    if _METRIC.search(head):
        return "prometheus"
    if line.startswith("Time,") and ",Watts," in line:
        return "ptd"
    raise BadFile(
        path,
        "its beginning shows none of the formats that are known by it",
        fix=f"Name one with --format ({', '.join(importers())}); any table: --mapping FILE says "
        "what its columns are, and crosswatt import csv FILE --out NEW prints one to begin with.",
    )
