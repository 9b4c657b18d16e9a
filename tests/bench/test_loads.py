"""Loads on the simulated machine: its GPUs, its sockets, and a kernel that lives there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from calibrate import catalog

pytestmark = pytest.mark.usefixtures("bench_ready")

JOULES = """
import json, os, subprocess, sys
def truth():
    with open(os.environ["CROSSWATT_BENCH"] + "/truth") as file:
        return json.load(file)["joules"]
before = truth()
subprocess.run([sys.executable, *sys.argv[1:]], check=True, stdout=sys.stderr)
after = truth()
print(json.dumps({name: after[name] - before[name] for name in after}))
"""


def joules(model: str, name: str, *arguments: str) -> Any:
    """Return the true energy of every part of a machine over a workload."""
    script = str(catalog.find("workloads", name))
    line = [sys.executable, "-m", "calibrate.bench", "exec", "--model", model, "--"]
    line += [sys.executable, "-c", JOULES, script, *arguments]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_chosen_gpus_are_loaded_and_the_others_rest() -> None:
    found = joules("gpu-node", "gpu-gemm", "--seconds", "1.5", "--gpus", "0,2")
    for busy, resting in (("gpu-0", "gpu-1"), ("gpu-2", "gpu-3")):
        assert found[busy] > 2 * found[resting] > 0


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU is not two sockets")
def test_a_socket_of_the_simulated_machine_is_loaded() -> None:
    found = joules("server", "integer", "--seconds", "4", "--socket", "1")
    # At rest it uses less than the other: 13 W and 14 W. However little of the CPU a busy host
    # gives to the load, it costs more than that.
    assert found["package-1"] > found["package-0"]


def test_a_kernel_on_the_bench_measures_its_cells_there(tmp_path: Any) -> None:
    pytest.importorskip("IPython")
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "assert shell.run_cell('%load_ext calibrate').success\n"
        "cell = '%%crosswatt --probe truth --probe rapl --out c\\nsum(range(10**7))'\n"
        "assert shell.run_cell(cell).success\n"
    )
    line = [sys.executable, "-m", "calibrate.bench", "exec", "--model", "desktop", "--"]
    done = subprocess.run(
        [*line, sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "SIMULATED MACHINE. cell: " in done.stdout
    record = json.loads((tmp_path / "c" / "campaign.json").read_text())
    assert record["machine"]["simulated"] is True
