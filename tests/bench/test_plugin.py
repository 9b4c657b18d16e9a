"""The pytest plugin, as the author of a meter has it: his own test suite, run by his pytest."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("bench_ready")

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
NOBODY = 65534
#: By its entry point where crosswatt is installed with it; loading it twice is an error.
INSTALLED = bool(entry_points(group="pytest11", name="crosswatt"))
LOAD = ["-p", "crosswatt" if INSTALLED else "calibrate.pytest_plugin"]
HEAD = """
import os, subprocess, sys, threading, time
from pathlib import Path
import pytest
from calibrate.errors import CrosswattError

ENERGY = Path("/sys/class/powercap/intel-rapl:0/energy_uj")

def burn(seconds=1.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))

def joules():
    # What every package and DRAM counter of the machine called server shows.
    zones = [f"/sys/class/powercap/intel-rapl:{name}" for name in ("0", "0:0", "1", "1:0")]
    return sum(int(Path(zone, "energy_uj").read_text()) for zone in zones) / 1e6

class Brackets:
    # What a machine used at least and at most between the start and the end of a meter: by truths
    # read just before and just after each of them, so that no scheduler can disturb this.
    def __init__(self, machine, *kinds):
        self._machine, self._kinds = machine, kinds

    def _truth(self):
        now = self._machine.read().joules
        return sum(j for scope, j in now.items() if scope.startswith(self._kinds))

    def start(self, meter):
        before = self._truth()
        result = meter()
        self._outer, self._inner = before, self._truth()
        return result

    def stop(self, meter):
        self.least_j = self._truth() - self._inner
        result = meter()
        self.most_j = self._truth() - self._outer
        return result

    def hold(self, used_j, within_j=0.001):
        assert self.least_j - within_j <= used_j <= self.most_j + within_j
        return True

def assert_exact(machine, seconds=1.0):
    brackets = Brackets(machine, "package", "dram")
    first = brackets.start(joules)
    burn(seconds)
    last = brackets.stop(joules)
    assert brackets.least_j > 1
    assert brackets.hold(last - first)

def surroundings():
    return os.getcwd(), Path("/proc/self/mountinfo").read_text(), dict(os.environ)
"""


@dataclass
class Done:
    """What a run of pytest said; its processes are those with the mark in their environment."""

    code: int
    text: str
    mark: str

    def left(self) -> list[str]:
        return alive(self.mark)


def alive(mark: str) -> list[str]:
    """Return the command lines of all processes that were started with a variable."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and mark.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def run(
    folder: Path,
    code: str,
    *options: str,
    python: str = sys.executable,
    path: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    **how: Any,
) -> Done:
    mark = f"CROSSWATT_TEST={uuid.uuid4()}"
    (folder / "test_it.py").write_text(HEAD + textwrap.dedent(code))
    unset = ("CROSSWATT_REQUIRE_BENCH", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER")
    environment = {name: text for name, text in os.environ.items() if name not in unset}
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *path]),
        "CROSSWATT_TEST": mark.partition("=")[2],
        **(variables or {}),
    }
    done = subprocess.run(
        [python, "-m", "pytest", *LOAD, "-p", "no:cacheprovider", "-W", "error", "-ra", *options],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=250,
        check=False,
        **how,
    )
    assert "crosswatt" not in Path("/proc/self/mountinfo").read_text()
    return Done(done.returncode, done.stdout, mark)


def passes(folder: Path, code: str, n: int, *options: str, **how: Any) -> None:
    done = run(folder, code, *options, **how)
    assert done.code == 0, done.text
    assert f" {n} passed" in done.text.splitlines()[-1], done.text
    assert not done.left()


def test_example_of_the_documentation(tmp_path: Path) -> None:
    passes(tmp_path, (HERE / "my_meter_example.py").read_text(), 5)


def test_documentation_quotes_the_example() -> None:
    _, _, example = (HERE / "my_meter_example.py").read_text().partition("\n")
    assert f"```python\n{example}```" in (REPOSITORY / "docs/testing-a-meter.md").read_text()


def test_from_start_to_end_of_a_test(tmp_path: Path) -> None:
    code = """
        def test_default(bench, truth):
            bench()
            assert set(truth.scopes) >= {"package-0", "core-0"}
            burn(0.5)
            assert truth.seconds > 0.5
            # Time passes between two looks at it.
            assert truth.joules <= truth.of("package-0") <= truth.joules
            assert truth.of("package-0") > truth.of("core") > 0
            with pytest.raises(CrosswattError, match="dram"):
                truth.of("dram")

        def test_gone():
            assert "CROSSWATT_BENCH" not in os.environ
            assert not Path("/sys/devices/virtual/crosswatt").exists()

        def test_after_the_end(bench, truth):
            with pytest.raises(CrosswattError, match="bench"):
                truth.joules
            with bench("server") as machine:
                burn(0.2)
            used = truth.joules
            time.sleep(0.1)
            assert truth.joules == used > 0
            machine.end()
            assert "CROSSWATT_BENCH" not in os.environ
    """
    passes(tmp_path, code, 3)


