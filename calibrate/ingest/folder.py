"""An import as a campaign folder: whole or not at all; one that was interrupted can go on.

Readings are written as columns, little-endian, one file a probe and run; `calibrate.store` maps
them into memory, so that an import of gigabytes needs none of it. Many small runs are put into one
file; see `calibrate.store.save_bundle`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from calibrate import store
from calibrate._version import __version__
from calibrate.errors import CrosswattError
from calibrate.ingest.divide import Dividing, between, find_gaps, labelled
from calibrate.ingest.falls import bridge_falls, counted, integrated
from calibrate.ingest.feed import Chunk, Feed, Found, Resumable, Telling, Window, utc
from calibrate.ingest.opened import checksum
from calibrate.probe import Domain
from calibrate.store import (
    CampaignRecord,
    Document,
    Job,
    MachineRecord,
    ProbeState,
    RunRecord,
    SourceRecord,  # fmt: skip
)
from calibrate.tokens import masked

#: Readings kept before and after a window, ns: what an interpolation at its ends may need.
AROUND_NS = 30_000_000_000
#: The workload of a stretch of time of which nothing more is known.
MEASURED = "measured"
#: All that the files have: a run whose ends are known when everything has been read.
_ANY_TIME = Window(MEASURED, 0, 2**62)
REJECTED, PROVENANCE = "rejected.txt", "provenance.json"
#: Beside them while an import is under way: what was asked for, and how far it is.
ORIGIN, CHECKPOINT = "origin.json", "checkpoint.json"
#: Where readings lie that are made several runs.
_WHOLE = "whole"
#: Readings that are looked at together.
_BLOCK = 1 << 20
#: Readings of a probe in a run that are kept in memory before they are put into a file.
_PENDING = 256
#: Files and numbers of an import beyond which, and up to which, its runs are put into one file.
_MOST_FILES, _BUNDLED = 100, 1 << 23
#: Seconds between two checkpoints.
CHECK_S = 2.0


class Checkpoint(Document):
    """How far an import is: everything before has been written.

    ``feed`` is the place of the probe that is being read, ``state`` what it needs to go on,
    ``counts`` the readings of every probe by run, ``rejects`` how many lines made no sense.
    """

    feed: int
    state: dict[str, Any]
    counts: list[dict[str, int]]
    rejects: int


class Rejects:
    """Lines that make no sense: counted, kept aside, and too many of them end the import.

    Parameters
    ----------
    path : where they are kept, as ``why<TAB>line``.
    limit : how many are too many.
    count : how many are kept there already, of an import that goes on.
    """

    def __init__(self, path: Path, limit: int, count: int = 0) -> None:
        self._path, self._limit = path, limit
        self.count = count
        self.first = ""
        if count:
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[:count]
            path.write_text("".join(lines), encoding="utf-8")
            why, _, line = lines[0].rstrip("\n").partition("\t")
            self.first = f"{why}: {line[:80]!r}"

    def restart(self) -> None:
        """Forget what was kept: the files are read anew."""
        self._path.unlink(missing_ok=True)
        self.count, self.first = 0, ""

    def __call__(self, line: str, why: str) -> None:
        """Keep one."""
        self.count += 1
        self.first = self.first or f"{why}: {line.strip()[:80]!r}"
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{why}\t{' '.join(line.split())}\n")
        if self.count > self._limit:
            raise CrosswattError(
                f"More than {self._limit} lines make no sense; the first: {self.first}. Is it the "
                "right format? If they may be left out, allow more with --max-bad."
            )


class Sink:
    """The file of one probe in one run.

    Parameters
    ----------
    folder : where it lies.
    feed : the probe.
    count : readings that are there already, of an import that goes on; what is more is cut off.
    """

    def __init__(self, folder: Path, feed: Feed, count: int = 0) -> None:
        self.feed = feed
        self._path = folder / f"{feed.name}.columns"
        self._names = [domain.name for domain in feed.domains]
        self._type = store.columns_type(self._names)
        #: Readings that are not yet in the file, which is made when they are many.
        self.pending: list[Any] = []
        self._kept = count
        if self._path.exists():
            os.truncate(self._path, count * self._type.itemsize)
        self.count = count

    @property
    def numbers(self) -> int:
        """How many numbers it holds."""
        return self.count * (1 + len(self._names))

    def spans(self) -> dict[str, tuple[int, int]]:
        """Return the first and the last instant of each column that has a reading."""
        found = {}
        if self.count:
            there = self._there()
            for name in self._names:
                first, last = _first(there[name]), _first(there[name][::-1])
                if first is not None and last is not None:
                    at_ns = there["at_ns"]
                    found[name] = int(at_ns[first]), int(at_ns[self.count - 1 - last])
        return found

    def put(self, chunk: Chunk, keep: slice, columns: Sequence[str] | None = None) -> None:
        """Append some of a chunk's readings, of all columns or of some.

        The file is not kept open, for there may be many.
        """
        at_ns = chunk.at_ns[keep]
        records = np.empty(at_ns.size, dtype=self._type)
        records["at_ns"] = at_ns
        for name in self._names:
            column = chunk.values.get(name) if columns is None or name in columns else None
            records[name] = np.nan if column is None else column[keep]
        self.pending.append(records)
        self.count += at_ns.size
        if self.count - self._kept > _PENDING:
            self.flush()

    def flush(self) -> None:
        """Put all readings into the file; where there are none, it is empty."""
        self._path.parent.mkdir(exist_ok=True)
        with self._path.open("ab") as file:
            for records in self.pending:
                file.write(records.tobytes())
        self.pending, self._kept = [], self.count

    def _there(self) -> Any:
        """Return all readings, of which there are some; they can be changed in place."""
        if self._kept:
            if self.pending:
                self.flush()
            return np.memmap(self._path, self._type, "r+", shape=(self.count,))
        if len(self.pending) > 1:
            self.pending = [np.concatenate(self.pending)]
        return self.pending[0]

    def gaps(self, window: Window) -> list[tuple[int, int]]:
        """Return where columns of differences have no intervals, in a window."""
        chunks = self.feed.chunks
        if not self.count or not isinstance(chunks, Telling):
            return []
        there = self._there()
        found = set()
        for name in chunks.differences():
            at_ns = there["at_ns"][np.isfinite(there[name])]
            found |= set(find_gaps(at_ns))
        return sorted((a, b) for a, b in found if b > window.begin_ns and a < window.end_ns)

    def copy(self, folder: Path, into: Sink, window: Window) -> None:
        """Put the readings of a window, which now lie in `folder`, into another run's file."""
        if not self.count:
            return
        there = np.memmap(folder / self._path.name, self._type, "r", shape=(self.count,))
        chunk = Chunk(there["at_ns"], {name: there[name] for name in self._names})
        into.put(chunk, _around(chunk, window))

    def bridge(self, window: Window) -> list[str]:
        """Make counters that fall without a known wrap ones that do not; a sentence for each."""
        if not self.count:
            return []
        there = self._there()
        notes = []
        for domain in self.feed.domains:
            if domain.kind == "counter" and domain.wraps_at_j is None:
                falls = bridge_falls(there["at_ns"], there[domain.name])
                fell = falls.within(window.begin_ns, window.end_ns)
                if fell.size:
                    notes.append(self._fell(there, domain, fell, window))
                if falls.strays:
                    notes.append(
                        f"{falls.strays} readings of its {domain.name!r} lie below those before "
                        "and after them, and were left out"
                    )
        return notes

    def _fell(self, there: Any, domain: Domain, fell: Any, window: Window) -> str:
        """Say what a counter that fell has counted, beside the power of the same scope."""
        joules = counted(there["at_ns"], there[domain.name], window.begin_ns, window.end_ns)
        times = "once" if fell.size == 1 else f"{fell.size} times"
        note = (
            f"its counter {domain.name!r} fell {times} without a known wrap (first at "
            f"{utc(int(fell[0]))}); the {joules:.6g} J between the falls are a lower bound"
        )
        beside = [d for d in self.feed.domains if d.kind == "power" and d.scope == domain.scope]
        for power in beside[:1]:
            worked = integrated(there["at_ns"], there[power.name], window.begin_ns, window.end_ns)
            note += f", and its power {power.name!r} makes {worked:.6g} J"
        return note

    def describe(self, window: Window) -> None:
        """Write the probe's documents, and what readings are not yet in their file."""
        self.flush()
        about, stop = self._about(), self._stop(window)
        columns = {
            "doc": "columns", "file": self._path.name, "names": self._names, "count": self.count
        }  # fmt: skip
        lines = "".join(json.dumps(document) + "\n" for document in (about, columns, stop))
        self._path.with_suffix(".jsonl").write_text(lines, encoding="utf-8")

    def documents(self, window: Window) -> list[dict[str, Any]]:
        """Return the probe's documents with its readings in them.

        Raises
        ------
        ValueError : its readings cannot be packed.
        """
        about, stop = self._about(), self._stop(window)
        if not self.count:
            return [about, stop]
        there = self._there()
        at_ns = np.array(there["at_ns"], np.int64)
        values = {name: np.array(there[name], np.float64) for name in self._names}
        return [about, *store.blocks(at_ns, at_ns, values), stop]

    def _about(self) -> dict[str, Any]:
        feed = self.feed
        return {
            "doc": "probe", "schema": store.SCHEMA, "name": feed.name, "period_s": 0.0,
            "domains": [asdict(domain) for domain in feed.domains],
            "facts": {"mode": "imported", **feed.facts}, "python": "", "pid": 0,
            "library": {
                "name": feed.library or feed.name, "version": feed.facts.get("release", "")
            },
        }  # fmt: skip

    def _stop(self, window: Window) -> dict[str, Any]:
        return {
            "doc": "stop", "status": "ok", "reason": "", "fix": "", "readings": self.count,
            "missed": 0, "rejected": 0, "cpu_s": 0.0, "at_ns": window.end_ns,
        }  # fmt: skip


