"""The synthetic loads: their phases, what they count, where they run, and what they refuse."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrate import catalog
from calibrate.loads import (
    PREFIX,
    Kernel,
    Phase,
    Segment,
    Stage,
    add_placing,
    kernels,
    mixture,
    placed,
    placement,
    triad,
    whole_periods,
)
from calibrate.loads.placement import Background, background, of_socket
from calibrate.loads.script import run_segments
from tests.helpers.processes import lives

ROOT = Path(__file__).parents[3]
CPUS = sorted(os.sched_getaffinity(0))
LAST = str(CPUS[-1])
#: Workload scripts fork before anything has threads; here pytest's numpy has some.
forks = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
two_cpus = pytest.mark.skipif(len(CPUS) < 2, reason="this machine has one CPU")


def done(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = catalog.find("workloads", name)
    line = [sys.executable, str(script), "--marks", *arguments]
    return subprocess.run(line, input="go\n", capture_output=True, text=True, check=False)


def marks(name: str, *arguments: str) -> list[dict[str, Any]]:
    """Run a workload as a campaign does and return what it said."""
    ended = done(name, *arguments)
    assert (ended.returncode, ended.stderr) == (0, "")
    told = [json.loads(line.removeprefix(PREFIX)) for line in ended.stdout.splitlines()]
    ready = told.index({"mark": "ready"})
    assert told[:ready] in ([], [{"mark": "able"}])
    return told[ready + 1 :]


def phases(name: str, *arguments: str) -> list[dict[str, Any]]:
    told = marks(name, *arguments)
    assert {each["mark"] for each in told} == {"phase"}
    for one, other in itertools.pairwise(told):
        assert one["begin_ns"] < one["end_ns"] and one["begin_ns"] < other["begin_ns"]
    return told


@pytest.mark.parametrize(
    ("name", "unit", "quantum"),
    [
        ("gemm", "flop", 2 * 192**3),
        ("mixed", "flop", 2 * 192**3),
        ("triad", "byte", 24 * 2**15),
        ("copy", "byte", 2 * 2 * 2**20),
        ("integer", "op", 6 * 10 * 4096),
    ],
)
def test_a_steady_load_counts_whole_quanta(name: str, unit: str, quantum: int) -> None:
    [phase] = phases(name, "--seconds", "0.2", "--cpu", LAST)
    assert (phase["name"], phase["unit"]) == ("load", unit)
    assert phase["work"] > 0 and phase["work"] % quantum == 0
    assert phase["values"]["duty"] == 1 and 0 < phase["values"]["busy"] <= 1.01


def test_a_ramp_goes_up_and_down() -> None:
    told = phases("ramp", "--seconds", "5.2", "--levels", "3", "--cpu", LAST)
    assert [each["name"] for each in told] == [f"level[{n}]" for n in range(1, 6)]
    assert [each["values"]["duty"] for each in told] == [0, 0.5, 1, 0.5, 0]
    assert [each["work"] > 0 for each in told] == [False, True, True, True, False]


def test_steps_follow_the_seed() -> None:
    def duties(seed: str) -> list[float]:
        told = phases("steps", "--seconds", "2", "--seed", seed, "--cpu", LAST)
        assert [each["name"] for each in told] == ["step[1]", "step[2]"]
        return [each["values"]["duty"] for each in told]

    assert duties("1") == duties("1") != duties("2")


def test_bursts_are_short() -> None:
    told = phases("bursts", "--seconds", "0.9", "--burst-s", "0.1", "--every-s", "0.3")
    assert [each["name"] for each in told] == ["burst", "rest"] * 3
    work = {name: sum(p["work"] for p in told if p["name"] == name) for name in ("burst", "rest")}
    assert work["burst"] > 0 == work["rest"]


def test_a_square_wave_has_whole_periods() -> None:
    told = phases("square", "--seconds", "0.4", "--period", "0.2", "--duty", "0.5")
    assert [each["name"] for each in told] == ["high", "low"] * 2
    assert [each["values"]["duty"] for each in told] == [0.5, 0] * 2


def test_a_soak_has_equal_phases() -> None:
    told = phases("soak", "--seconds", "0.5", "--phase-s", "0.1", "--cpu", LAST)
    assert [each["name"] for each in told] == ["load"] * 5


def test_a_soak_outlasts_the_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    module = catalog.load(catalog.find("workloads", "soak"))
    found: list[list[Segment]] = []
    monkeypatch.setattr(
        module, "run_load", lambda make, unit, segments, given: found.append(segments)
    )
    for arguments in ([], ["--watts", "50", "--range-j", "65536", "--phase-s", "5"]):
        monkeypatch.setattr(sys, "argv", ["soak", *arguments])
        module.main()
    lengths = [sum(each.seconds for each in segments) for segments in found]
    assert lengths == pytest.approx([1.1 * 262144 / 100, 1.1 * 65536 / 50])
    assert [len(segments) for segments in found] == [288, 288]


@two_cpus
def test_a_background_is_reported_beside_the_load() -> None:
    told = marks("gemm", "--seconds", "0.3", "--background", f"0.5@{LAST}")
    [phase], [result] = ([m for m in told if m["mark"] == kind] for kind in ("phase", "result"))
    assert phase["name"] == "load" and "background" not in str(phase)
    values = result["values"]
    assert values["background_flop"] % (2 * 192**3) == 0 < values["background_flop"]
    assert values["background_duty"] == 0.5 and 0 < values["background_busy"] < 1


class Collected(Stage):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(marks=True)
        self.phases: list[Phase] = []

    def ready(self) -> None: ...

    def phase(self, phase: Phase) -> None:
        self.phases.append(phase)


def where() -> Kernel:
    """A kernel whose work tells on which CPUs it ran."""
    [cpu] = os.sched_getaffinity(0)
    return (lambda: None), 10.0**cpu


@forks
def test_workers_are_pinned_to_the_cpus_they_are_given() -> None:
    for cpu in CPUS[:2]:
        stage = Collected()
        run_segments(where, "op", [Segment("load", 0.2)], [cpu], stage)
        [phase] = stage.phases
        assert phase.work and phase.work % 10**cpu == 0


@forks
def test_a_worker_that_ends_is_a_sentence() -> None:
    def dies() -> Kernel:
        calls = iter(range(60))
        return (lambda: os._exit(9) if next(calls) > 55 else None), 1.0

    with pytest.raises(SystemExit, match="A worker of the load was ended from outside"):
        run_segments(dies, "op", [Segment("load", 0.1)], CPUS[:1], Collected())


@forks
def test_a_worker_that_is_killed_is_told_as_shells_tell_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def dies() -> Kernel:
        calls = iter(range(60))
        return (lambda: os.kill(os.getpid(), 9) if next(calls) > 55 else None), 1.0

    with pytest.raises(SystemExit) as ended:
        run_segments(dies, "op", [Segment("load", 0.1)], CPUS[:1], Collected())
    assert ended.value.code == 128 + 9
    assert "A worker of the load was ended from outside" in capsys.readouterr().err


@forks
def test_a_worker_that_ends_before_the_others_are_ready_is_not_waited_for() -> None:
    def dies() -> Kernel:
        raise SystemExit(3)

    begun_s = time.monotonic()
    with pytest.raises(SystemExit, match="A worker of the load was ended from outside"):
        run_segments(dies, "op", [Segment("load", 0.1)], CPUS[:1], Collected())
    assert time.monotonic() - begun_s < 30


@forks
def test_no_worker_outlives_a_workload_that_is_killed() -> None:
    script = str(ROOT / "workloads" / "integer.py")
    process = subprocess.Popen([sys.executable, script, "--seconds", "60", "--cores", "1"])
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    until_s = time.monotonic() + 60
    while not (found := children.read_text().split()) and time.monotonic() < until_s:
        time.sleep(0.05)
    process.kill()
    process.wait()
    while any(lives(int(each)) for each in found) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert found and not any(lives(int(each)) for each in found)


def test_the_triad_is_the_triad(monkeypatch: pytest.MonkeyPatch) -> None:
    """One stretch after the other, and round again."""
    monkeypatch.setattr(kernels, "TRIAD", 2**16)
    a = np.zeros(2**16)
    monkeypatch.setattr(np, "zeros_like", lambda b: a)
    stretch, nbytes = triad()
    assert nbytes == 24 * 2**15
    stretch()
    assert (a == np.repeat([7.0, 0.0], 2**15)).all()
    stretch()
    stretch()
    assert (a == 7.0).all()


def test_a_mixture_takes_turns_and_counts_the_first() -> None:
    calls: list[str] = []
    both, work = mixture((lambda: calls.append("one"), 3.0), (lambda: calls.append("other"), 5.0))
    both()
    both()
    assert (calls, work) == (["one", "other"] * 2, 3.0)


# ---- where they run ----


def topology(root: Path, packages: dict[int, int]) -> Path:
    for cpu, package in packages.items():
        place = root / f"cpu{cpu}" / "topology"
        place.mkdir(parents=True)
        (place / "physical_package_id").write_text(f"{package}\n")
    return root


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "allowed", lambda: [0, 1, 2, 5])


def test_a_socket_is_all_of_its_cpus_that_may_be_used(four: None, tmp_path: Path) -> None:
    root = topology(tmp_path, {0: 0, 1: 1, 2: 0, 3: 1, 5: 1})
    assert of_socket(0, root) == [0, 2]
    assert of_socket(1, root) == [1, 5]
    with pytest.raises(
        SystemExit, match=r"no such socket here; there is 0 \(CPU 0,2\), 1 \(CPU 1,5"
    ):
        of_socket(2, root)
    with pytest.raises(SystemExit, match="does not say which CPU is on which socket"):
        of_socket(0, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("line", "cpus"),
    [
        ("", [0, 1, 2, 5]),
        ("--cores 2", [0, 1]),
        ("--cpu 5", [5]),
        ("--cpu 0-1,5", [0, 1, 5]),
    ],
)
def test_cpus_are_chosen(four: None, line: str, cpus: list[int]) -> None:
    options = ArgumentParser()
    add_placing(options)
    assert placed(options.parse_args(line.split())) == cpus


def test_a_background_has_cpus_of_its_own(four: None) -> None:
    options = ArgumentParser()
    add_placing(options)
    assert background("0.5@1-2") == Background(0.5, (1, 2))
    assert background(None) is None
    assert placed(options.parse_args([]), (1, 2)) == [0, 5]
    with pytest.raises(SystemExit, match="CPU 1-2 would have the load and the background"):
        placed(options.parse_args(["--cpu", "0-2"]), (1, 2))
    for text in ("0.5", "0@1", "1.5@1", "half@1", "0.5@"):
        with pytest.raises(SystemExit, match="--background"):
            background(text)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("gemm --cpu 4096", "may not use CPU 4096; it may use"),
        ("gemm --cpu two", "a list of CPUs such as 3, or 0-3,8"),
        ("gemm --cores 4096", "this process may use"),
        ("gemm --socket 77", "--socket 77"),
        ("gemm --cores 1 --cpu 0", "not allowed with argument"),
        ("gemm --duty 1.5", "a share, between 0 and 1"),
        ("gemm --seconds 0", "a length of time, above 0"),
        ("triad --seconds -1", "a length of time, above 0"),
        ("ramp --seconds 5", "9 steps of at least 1 s take 9 s"),
        ("ramp --levels 1", "at least 2 levels"),
        ("steps --step-s 0.5", "a step is at least 1 s long"),
        ("bursts --burst-s 0.5", "shorter than the time from one to the next"),
        ("soak --watts 0", "are above 0"),
        ("stress-ng --seconds 0", "a length of time, above 0"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(line: str, words: str) -> None:
    name, *arguments = line.split()
    ended = done(name, *arguments)
    assert ended.returncode != 0 and ended.stdout == ""
    assert words in ended.stderr and "Traceback" not in ended.stderr


# ---- stress-ng ----


@pytest.mark.skipif(not shutil.which("stress-ng"), reason="stress-ng is not installed")
def test_stress_ng_runs_and_tells_its_version() -> None:
    phase, result = marks("stress-ng", "--seconds", "0.6", "--method", "int64", "--cpu", LAST)
    assert (phase["name"], phase["unit"], phase["work"] > 0) == ("load", "bogo-op", True)
    assert re.fullmatch(r"\d+\.\d+.*", result["values"]["stress_ng"])
    assert result["values"]["method"] == "int64"
    ended = done("stress-ng", "--method", "none")
    assert "stress-ng refuses: cpu-method must be one of" in ended.stderr


def test_stress_ng_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    ended = done("stress-ng")
    assert ended.stderr == "stress-ng is not installed; type: sudo apt-get install stress-ng\n"


@pytest.mark.parametrize("word", ["metrc:", "info: "])
def test_bogo_ops_are_read_from_what_stress_ng_prints(word: str) -> None:
    """0.15 says metrc, older releases info."""
    module = catalog.load(catalog.find("workloads", "stress-ng"))
    said = (
        "stress-ng: info:  [18] dispatching hogs: 1 cpu\n"
        f"stress-ng: {word} [18] stressor       bogo ops real time  usr time  sys time\n"
        f"stress-ng: {word} [18] cpu                2453      2.00      2.00      0.00\n"
    )
    assert module.bogo_ops(said) == 2453
    with pytest.raises(SystemExit, match=r"told no bogo ops; it said: .*dispatching"):
        module.bogo_ops(said.splitlines()[0])


# ---- documentation ----


def test_every_workload_is_in_the_table_with_its_options() -> None:
    text = (ROOT / "docs" / "workloads.md").read_text()
    text = text[text.index("| workload |") : text.index("\n\nAll have")]  # the first table
    rows = re.findall(r"^\| (`.*?) \| .* \| (.*) \|$", text, re.MULTILINE)
    table = {
        name: re.findall(r"`(--[\w-]+)`", options)
        for names, options in rows
        for name in re.findall(r"`([\w-]+)`", names)
    }
    assert set(table) == set(catalog.files("workloads"))
    for name, options in table.items():
        told = done(name, "--help").stdout
        assert all(option in told for option in options), name


def test_whole_periods() -> None:
    assert whole_periods(1.0) == 1.0
    assert whole_periods(1.011) == pytest.approx(1.02)
    assert whole_periods(0.0) == pytest.approx(0.02)
