"""A log that was taken elsewhere joins a campaign: a wall meter as the reference of its runs.

The other folder is an import, with instants since 1970. A run of the campaign knows what the wall
clock said at its begin (`epoch_ns`), and the readings are put on its own clock by that: the two
machines' wall clocks must agree, or `crosswatt align` finds by how much they do not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibrate import store
from calibrate.errors import BadFile, CrosswattError
from calibrate.ingest.feed import Chunk, Feed, Window, utc
from calibrate.ingest.folder import AROUND_NS, MEASURED, PROVENANCE, Sink
from calibrate.store import Campaign, ProbeState, Run, RunRecord, SourceRecord


@dataclass(frozen=True)
class Merged:
    """What has joined a campaign.

    Parameters
    ----------
    runs : those that got something, by folder.
    notes : what was left out or cut, a sentence each.
    """

    runs: tuple[str, ...]
    notes: tuple[str, ...]


def merge_log(campaign: Campaign, other: Campaign, out: Path) -> Merged:
    """Write the campaign with the other one's probes in every run that they cover.

    A run that they do not cover keeps what it has. One of an import that is no more than a
    stretch of time, and that they cover in part, is cut to that part, so that it can be compared.

    Raises
    ------
    CrosswattError : there is something at `out`, a probe is in both, they share no time, or no
        run of one can be read.
    """
    for each in (campaign, other):
        each.require_runs()
    ours = {source.name for source in campaign.record.sources}
    theirs = {source.name for source in other.record.sources}
    if both := sorted(ours & theirs):
        raise CrosswattError(
            f"Both have a probe {both[0]!r}. Import it again with another name: --name."
        )
    notes: list[str] = []
    with store.changed_copy(campaign.folder, out) as part:
        cut = campaign.record.is_import
        got = [run for run in campaign.runs if _join(run, other, part, cut, notes)]
        if not got:
            raise CrosswattError(
                f"They share no time: the campaign ran {_span(campaign.runs)}, the other has "
                f"{_span(other.runs)}. Is its zone right? Import it again with --zone."
            )
        sources = tuple(
            SourceRecord(name=name, adapter="imported", python="") for name in sorted(theirs)
        )
        update = {"sources": campaign.record.sources + sources}
        store.save(part / store.CAMPAIGN, campaign.record.model_copy(update=update))
        _remember(part, other)
    return Merged(tuple(run.folder.name for run in got), tuple(notes))


def _join(run: Run, other: Campaign, part: Path, cut: bool, notes: list[str]) -> bool:
    """Add to a run what the other campaign has of its time; tell whether there was anything."""
    record, folder = run.record, part / run.folder.name
    shift = record.begin_ns - record.epoch_ns
    found = [
        _feed(source.name, other, record.epoch_ns, record.seconds, shift)
        for source in other.record.sources
    ]
    feeds = [feed for feed in found if feed.chunks]
    window = _covered(record, feeds)
    if feeds and cut and record.workload == MEASURED and window != (record.begin_ns, record.end_ns):
        notes.append(
            f"{run.folder.name}: cut to the {(window[1] - window[0]) / 1e9:.6g} of "
            f"{record.seconds:.6g} s that all have."
        )
        record = record.model_copy(
            update={
                "begin_ns": window[0], "end_ns": window[1], "epoch_ns": window[0] - shift,
            }
        )  # fmt: skip
    probes = dict(record.probes)
    for feed in found:
        probes[feed.name] = state = _state(feed, record, folder)
        if state.reason:
            notes.append(f"{run.folder.name}: {feed.name} {state.reason}.")
    store.save(folder / store.RUN, record.model_copy(update={"probes": probes}))
    return bool(feeds)


def _covered(record: RunRecord, feeds: Iterable[Feed]) -> tuple[int, int]:
    """Return the part of a run's window that has readings of all feeds."""
    begin_ns, end_ns = record.begin_ns, record.end_ns
    for feed in feeds:
        first, last = _ends(feed)
        begin_ns, end_ns = max(begin_ns, first), min(end_ns, last)
    return (begin_ns, end_ns) if begin_ns < end_ns else (record.begin_ns, record.end_ns)


def _ends(feed: Feed) -> tuple[int, int]:
    chunks = list(feed.chunks)
    return int(chunks[0].at_ns[0]), int(chunks[-1].at_ns[-1])