@dataclass(frozen=True)
class Written:
    """A campaign that was written, and what the user should know of it, a sentence each."""

    record: CampaignRecord
    notes: tuple[str, ...]


def write(
    found: Found,
    out: Path,
    paths: Sequence[Path],
    form: str,
    rejects: Rejects,
    watch: Callable[[int], None] = lambda readings: None,
    done: Checkpoint | None = None,
) -> Written:
    """Write a campaign into a new folder, which appears when all of it is there.

    Parameters
    ----------
    found : what was found.
    out : the folder; its name with ``.part`` is where the work is done.
    paths, form : for the record.
    rejects : what made no sense.
    watch : called with the number of readings so far.
    done : where an import that was interrupted goes on.
    """
    part = working(out)
    windows = list(found.windows) or [_ANY_TIME]
    jobs = _jobs(windows)
    sinks = _sinks(found, windows, jobs, part, done)
    _pour(found, windows, sinks, rejects, watch, part / CHECKPOINT, done)
    notes = [*found.notes, *_told(found.feeds)]
    if not found.windows:
        windows, told = _runs_of(found, sinks[0])
        notes += told
        if len(windows) > 1:
            for sink in sinks[0].values():
                sink.flush()
            (part / CHECKPOINT).unlink(missing_ok=True)  # what follows cannot be gone on with
            jobs, sinks = _divide(found, windows, sinks[0], part, jobs[0])
    (part / CHECKPOINT).unlink(missing_ok=True)  # what follows cannot be gone on with
    runs = []
    for window, job, run in zip(windows, jobs, sinks, strict=True):
        noticed = {name: sink.bridge(window) for name, sink in run.items()}
        runs.append(_Run(window, job, run, _run_record(window, job, run, noticed)))
        notes += [
            f"{job.folder}, {name}: {note}." for name, told in noticed.items() for note in told
        ]
    _save_runs(part, runs)
    record = _record(found, windows, jobs, form)
    store.save(part / store.CAMPAIGN, record)
    _provenance(part, paths, form, notes, rejects)
    (part / ORIGIN).unlink(missing_ok=True)
    part.replace(out)
    return Written(record, tuple(notes))