def test_pyjoules_and_codecarbon_agree_with_the_truth(tmp_path: Path) -> None:
    pytest.importorskip("pyJoules")
    pytest.importorskip("codecarbon")
    code = """
        @pytest.mark.filterwarnings("default")  # it leaves files open
        def test_pyjoules(bench, truth):
            from pyJoules.device import DeviceFactory
            from pyJoules.device.rapl_device import RaplDramDomain, RaplPackageDomain
            from pyJoules.energy_meter import EnergyMeter

            brackets = Brackets(bench("server"), "package", "dram")
            domains = [kind(n) for kind in (RaplPackageDomain, RaplDramDomain) for n in (0, 1)]
            meter = EnergyMeter(DeviceFactory.create_devices(domains))
            brackets.start(meter.start)
            burn(2)
            brackets.stop(meter.stop)
            used = sum(sum(sample.energy.values()) for sample in meter.get_trace()) / 1e6
            assert brackets.hold(used, within_j=0.01)

        @pytest.mark.filterwarnings("default")
        def test_codecarbon(bench, truth):
            from codecarbon import OfflineEmissionsTracker

            brackets = Brackets(bench("server"), "package")
            tracker = OfflineEmissionsTracker(
                country_iso_code="FRA", output_methods=[], log_level="error",
                measure_power_secs=1, allow_multiple_runs=True,
            )
            tracker._ensure_hardware_ready()
            brackets.start(tracker.start)
            burn(5)
            brackets.stop(tracker.stop)
            used = tracker._total_cpu_energy.kWh * 3.6e6
            assert brackets.hold(used, within_j=0.01 * brackets.least_j)
    """
    passes(tmp_path, code, 2)


def test_virtual_gpus_in_the_process(tmp_path: Path) -> None:
    pytest.importorskip("pynvml")
    if not shutil.which("cc"):
        pytest.skip("no C compiler")
    code = """
        @pytest.mark.parametrize("again", [False, True])
        def test_gpus(bench, truth, again):
            import pynvml

            with bench("gpu-node") as machine:
                brackets = Brackets(machine, "gpu")
                pynvml.nvmlInit()
                n_gpus = pynvml.nvmlDeviceGetCount()
                gpus = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(n_gpus)]
                energy = pynvml.nvmlDeviceGetTotalEnergyConsumption
                before = brackets.start(lambda: sum(map(energy, gpus)))
                time.sleep(2)
                used = (brackets.stop(lambda: sum(map(energy, gpus))) - before) / 1e3
                pynvml.nvmlShutdown()
                shown = subprocess.run(
                    ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
                    check=True, capture_output=True, text=True,
                ).stdout
            assert n_gpus == shown.count("simulated") == 4
            # They are renewed every 20 ms.
            assert brackets.hold(used, within_j=0.03 * brackets.least_j)
            with pytest.raises(pynvml.NVMLError):
                pynvml.nvmlInit()
    """
    passes(tmp_path, code, 2, "-W", "default")


def test_faults(tmp_path: Path) -> None:
    code = """
        def used(truth, seconds=1.5):
            with truth:
                before = joules()
                time.sleep(seconds)
                return joules() - before

        def test_stuck(bench, truth):
            bench("server", "stuck", load="0.5x1")
            assert used(truth) == 0 < truth.joules

        def test_two(bench, truth):
            bench("server", "unit=4,scope=dram", "stuck,scope=package", load="0.5x1")
            assert used(truth) == pytest.approx(4 * truth.of("dram"), rel=0.1)

        def test_when_triggered(bench, truth):
            machine = bench("server", "stuck", load="0.5x1", armed=True)
            assert used(truth) == pytest.approx(truth.joules, rel=0.1)
            machine.trigger()
            assert used(truth) == 0 < truth.joules

        def test_replay(bench, truth, tmp_path):
            trace = tmp_path / "trace.csv"
            trace.write_text("time_s,package-0\\n0,10\\n100,10\\n")
            bench("server", replay=trace, speed=5)
            with truth:
                time.sleep(0.4)
            assert truth.of("package-0") == pytest.approx(50 * truth.seconds, rel=1e-6)

        def test_refused(bench):
            with pytest.raises(CrosswattError, match="server"):
                bench("servr")
            with pytest.raises(CrosswattError, match="stuck"):
                bench("server", "stuk")
            for fault in ("suspend", "clock-step"):
                with pytest.raises(CrosswattError, match="bench exec"):
                    bench("server", fault)
            assert "CROSSWATT_BENCH" not in os.environ
    """
    passes(tmp_path, code, 5)


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_many_machines(tmp_path: Path, options: Sequence[str]) -> None:
    if options:
        pytest.importorskip("xdist")
    code = """
        @pytest.mark.parametrize("number", range(3))
        def test_own_machine(bench, tmp_path, number):
            before = surroundings()
            for _ in range(2):
                with bench("server") as machine:
                    assert_exact(machine)
                    assert os.getcwd() == before[0]
            assert surroundings() == before
    """
    passes(tmp_path, code, 3, *options)


