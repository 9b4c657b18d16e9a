"""A log that was taken elsewhere joins a campaign: a wall meter as the reference of its runs.

The other folder is an import, with instants since 1970. A run of the campaign knows what the wall
clock said at its begin (`epoch_ns`), and the readings are put on its own clock by that: the two
machines' wall clocks must agree, or `crosswatt align` finds by how much they do not.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from calibrate import store
from calibrate.errors import CrosswattError
from calibrate.ingest.feed import Chunk, Feed, Window, utc
from calibrate.ingest.folder import AROUND_NS, Sink
from calibrate.store import Campaign, ProbeState, Run, SourceRecord


def merge_log(campaign: Campaign, other: Campaign, out: Path) -> list[str]:
    """Write the campaign with the other one's probes in every run that they cover.

    Returns
    -------
    list : the runs that got something, by folder.

    Raises
    ------
    CrosswattError : there is something at `out`, a probe is in both, or they share no time.
    """
    ours = {source.name for source in campaign.record.sources}
    theirs = {source.name for source in other.record.sources}
    if both := sorted(ours & theirs):
        raise CrosswattError(
            f"Both have a probe {both[0]!r}. Import it again with another name: --name."
        )
    with store.changed_copy(campaign.folder, out) as part:
        got = [run for run in campaign.runs if _join(run, other, part / run.folder.name)]
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
    return [run.folder.name for run in got]


def _join(run: Run, other: Campaign, folder: Path) -> bool:
    """Add to a run what the other campaign has of its time; tell whether there was anything."""
    record = run.record
    shift = record.begin_ns - record.epoch_ns
    probes = dict(record.probes)
    for source in other.record.sources:
        feed = _feed(source.name, other, record.epoch_ns, record.seconds, shift)
        if feed is None:
            continue
        sink = Sink(folder, feed)
        for chunk in feed.chunks:
            sink.put(chunk, slice(0, chunk.at_ns.size))
        sink.describe(Window(record.workload, record.begin_ns, record.end_ns))
        probes[source.name] = ProbeState(status="ok")
    if len(probes) == len(record.probes):
        return False
    store.save(folder / store.RUN, record.model_copy(update={"probes": probes}))
    return True


def _feed(name: str, other: Campaign, begin_ns: int, seconds: float, shift: int) -> Feed | None:
    """Return a probe's readings around a run, on the run's clock; None where there are none."""
    low, high = begin_ns - AROUND_NS, begin_ns + round(seconds * 1e9) + AROUND_NS
    chunks, described = [], None
    for run in other.runs:
        log = run.logs.get(name)
        if log is None or not log.domains:
            continue
        at = np.asarray(log.readings.before_ns)
        keep = slice(int(np.searchsorted(at, low)), int(np.searchsorted(at, high, side="right")))
        if keep.stop - keep.start >= 2:
            described = log
            values = {n: np.asarray(v[keep]) for n, v in log.readings.values.items()}
            chunks.append(Chunk(at[keep] + shift, values))
    if described is None:
        return None
    library = described.library.name if described.library else ""
    domains = tuple(described.domains.values())
    return Feed(name, domains, _apart(chunks), described.facts, library)


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


def _span(runs: Sequence[Run]) -> str:
    begin = min(run.record.epoch_ns for run in runs)
    end = max(run.record.epoch_ns + round(run.record.seconds * 1e9) for run in runs)
    return f"{utc(begin)} to {utc(end)}"


def _remember(part: Path, other: Campaign) -> None:
    """Keep where the joined probes came from."""
    path = other.folder / "provenance.json"
    if path.exists():
        document = json.loads(path.read_text(encoding="utf-8"))
        store.write(part / "joined.json", json.dumps(document, indent=1) + "\n")
