"""The recorder's side: light imports, one file, honest endings."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calibrate import catalog, store
from calibrate.energy import native_columns, window_energy
from tests.helpers.host import blur_j

ROOT = Path(__file__).parents[3]


def test_recorder_imports_the_standard_library_only() -> None:
    code = (
        "import sys; before = set(sys.modules); import calibrate.probe.recorder;"
        "print(*sorted({m.partition('.')[0] for m in set(sys.modules) - before}"
        " - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["calibrate"]


def test_a_closed_input_ends_it(tmp_path: Path) -> None:
    out = tmp_path / "synthetic.jsonl"
    recorder = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "calibrate.probe.recorder",
            catalog.find("adapters", "synthetic"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert recorder.stdin
    assert recorder.stdout
    order = json.dumps({"out": str(out), "pid": None})
    recorder.stdin.write(f"open {order}\n".encode())
    recorder.stdin.flush()
    assert recorder.stdout.readline() == b"ready\n"
    recorder.stdin.write(b"record\n")
    recorder.stdin.flush()
    until_s = time.monotonic() + 60
    while out.read_text().count('"reading"') <= 10:
        assert time.monotonic() < until_s
        time.sleep(0.05)
    recorder.stdin.close()
    assert recorder.wait(60) == 0
    recorder.stdout.close()
    log = store.load_log(out)
    assert log.stop["status"] == "ok"
    assert log.stop["readings"] == len(log.readings) > 10


def test_ten_watts_come_out_as_ten_watts(tmp_path: Path) -> None:
    from calibrate.campaign import Pause, Source, Timeouts, perform_run
    from calibrate.store import Job

    script = str(catalog.find("workloads", "idle"))
    arguments = ("--seconds", "0.5")
    job = Job(folder="-", number=1, workload="idle", script=script, arguments=arguments)
    source = Source("synthetic", catalog.find("adapters", "synthetic"))
    record = perform_run(job, [source], tmp_path, Pause(0.1, 0.1), Timeouts())
    log = store.load_run(tmp_path).logs["synthetic"]
    [column] = native_columns(log.domains.values())
    energy = window_energy(log, column, (record.begin_ns, record.end_ns))
    assert energy
    within_j = 2e-3 * 10.0 * energy.seconds + blur_j(log, 10.0)
    assert energy.joules == pytest.approx(10.0 * energy.seconds, abs=within_j)


OWN = """
from calibrate import Domain, Probe

class Own(Probe):
    name = "own"
    library = "Some_Meter"

    def domains(self):
        return [Domain("ten-watts", scope="synthetic", basis="synthetic")]

    def read(self):
        return {"ten-watts": 1.0}

    def facts(self):
        return {"release": "1.2"}
"""


def test_the_library_is_recorded_whatever_a_probe_is_called(tmp_path: Path) -> None:
    from calibrate.campaign import Pause, Source, Timeouts, perform_run
    from calibrate.store import Job, Library

    own = tmp_path / "own.py"
    own.write_text(OWN)
    script = str(catalog.find("workloads", "idle"))
    job = Job(folder="-", number=1, workload="idle", script=script, arguments=("--seconds", "0.2"))
    sources = [
        Source("load", catalog.find("adapters", "synthetic")),
        Source("codecarbon-check", own),
    ]
    perform_run(job, sources, tmp_path, Pause(0.1, 0.1), Timeouts())
    logs = store.load_run(tmp_path).logs
    assert logs["load"].library == Library("synthetic", "")
    assert logs["codecarbon-check"].library == Library("Some_Meter", "1.2")


def test_every_line_is_written_at_once(tmp_path: Path) -> None:
    from calibrate.probe.recorder import Journal

    journal = Journal(tmp_path / "x.jsonl")
    journal.put("reading", values={"a": 1.0})
    [line] = (tmp_path / "x.jsonl").read_text().splitlines()
    journal.close()
    assert json.loads(line) == {"doc": "reading", "values": {"a": 1.0}}


LATE = """
import time
from calibrate import Domain, Probe

class Late(Probe):
    name = "late"
    period_s = 0.02

    def domains(self):
        return [Domain("a", "synthetic", "power")]

    def read(self):
        return {}

    def drain(self):
        yield time.monotonic_ns() - 1_000_000_000, {"a": 1.0, }
"""


def test_figures_that_come_late_keep_their_own_dates(tmp_path: Path) -> None:
    from calibrate.campaign import Pause, Source, perform_run
    from calibrate.store import Job

    adapter = tmp_path / "late.py"
    adapter.write_text(LATE)
    script = str(catalog.find("workloads", "idle"))
    job = Job(folder="-", number=1, workload="idle", script=script, arguments=("--seconds", "0.5"))
    record = perform_run(job, [Source("late", adapter)], tmp_path, Pause(0.1, 0.1))
    taken = store.load_run(tmp_path).logs["late"].readings
    assert len(taken)
    assert (taken.before_ns == taken.after_ns).all()
    assert (taken.after_ns < record.end_ns - 500_000_000).all()


def test_a_probe_is_told_the_workloads_process(tmp_path: Path) -> None:
    from calibrate.campaign import Pause, Source, perform_run
    from calibrate.store import Job

    adapter = tmp_path / "told.py"
    adapter.write_text(
        "from calibrate import Domain, Probe\n"
        "class Told(Probe):\n"
        "    name = 'told'\n"
        "    def open(self, target): self.pid = target.pid\n"
        "    def domains(self): return [Domain('a', 'synthetic')]\n"
        "    def read(self): return {'a': float(self.pid)}\n"
    )
    arguments = ("sh", "-c", "echo $$")
    job = Job(folder="-", number=1, workload="sh", script=None, arguments=arguments)
    perform_run(job, [Source("told", adapter)], tmp_path, Pause(0.1, 0.1))
    said = int((tmp_path / "output.log").read_text())
    assert store.load_run(tmp_path).logs["told"].readings.values["a"][0] == said
