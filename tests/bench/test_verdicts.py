"""The first line says the worst, on meters that run on the bench."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from calibrate.analysis import analyze
from calibrate.diagnosis import FAULTY_PART, NO_FAULT
from tests.helpers.cases import shared_case

pytestmark = pytest.mark.usefixtures("bench_ready")

#: Memory at work for a while, and a processor beside it.
BUSY = (
    '(echo "memory_gbps 12" > $CROSSWATT_BENCH/demand; '
    'exec timeout 2 sh -c "while :; do :; done"); true'
)


def measured(folder: Path, *options: str, command: str) -> str:
    """Run a campaign of `rapl` beside the truth, and return the first line of its results."""
    done = subprocess.run(
        [sys.executable, "-m", "calibrate", "run", "-p", "rapl", "-p", "truth", *options,
         "--out", str(folder), "--", "bash", "-c", command],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return next(line for line in done.stdout.splitlines() if line.startswith("SIMULATED MACHINE."))


def one_memory_wrong(folder: Path, command: str) -> None:
    line = measured(
        folder, "-n", "2", "--bench", "server", "--fault", "unit=33,scope=dram-0", command=command
    )
    # Where the machine was too busy for the memory to work, only the sum has a name for it.
    assert line.startswith("SIMULATED MACHINE. 1 of 1 meter cannot be trusted here: rapl (")
    assert "dram-0" in line
    found = analyze(folder)
    for column in ("dram", "machine"):
        total = found["rapl", column]
        assert (total.diagnosis.name, total.diagnosis.faulty_parts) == (FAULTY_PART, ("dram-0",))
        assert total.correction.verdict == "not calibratable"
    assert found["rapl", "package"].diagnosis.name == NO_FAULT


def test_a_sum_says_which_of_its_parts_is_wrong(tmp_path: Path) -> None:
    one_memory_wrong(tmp_path / "c", BUSY)


def test_the_published_case_of_one_wrong_memory(tmp_path: Path) -> None:
    script = shared_case("imports/15-parts-known-whole-not") / "mem.sh"
    one_memory_wrong(tmp_path / "c", script.read_text())


def test_lost_runs_are_in_the_first_line(tmp_path: Path) -> None:
    line = measured(
        tmp_path / "c", "-n", "3", "--bench", "laptop", "--fault", "unit=1000,at_s=20",
        command='timeout 2 sh -c "while :; do :; done"; true',
    )  # fmt: skip
    verdict = analyze(tmp_path / "c").probe_verdict("rapl")
    assert 1 <= len(verdict.lost_runs) < verdict.runs
    assert f"rapl {len(verdict.lost_runs)} of {verdict.runs}" in line
    assert "No fault found" not in line