def _told(feeds: Sequence[Feed]) -> Iterator[str]:
    """Yield what the readings of the probes say of themselves once they have been read."""
    for feed in feeds:
        if isinstance(feed.chunks, Telling):
            yield from (f"{feed.name}: {note}." for note in feed.chunks.notes())


def _pour(
    found: Found,
    windows: Sequence[Window],
    sinks: Sequence[dict[str, Sink]],
    rejects: Rejects,
    watch: Callable[[int], None],
    checkpoint: Path,
    done: Checkpoint | None,
) -> None:
    """Put every reading where it belongs, and write down now and then how far it is."""
    total, kept_s = sum(sink.count for run in sinks for sink in run.values()), time.monotonic()
    for place, feed in enumerate(found.feeds):
        if done and place < done.feed:
            continue
        if done and place == done.feed and isinstance(feed.chunks, Resumable):
            feed.chunks.resume(done.state)
        mine = [(w, s[feed.name]) for w, s in zip(windows, sinks, strict=True) if feed.name in s]
        for chunk in feed.chunks:
            for window, sink in mine:
                keep = _around(chunk, window)
                if keep.stop > keep.start:
                    sink.put(chunk, keep, window.columns)
            total += chunk.at_ns.size
            watch(total)
            if isinstance(feed.chunks, Resumable) and time.monotonic() - kept_s > CHECK_S:
                for each in (sink for run in sinks for sink in run.values()):
                    if each.pending:
                        each.flush()
                counts = [{name: sink.count for name, sink in run.items()} for run in sinks]
                at = Checkpoint(
                    feed=place, state=feed.chunks.state, counts=counts, rejects=rejects.count
                )
                store.save(checkpoint, at)
                kept_s = time.monotonic()


