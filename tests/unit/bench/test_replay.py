"""A recorded trace instead of this host's activity."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate.bench import Setup, load, tree
from calibrate.bench.demand import Demand
from calibrate.bench.files import File
from calibrate.bench.machine import Replay, Trace, read_trace
from calibrate.bench.snapshot import Snapshots
from calibrate.energy import power_trace
from calibrate.errors import BadFile, CrosswattError
from tests.helpers.campaigns import build, truth

TRACE = "time_s,package-0,core-0\n10,100,50\n12,40,20\n13,10,5\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "trace.csv"
    path.write_text(text)
    return path


def test_energy_follows_the_trace_and_goes_on_as_it_ended(tmp_path: Path) -> None:
    clock = [0]
    machine = Replay(load("desktop"), read_trace(write(tmp_path, TRACE)), 2.0, lambda: clock[0])
    for seconds, expected_j in ((0, 0), (0.5, 100), (1.25, 220), (1.5, 240), (3, 360)):
        clock[0] = round(seconds * 1e9)
        assert machine.look().joules("package-0") == pytest.approx(expected_j)
    assert machine.past_j("core-0", 500_000_000) == pytest.approx(50)
    assert list(machine.scopes) == ["package-0", "core-0"]


def test_a_trace_waits_while_the_machine_sleeps(tmp_path: Path) -> None:
    clock = [0]
    machine = Replay(load("desktop"), read_trace(write(tmp_path, TRACE)), 1.0, lambda: clock[0])
    clock[0] = 10**9
    machine.sleep(True)
    clock[0] = 5 * 10**9
    assert machine.look().joules("package-0") == pytest.approx(100)
    machine.sleep(False)
    clock[0] = 6 * 10**9
    assert machine.look().joules("package-0") == pytest.approx(200)


def test_a_trace_that_knows_less_than_the_machine_shows_only_that(tmp_path: Path) -> None:
    trace = read_trace(write(tmp_path, "time_s,gpu-2\n0,300\n100,300\n"))
    clock = [0]
    for name, scope in (("gpu-node", "gpu-2"), ("workstation", "gpu-0")):
        model, known = load(name), Trace(trace.times_s, {scope: trace.joules["gpu-2"]})
        machine = Replay(model, known, 1.0, lambda: clock[0])
        snapshots = Snapshots(model, machine)
        nodes = tree.build(model, snapshots, Demand(machine, 4), [0], {})
        clock[0] += 2 * 10**9
        files = {path: node.content() for path, node in nodes.items() if isinstance(node, File)}
        assert files["/nvml/count"] == b"1\n"
        assert int(files["/nvml/0/now"].split()[1]) == 300_000
        assert not [path for path in files if "rapl" in path or path.endswith("_input")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a column time_s"),
        ("time_s,package-0\n1,2\n", "two rows"),
        ("seconds,package-0\n1,2\n2,3\n", "needs a column time_s"),
        ("time_s,package-0\n1,2\n1,3\n", "do not rise"),
        ("time_s,package-0\n1,2\n2,x\n", "no number"),
        ("time_s,package-0\n1,2\n2,-3\n", "negative"),
        ("time_s,package-0\n1,nan\n2,3\n", "missing"),
        ("time_s,package-0\n1,2\n2\n", "no number"),
    ],
)
def test_a_bad_trace_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadFile, match=message):
        read_trace(write(tmp_path, text))


def test_a_trace_of_another_machine_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "time_s,dram-0\n1,2\n2,3\n")
    with pytest.raises(BadFile, match="'dram-0', which this machine lacks"):
        Setup("desktop", replay=str(path)).check()


@pytest.mark.parametrize(
    "setup", [Setup(speed=0), Setup(speed=float("nan")), Setup(replay="x.csv", load="0.5x1")]
)
def test_a_setup_that_makes_no_sense_is_refused(setup: Setup) -> None:
    with pytest.raises(CrosswattError):
        setup.check()


def test_a_campaign_and_a_run_of_it_become_traces(tmp_path: Path) -> None:
    folder = build(tmp_path / "campaign", {"truth": truth()}, {"idle": 20.0, "gemm": 60.0}, (5.0,))
    with power_trace(folder) as path:
        assert path
        trace = read_trace(Path(path))
    assert trace.times_s[-1] == pytest.approx(14.0)  # two runs of five seconds and two beside
    assert trace.energy_j("package-0", 14.0) == pytest.approx(7 * 20 + 7 * 60)
    with power_trace(folder / "002-gemm") as path:
        assert path
        assert read_trace(Path(path)).energy_j("package-0", 1.0) == pytest.approx(60)
    assert not Path(path).exists()


def test_a_folder_that_holds_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CrosswattError), power_trace(tmp_path):
        pass