def _state(feed: Feed, record: RunRecord, folder: Path) -> ProbeState:
    """Write a feed's readings into a run, and return what is to be said of it."""
    sink = Sink(folder, feed)
    for chunk in feed.chunks:
        sink.put(chunk, slice(0, chunk.at_ns.size))
    sink.describe(Window(record.workload, record.begin_ns, record.end_ns))
    if not feed.chunks:
        return ProbeState(status="unavailable", reason="has nothing of this time")
    first, last = _ends(feed)
    if first <= record.begin_ns and last >= record.end_ns:
        return ProbeState(status="ok")
    seconds = max(0, min(last, record.end_ns) - max(first, record.begin_ns)) / 1e9
    reason = f"covers {seconds:.6g} of {record.seconds:.6g} s, and is not compared in it"
    return ProbeState(status="ok", reason=reason)


def _feed(name: str, other: Campaign, begin_ns: int, seconds: float, shift: int) -> Feed:
    """Return a probe's readings around a run, on the run's clock; there may be none."""
    low, high = begin_ns - AROUND_NS, begin_ns + round(seconds * 1e9) + AROUND_NS
    chunks, described = [], None
    for run in other.runs:
        log = run.logs.get(name)
        if log is None or not log.domains:
            continue
        described = described or log
        at = np.asarray(log.readings.before_ns)
        keep = slice(int(np.searchsorted(at, low)), int(np.searchsorted(at, high, side="right")))
        if keep.stop - keep.start >= 2:
            values = {n: np.asarray(v[keep]) for n, v in log.readings.values.items()}
            chunks.append(Chunk(at[keep] + shift, values))
    if described is None:
        return Feed(name, (), [])
    library = described.library.name if described.library else ""
    domains = tuple(described.domains.values())
    whole = begin_ns + shift, begin_ns + shift + round(seconds * 1e9)
    return Feed(name, domains, _together(_apart(chunks), whole), described.facts, library)


def _apart(chunks: Sequence[Chunk]) -> list[Chunk]:
    """Return chunks in order of time, without what a neighbour has too."""
    found: list[Chunk] = []
    last = -1
    for chunk in sorted(chunks, key=lambda each: int(each.at_ns[0])):
        first = int(np.searchsorted(chunk.at_ns, last, side="right"))
        if first < chunk.at_ns.size:
            values = {name: column[first:] for name, column in chunk.values.items()}
            found.append(Chunk(chunk.at_ns[first:], values))
            last = int(chunk.at_ns[-1])
    return found


def _together(chunks: Sequence[Chunk], window: tuple[int, int]) -> list[Chunk]:
    """Return the chunks without a hole between them that have most of a window.

    A hole is longer than what is kept around a run: what was used in it is not known.
    """
    groups: list[list[Chunk]] = []
    if not chunks:
        return []
    for chunk in chunks:
        if groups and chunk.at_ns[0] - groups[-1][-1].at_ns[-1] <= _hole_ns(groups[-1][-1]):
            groups[-1].append(chunk)
        else:
            groups.append([chunk])

    def covered(group: list[Chunk]) -> int:
        first, last = int(group[0].at_ns[0]), int(group[-1].at_ns[-1])
        return min(last, window[1]) - max(first, window[0])

    return max(groups, key=covered)


def _hole_ns(chunk: Chunk) -> float:
    """Return how far apart neighbours may be: three of the usual steps."""
    return 3.0 * float(np.median(np.diff(chunk.at_ns))) if chunk.at_ns.size > 1 else AROUND_NS


def _span(runs: Sequence[Run]) -> str:
    if not runs:
        return "never"
    begin = min(run.record.epoch_ns for run in runs)
    end = max(run.record.epoch_ns + round(run.record.seconds * 1e9) for run in runs)
    return f"{utc(begin)} to {utc(end)}"


def _remember(part: Path, other: Campaign) -> None:
    """Keep where the joined probes came from."""
    path = other.folder / PROVENANCE
    try:
        document = store.parse_json(store.read_text(path))
    except FileNotFoundError:
        return
    except ValueError as error:
        raise BadFile(path, f"it is not JSON ({error})") from None
    store.write(part / "joined.json", json.dumps(document, indent=1) + "\n")
