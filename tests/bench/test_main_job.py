"""The main job, end to end, as a user runs it: real probes on the simulated machine.

What is asserted here is what the project promises: see README, "What it shows".
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from calibrate.campaign import add_environment
from calibrate.energy.phase import PhasesDocument
from calibrate.store import load_campaign, read

CROSSWATT = [sys.executable, "-m", "calibrate"]
OLD = "codecarbon-1.2.0"


def crosswatt(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CROSSWATT, *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )


@pytest.fixture(scope="module")
def old_release() -> None:
    """CodeCarbon 1.2.0 in an environment of its own; made once, kept for the next time."""
    add_environment("codecarbon==1.2.0")


@pytest.fixture(scope="module")
def quick(bench_ready: None, old_release: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole ``crosswatt run --quick``."""
    folder = tmp_path_factory.mktemp("main") / "campaign"
    done = crosswatt("run", "--quick", "--bench", "desktop", "--out", folder)
    assert done.returncode == 0, done.stderr
    assert "Running on a simulated machine (model desktop)" in done.stderr
    assert "SIMULATED MACHINE" in done.stdout
    return folder


def pairs(folder: Path) -> dict[str, Any]:
    document = json.loads((folder / "comparison.json").read_text())
    return {p["probe"]: p for p in document["pairs"] if p["headline"]}


def findings(folder: Path) -> dict[str, Any]:
    document = json.loads((folder / "diagnosis.json").read_text())
    return {f["probe"]: f["diagnosis"] for f in document["findings"] if f["headline"]}


@pytest.mark.timeout(900)
def test_everything_lies_in_the_folder(quick: Path) -> None:
    for name in ("comparison.json", "diagnosis.json", "calibration.json", "report.html"):
        assert (quick / name).stat().st_size > 500, name
    assert "simulated machine" in (quick / "report.html").read_text()
    campaign = load_campaign(quick)
    assert len(campaign.runs) == len(campaign.record.jobs) == 10
    for run in campaign.runs:
        assert {n for n, s in run.record.probes.items() if s.status == "ok"} == {
            "truth", "rapl", "powerapi", "pyjoules", "codecarbon", OLD,
        }  # fmt: skip


def test_healthy_probes_are_within_one_percent(quick: Path) -> None:
    for name in ("rapl", "pyjoules", "codecarbon"):
        ratio = pairs(quick)[name]["ratio"]["ratio"]
        assert ratio["value"] == pytest.approx(1.0, abs=0.01), name
        assert findings(quick)[name]["name"] == "no fault found", name


def test_the_factor_1000_is_found_and_named(quick: Path) -> None:
    found = findings(quick)[OLD]
    assert found["name"].startswith("scale 1e-3 (kW taken for W)")
    assert found["probability"] >= 0.95
    # This release takes one look at the power for a whole run. On a busy machine these scatter, and
    # the name may go on with "or ..."; the first one is right, and leaves a gain of about one.
    assert found["leading"] == "scale 1e-3 (kW taken for W)"
    [first] = [each for each in found["candidates"] if each["name"] == found["leading"]]
    left, u_relative = (first["parameters"][name] for name in ("residual_gain", "u_relative"))
    assert left == pytest.approx(1.0, abs=0.2 + 2 * u_relative)
    assert found["residual_min"] < found["residual_max"]
    asr = [r for r in pairs(quick)[OLD]["rows"] if r["workload"] == "asr"]
    for row in asr:
        assert 1 / 2000 < row["probe_j"] / row["reference_j"] < 1 / 500


def test_a_workload_held_out_is_within_two_percent(quick: Path) -> None:
    document = json.loads((quick / "calibration.json").read_text())
    for each in document["corrections"]:
        if each["probe"] in {"rapl", "pyjoules", "codecarbon"}:
            assert max(map(abs, each["held_out"].values())) < 0.02, each


def test_phases_hold_the_truth_within_their_uncertainty(quick: Path) -> None:
    """The halves of the square wave are shorter than CodeCarbon's second."""
    phases = read(quick / "phases.json", PhasesDocument).phases
    true = {(p.workload, p.phase): p for p in phases if p.probe == "truth"}
    halves = [p for p in phases if p.workload == "square" and p.probe not in {"truth", OLD}]
    assert {p.probe for p in halves} == {"rapl", "powerapi", "pyjoules", "codecarbon"}
    for each in halves:
        known = true[each.workload, each.phase]
        assert abs(each.joules - known.joules) <= 3 * each.u_j, (each, known)


