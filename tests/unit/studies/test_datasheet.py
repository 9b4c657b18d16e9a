"""A datasheet from a campaign that was written by hand; on the bench see tests/bench."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from calibrate import store
from calibrate.cli import main
from calibrate.errors import CrosswattError, UnknownName
from calibrate.probe.contract import Domain
from calibrate.stats import Vector
from calibrate.store import CampaignRecord, Job, PhaseRecord, ProbeState, RunRecord, SourceRecord
from calibrate.studies import Datasheet, characterize
from calibrate.studies.datasheet import _Case, _response
from tests.helpers.campaigns import MACHINE

RUNS = (("idle", 20.0, 0.0), ("square", 30.0, 1.0), ("integer", 2.0, 1.0), ("integer", 4.0, 1.0),
        ("integer", 8.0, 1.0), ("integer", 16.0, 1.0), ("integer", 5.0, 0.5))  # fmt: skip
WRAPS_AT_J = 700.0
NS = 1_000_000_000


def joules(workload: str, duty: float, at: Vector) -> Vector:
    """Return true energy: 10 W at rest, 60 W at work, a square wave of 1.37 s."""
    fine = np.arange(0, 60, 0.001)
    busy = (fine % 1.37 < 0.6) if workload == "square" else np.full(fine.size, duty)
    watts = 10 + 50 * np.where((fine > 1) & (fine < 55), busy, 0.0)
    return np.asarray(np.interp(at, fine, np.concatenate([[0], np.cumsum(watts[:-1] * 0.001)])))


def write(path: Path, domain: Domain, at: Vector, value: Vector) -> None:
    documents: list[dict[str, object]] = [
        {"doc": "probe", "schema": 1, "name": path.stem, "period_s": 0.01,
         "domains": [asdict(domain)], "facts": {"mode": "by hand"}}
    ]  # fmt: skip
    for t, v in zip((at * NS).astype(int).tolist(), value.tolist(), strict=True):
        documents.append(
            {"doc": "reading", "before_ns": t, "after_ns": t + 20_000, "values": {domain.name: v}}
        )
    documents.append({"doc": "stop", "status": "ok", "reason": "", "fix": ""})
    path.write_text("".join(json.dumps(each) + "\n" for each in documents))


def campaign(folder: Path, *, reference: bool = True) -> Path:
    """Write a campaign of a counter that is renewed every 0.1 s, 0.2 s late, 5 % high, in mJ."""
    folder.mkdir()
    names = [*(["truth"] if reference else []), "meter", "broken"]
    jobs = tuple(
        Job(folder=f"{n:03d}-{name}", number=n, workload=name)
        for n, (name, *_) in enumerate(RUNS, 1)
    )
    record = CampaignRecord(
        created="2026-01-01T00:00:00+00:00", crosswatt="0", plan={}, seed=1, machine=MACHINE,
        sources=tuple(SourceRecord(name=n, adapter="-", python="-") for n in names), jobs=jobs,
    )  # fmt: skip
    store.save(folder / store.CAMPAIGN, record)
    meter = Domain("package-0", "package-0", "counter", "measured", "rapl", 1e-3, WRAPS_AT_J)
    true = Domain("package-0", "package-0", "counter", "truth", "truth")
    for job, (workload, seconds, duty) in zip(jobs, RUNS, strict=True):
        place = folder / job.folder
        place.mkdir()
        at = np.arange(0, seconds + 2, 0.01)
        write(place / "truth.jsonl", true, at, joules(workload, duty, at))
        late = np.floor(at / 0.1) * 0.1 - 0.2
        shown = np.floor(1.05 * joules(workload, duty, late) * 1e3) / 1e3
        write(place / "meter.jsonl", meter, at, (600 + shown) % WRAPS_AT_J)
        (place / "broken.jsonl").write_text("")
        failed = ProbeState(status="failed", reason="it broke")
        states = {n: failed if n == "broken" else ProbeState(status="ok") for n in names}
        run = RunRecord(
            number=job.number, workload=workload, exit_code=0, recording_ns=0, begin_ns=NS,
            end_ns=int((1 + seconds) * NS), stopped_ns=int((2 + seconds) * NS), epoch_ns=0,
            probes=states,
        )  # fmt: skip
        store.save(place / store.RUN, run)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return campaign(tmp_path_factory.mktemp("datasheet") / "campaign")


def values(found: Datasheet) -> dict[str, float | str]:
    (sheet,) = found.sheets
    return {e.quantity: e.estimate.value if e.estimate else e.reason for e in sheet.entries}


def test_a_counter_is_described(folder: Path) -> None:
    found = values(characterize(folder, "meter"))
    assert found["update period"] == pytest.approx(0.1, rel=0.01)
    assert found["resolution"] == pytest.approx(1e-3)
    assert found["lag"] == pytest.approx(0.2, abs=0.01)
    assert found["wrap"] == pytest.approx(WRAPS_AT_J, rel=0.02)
    assert found["gain"] == pytest.approx(1.05, abs=0.01)
    assert found["cost of a read"] == pytest.approx(20e-6)
    assert found["noise at rest, over 1 s"] == pytest.approx(0.0, abs=0.1)
    assert found["idle offset"] == pytest.approx(0.5, abs=0.1)


def test_without_a_reference_some_remains(tmp_path: Path) -> None:
    found = values(characterize(campaign(tmp_path / "alone", reference=False), "meter"))
    assert found["update period"] == pytest.approx(0.1, rel=0.01)
    assert found["wrap"] == pytest.approx(WRAPS_AT_J, rel=0.02)
    for quantity in ("lag", "gain", "idle offset", "deficit at start and stop"):
        assert found[quantity] == "There is no reference of scope package-0 beside it."


def test_what_cannot_be_described_is_refused(folder: Path) -> None:
    with pytest.raises(CrosswattError, match=r"completed no run in .*: it broke"):
        characterize(folder, "broken")
    with pytest.raises(UnknownName, match="did you mean meter"):
        characterize(folder, "metre")
    with pytest.raises(UnknownName, match="package-0"):
        characterize(folder, "meter", "package-1")


def test_the_sheet_is_printed_and_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["characterize", "meter", "--folder", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "SIMULATED MACHINE. meter package-0 (counter), beside truth" in text
    assert "wrap, as it says" in text and "stated by the probe" in text
    kept = store.read(folder / "datasheet-meter.json", Datasheet)
    assert kept == characterize(folder, "meter")


@pytest.mark.parametrize("window_s", [0.025, 0.3])
def test_the_window_of_a_power_is_seen_from_the_loads_own_marks(
    tmp_path: Path, window_s: float
) -> None:
    """A meter of watts without any reference, renewed every 0.1 s, 5 % high."""
    rise, step = np.arange(1.0, 58.0, 1.37), 0.6
    phases = tuple(
        PhaseRecord(name="high", begin_ns=int(t * NS), end_ns=int((t + step) * NS)) for t in rise
    )
    fine = np.arange(0, 62, 0.001)
    high = ((fine[:, None] >= rise) & (fine[:, None] < rise + step)).any(axis=1)
    energy = np.concatenate([[0], np.cumsum(np.where(high, 570.0, 70.0)[:-1] * 0.001)])
    at = np.arange(0.003, 61.0, 0.01)
    renewed = np.maximum(np.floor(at / 0.1) * 0.1, window_s)
    mean = np.interp(renewed, fine, energy) - np.interp(renewed - window_s, fine, energy)
    domain = Domain("gpu-0", "gpu-0", "power", "measured", "nvml")
    place = tmp_path / "run"
    place.mkdir()
    write(place / "meter.jsonl", domain, at, 1.05 * mean / window_s)
    run = RunRecord(
        number=1, workload="gpu-square", exit_code=0, recording_ns=0, begin_ns=NS,
        end_ns=60 * NS, stopped_ns=61 * NS, epoch_ns=0, phases=phases,
        probes={"meter": ProbeState(status="ok")},
    )  # fmt: skip
    store.save(place / store.RUN, run)
    case = _Case("meter", domain, [store.load_run(place)], None, None)
    found = _response(case)
    window, lag = found.span_s, found.lag_s
    assert found.form == "window"
    assert window.value == pytest.approx(window_s, rel=0.1)
    assert lag.value == pytest.approx(0.0, abs=0.01) and "own marks" in window.checks[-1]
