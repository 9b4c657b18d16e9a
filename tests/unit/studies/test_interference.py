"""What measuring does to what is measured."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from calibrate import store
from calibrate.campaign import Plan
from calibrate.campaign.plan import jobs_alone
from calibrate.cli import main
from calibrate.errors import CrosswattError
from calibrate.store import CampaignRecord, PhaseRecord, ProbeState, RunRecord, SourceRecord
from calibrate.studies import observe
from calibrate.studies.interference import ALL, POWER, SPEED
from tests.helpers.campaigns import MACHINE, SECOND, START, Fake, domain, truth, write_log

RNG = np.random.default_rng(6)
STATE = RNG.bit_generator.state
PROBES = ("truth", "light", "heavy")
PLAN = Plan.model_validate(
    {"title": "t", "repeats": 4, "workload": [{"name": "idle"}, {"name": "integer"}]}
)


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Give every test the same random numbers, in whatever order they run."""
    RNG.bit_generator.state = STATE


def test_every_condition_comes_there_and_back() -> None:
    jobs = jobs_alone(PLAN, 1, "truth", PROBES)
    assert len(jobs) == 4 * 2 * 2 * 4
    assert [job.number for job in jobs] == list(range(1, len(jobs) + 1))
    crews = Counter((job.repeat, job.workload, job.probes) for job in jobs)
    assert set(crews.values()) == {2}
    for start in range(0, len(jobs), 8):
        block = [job.probes for job in jobs[start : start + 8]]
        assert block == block[::-1] and len({j.workload for j in jobs[start : start + 8]}) == 1
    assert jobs != jobs_alone(PLAN, 2, "truth", PROBES)
    # With one probe, alone and all together are the same.
    assert len(jobs_alone(PLAN, 1, "truth", ("truth", "light"))) == 4 * 2 * 2 * 2


def campaign(folder: Path, drift: float = 0.0) -> Path:
    """Write a campaign in which `heavy` costs 3 W, 10 % of the speed, and shifts `light` by 5 %.

    The machine's power drifts steadily by this much a run.
    """
    folder.mkdir()
    jobs = jobs_alone(PLAN, 3, "truth", PROBES)
    record = CampaignRecord(
        created="2026-01-01T00:00:00+00:00",
        crosswatt="0",
        plan=PLAN.model_dump(mode="json"),
        seed=3,
        machine=MACHINE,
        sources=tuple(SourceRecord(name=name, adapter="-", python="-") for name in PROBES),
        jobs=jobs,
    )
    store.save(folder / store.CAMPAIGN, record)
    for job in jobs:
        crew = job.probes or ()
        heavy = "heavy" in crew
        watts = {"idle": 20.0, "integer": 60.0}[job.workload] + 3.0 * heavy
        watts *= math.exp(0.002 * RNG.normal()) * (1 + drift * job.number)
        fakes = {
            "truth": truth(),
            "light": Fake(
                lambda w, s, heavy=heavy: (  # type: ignore[misc]
                    w * s * (1.05 if heavy else 1.0) * math.exp(0.002 * RNG.normal())
                ),
                domain(),
            ),
            "heavy": Fake(lambda w, s: w * s, domain()),
        }
        place = folder / job.folder
        place.mkdir()
        begin, end = START, START + 5 * SECOND
        for name in crew:
            write_log(place / f"{name}.jsonl", fakes[name], watts, 5.0, begin, end)
        work = 1e6 * (0.9 if heavy else 1.0) * math.exp(0.002 * RNG.normal())
        phase = PhaseRecord(name="run", begin_ns=begin, end_ns=end, work=work, unit="op")
        run = RunRecord(
            number=job.number,
            workload=job.workload,
            repeat=job.repeat,
            exit_code=0,
            recording_ns=begin - SECOND,
            begin_ns=begin,
            end_ns=end,
            stopped_ns=end + SECOND,
            epoch_ns=0,
            phases=(phase,) if job.workload == "integer" else (),
            probes=dict.fromkeys(crew, ProbeState(status="ok")),
        )
        store.save(place / store.RUN, run)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    RNG.bit_generator.state = STATE
    return campaign(tmp_path_factory.mktemp("observer") / "campaign")


def test_what_a_probe_costs_is_found(folder: Path) -> None:
    found = {(e.workload, e.affected, e.condition): e for e in observe(folder).effects}
    for condition in ("heavy", ALL):
        power = found["idle", POWER, condition]
        assert power.watts == pytest.approx(3.0, rel=0.05) and power.clear
        assert power.low is not None and power.high is not None
        assert power.low < 0.15 < power.high
        assert found["integer", SPEED, condition].change == pytest.approx(-0.1, abs=0.01)
    light = found["idle", POWER, "light"]
    assert abs(light.change) < 0.01 and not light.clear
    assert ("idle", SPEED, "heavy") not in found  # idleness does no work
    assert light.repeats == 4


def test_what_probes_do_to_each_other_is_found(folder: Path) -> None:
    found = {(e.workload, e.affected, e.condition): e for e in observe(folder).effects}
    shifted = found["integer", "light", ALL]
    assert shifted.change == pytest.approx(0.05, abs=0.01) and shifted.clear
    assert abs(found["integer", "heavy", ALL].change) < 1e-9


def test_a_steady_drift_cancels(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "drifting", drift=0.005)
    effects = observe(folder).effects
    light = next(e for e in effects if (e.affected, e.condition) == (POWER, "light"))
    assert abs(light.change) < 0.01
    heavy = next(e for e in effects if (e.affected, e.condition) == (POWER, "heavy"))
    assert heavy.change > 0.03


def test_a_campaign_of_another_kind_is_refused(tmp_path: Path) -> None:
    from tests.helpers.campaigns import build

    usual = build(tmp_path / "usual", {"truth": truth()})
    with pytest.raises(CrosswattError, match="all probes ran together"):
        observe(usual)


def test_without_runs_there_is_nothing_to_say(folder: Path, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / store.CAMPAIGN).write_bytes((folder / store.CAMPAIGN).read_bytes())
    with pytest.raises(CrosswattError, match="continue it"):
        observe(begun)


def test_what_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["observe", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "SIMULATED MACHINE. What measuring changes, workload idle, beside truth" in text
    line = next(line for line in text.splitlines() if line.startswith("heavy"))
    assert line.rstrip().endswith("*   -      -") or " W *" in line
    assert main(["observe", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reference"] == "truth"
