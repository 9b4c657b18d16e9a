"""A campaign goes on when the simulated machine, a recorder or the workload is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calibrate import store
from calibrate.linux.processes import descendants

pytestmark = pytest.mark.usefixtures("bench_ready")

PLAN = """
title = "lost"
repeats = 2
idle_before_s = 0.2
idle_after_s = 0.2
strays = 0
[[workload]]
name = "idle"
seconds = [5]
"""
#: What stands in the command line of the process that is killed.
VICTIMS = {
    "machine": b"calibrate.bench.server",
    "recorder": b"adapters/rapl.py",
    "workload": b"workloads/idle.py",
}


def command_line(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def kill_in_run(runner: subprocess.Popen[bytes], run: Path, word: bytes) -> None:
    """Kill a process of the campaign as soon as readings of a run come in."""
    until = time.monotonic() + 120
    readings = run / "rapl.jsonl"
    while not (readings.exists() and b'"reading"' in readings.read_bytes()):
        assert time.monotonic() < until and runner.poll() is None
        time.sleep(0.02)
    victims = [each for each in descendants(runner.pid) if word in command_line(each)]
    assert victims
    for each in victims:
        os.kill(each, signal.SIGKILL)


@pytest.mark.parametrize("victim", VICTIMS)
def test_what_was_lost_is_measured_again(tmp_path: Path, victim: str) -> None:
    plan, folder = tmp_path / "plan.toml", tmp_path / "campaign"
    plan.write_text(PLAN)
    runner = subprocess.Popen(
        [
            sys.executable, "-m", "calibrate", "run", "--bench", "laptop", "--plan", str(plan),
            "--probe", "rapl", "--out", str(folder),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    kill_in_run(runner, folder / "001-idle", VICTIMS[victim])
    said = runner.communicate()[0].decode()
    assert runner.returncode == 0, said
    assert ("started again" if victim == "machine" else "is repeated: ") in said
    campaign = store.load_campaign(folder)
    assert len(campaign.runs) == 2 and not campaign.damaged
    for run in campaign.runs:
        assert run.record.exit_code == 0
        assert {state.status for state in run.record.probes.values()} == {"ok"}
