"""Real meters through a few scenarios: what users reported about them is found, and named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("bench_ready")


def conform(
    folder: Path, *arguments: str, scenarios: tuple[str, ...]
) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run meters through scenarios; return the exit code and the outcomes by scenario."""
    path = folder / "found.json"
    options = [f"--scenario={each}" for each in scenarios]
    command = [sys.executable, "-m", "calibrate", "conformance", "--out", str(path), *options]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    [meter] = json.loads(path.read_text())["meters"]
    return done.returncode, {each["scenario"]: each for each in meter["outcomes"]}


def faults(outcome: dict[str, Any]) -> set[str]:
    return {each["fault"] for each in outcome["figures"] if each["fault"]}


def test_our_own_reader_is_right_or_refuses(tmp_path: Path) -> None:
    names = ("desktop", "epyc", "wrap", "many wraps", "counter stuck", "sentinel", "vm")
    code, found = conform(tmp_path, "rapl", scenarios=names)
    verdicts = {name: each["verdict"] for name, each in found.items()}
    assert verdicts == {
        "desktop": "right", "epyc": "right", "wrap": "right", "many wraps": "right",
        "counter stuck": "refused", "sentinel": "refused", "vm": "refused",
    }  # fmt: skip
    assert code == 0


def test_pyjoules_does_not_correct_the_wrap(tmp_path: Path) -> None:
    pytest.importorskip("pyJoules")
    code, found = conform(tmp_path, "pyjoules", scenarios=("desktop", "wrap", "wrap at 65 kJ"))
    assert code == 1
    assert found["desktop"]["verdict"] == "right"
    assert faults(found["wrap"]) == {"wrap"}
    assert faults(found["wrap at 65 kJ"]) == {"wrap"}


def test_codecarbon_leaves_dram_out_though_it_was_asked_for_it(tmp_path: Path) -> None:
    pytest.importorskip("codecarbon")
    options = ("--set", "codecarbon.rapl_include_dram=true", "codecarbon")
    _, found = conform(tmp_path, *options, scenarios=("server",))
    assert "dram-missing" in faults(found["server"])


def test_any_command_that_prints_joules(tmp_path: Path) -> None:
    script = tmp_path / "meter.py"
    script.write_text(
        "import subprocess, sys\n"
        "zone = '/sys/class/powercap/intel-rapl:0/energy_uj'\n"
        "first = int(open(zone).read())\n"
        "subprocess.run(sys.argv[1:], check=True)\n"
        "print(f'used {(int(open(zone).read()) - first) / 1e9:.9f} kJ')\n"
    )
    mine = ("--energy-from", r"used (\S+)", "--unit", "kJ", "--", sys.executable, str(script))
    _, found = conform(tmp_path, *mine, "{load}", scenarios=("desktop", "server", "wrap", "vm"))
    assert found["desktop"]["verdict"] in ("right", "silent")  # its own start counts: see the next
    [figure] = found["desktop"]["figures"]
    assert figure["reported_j"] == pytest.approx(figure["true_j"], rel=0.15)
    assert faults(found["server"]) & {"one-socket", "other"}
    assert faults(found["wrap"]) == {"wrap"} or found["wrap"]["verdict"] == "silent"
    assert found["vm"]["verdict"] == "refused"
