"""Runs that lost a process or their files are done again; what is of dead processes goes away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from calibrate import store
from calibrate.campaign import Plan, Source, create_campaign, perform_campaign
from calibrate.campaign.lost import Losses, loss
from calibrate.errors import CrosswattError, MachineLost
from calibrate.scratch import ScratchFolder, scratch_folder, sweep
from calibrate.store import Job, PhaseRecord, ProbeState, RunRecord
from tests.helpers.processes import lives
from tests.unit.comparison.test_until import Quiet

ADAPTERS = Path(__file__).parents[2] / "adapters"
STEADY = Source("steady", ADAPTERS / "steady.py")
#: Waits until a file is there, then kills the recorder of the probe, or itself.
KILLER = """
import os, signal, subprocess, sys
victim, once = sys.argv[1:3]
if not os.path.exists(once):
    open(once, "w").close()
    if victim == "itself":
        os.kill(os.getpid(), signal.SIGKILL)
    said = subprocess.run(["pgrep", "-f", victim], capture_output=True, text=True).stdout
    for number in said.split():
        if int(number) not in (os.getpid(), os.getppid()):
            os.kill(int(number), signal.SIGKILL)
"""


class Telling(Quiet):
    """Keeps what is repeated, and why."""

    def __init__(self) -> None:
        super().__init__()
        self.repeated: list[tuple[str, str]] = []
        self.begun: list[str] = []

    def started(self, job: Job, folder: Path) -> None:
        self.begun.append(job.folder)

    def strayed(self, job: Job, why: str) -> None:
        self.repeated.append((job.folder, why))


def campaign(
    folder: Path,
    *command: str,
    repeats: int = 2,
    retries: int = 2,
    sources: tuple[Source, ...] = (STEADY,),
) -> Path:
    step = {"name": "command", "arguments": list(command or ("true",))}
    plan = Plan.model_validate(
        {
            "title": "t", "repeats": repeats, "retries": retries, "strays": 0,
            "idle_before_s": 0, "idle_after_s": 0, "workload": [step],
        }
    )  # fmt: skip
    create_campaign(folder, plan, list(sources), seed=1)
    return folder


def statuses(folder: Path) -> list[tuple[int, set[str]]]:
    """Return of each finished run its exit code and the states of its probes."""
    return [
        (run.record.exit_code, {state.status for state in run.record.probes.values()})
        for run in store.load_campaign(folder).runs
    ]


@pytest.mark.parametrize("victim", ["recorder", "itself"])
def test_a_run_that_lost_a_process_is_done_again(tmp_path: Path, victim: str) -> None:
    adapter = tmp_path / "steady.py"  # a recorder that no other test has
    adapter.write_text(STEADY.adapter.read_text())
    who = str(adapter) if victim == "recorder" else victim
    command = (sys.executable, "-c", KILLER, who, str(tmp_path / "once"))
    folder = campaign(tmp_path / "c", *command, sources=(Source("steady", adapter),))
    watcher = Telling()
    ending = perform_campaign(folder, watcher)
    assert statuses(folder) == [(0, {"ok"})] * 2
    assert not ending.lost
    assert [run for run, _ in watcher.repeated] == ["001-command"]
    assert "was lost" in watcher.repeated[0][1]
    aside = store.load_campaign(folder).set_aside
    assert [each.folder.name for each in aside] == ["001-command.stray-1"]
    assert aside[0].why.tolerance is None


def unready(folder: Path, fatal: str, times: int) -> Path:
    """Return a script of a workload that ends so many times before it is ready, after its check."""
    script = folder / "unready.py"
    script.write_text(
        "import os, sys, time\n"
        "from calibrate.loads import Stage\n"
        f"count = {str(folder / 'count')!r}\n"
        "tried = int(open(count).read()) if os.path.exists(count) else 0\n"
        "open(count, 'w').write(str(tried + 1))\n"
        f"if 1 <= tried <= {times}: {fatal}\n"
        "stage = Stage('--marks' in sys.argv)\n"
        "stage.able()\n"
        "stage.ready()\n"
    )
    return script


KILLED = "os.kill(os.getpid(), 9)"


@pytest.mark.parametrize(
    ("fatal", "times", "words"),
    [(KILLED, 2, ""), (KILLED, 9, r"not get ready: .* \(SIGKILL\)"), ("sys.exit(3)", 9, "ready")],
)
def test_a_workload_that_is_lost_before_it_begins_is_done_again(
    tmp_path: Path, fatal: str, times: int, words: str
) -> None:
    folder = campaign(tmp_path / "c", repeats=1)
    record = store.read(folder / store.CAMPAIGN, store.CampaignRecord)
    script = str(unready(tmp_path, fatal, times))
    job = Job(folder="001-unready", number=1, workload="unready", script=script)
    store.save(folder / store.CAMPAIGN, record.model_copy(update={"jobs": (job,)}))
    watcher = Telling()
    if words:
        with pytest.raises(CrosswattError, match=words):
            perform_campaign(folder, watcher)
    else:
        perform_campaign(folder, watcher)
        assert statuses(folder) == [(0, {"ok"})]
    assert len(watcher.repeated) == (2 if fatal == KILLED else 0)


def test_what_is_lost_each_time_is_told_and_repeated_no_more(tmp_path: Path) -> None:
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    folder = campaign(tmp_path / "c", sys.executable, "-c", kill, repeats=3, retries=1)
    watcher = Telling()
    ending = perform_campaign(folder, watcher)
    assert list(ending.lost) == ["001-command", "002-command", "003-command"]
    assert "SIGKILL" in ending.lost["001-command"]
    assert [run for run, _ in watcher.repeated] == ["001-command"]


def record(status: store.ProbeStatus = "ok", exit_code: int = 0, seconds: float = 1.0) -> RunRecord:
    return RunRecord(
        number=1, workload="w", arguments=(), planned_s=None, repeat=1, exit_code=exit_code,
        recording_ns=0, begin_ns=0, end_ns=int(seconds * 1e9), stopped_ns=int(seconds * 1e9),
        epoch_ns=0, phases=(PhaseRecord(name="p", begin_ns=0, end_ns=1),), result={},
        probes={"meter": ProbeState(status=status, reason="why")},
    )  # fmt: skip


def test_what_counts_as_lost() -> None:
    assert loss(record(), 60) == ""
    assert loss(record("failed"), 60) == ""  # it said so itself
    assert loss(record("unavailable"), 60) == ""
    assert loss(record("killed"), 60) == "meter was lost (why)"
    assert loss(record("hung"), 60) == "meter was lost (why)"
    assert loss(record(exit_code=3), 60) == ""
    assert loss(record(exit_code=-signal.SIGSEGV), 60) == ""  # it crashes by itself
    assert loss(record(exit_code=-signal.SIGKILL), 60) == "the workload was lost (SIGKILL)"
    assert loss(record(exit_code=-signal.SIGKILL, seconds=61), 60) == ""  # stopped on purpose
    # What it waited for was killed, and it says so as shells do.
    assert loss(record(exit_code=128 + signal.SIGKILL), 60) == "the workload was lost (SIGKILL)"
    assert loss(record(exit_code=128 + signal.SIGSEGV), 60) == ""


def test_repeating_stops_where_it_does_not_help() -> None:
    jobs = [Job(folder=f"{n:03d}-w", number=n, workload="w") for n in range(1, 9)]
    losses = Losses(2)
    assert [losses.again(jobs[0], "x") for _ in range(3)] == [True, True, False]
    assert not losses.again(jobs[1], "x")  # the fourth in a row
    assert not losses.again(jobs[2], "")
    assert losses.again(jobs[3], "x")


@pytest.mark.parametrize("damage", ["empty record", "damaged line", "no readings", "a link"])
def test_a_damaged_run_is_set_aside_and_done_again(tmp_path: Path, damage: str) -> None:
    folder = campaign(tmp_path / "c")
    perform_campaign(folder, Quiet())
    kept = {p: p.read_bytes() for p in (folder / "001-command").iterdir()}
    run = folder / "002-command"
    if damage == "empty record":
        (run / "run.json").write_text("")
    elif damage == "damaged line":
        lines = (run / "steady.jsonl").read_text().splitlines()
        (run / "steady.jsonl").write_text("\n".join(["{", *lines]) + "\n")
    elif damage == "no readings":
        (run / "steady.jsonl").unlink()
    else:
        (run / "run.json").rename(tmp_path / "run.json")
        (run / "run.json").symlink_to(tmp_path / "run.json")
    loaded = store.load_campaign(folder)
    assert [each.folder for each in loaded.damaged] == [run]
    assert len(loaded.runs) == 1
    watcher = Telling()
    perform_campaign(folder, watcher)
    assert watcher.begun == ["002-command"]
    assert [each for each, _ in watcher.repeated] == ["002-command"]
    assert "002-command.damaged-1" in watcher.repeated[0][1]
    assert (folder / "002-command.damaged-1").is_dir()
    assert statuses(folder) == [(0, {"ok"})] * 2
    assert not store.load_campaign(folder).damaged
    assert {p: p.read_bytes() for p in (folder / "001-command").iterdir()} == kept


def test_a_damaged_run_that_cannot_be_done_again_stays_and_is_told(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "c")
    perform_campaign(folder, Quiet())
    imported = store.read(folder / store.CAMPAIGN, store.CampaignRecord)
    store.save(folder / store.CAMPAIGN, imported.model_copy(update={"imported": "csv"}))
    (folder / "002-command" / "run.json").write_text("")
    with pytest.raises(CrosswattError, match=r"002-command/run\.json.*import the files again"):
        perform_campaign(folder, Quiet())
    assert (folder / "002-command" / "run.json").exists()


def test_a_run_on_a_simulated_machine_that_ended_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = tmp_path / "bench"
    bench.mkdir()
    (bench / "truth").write_text("{}")
    folder = campaign(tmp_path / "c", "rm", str(bench / "truth"))
    monkeypatch.setattr("calibrate.campaign.machine.bench_folder", lambda: str(bench))
    monkeypatch.setattr("calibrate.campaign.campaign.require_same_machine", lambda _: None)
    with pytest.raises(MachineLost, match="--resume"):
        perform_campaign(folder, Quiet())
    assert not (folder / "001-command").exists()


def test_a_probe_whose_interpreter_is_gone_costs_only_itself(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    gone = Source("gone", ADAPTERS / "steady.py", python=python)
    folder = campaign(tmp_path / "c", sources=(STEADY, gone))
    python.unlink()
    perform_campaign(folder, Quiet())
    loaded = store.load_campaign(folder)
    assert loaded.probes["gone"].status == "unavailable"
    assert "No such file" in loaded.probes["gone"].reason
    assert [set(run.logs) for run in loaded.runs] == [{"steady"}] * 2


def test_a_workload_ends_with_its_runner_however_that_ends(tmp_path: Path) -> None:
    folder = campaign(tmp_path / "c", "sh", "-c", f"sleep 600 & echo $! > {tmp_path}/child; wait")
    runner = subprocess.Popen(
        [
            sys.executable, "-c",
            "import sys; from pathlib import Path; from unittest.mock import Mock;"
            "from calibrate.campaign import perform_campaign;"
            "perform_campaign(Path(sys.argv[1]), Mock())",
            str(folder),
        ]
    )  # fmt: skip
    child = tmp_path / "child"
    wait_for(lambda: child.exists() and child.read_text().endswith("\n"))
    runner.kill()
    runner.wait()
    wait_for(lambda: not lives(int(child.read_text())))


def wait_for(true: Callable[[], bool], within_s: float = 60.0) -> None:
    """Wait until something is so, however busy this machine is."""
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_temporary_folder_goes_with_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch_folder() as mine:
        (mine / "file").write_text("x")
        code = (
            "import os; from calibrate.scratch import ScratchFolder; "
            "print(ScratchFolder().path, flush=True); os._exit(9)"
        )
        said = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        left = Path(said.stdout.strip())
        assert left.is_dir()
        other = tmp_path / "crosswatt-notours"
        other.mkdir()
        assert sweep() == [left]
        assert mine.is_dir() and other.is_dir() and not left.exists()
    assert not mine.exists()


def test_sweeping_follows_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / ".in-use").write_text("")
    (tmp_path / "crosswatt-link").symlink_to(victim)
    folder = ScratchFolder()
    assert victim.is_dir() and folder.path.is_dir()
    folder.close()
