"""One contract for every adapter: what it does on a machine that is whole, and on one that is not.

Whatever happens, an adapter has domains, or a reason with what would help; it never takes another
one with it, and never gives a figure of what it could not read.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from calibrate import catalog, store

ADAPTERS = sorted(catalog.files("adapters"))
#: What reads RAPL or GPUs by itself, in an environment that has `standard`.
READERS = {"rapl", "pyjoules", "codecarbon", "powerapi"}
LIBRARIES = ("codecarbon", "pyJoules", "pynvml", "pyRAPL", "zeus", "carbontracker", "eco2ai",
             "perun", "powerapi", "smartwatts", "kasa")  # fmt: skip
DESCRIBE = """
import json, sys
from calibrate import catalog
from calibrate.campaign import Source, describe_probes
found = describe_probes([Source(n, p) for n, p in catalog.files("adapters").items()])
told = {n: {"status": s.status, "reason": s.reason, "fix": s.fix, "domains": sorted(log.domains)}
        for n, (s, log) in found.items()}
json.dump(told, open(sys.argv[1], "w"))
"""


def described(folder: Path, *faults: str, model: str = "server", **env: str) -> dict[str, Any]:
    """Open every adapter on a simulated machine."""
    chosen = [argument for fault in faults for argument in ("--fault", fault)]
    out = folder / "told.json"
    line = ["bench", "exec", "--model", model, *chosen, "--", sys.executable, "-c", DESCRIBE]
    done = subprocess.run(
        [sys.executable, "-m", "calibrate", *line, str(out)],
        capture_output=True, text=True, check=False, env={**os.environ, **env},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(out.read_text())
    assert sorted(told) == ADAPTERS
    for name, each in told.items():
        if each["status"] == "ok":
            assert each["domains"], name
        else:
            assert each["status"] == "unavailable", (name, each)
            assert each["reason"] and each["fix"], (name, each)
    return told


CHECK = """
import json, sys
from calibrate.testing import check_probe
told = {name: len(report.domains) - len(report.silent)
        for name in sys.argv[2].split(",") for report in [check_probe(name)] if report.available}
json.dump(told, open(sys.argv[1], "w"))
"""


def test_every_adapter_keeps_the_contract_of_a_probe(bench_ready: None, tmp_path: Path) -> None:
    """The test that authors of probes have, where there is something to read."""
    line = ["bench", "exec", "--model", "server", "--", sys.executable, "-c", CHECK]
    done = subprocess.run(
        [sys.executable, "-m", "calibrate", *line, str(tmp_path / "told"), ",".join(ADAPTERS)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    values = json.loads((tmp_path / "told").read_text())
    assert values.keys() >= READERS | {"truth", "synthetic"}
    # What can be opened there gives figures.
    assert [name for name, count in values.items() if not count] == []


def working(told: dict[str, Any]) -> set[str]:
    return {name for name, each in told.items() if each["status"] == "ok"}


def test_on_a_whole_machine(bench_ready: None, tmp_path: Path) -> None:
    told = described(tmp_path)
    assert working(told) >= READERS | {"truth", "synthetic"}
    assert {"package-0", "dram-1"} <= set(told["rapl"]["domains"])


def test_with_every_library_and_program_missing(bench_ready: None, tmp_path: Path) -> None:
    for library in LIBRARIES:
        (tmp_path / f"{library}.py").write_text(f"raise ImportError('{library} is not installed')")
    folder = tmp_path / "bin"
    folder.mkdir()
    told = described(tmp_path, PYTHONPATH=str(tmp_path))
    # What needs no library goes on; the meter of processes falls back on a formula of ours.
    assert working(told) == {"truth", "synthetic", "rapl", "powerapi"}
    for name in ("codecarbon", "pyjoules", "nvml"):
        assert "is not installed" in told[name]["reason"]
        assert told[name]["fix"].startswith("pip install")
    for name in ("zeus", "perun", "pyrapl", "eco2ai", "carbontracker"):
        assert told[name]["fix"].startswith("crosswatt probes add")


def test_with_permission_denied(bench_ready: None, tmp_path: Path) -> None:
    told = described(tmp_path, "no-permission")
    assert "rapl" not in working(told) and "powerapi" not in working(told)
    assert "sudo" in told["rapl"]["fix"]
    assert "truth" in working(told)


AGAIN = """
import json, os, sys
from calibrate import catalog
from calibrate.campaign import Source, describe_probes
from calibrate.campaign.crew import Crew
sources = [Source(n, p) for n, p in catalog.files("adapters").items()]
told = []
with Crew() as crew:
    for _ in range(3):
        found = describe_probes(sources, crew=crew)
        told.append({n: [s.status, list(map(str, log.domains.values())), log.facts]
                     for n, (s, log) in found.items()})
json.dump(told, open(sys.argv[1], "w"))
"""


def test_what_is_opened_again_is_the_same(bench_ready: None, tmp_path: Path) -> None:
    out = tmp_path / "told.json"
    done = subprocess.run(
        [sys.executable, "-m", "calibrate", "bench", "exec", "--model", "server", "--",
         sys.executable, "-c", AGAIN, str(out)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second, third = json.loads(out.read_text())
    assert first == second == third
    assert {name for name, (status, *_) in first.items() if status == "ok"} >= READERS


#: When the source goes: the probes must be open by then, and a busy machine opens them late. The
#: run goes on for so much longer.
VANISH_S, REST_S = (11, 25, 60), 3
RUN = """
import sys, time
began = time.monotonic()
from pathlib import Path
from calibrate import catalog
from calibrate.campaign import Source, Timeouts, perform_run
from calibrate.store import Job
every = [Source(n, p) for n, p in catalog.files("adapters").items() if n not in {"ml-co2"}]
working = [s for s in every if s.name in sys.argv[2].split(",")]
wait = "import sys, time; time.sleep(max(0.0, float(sys.argv[1]) - time.monotonic()))"
until = str(began + float(sys.argv[3]))
job = Job(folder="-", number=1, workload="wait", script=None,
          arguments=(sys.executable, "-c", wait, until))
record = perform_run(job, working, Path(sys.argv[1]), limits=Timeouts(stop_s=5, end_s=5))
print((record.end_ns - record.begin_ns) / 1e9)
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", ["vanish", "hang"])
def test_with_the_source_vanishing(bench_ready: None, tmp_path: Path, fault: str) -> None:
    working = sorted(READERS | {"truth", "synthetic"})
    for vanish_s in VANISH_S:
        (folder := tmp_path / str(vanish_s)).mkdir()
        done = subprocess.run(
            [sys.executable, "-m", "calibrate", "bench", "exec", "--model", "server",
             "--fault", f"{fault},at_s={vanish_s}", "--", sys.executable, "-c", RUN,
             str(folder), ",".join(working), str(vanish_s + REST_S)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        if in_time := float(done.stdout) > REST_S + 1:
            break
    assert in_time, "the probes were not open in time"
    run = store.load_run(folder)
    states = run.record.probes
    assert sorted(states) == working
    # Those that do not read it are not touched.
    for name in ("truth", "synthetic"):
        assert states[name].status == "ok"
        assert run.logs[name].readings.after_ns[-1] >= run.record.end_ns
    ended = {name: state.status for name, state in states.items()}
    assert ended["rapl"] == ("failed" if fault == "vanish" else "hung")
    assert ended["powerapi"] == ended["rapl"]
    for name, state in states.items():
        assert state.status == "ok" or state.reason, name
