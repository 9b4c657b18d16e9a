"""A probe that misbehaves costs its own readings and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from calibrate import catalog, store
from calibrate.campaign import Pause, Source, Timeouts, describe_probes, perform_run
from calibrate.campaign.work import check_workloads
from calibrate.errors import CrosswattError
from calibrate.store import Job

HERE = Path(__file__).parents[2] / "adapters"
PAUSE = Pause(0.1, 0.1)
#: Longer than any process needs to answer, however busy this machine is.
PATIENT = Timeouts(open_s=60.0, begin_s=30.0, end_s=30.0, stop_s=30.0)
#: For a probe that never answers; the others need an answer within these, too.
SHORT = Timeouts(open_s=6.0, begin_s=2.0, end_s=2.0, stop_s=2.0)
STEADY = Source("steady", HERE / "steady.py")
SLEEP = str(catalog.find("workloads", "idle"))


def idle(seconds: str = "0.3") -> Job:
    arguments = ("--seconds", seconds)
    return Job(folder="-", number=1, workload="idle", script=SLEEP, arguments=arguments)


def command(*arguments: str) -> Job:
    return Job(folder="-", number=1, workload="command", arguments=arguments)


def naughty(kind: str, after: float = 0.2) -> Source:
    return Source("naughty", HERE / "naughty.py", options={"kind": kind, "after": str(after)})


def do(
    folder: Path, *sources: Source, job: Job | None = None, limits: Timeouts = PATIENT
) -> store.Run:
    perform_run(job or idle(), sources, folder, PAUSE, limits)
    return store.load_run(folder)


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("raise", "failed", "counter vanished"),
        ("hang", "hung", "did not answer"),
        ("hang in open", "hung", "did not answer 'ready' within 6 s"),
        ("fail in begin", "failed", "no beginning"),
        ("exit", "killed", "ended with code 3"),
        ("kill", "killed", "ended with code -9"),
        ("text", "failed", "'twelve'"),
        ("list", "failed", "[1.0]"),
        ("text value", "failed", "read() of naughty returned {'ten-watts': 'twelve'}"),
        ("unknown domain", "failed", "'eleven-watts'"),
        ("none", "failed", "read() of naughty returned {'ten-watts': None}"),
        ("unavailable", "unavailable", "does not want to"),
        ("infinite", "ok", ""),
        ("nothing", "ok", ""),
        ("print", "ok", ""),
    ],
)
def test_naughty_probe_costs_only_itself(
    tmp_path: Path, kind: str, status: str, words: str
) -> None:
    limits = SHORT if kind.startswith("hang") else PATIENT
    done = do(tmp_path, STEADY, naughty(kind), limits=limits)
    state = done.record.probes["naughty"]
    assert (state.status, words in state.reason) == (status, True), state.reason
    assert done.logs["naughty"].stop["status"] == status
    assert done.record.probes["steady"].status == "ok"
    times = done.logs["steady"].readings.before_ns.tolist()
    assert times[0] <= done.record.begin_ns
    assert times[-1] >= done.record.end_ns


def test_missing_values_are_left_out_and_counted(tmp_path: Path) -> None:
    done = do(tmp_path, naughty("infinite"))
    log = done.logs["naughty"]
    assert log.stop["rejected"] > 0
    values = np.stack(list(log.readings.values.values()))
    assert len(log.readings) and np.isfinite(values).any(axis=0).all()


def test_window_lies_between_the_marks_of_every_probe(tmp_path: Path) -> None:
    done = do(tmp_path, STEADY)
    window = done.logs["steady"].window_ns
    assert window is not None
    assert window[0] <= done.record.begin_ns < done.record.end_ns <= window[1]
    [phase] = done.record.phases
    assert phase.end_ns - phase.begin_ns >= 0.3e9
    assert done.record.begin_ns <= phase.begin_ns < phase.end_ns <= done.record.end_ns


def test_own_command_is_a_workload_and_its_output_is_kept(tmp_path: Path) -> None:
    text = "print('hello'); raise SystemExit(7)"
    job = command(sys.executable, "-c", text)
    done = do(tmp_path, STEADY, job=job)
    assert done.record.exit_code == 7
    assert (tmp_path / "output.log").read_text() == "hello\n"


def test_phase_marks_may_come_from_any_program(tmp_path: Path) -> None:
    text = (
        'print(\'crosswatt: {"mark": "result", "values": {"wer": 0.5}}\');'
        "print('crosswatt: {broken'); print('crosswatt: 7');"
        'print(\'crosswatt: {"mark": "phase", "name": "back", "begin_ns": 2, "end_ns": 1}\');'
        "import time; now = time.time_ns();"
        'print(\'crosswatt: {"mark": "phase", "name": "clock", "begin_ns": %d, "end_ns": %d}\''
        "      % (now, now));"
        'print(\'crosswatt: {"mark": "phaze"}\')'
    )
    job = command(sys.executable, "-c", text)
    done = do(tmp_path, STEADY, job=job)
    assert done.record.result == {"wer": 0.5}
    assert done.record.phases == ()
    said = (tmp_path / "output.log").read_text()
    assert said.startswith("crosswatt: {broken\ncrosswatt: 7\n")
    assert all(f'"{name}"' in said for name in ("back", "clock", "phaze"))


def test_a_command_that_does_not_exist_is_refused_in_a_sentence(tmp_path: Path) -> None:
    job = command("no-such-program")
    with pytest.raises(CrosswattError, match="cannot be run: there is no such program"):
        do(tmp_path, STEADY, job=job)
    assert not (tmp_path / store.RUN).exists()


def test_a_workload_that_does_not_get_ready_says_why(tmp_path: Path) -> None:
    job = idle("many")
    with pytest.raises(CrosswattError, match=r"did not get ready: .*invalid float value"):
        do(tmp_path, STEADY, job=job)


def test_a_check_stops_a_workload_as_soon_as_it_has_what_it_needs(tmp_path: Path) -> None:
    able = tmp_path / "able.py"
    able.write_text(
        """print('crosswatt: {"mark": "able"}', flush=True); import time; time.sleep(10_000)"""
    )
    lacking = tmp_path / "lacking.py"
    lacking.write_text("""raise SystemExit("no speech here: apt-get install speech")""")
    # Both would go on for longer than any test may take.
    jobs = [Job(folder="-", number=1, workload="able", script=str(able)), idle("10000")]
    lacks = Job(folder="-", number=1, workload="lacking", script=str(lacking))
    check_workloads([*jobs, *jobs], 3)
    with pytest.raises(CrosswattError, match=r"workload lacking did .*: apt-get install speech"):
        check_workloads([*jobs, lacks, *jobs], 2)


def test_a_workload_that_never_ends_is_stopped(tmp_path: Path) -> None:
    job = command("sleep", "10000")
    record = perform_run(job, [STEADY], tmp_path, PAUSE, Timeouts(workload_s=0.5))
    assert record.exit_code == -9


def test_describe_tells_what_is_there_and_why_not() -> None:
    states = describe_probes([STEADY, naughty("unavailable")])
    assert states["steady"][1].domains["ten-watts"].scope == "synthetic"
    assert (states["naughty"][0].status, states["naughty"][0].fix) == ("unavailable", "ask nicely")


ENDLESS = ("sh", "-c", "while :; do echo words; sleep 0.01; done")


def test_a_run_ends_when_the_output_of_its_workload_finds_no_room(tmp_path: Path) -> None:
    (tmp_path / store.OUTPUT).symlink_to("/dev/full")
    with pytest.raises(CrosswattError, match=r"its output could not be kept \(No space left"):
        do(tmp_path, STEADY, job=command(*ENDLESS))
    assert not (tmp_path / store.RUN).exists()


def test_a_run_ends_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "os.statvfs", lambda path: SimpleNamespace(f_blocks=9, f_bfree=0, f_bavail=0)
    )
    with pytest.raises(CrosswattError, match="has become full, and the run was broken off"):
        do(tmp_path, STEADY, job=command(*ENDLESS))