def test_speech_recognition_recognises(quick: Path) -> None:
    asr = [r.record for r in load_campaign(quick).runs if r.record.workload == "asr"]
    assert asr
    for record in asr:
        assert isinstance(record.result["wer"], float)
        assert record.result["wer"] < 0.10


def test_a_gate_made_from_it_passes(quick: Path, tmp_path: Path) -> None:
    rules = tmp_path / "gate.toml"
    # Models of power may be off on a busy machine: they are taken as they are.
    made = crosswatt("gate", "--init", quick, "--out", rules, "--accept", "as measured")
    assert made.returncode == 0, made.stderr
    done = crosswatt("gate", quick, "--policy", rules)
    # What scatters that much is undecided, and nothing fails.
    assert done.returncode in {0, 2} and "\nfail" not in f"\n{done.stdout}", done.stdout
    assert "pass: rapl" in done.stdout


PLAN = """
title = "short"
repeats = 2
strays = 0
idle_before_s = 0.2
idle_after_s = 0.1
[[workload]]
name = "idle"
seconds = [0.8, 1.2]
[[workload]]
name = "gemm"
seconds = [1.2, 0.8]
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "short.toml"
    path.write_text(PLAN)
    return path


@pytest.mark.parametrize("model", ["desktop", "server", "amd"])
def test_every_model_compares_what_it_has(
    bench_ready: None, tmp_path: Path, plan: Path, model: str
) -> None:
    folder = tmp_path / "campaign"
    done = crosswatt(
        "run", "--plan", plan, "--bench", model, "--probe", "truth", "--probe", "rapl",
        "--probe", "pyjoules", "--out", folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    scopes = {p: pair["scope"] for p, pair in pairs(folder).items()}
    assert scopes["rapl"] == ("machine" if model == "server" else "package-0")
    for name, pair in pairs(folder).items():
        assert pair["ratio"]["ratio"]["value"] == pytest.approx(1.0, abs=0.02), name


def test_own_command_as_the_workload(bench_ready: None, tmp_path: Path) -> None:
    folder = tmp_path / "campaign"
    done = crosswatt(
        "run", "--bench", "desktop", "--probe", "rapl", "--out", folder,
        "--", sys.executable, "-c", "sum(range(10**7)); print('done')",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "comparison.json").read_text())["reference"] == "truth"
    commands = [r for r in load_campaign(folder).runs if r.record.workload == "command"]
    assert commands
    assert all((r.folder / "output.log").read_text() == "done\n" for r in commands)


def test_a_command_that_fails_is_a_failure(bench_ready: None, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    done = crosswatt(
        "run", "--bench", "desktop", "--probe", "truth", "--probe", "rapl", "--repeats", "1",
        "--out", folder, "--", sys.executable, "-c", "raise SystemExit('no such data')",
    )  # fmt: skip
    assert done.returncode == 1
    assert "command failed in every run (exit code 1); what it said is in" in done.stderr
    assert len(load_campaign(folder).runs) == 2  # and one of rest


def test_interrupted_and_continued(bench_ready: None, tmp_path: Path, plan: Path) -> None:
    folder = tmp_path / "campaign"
    arguments = ["run", "--plan", plan, "--bench", "amd", "--probe", "truth", "--probe", "rapl"]
    process = subprocess.Popen(
        [*CROSSWATT, *map(str, [*arguments, "--out", folder])],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 120
    while not (folder / "002-idle").exists() and not (folder / "002-gemm").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 130, text
    assert f"crosswatt run --resume {folder}" in text
    before = load_campaign(folder).runs
    assert 1 <= len(before) < 4
    done = crosswatt("run", "--resume", folder)
    assert done.returncode == 0, done.stderr
    after = load_campaign(folder).runs
    assert len(after) == 4
    assert [r.record for r in after if r.folder in {b.folder for b in before}] == [
        b.record for b in before
    ]
    assert (folder / "report.html").exists()


def test_doctor_says_what_is_here(bench_ready: None) -> None:
    done = crosswatt("doctor")
    assert done.returncode == 0
    assert "Bench: yes, models amd, container, desktop" in done.stdout