def _runs_of(found: Found, sinks: Mapping[str, Sink]) -> tuple[list[Window], list[str]]:
    """Return the runs of files that do not name them, and a sentence for each probe with gaps."""
    whole = _shared(sinks)
    for feed in found.feeds:
        if isinstance(feed.chunks, Dividing) and (runs := labelled(whole, feed.chunks.stretches())):
            return runs, []
    every, told = [], []
    for feed in found.feeds:
        gaps = sinks[feed.name].gaps(whole)
        if gaps:
            times = "a gap" if len(gaps) == 1 else f"{len(gaps)} gaps, the first"
            told.append(
                f"{feed.name}: its differences have {times} from {utc(gaps[0][0])} to "
                f"{utc(gaps[0][1])}. What was used then is not known: what lies between gaps is a "
                "run of its own."
            )
        every += gaps
    return between(whole, every), told


def _divide(
    found: Found, windows: Sequence[Window], whole: Mapping[str, Sink], part: Path, job: Job
) -> tuple[list[Job], list[dict[str, Sink]]]:
    """Make runs of what was poured into one."""
    (part / job.folder).rename(part / _WHOLE)
    jobs = _jobs(windows)
    sinks = _sinks(found, windows, jobs, part, None)
    for window, run in zip(windows, sinks, strict=True):
        for name, sink in run.items():
            whole[name].copy(part / _WHOLE, sink, window)
    shutil.rmtree(part / _WHOLE)
    return jobs, sinks


def _shared(sinks: Mapping[str, Sink]) -> Window:
    """Return the time that all probes share, as one run.

    Columns of one probe may be read one after the other. One that has less than half of its probe's
    time, as a process that ended, is left out of account.
    """
    found = {name: spans for name, sink in sinks.items() if (spans := [*sink.spans().values()])}
    if not found:
        raise CrosswattError("There is not one reading in these files.")
    spans = [span for each in found.values() for span in _longest(each)]
    begin_ns, end_ns = max(first for first, _ in spans), min(last for _, last in spans)
    if end_ns <= begin_ns:
        told = "; ".join(
            f"{name} {utc(min(first for first, _ in each))} to {utc(max(last for _, last in each))}"
            for name, each in found.items()
        )
        raise CrosswattError(
            f"The probes share no time ({told}). If a clock or a zone is wrong, say so with "
            "--zone; else import them one by one."
        )
    return Window(_ANY_TIME.workload, begin_ns, end_ns)


