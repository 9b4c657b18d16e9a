"""Commands on an arm64 server: no RAPL, no registers, sensors of hwmon.

The files are those of an Ampere Altra with two sockets, as Documentation/hwmon/xgene-hwmon.rst and
arch/arm64/kernel/cpuinfo.c describe them, in place of this machine's. Not tried on hardware.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CPUINFO = """processor\t: {number}
BogoMIPS\t: 50.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1

"""
#: W of the cores and of the rest, socket by socket.
RAILS = ((14.76, 31.07), (28.08, 31.10))


def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return os.geteuid() == 0 and done.returncode == 0


pytestmark = pytest.mark.skipif(not _may_mount(), reason="it takes root and a mount namespace")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The files of the machine."""
    for socket, (cores, rest) in enumerate(RAILS):
        place = tmp_path / "class" / "hwmon" / f"hwmon{socket}"
        place.mkdir(parents=True)
        for name, text in {
            "name": "apm_xgene",
            "power1_label": "CPU power",
            "power1_input": f"{cores * 1e6:.0f}",
            "power2_label": "IO power",
            "power2_input": f"{rest * 1e6:.0f}",
            "temp1_label": "SoC Temperature",
            "temp1_input": "40000",
        }.items():
            (place / name).write_text(f"{text}\n")
    (tmp_path / "cpuinfo").write_text("".join(CPUINFO.format(number=n) for n in range(4)))
    (tmp_path / "cpu").mkdir()
    return tmp_path


def on_arm64(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command where the files of the machine stand in for those of this one."""
    script = (
        f"mount --bind {tree}/cpuinfo /proc/cpuinfo && mount --bind {tree}/class /sys/class && "
        f'if [ -d /dev/cpu ]; then mount --bind {tree}/cpu /dev/cpu; fi && exec "$@"'
    )
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, "-m", "calibrate",
         *arguments],
        capture_output=True, text=True, check=False, cwd=tree,
        env=os.environ | {"CROSSWATT_HOME": str(tree / "home"), "COLUMNS": "200"},
    )  # fmt: skip


def test_doctor_says_what_measures_here_and_advises_no_module_of_intel(tree: Path) -> None:
    done = on_arm64(tree, "doctor")
    said = re.sub(r"\s+", " ", done.stdout + done.stderr)
    assert "apm_xgene-0-power1 (measured)" in said
    assert "intel_rapl_msr" not in said and "arm64 processors have no RAPL" in said
    assert "Traceback" not in said and "Internal error" not in said
    security = on_arm64(tree, "doctor", "--security")
    assert security.returncode in {0, 1, 2}, security.stderr
    assert "Internal error" not in security.stderr


def test_the_sensors_are_recorded_and_the_machine_has_a_name(tree: Path) -> None:
    done = on_arm64(
        tree, "run", "--no-bench", "--probe", "hwmon", "--probe", "other=hwmon", "--quick",
        "--workload", "idle", "--repeats", "1", "--out", "altra",
    )  # fmt: skip
    assert "Internal error" not in done.stderr, done.stderr
    record = json.loads((tree / "altra" / "campaign.json").read_text())
    assert record["machine"]["cpu"] == "arm64, implementer 0x41, part 0xd0c, variant 0x3"
    assert record["machine"]["simulated"] is False and record["machine"]["virtual"] == "unknown"
    log = tree / "altra" / "001-idle" / "hwmon.jsonl"
    first = json.loads(log.read_text().splitlines()[0])
    assert {each["name"]: each["scope"] for each in first["domains"]} == {
        "apm_xgene-0-power1": "core-0",
        "apm_xgene-1-power1": "core-1",
        "apm_xgene-0-power2": "uncore-0",
        "apm_xgene-1-power2": "uncore-1",
    }


def test_without_any_sensor_it_is_told_what_would_measure(tree: Path) -> None:
    shutil.rmtree(tree / "class" / "hwmon")
    done = on_arm64(tree, "doctor")
    said = re.sub(r"\s+", " ", done.stdout + done.stderr)
    assert "say what one covers" in said and "intel_rapl_msr" not in said
    assert "Internal error" not in said
