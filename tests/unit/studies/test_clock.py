"""Clocks of meters: lags that are known, and a campaign mended; logs that join a campaign."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calibrate import comparison, store
from calibrate.energy import probe_columns, window_energy
from calibrate.errors import CrosswattError
from calibrate.ingest import merge_log
from calibrate.ingest.feed import Chunk, Feed, Found, Window, power
from calibrate.ingest.folder import REJECTED, Rejects, origin, prepare, working, write
from calibrate.studies import clock_offsets, write_aligned
from tests.helpers.campaigns import Fake, build, domain, truth

BEGIN_NS = 1_714_557_600_000_000_000


def steps(seconds: np.ndarray) -> np.ndarray:
    """Rest of 50 W, and loads of 150 W whose lengths never repeat."""
    return np.where(np.sin(seconds / 7) + 0.3 * np.sin(seconds / 2.3) > 0, 150.0, 50.0)


def feed(
    name: str, scope: str, watts: Callable[[np.ndarray], np.ndarray], step_s: float = 0.5
) -> Feed:
    at_s = np.arange(-40.0, 640.0, step_s)
    at_ns = BEGIN_NS + np.round(at_s * 1e9).astype(np.int64)
    return Feed(name, (power(scope, scope, name),), [Chunk(at_ns, {scope: watts(at_s)})])


def campaign(out: Path, *feeds: Feed) -> store.Campaign:
    windows = [
        Window("load", BEGIN_NS + n * 100_000_000_000, BEGIN_NS + (n * 100 + 90) * 1_000_000_000)
        for n in range(6)
    ]
    prepare(out, origin("test", [], []))
    rejects = Rejects(working(out) / REJECTED, 10)
    write(Found(feeds, windows), out, [], "test", rejects)
    return store.load_campaign(out)


def noisy(watts: np.ndarray) -> np.ndarray:
    return watts + np.random.default_rng(1).normal(0, 0.5, watts.size)


def test_a_lag_is_found_and_taken_out(tmp_path: Path) -> None:
    made = campaign(
        tmp_path / "late",
        feed("wall", "node", lambda t: 1.2 * steps(t) + 30),
        feed("late", "machine", lambda t: noisy(steps(t - 1.5))),
    )
    [clock] = clock_offsets(made, "wall")
    assert clock.lag_s is not None and clock.runs == 6
    assert clock.lag_s.value == pytest.approx(1.5, abs=0.01)
    assert clock.lag_s.low is not None and clock.lag_s.high is not None
    assert clock.lag_s.low <= 1.5 <= clock.lag_s.high
    assert clock.drift_ppm is None
    write_aligned(made, [clock], tmp_path / "mended")
    again = store.load_campaign(tmp_path / "mended")
    [left] = clock_offsets(again, "wall")
    assert left.lag_s is not None and abs(left.lag_s.value) < 0.1
    # Energy is moved in time and neither made nor lost.
    for run, then in zip(again.runs, made.runs, strict=True):
        assert run.logs["late"].readings.values["machine"].tolist() == (
            then.logs["late"].readings.values["machine"].tolist()
        )
    assert run.logs["late"].facts["lag taken out"] == f"{clock.lag_s.value:.3f} s"
    assert json.loads((tmp_path / "mended" / "clocks.json").read_text())["kind"] == "clocks"


def test_a_clock_that_drifts(tmp_path: Path) -> None:
    made = campaign(
        tmp_path / "drift",
        feed("wall", "node", steps, 0.02),
        feed("slow", "machine", lambda t: noisy(steps(t - 1.0 - 8e-4 * (t - 300))), 0.02),
    )
    [clock] = clock_offsets(made, "wall")
    assert clock.lag_s is not None and clock.drift_ppm is not None
    assert clock.drift_ppm.value == pytest.approx(800, rel=0.1)
    middle = np.array([BEGIN_NS + 300e9])
    assert clock.at(middle)[0] == pytest.approx(1.0, abs=0.02)


def test_a_power_that_never_changes_shows_no_lag(tmp_path: Path) -> None:
    made = campaign(
        tmp_path / "flat",
        feed("wall", "node", lambda t: np.full(t.size, 100.0)),
        feed("meter", "machine", lambda t: np.full(t.size, 60.0)),
    )
    [clock] = clock_offsets(made, "wall")
    assert clock.lag_s is None and "does not change" in clock.reason
    with pytest.raises(CrosswattError, match="nothing to align on: meter: The power does not"):
        write_aligned(made, [clock], tmp_path / "mended")
    assert not (tmp_path / "mended").exists()


def test_a_log_joins_a_campaign_as_its_reference(tmp_path: Path) -> None:
    ours = build(tmp_path / "ours", {"truth": truth(), "high": Fake(lambda w, s: w * s, domain())})
    record = store.load_campaign(ours)
    epochs = [run.record.epoch_ns for run in record.runs]
    low, high = min(epochs) - 60_000_000_000, max(epochs) + 90_000_000_000
    at_ns = np.arange(low, high, 500_000_000, dtype=np.int64)
    wall = Feed("wall", (power("node", "node", "wall"),), [
        Chunk(at_ns, {"node": np.full(at_ns.size, 80.0)})
    ])  # fmt: skip
    prepare(tmp_path / "wall", origin("test", [], []))
    rejects = Rejects(working(tmp_path / "wall") / REJECTED, 10)
    write(Found([wall]), tmp_path / "wall", [], "test", rejects)
    joined = merge_log(record, store.load_campaign(tmp_path / "wall"), tmp_path / "both")
    assert len(joined.runs) == len(record.runs) and not joined.notes
    both = store.load_campaign(tmp_path / "both")
    for run in both.runs:
        [column] = probe_columns(run.logs["wall"].domains.values())
        window = run.record.begin_ns, run.record.end_ns
        energy = window_energy(run.logs["wall"], column, window)
        assert energy and energy.joules == pytest.approx(80 * run.record.seconds)
    found = comparison.compare(both, "wall", across=True)
    assert {pair.probe for pair in found.pairs} == {"truth", "high"}
    assert not list(tmp_path.glob("*.part"))


def test_logs_of_another_time_are_refused(tmp_path: Path) -> None:
    ours = store.load_campaign(build(tmp_path / "ours", {"truth": truth()}))
    other = campaign(tmp_path / "other", feed("wall", "node", steps))
    with pytest.raises(CrosswattError, match="They share no time: the campaign ran"):
        merge_log(ours, other, tmp_path / "both")
    assert not (tmp_path / "both").exists()
    with pytest.raises(CrosswattError, match="Both have a probe 'truth'"):
        merge_log(ours, ours, tmp_path / "both")
