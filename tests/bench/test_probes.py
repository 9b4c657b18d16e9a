"""Every probe of ours beside the truth, on a machine that has what it reads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from calibrate import store
from calibrate.energy import probe_columns, window_energy
from tests.helpers.host import Host

PLAN = """
title = "probes"
repeats = 1
strays = 0
idle_before_s = 3.0
idle_after_s = 2.2
[[workload]]
name = "idle"
seconds = [5.0]
[[workload]]
name = "{load}"
seconds = [8.0]
"""


def ratios(
    folder: Path, machine: str, load: str, *probes: str, settings: Sequence[str] = ()
) -> dict[str, list[float]]:
    """Run a campaign; return probe/truth of every run, by column."""
    plan = folder / "plan.toml"
    plan.write_text(PLAN.format(load=load))
    place = folder / "campaign"
    chosen = [argument for name in ("truth", *probes) for argument in ("--probe", name)]
    chosen += [argument for each in settings for argument in ("--set", each)]
    line = ["run", "--bench", machine, "--plan", str(plan), "--out", str(place), *chosen]
    done = subprocess.run(
        [sys.executable, "-m", "calibrate", *line], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((place / "comparison.json").read_text())
    lost = {name: each["lost_runs"] for name, each in found["probes"].items() if each["lost_runs"]}
    assert not lost
    return {
        f"{pair['probe']} {pair['column']}": [
            row["probe_j"] / row["reference_j"] for row in pair["rows"]
        ]
        for pair in found["pairs"]
    }


def test_gpus_by_energy_and_by_power(bench_ready: None, tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("virtual GPUs need a C compiler")
    found = ratios(tmp_path, "gpu-node", "gpu-gemm", "nvml", "rapl")
    assert found["rapl machine"] == pytest.approx([1.0, 1.0], abs=0.01)
    for number in range(4):
        assert found[f"nvml gpu-{number}"] == pytest.approx([1.0, 1.0], abs=0.01)
        # Power is seen 25 ms in every 100 (average) and 20 ms before each reading (instant).
        # Without load these GPUs follow the CPUs, whose short work falls between the looks.
        for way in ("average", "instant"):
            assert found[f"nvml gpu-{number}-{way}"] == pytest.approx([1.0, 1.0], abs=0.1)
    assert found["nvml gpu"] == pytest.approx([1.0, 1.0], abs=0.01)


def test_a_laptop_on_its_battery(bench_ready: None, tmp_path: Path) -> None:
    found = ratios(tmp_path, "laptop", "integer", "rapl", "battery")
    assert found["rapl package-0"] == pytest.approx([1.0, 1.0], abs=0.01)
    # The gauge is a mean of two seconds, up to two seconds old: of a run of 8 s from rest it shows
    # three quarters and more.
    assert found["battery battery"] == pytest.approx([1.0, 1.0], abs=0.3)


def test_a_rail_of_the_board(bench_ready: None, tmp_path: Path) -> None:
    found = ratios(tmp_path, "workstation", "integer", "rapl", "hwmon")
    assert found["rapl package-0"] == pytest.approx([1.0, 1.0], abs=0.01)
    assert found["hwmon zenpower-power1"] == pytest.approx([1.0, 1.0], abs=0.15)


def test_one_library_in_several_ways_and_processes_apart(bench_ready: None, tmp_path: Path) -> None:
    probes = "rapl", "codecarbon", "process=codecarbon", "powerapi"
    settings = ["process.tracking_mode=process", "process.force_mode_cpu_load=true"]
    with Host() as host:
        found = ratios(tmp_path, "desktop", "integer", *probes, settings=settings)
    assert found["codecarbon cpu"] == pytest.approx([1.0, 1.0], abs=0.05)
    assert found["powerapi rapl-package"] == pytest.approx([1.0, 1.0], abs=0.05)
    # A share of a machine is compared with no whole one.
    assert not [name for name in found if name.startswith("process")]
    campaign = store.load_campaign(tmp_path / "campaign")
    [run] = [run for run in campaign.runs if run.record.workload == "integer"]
    window = run.record.begin_ns, run.record.end_ns
    whole = joules(run, "truth", "package-0", window)
    # Its processes are given their share of the CPU time of this host, which has others too.
    share = work_s(run) / host.busy_s(*window)
    shared_j = joules(run, "powerapi", "process-package", window)
    assert 0 < shared_j < whole
    if share > 0.7:  # beside much else, single readings of the share tell little
        assert shared_j == pytest.approx(whole * share, rel=0.3)
    # CodeCarbon's own model of a process: its nominal power times the share of the CPUs.
    assert run.logs["process"].domains["cpu"].scope == "process"
    assert joules(run, "process", "cpu", window) > 0


def work_s(run: store.Run) -> float:
    """Return the CPU time of the workload: it tells for each phase how busy its workers were."""
    found_s = 0.0
    for phase in run.record.phases:
        busy = phase.values["busy"]
        assert isinstance(busy, float)
        found_s += busy * len(os.sched_getaffinity(0)) * (phase.end_ns - phase.begin_ns) / 1e9
    return found_s


def joules(run: store.Run, probe: str, column: str, window: tuple[int, int]) -> float:
    """Return a column's joules over the window of a run."""
    log = run.logs[probe]
    [found] = [each for each in probe_columns(log.domains.values()) if each.name == column]
    energy = window_energy(log, found, window)
    assert energy
    return energy.joules