def test_failure_restores_all_and_says_simulated(tmp_path: Path) -> None:
    code = """
        MOUNTS = Path("/proc/self/mountinfo").read_text()

        def test_fails(bench):
            with bench("desktop"):
                assert bench is None

        def test_fails_too(bench, monkeypatch, tmp_path):
            bench("server", "stuck")
            monkeypatch.chdir(tmp_path)
            assert bench is None

        def test_restored():
            assert MOUNTS == Path("/proc/self/mountinfo").read_text()
            assert Path.cwd() == Path(__file__).parent
    """
    done = run(tmp_path, code, "--junit-xml=junit.xml")
    assert "2 failed, 1 passed" in done.text
    assert "simulated machine: server stuck" in done.text
    assert 'name="simulated_machine" value="server stuck"' in (tmp_path / "junit.xml").read_text()
    assert not done.left()


def test_a_failed_check_says_what_is_wrong_with_the_figure(tmp_path: Path) -> None:
    code = """
        def said(truth, joules, *scopes):
            with pytest.raises(AssertionError) as failed:
                truth.check(joules, *scopes)
            return str(failed.value)

        def test_check(bench, truth):
            with bench("server", load="0.9x1,0.2x1"):
                with truth:
                    time.sleep(1)
                used = truth.joules
                truth.check(used * 1.03)
                truth.check(truth.of("dram"), "dram")
                assert "A thousand times" in said(truth, 1000 * used)
                assert "J for mJ" in said(truth, 1000 * used)
                assert "DRAM is missing" in said(truth, truth.of("package"))
                assert "wrap is not corrected: 262143 J missing" in said(truth, used - 262143.3)
                assert "package-0 used" in said(truth, 0.0, "package-0")
                with pytest.raises(CrosswattError):
                    truth.check(1.0, "gpu")
    """
    passes(tmp_path, code, 1)


def test_meters_have_to_agree_where_a_test_is_marked(tmp_path: Path) -> None:
    code = """
        @pytest.mark.energy_agrees("rapl", bench="desktop", within="5%")
        def test_agrees():
            burn(1.5)

        @pytest.mark.energy_agrees("codecarbon-1.2.0", bench="desktop")
        def test_is_not_there():
            burn(0.1)

        @pytest.mark.energy_agrees("load=codecarbon", bench="desktop", within="1%")
        def test_disagrees():
            burn(1.5)

        @pytest.mark.energy_agrees("rapl", bench="desktop")
        def test_fails_by_itself():
            assert joules is None
    """
    done = run(tmp_path, code, "-W", "ignore")
    assert "1 passed" in done.text and "3 failed" in done.text, done.text
    assert "assert" in done.text and not done.left()


def test_threads_and_processes_of_a_meter(tmp_path: Path) -> None:
    code = """
        STOP = threading.Event()
        SEEN = []

        def look():
            while not STOP.wait(0.01):
                try:
                    SEEN.append(int(ENERGY.read_text()))
                except OSError:
                    SEEN.append(None)

        def test_thread_left_running(bench):
            bench("desktop")
            threading.Thread(target=look, daemon=True).start()
            give_up_s = time.monotonic() + 20
            while len(set(SEEN)) <= 10:
                assert time.monotonic() < give_up_s
                time.sleep(0.01)

        def test_away_and_on_another(bench):
            here = "CROSSWATT_BENCH" in os.environ
            with bench("server"):
                joules()
            assert not here
            STOP.set()

        def test_processes(bench, truth):
            bench("server")
            burner = "import time\\nwhile time.process_time() < 1: pass"
            with truth:
                time.sleep(1)
            idle_w = truth.joules / truth.seconds
            with truth:
                subprocess.run([sys.executable, "-c", burner], check=True)
            # A second of CPU time costs tens of joules, however long it took; noise is 0.5 W.
            assert truth.joules - idle_w * truth.seconds > 5
            seen = subprocess.run(["cat", ENERGY], check=True, capture_output=True).stdout
            assert int(seen) > 0
    """
    passes(tmp_path, code, 3)


