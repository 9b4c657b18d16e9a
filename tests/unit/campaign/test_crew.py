"""Recorders stay from run to run where their probes may, and every run is as if they did not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from calibrate import catalog, store
from calibrate.campaign import Pause, Source, Timeouts, describe_probes, perform_run
from calibrate.campaign.crew import Crew
from calibrate.store import Job
from tests.helpers.processes import state

HERE = Path(__file__).parents[2] / "adapters"
STEADY = Source("steady", HERE / "steady.py")
LIMITS = Timeouts(begin_s=20, end_s=20, stop_s=20)
SYNTHETIC = Source("synthetic", catalog.find("adapters", "synthetic"))


def homebody(kind: str = "", name: str = "homebody") -> Source:
    return Source(name, HERE / "homebody.py", options={"kind": kind})


@pytest.fixture
def crew() -> Iterator[Crew]:
    with Crew() as present:
        yield present


class Runs:
    """Runs of one crew, one after the other."""

    def __init__(self, folder: Path, crew: Crew) -> None:
        self._folder, self._crew, self._number = folder, crew, 0

    def do(self, *sources: Source, command: str = "sleep 0.2") -> store.Run:
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir()
        arguments = ("sh", "-c", command)
        job = Job(folder="-", number=self._number, workload="sh", arguments=arguments)
        perform_run(job, sources, folder, Pause(0.1, 0.1), LIMITS, crew=self._crew)
        return store.load_run(folder)


@pytest.fixture
def runs(tmp_path: Path, crew: Crew) -> Runs:
    return Runs(tmp_path, crew)


def wait_for(wanted: str, process: int) -> None:
    """Wait until a process is in a state."""
    until = time.monotonic() + 20
    while state(process) != wanted:
        assert time.monotonic() < until
        time.sleep(0.01)


def process_of(run: store.Run, name: str = "homebody") -> int:
    return int(run.logs[name].facts["process"])


def test_a_probe_that_reopens_stays_and_another_does_not(runs: Runs) -> None:
    alone = Source("alone", HERE / "lonely.py")
    first, second = (runs.do(homebody(), alone) for _ in range(2))
    assert process_of(first) == process_of(second)
    assert [run.logs["homebody"].facts["opened"] for run in (first, second)] == ["1", "2"]
    assert process_of(first, "alone") != process_of(second, "alone")


def test_every_run_is_complete_by_itself(runs: Runs) -> None:
    for run in [runs.do(homebody(), STEADY, command="echo $$; sleep 0.2") for _ in range(3)]:
        log = run.logs["homebody"]
        assert run.record.probes["homebody"] == store.ProbeState(status="ok")
        assert log.facts["pid"] == (run.folder / "output.log").read_text().strip()
        assert log.stop["readings"] == len(log.readings) >= 2  # of begin and end
        assert log.window_ns is not None
        assert log.window_ns[0] <= run.record.begin_ns < run.record.end_ns <= log.window_ns[1]
        assert run.record.recording_ns <= log.readings.before_ns[0]
        assert log.readings.after_ns[-1] <= run.record.stopped_ns


def test_the_cpu_time_is_that_of_the_run(runs: Runs) -> None:
    first, second = (runs.do(homebody("work")).logs["homebody"].stop for _ in range(2))
    assert first["cpu_s"] >= 0.2 > second["cpu_s"]


def test_the_probes_that_were_described_are_kept(runs: Runs, crew: Crew) -> None:
    [(state, log)] = describe_probes([homebody()], crew=crew).values()
    assert state.status == "ok"
    assert log.facts["pid"] == "None"
    assert process_of(runs.do(homebody())) == int(log.facts["process"])


@pytest.mark.parametrize(
    ("kind", "status"), [("raise", "failed"), ("kill", "killed"), ("thread", "ok")]
)
def test_what_fails_or_leaves_a_thread_is_started_anew(runs: Runs, kind: str, status: str) -> None:
    first, second = (runs.do(STEADY, homebody(kind)) for _ in range(2))
    for run in (first, second):
        assert run.record.probes["homebody"].status == status
        assert run.record.probes["steady"].status == "ok"
        assert run.logs["homebody"].facts["opened"] == "1"
    assert process_of(first) != process_of(second)


def test_one_that_dies_between_two_runs_is_started_anew(runs: Runs) -> None:
    process = process_of(runs.do(homebody()))
    os.kill(process, signal.SIGKILL)
    wait_for("Z", process)
    again = runs.do(homebody())
    assert again.record.probes["homebody"].status == "ok"
    assert process_of(again) != process


def test_other_settings_are_another_probe(runs: Runs) -> None:
    first, second = runs.do(homebody()), runs.do(homebody("other"))
    assert process_of(first) != process_of(second)


def switches(process: int) -> int:
    """Return how often a process, with all its threads, was woken up or held up."""
    total = 0
    for task in Path(f"/proc/{process}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
    return total


def test_who_takes_no_part_holds_no_file_and_is_never_woken_up(runs: Runs) -> None:
    """It costs the machine nothing in the runs without it, which `observe` compares with."""
    first = runs.do(SYNTHETIC, homebody())
    process = process_of(first)
    held = {str(each.readlink()) for each in Path(f"/proc/{process}/fd").iterdir()}
    assert not any(str(first.folder) in each for each in held)
    wait_for("S", process)
    before = switches(process)
    second = runs.do(SYNTHETIC)
    assert set(second.record.probes) == {"synthetic"}
    assert switches(process) == before
    third = runs.do(SYNTHETIC, homebody())
    assert process_of(third) == process


def test_the_last_words_are_those_of_the_run(runs: Runs, tmp_path: Path) -> None:
    adapter = tmp_path / "grumbling.py"
    adapter.write_text(
        "import sys\nfrom calibrate import Domain, Probe\n"
        "class Grumbling(Probe):\n"
        "    name, reopens, runs = 'grumbling', True, 0\n"
        "    def open(self, target):\n"
        "        self.runs += 1\n"
        "        if self.runs != 2: print(f'run {self.runs}', file=sys.stderr, flush=True)\n"
        "    def domains(self): return [Domain('a', 'synthetic')]\n"
        "    def read(self): return {'a': 1.0}\n"
    )
    source = Source("grumbling", adapter)
    said = [runs.do(source).record.probes["grumbling"].said for _ in range(3)]
    assert said == ["run 1", "", "run 3"]


CAMPAIGN = """
import sys, time
from pathlib import Path
from calibrate.campaign import Source, describe_probes
from calibrate.campaign.crew import Crew
with Crew() as crew:
    [(_, log)] = describe_probes([Source("homebody", Path(sys.argv[1]))], crew=crew).values()
    print(log.facts["process"], flush=True)
    time.sleep(1000)
"""


def test_a_killed_campaign_leaves_no_recorder(tmp_path: Path) -> None:
    line = [sys.executable, "-c", CAMPAIGN, str(HERE / "homebody.py")]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as campaign:
        assert campaign.stdout
        process = int(campaign.stdout.readline())
        assert state(process) != "Z"
        campaign.kill()
    wait_for("Z", process)


def test_a_crew_leaves_no_process(tmp_path: Path) -> None:
    with Crew() as crew:
        process = process_of(Runs(tmp_path, crew).do(homebody()))
        assert state(process) != "Z"
    assert state(process) == "Z"