def _longest(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the spans that have at least half of the longest one's time."""
    longest = max(last - first for first, last in spans)
    return [(first, last) for first, last in spans if 2 * (last - first) >= longest]


def _first(values: Any) -> int | None:
    """Return the place of the first value that is not missing."""
    for begin in range(0, len(values), _BLOCK):
        there = np.flatnonzero(~np.isnan(values[begin : begin + _BLOCK]))
        if there.size:
            return begin + int(there[0])
    return None


def _around(chunk: Chunk, window: Window) -> slice:
    """Return the readings of a window, and those near it."""
    if window is _ANY_TIME:
        return slice(0, chunk.at_ns.size)
    begin, end = window.begin_ns - AROUND_NS, window.end_ns + AROUND_NS
    low = int(np.searchsorted(chunk.at_ns, begin))
    return slice(low, int(np.searchsorted(chunk.at_ns, end, side="right")))


def _sinks(
    found: Found,
    windows: Sequence[Window],
    jobs: Sequence[Job],
    part: Path,
    done: Checkpoint | None,
) -> list[dict[str, Sink]]:
    counts: Sequence[Mapping[str, int]] = done.counts if done else [{}] * len(jobs)
    return [
        {
            feed.name: Sink(part / job.folder, feed, count.get(feed.name, 0))
            for feed in found.feeds
            if window.probes is None or feed.name in window.probes
        }
        for window, job, count in zip(windows, jobs, counts, strict=True)
    ]


@dataclass(frozen=True)
class _Run:
    """A run that is all there: its time, its plan, its probes' readings, and its record."""

    window: Window
    job: Job
    sinks: Mapping[str, Sink]
    record: RunRecord


def _save_runs(part: Path, runs: Sequence[_Run]) -> None:
    """Write runs: many small ones together, else a folder each."""
    files = sum(1 + 2 * len(run.sinks) for run in runs)
    numbers = sum(sink.numbers for run in runs for sink in run.sinks.values())
    if files > _MOST_FILES and numbers < _BUNDLED:
        try:
            store.save_bundle(part, map(_bundled, runs))
        except ValueError:
            pass  # a run is too long, or its readings cannot be packed
        else:
            for run in runs:
                shutil.rmtree(part / run.job.folder, ignore_errors=True)
            return
    for run in runs:
        for sink in run.sinks.values():
            sink.describe(run.window)
        (part / run.job.folder).mkdir(exist_ok=True)
        store.save(part / run.job.folder / store.RUN, run.record)


def _bundled(run: _Run) -> store.BundledRun:
    documents = {name: sink.documents(run.window) for name, sink in run.sinks.items()}
    return store.BundledRun(run.job.folder, run.record, documents)


def _run_record(
    window: Window, job: Job, sinks: Mapping[str, Sink], noticed: Mapping[str, Sequence[str]]
) -> RunRecord:
    """Return the record of a run; `noticed` is what is to be said of it, by probe."""
    return RunRecord(
        number=job.number,
        workload=job.workload,
        repeat=job.repeat,
        exit_code=0,
        recording_ns=window.begin_ns,
        begin_ns=window.begin_ns,
        end_ns=window.end_ns,
        stopped_ns=window.end_ns,
        epoch_ns=window.begin_ns,
        result=dict(window.result),
        probes={
            name: ProbeState(status="ok", reason="; ".join(noticed[name]))
            if sink.count
            else ProbeState(status="unavailable", reason="the files have nothing of this time")
            for name, sink in sinks.items()
        },
    )


def _jobs(windows: Sequence[Window]) -> list[Job]:
    repeats: dict[str, int] = {}
    jobs = []
    for number, window in enumerate(windows, start=1):
        repeats[window.workload] = repeats.get(window.workload, 0) + 1
        jobs.append(
            Job(
                folder=f"{number:03d}-{window.workload}",
                number=number,
                workload=window.workload,
                repeat=repeats[window.workload],
                probes=window.probes,
            )
        )
    return jobs


def _record(
    found: Found, windows: Sequence[Window], jobs: Sequence[Job], form: str
) -> CampaignRecord:
    machine = MachineRecord(
        simulated=False, label=found.machine, cpu=found.cpu, cpus=None, kernel="not known",
        memory_bytes=None, virtual="not known", governor="not known", microcode="not known",
        boot_id=store.IMPORTED,
    )  # fmt: skip
    first = min((window.begin_ns for window in windows), default=0)
    return CampaignRecord(
        created=datetime.fromtimestamp(first / 1e9, UTC).isoformat(timespec="seconds"),
        crosswatt=__version__,
        plan={
            "title": f"imported from {form}",
            "workload": [{"name": name} for name in dict.fromkeys(job.workload for job in jobs)],
        },
        seed=0,
        machine=machine,
        sources=tuple(
            SourceRecord(name=feed.name, adapter=store.IMPORTED, python="") for feed in found.feeds
        ),
        jobs=tuple(jobs),
        command=masked(sys.argv),
        imported=form,
    )


def _provenance(
    part: Path, paths: Sequence[Path], form: str, notes: Sequence[str], rejects: Rejects
) -> None:
    """Write where everything came from."""
    every = [each for path in paths for each in source_files(path)]
    document = {
        "kind": "provenance",
        "schema": store.SCHEMA,
        "format": form,
        "imported": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": [
            {"path": str(path), "bytes": path.stat().st_size, "sha256": checksum(path)}
            for path in every
        ],
        "notes": list(notes),
        "rejected_lines": rejects.count,
    }
    store.write(part / PROVENANCE, json.dumps(document, indent=1) + "\n")