def test_power_follows_every_thread_of_the_process(tmp_path: Path) -> None:
    """Threads from before the machine, from after it, and processes: each counted once."""
    model = tmp_path / "one-watt.toml"
    model.write_text("""
        title = "a joule for each second of CPU time"
        vendor = "intel"
        energy_unit_j = 0.00006103515625
        [[packages]]
        idle_w = 0.0
        active_w = 1.0
        max_energy_range_uj = 262143328
    """)
    code = """
        def test_follow(bench, truth):
            go = threading.Event()
            old = [threading.Thread(target=lambda: (go.wait(), burn(1))) for _ in range(3)]
            for each in old:
                each.start()
            bench("one-watt.toml")
            truth.start()
            before = sum(os.times()[:4])
            go.set()
            new = [threading.Thread(target=burn) for _ in range(2)]
            for each in new:
                each.start()
            subprocess.run([sys.executable, "-c", "sum(range(30_000_000))"], check=True)
            for each in old + new:
                each.join()
            truth.stop()
            cpu_s = sum(os.times()[:4]) - before
            assert truth.joules * os.cpu_count() == pytest.approx(cpu_s, rel=0.02)
    """
    passes(tmp_path, code, 1)


def test_killed(tmp_path: Path) -> None:
    code = """
        def test_killed(bench):
            bench("desktop")
            os.kill(os.getpid(), 9)
    """
    done = run(tmp_path, code)
    assert done.code == -signal.SIGKILL
    give_up_s = time.monotonic() + 10
    while done.left() and time.monotonic() < give_up_s:
        time.sleep(0.05)
    assert not done.left()


def test_plugin_is_cheap() -> None:
    code = "import sys, calibrate.pytest_plugin\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    loaded = set(done.stdout.split())
    assert not {name for name in loaded if name.startswith("calibrate.bench")}
    assert not loaded & {"numpy", "pydantic", "scipy", "typer"}


def test_within_a_bench(tmp_path: Path) -> None:
    code = """
        def test_it(bench):
            bench("desktop")
    """
    variables = {"CROSSWATT_BENCH": "/somewhere"}
    done = run(tmp_path, code, variables=variables)
    assert "1 skipped" in done.text
    assert "a bench within a bench" in done.text
    variables["CROSSWATT_REQUIRE_BENCH"] = "1"
    assert run(tmp_path, code, variables=variables).code == 1


@dataclass
class Somebody:
    """A user without rights, with a folder and a Python."""

    folder: Path
    how: dict[str, Any]


@pytest.fixture
def somebody() -> Iterator[Somebody]:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    if Path("/dev/fuse").stat().st_mode & 0o6 != 0o6:
        pytest.skip("/dev/fuse is not for everybody: chmod 666 /dev/fuse")
    packages = [path for path in sys.path if path.endswith("site-packages")]
    system = f"/usr/bin/python3.{sys.version_info.minor}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        for python in (sys.executable, system):
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                path = os.pathsep.join([str(REPOSITORY), *packages])
                subprocess.run(
                    [python, "-c", "import calibrate, mfusepy, pytest, pydantic"],
                    check=True, cwd=folder, capture_output=True, env={"PYTHONPATH": path}, **user,
                )  # fmt: skip
                variables = {"HOME": name, "XDG_CACHE_HOME": name, "PYTHONDONTWRITEBYTECODE": "1"}
                how = {**user, "python": python, "path": packages, "variables": variables}
                yield Somebody(folder, how)
                return
    pytest.skip("others may not read this Python and its packages")


ONE = """
    def test_it(bench, tmp_path):
        with bench("server") as machine:
            assert_exact(machine)
        (tmp_path / "file").write_text("written")

    def test_again(bench):
        bench("desktop")
        assert ENERGY.exists()
"""


@pytest.mark.parametrize(
    "options",
    [(), ("--crosswatt-bench",), ("--crosswatt-bench", "-n", "2")],
    ids=["in place", "from the start", "xdist"],
)
def test_without_root(somebody: Somebody, options: Sequence[str]) -> None:
    passes(somebody.folder, ONE, 2, *options, **somebody.how)


def test_without_root_and_too_late(somebody: Somebody) -> None:
    code = f"""
    STOP = threading.Event()
    threading.Thread(target=STOP.wait, daemon=True).start()
    {ONE}"""
    done = run(somebody.folder, code, **somebody.how)
    assert done.code == 0
    assert "2 skipped" in done.text
    assert "pytest --crosswatt-bench" in done.text
    done = run(somebody.folder, code, "--crosswatt-require", **somebody.how)
    assert "2 errors" in done.text
    passes(somebody.folder, code, 2, "--crosswatt-bench", **somebody.how)
