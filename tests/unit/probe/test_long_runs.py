"""A day of recording in accelerated time: on schedule, in little memory, in files of a size."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from calibrate import store
from calibrate.energy import native_columns, window_energy
from calibrate.errors import BadFile
from calibrate.probe import Domain, Probe, Target
from calibrate.probe.recorder import Journal, Order, Orders, Recorder
from calibrate.store import ProbeState

HOUR_S, SECOND_NS = 3600, 1_000_000_000
#: Wraps a thousand times a day at 50 W.
WRAPS_AT_J = 4320.0
WATTS = 50.0


class Time:
    """A clock that goes on where somebody waits for it, or reads."""

    def __init__(self) -> None:
        self.ns = 10 * SECOND_NS

    def now_ns(self) -> int:
        self.ns += 20_000  # looking at it takes a moment
        return self.ns


class Counter(Probe):
    """A counter that wraps, of a machine whose power is known."""

    name = "counter"
    period_s = 1.0

    def __init__(self, time: Time) -> None:
        self._time = time

    def open(self, target: Target) -> None:
        """Nothing to open."""

    def domains(self) -> list[Domain]:
        return [Domain("package-0", "package-0", "counter", "measured", "rapl", 6.1e-5, WRAPS_AT_J)]

    def read(self) -> Mapping[str, float]:
        joules = (self._time.ns / 1e9 * WATTS) % WRAPS_AT_J
        return {"package-0": round(joules, 6)}

    def close(self) -> None:
        """Nothing to close."""


class Schedule(Orders):
    """Waits in no time, until the run has lasted so long."""

    def __init__(self, time: Time, until_ns: int) -> None:
        self._time, self._until_ns = time, until_ns
        self._words: Iterator[str] = iter(["record", "begin"])
        self.heights: list[int] = []

    def next(self, until_ns: int | None) -> Order | None:
        word = next(self._words, None)
        if word is not None:
            return Order(word)
        assert until_ns is not None
        if until_ns >= self._until_ns:
            self._words = iter(["stop"]) if self._ended else iter(["end"])
            self._ended = True
            return self.next(until_ns)
        self._time.ns = max(self._time.ns, until_ns)
        if len(self.heights) * HOUR_S * SECOND_NS <= self._time.ns - 10 * SECOND_NS:
            self.heights.append(tracemalloc.get_traced_memory()[0])
        return None

    _ended = False


def recorded(folder: Path, hours: float, part_bytes: int) -> tuple[Recorder, Schedule, Time]:
    time = Time()
    journal = Journal(folder / "counter.jsonl", part_bytes)
    recorder = Recorder(Counter(time), journal, lambda word: None, now_ns=time.now_ns)
    recorder.describe()
    orders = Schedule(time, time.ns + round(hours * HOUR_S * SECOND_NS))
    tracemalloc.start()
    try:
        recorder.follow(orders)
    finally:
        tracemalloc.stop()
    journal.put("stop", status="ok", reason="", fix="", readings=recorder.readings, missed=0,
                rejected=0, cpu_s=0.0, at_ns=time.ns)  # fmt: skip
    journal.close()
    return recorder, orders, time


def test_a_day_is_on_schedule_in_little_memory_and_nothing_is_lost(tmp_path: Path) -> None:
    recorder, orders, _ = recorded(tmp_path, 24, part_bytes=1 << 20)
    assert recorder.missed == 0 and abs(recorder.readings - 24 * HOUR_S) <= 4
    grown = (orders.heights[-1] - orders.heights[1]) / (len(orders.heights) - 2)
    assert len(orders.heights) == 24 and grown < 5 << 20  # bytes an hour
    assert grown < 20_000
    parts = [*store.part_files(tmp_path / "counter.jsonl")]
    assert len(parts) > 5
    assert all(part.stat().st_size < (1 << 20) + 200 for part in parts)
    log = store.load_log(tmp_path / "counter.jsonl")
    assert log.readings.before_ns.size == recorder.readings
    # The schedule does not drift: the last reading is as late as the first.
    late = [(at - 10 * SECOND_NS) % SECOND_NS for at in log.readings.before_ns[[2, -3]]]
    assert abs(late[1] - late[0]) < 1_000_000
    [column] = native_columns(log.domains.values())
    at_ns = log.readings.before_ns
    found = window_energy(log, column, (int(at_ns[1]), int(at_ns[-2])))
    assert found is not None and found.joules > 999 * WRAPS_AT_J
    assert found.joules == pytest.approx(WATTS * found.seconds, rel=1e-6)


def test_packed_or_not_all_files_are_read_as_one(tmp_path: Path) -> None:
    recorder, _, _ = recorded(tmp_path, 1, part_bytes=50_000)
    path = tmp_path / "counter.jsonl"
    lines = list(store.unpacked_lines(path))
    assert len(lines) == recorder.readings + 4  # what it is, begin, end, stop
    before = store.load_log(path)
    sizes = [part.stat().st_size for part in store.part_files(path)]
    store.pack(path)
    packed = [part.stat().st_size for part in store.part_files(path)]
    assert len(packed) == len(sizes) > 3 and sum(packed) < 0.3 * sum(sizes)
    assert list(store.unpacked_lines(path)) == lines
    after = store.load_log(path)
    assert (after.readings.before_ns == before.readings.before_ns).all()
    assert after.stop == before.stop


def test_a_part_that_is_missing_is_told_and_one_that_nobody_names_is_not_read(
    tmp_path: Path,
) -> None:
    recorder, _, _ = recorded(tmp_path, 1, part_bytes=50_000)
    path = tmp_path / "counter.jsonl"
    parts = [*store.part_files(path)]
    stray = path.with_name(f"{path.name}.{len(parts) + 1}")
    stray.write_text('{"doc": "reading", "before_ns": 1, "after_ns": 2, "values": {}}\n')
    assert store.load_log(path).readings.before_ns.size == recorder.readings
    parts[2].unlink()
    with pytest.raises(BadFile, match=r"counter\.jsonl\.3.*missing"):
        store.load_log(path)


def test_a_killed_recorder_loses_at_most_a_line(tmp_path: Path) -> None:
    recorder, _, _ = recorded(tmp_path, 1, part_bytes=50_000)
    path = tmp_path / "counter.jsonl"
    last = [*store.part_files(path)][-1]
    lines = last.read_text().splitlines(keepends=True)[:-1]  # without its stop
    last.write_text("".join(lines[:-1]) + lines[-1][:20])
    store.close_log(path, ProbeState(status="killed", reason="by hand", fix=""), 99 * SECOND_NS)
    log = store.load_log(path)
    assert log.readings.before_ns.size in {recorder.readings, recorder.readings - 1}
    assert log.stop["status"] == "killed" and log.stop["lost_bytes"] == 20
    assert json.loads(last.read_text().splitlines()[-1])["doc"] == "stop"


def test_killed_before_the_next_file_is_named_it_counts_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "counter.jsonl"
    recorded(tmp_path, 0.02, part_bytes=1 << 20)
    whole = store.load_log(path).readings.before_ns.size
    path.with_name("counter.jsonl.2").write_text("")
    assert store.load_log(path).readings.before_ns.size == whole