def source_files(path: Path) -> list[Path]:
    """Return a file, or all files of a folder."""
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


class Origin(Document):
    """What an import was asked for: it is gone on with only if nothing of that has changed."""

    form: str
    files: tuple[tuple[str, int, int], ...]
    options: tuple[str | None, ...]


def origin(form: str, paths: Sequence[Path], options: Sequence[str | None]) -> Origin:
    """Return what an import is asked for, with size and time of change (ns) of every file."""
    every = [each for path in paths for each in source_files(path)]
    told = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in every]
    return Origin(form=form, files=tuple(told), options=tuple(options))


def working(out: Path) -> Path:
    """Return where the work on a folder is done until all of it is there."""
    return out.with_name(f"{out.name}.part")


def prepare(out: Path, asked: Origin) -> Checkpoint | None:
    """Make the working folder beside `out`, or take the one of the same import, interrupted.

    Returns
    -------
    Checkpoint : how far that import was; None where there is none and the folder is empty.

    Raises
    ------
    CrosswattError : there is something at `out` already.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CrosswattError(f"{out} is not empty. Choose another --out.")
    part = working(out)
    if (part.exists() or part.is_symlink()) and not _is_interrupted_import(part):
        raise CrosswattError(
            f"{part} exists, and is not what an interrupted import left. Move it away, or choose "
            "another --out."
        )
    try:
        if store.read(part / ORIGIN, Origin) == asked:
            return store.read(part / CHECKPOINT, Checkpoint)
    except CrosswattError:
        pass  # nothing there, or nothing to go on with
    discard(out)
    part.mkdir(parents=True)
    store.save(part / ORIGIN, asked)
    return None


def discard(out: Path) -> None:
    """Remove what an import that failed has left; nothing of one that succeeded is there."""
    part = working(out)
    if _is_interrupted_import(part):
        shutil.rmtree(part, ignore_errors=True)


def _is_interrupted_import(part: Path) -> bool:
    """Tell whether a folder is what an import works in: it says so, and no link is in it."""
    origin = part / ORIGIN
    if not store.is_folder(part) or origin.is_symlink() or not origin.is_file():
        return False
    return not any(path.is_symlink() for path in part.rglob("*"))
