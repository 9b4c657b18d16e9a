"""Real commands and real, unmodified meters on the simulated machine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from calibrate import bench, catalog
from calibrate.bench.activity import online_cpus
from calibrate.errors import BadFile, UnknownName, Unsupported
from calibrate.probe.adapter import load_probe
from calibrate.probe.contract import Target, Unavailable

pytestmark = pytest.mark.usefixtures("bench_ready")

REPOSITORY = Path(__file__).resolve().parents[2]
RUN = [sys.executable, "-m", "calibrate.bench", "exec", "--model"]
ENERGY = "/sys/class/powercap/intel-rapl:0/energy_uj"
LOAD = """
import json, os, time
folder = os.environ["CROSSWATT_BENCH"]
def truth():
    with open(folder + "/truth") as file:
        return json.load(file)["joules"]
def pair():
    # Truth and counter of one and the same snapshot, in joules.
    while True:
        before = truth()
        with open("/sys/class/powercap/intel-rapl:0/energy_uj") as file:
            shown_j = int(file.read()) / 1e6
        if truth() == before:
            return before["package-0"], shown_j
def burn(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))
def metered(start, stop, seconds):
    # The least and the most that each part used while a meter ran: truths just before and just
    # after it starts and stops, so that no scheduler can disturb this.
    before = truth(); start(); started = truth()
    burn(seconds)
    ending = truth(); stop(); after = truth()
    return {k: [ending[k] - started[k], after[k] - before[k]] for k in before}
"""


def on_bench(model: str | Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RUN, str(model), "--", *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def python_on_bench(model: str | Path, code: str, python: str = sys.executable) -> Any:
    done = on_bench(model, python, "-c", LOAD + textwrap.dedent(code))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def small_model(folder: Path, start_uj: int) -> Path:
    path = folder / "small.toml"
    path.write_text(f"""
        title = "small"
        vendor = "intel"
        energy_unit_j = 0.00006103515625
        [[packages]]
        idle_w = 50
        active_w = 10
        max_energy_range_uj = 262143328
        start_uj = {start_uj}
    """)
    return path


def processes_with(text: str) -> list[int]:
    found = []
    for process in Path("/proc").iterdir():
        # A process may end at any step of this; it then counts as gone.
        with contextlib.suppress(OSError):
            if process.name.isdecimal() and text.encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


def gone(text: str, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not processes_with(text):
            return True
        time.sleep(0.02)
    return False


def mounted() -> bool:
    return "crosswatt" in Path("/proc/self/mountinfo").read_text()


def test_the_counters_are_where_a_kernel_has_them() -> None:
    done = on_bench("server", "sh", "-c", "cd /sys/class/powercap && cat */name && cat */energy_uj")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split()
    assert lines[:4] == ["package-0", "dram", "package-1", "dram"]
    assert all(int(each) > 0 for each in lines[4:])


def test_nothing_else_in_sys_is_hidden() -> None:
    look = (
        "ls /dev /sys/class /sys/devices/virtual; ls /sys/class/net/lo/; cat /sys/class/net/lo/mtu"
    )
    inside, outside = (
        on_bench("desktop", "sh", "-c", look),
        subprocess.run(["sh", "-c", look], capture_output=True, text=True, check=True),
    )
    added = {"powercap", "hwmon", "power_supply", "crosswatt"}
    seen_inside, seen_outside = (set(each.stdout.split()) for each in (inside, outside))
    assert seen_inside - added == seen_outside - added
    assert not mounted()


def test_the_counter_agrees_with_the_truth_under_load() -> None:
    deltas = python_on_bench(
        "desktop",
        """
        before, first = pair(); burn(2); after, last = pair()
        print(json.dumps([after - before, last - first]))
        """,
    )
    true_j, shown_j = deltas
    assert true_j > 12  # 6 W with nothing to do
    assert shown_j == pytest.approx(true_j, rel=1e-5)


def test_load_costs_what_the_model_says() -> None:
    resting_j, working_j, cpu_s = python_on_bench(
        "amd",
        """
        before = truth(); time.sleep(1); idle = truth()
        cpu = time.process_time(); burn(1); cpu = time.process_time() - cpu
        busy = truth()
        print(json.dumps([idle["package-0"] - before["package-0"],
                          busy["package-0"] - idle["package-0"], cpu]))
        """,
    )
    # Lower bounds: whatever else this host does comes on top.
    assert resting_j >= 3.0
    assert working_j >= 3.0 + 12.0 * (cpu_s - 0.02) / len(online_cpus())


def test_a_shell_that_reads_byte_by_byte_gets_a_whole_number() -> None:
    done = on_bench("desktop", "sh", "-c", f"for i in 1 2 3; do read x < {ENERGY}; echo $x; done")
    assert all(len(each) >= 11 for each in done.stdout.split()), done.stdout
    assert len(done.stdout.split()) == 3


def test_pyjoules_sees_every_domain() -> None:
    pytest.importorskip("pyJoules")
    traced, true = python_on_bench(
        "server",
        """
        from pyJoules.device import DeviceFactory
        from pyJoules.energy_meter import EnergyMeter
        meter = EnergyMeter(DeviceFactory.create_devices())
        used = metered(meter.start, meter.stop, 2)
        print(json.dumps([meter.get_trace()[0].energy, used]))
        """,
    )
    assert set(traced) == {"package_0", "package_1", "dram_0", "dram_1"}
    for domain, microjoules in traced.items():
        least_j, most_j = true[domain.replace("_", "-")]
        assert 0.999 * least_j <= microjoules / 1e6 <= 1.001 * most_j


def test_codecarbon_finds_intel_rapl() -> None:
    pytest.importorskip("codecarbon")
    names, joules, true = python_on_bench(
        "server",
        """
        from codecarbon.core.units import Time
        from codecarbon.core.cpu import IntelRAPL, is_rapl_available
        assert is_rapl_available()
        rapl = IntelRAPL()
        details = {}
        used = metered(rapl.start, lambda: details.update(rapl.get_cpu_details(Time(seconds=2))), 2)
        kwh = sum(v for k, v in details.items() if "Energy" in k)
        print(json.dumps([sorted(details), kwh * 3.6e6,
                          [sum(used[p][n] for p in ("package-0", "package-1")) for n in (0, 1)]]))
        """,
    )
    assert [each for each in names if "Energy" in each]
    assert 0.999 * true[0] <= joules <= 1.001 * true[1]


def test_a_counter_wraps_at_its_range(tmp_path: Path) -> None:
    first, last, used = python_on_bench(
        small_model(tmp_path, start_uj=262_143_328 - 100_000_000),
        """
        before, first = pair(); after, last = before, first
        while last >= first:
            time.sleep(0.1); after, last = pair()
        print(json.dumps([first, last, after - before]))
        """,
    )
    assert last < first
    assert last - first + 262.143328 == pytest.approx(used, rel=1e-5)


def test_two_benches_at_once_do_not_meet() -> None:
    one = subprocess.Popen(
        [*RUN, "server", "--", "sh", "-c", "sleep 1; cat /sys/class/powercap/*/name"],
        stdout=subprocess.PIPE,
        text=True,
    )
    two = on_bench("amd", "sh", "-c", "cat /sys/class/powercap/*/name")
    assert two.stdout.split() == ["package-0", "core"]
    assert one.communicate(timeout=60)[0].split() == ["package-0", "dram", "package-1", "dram"]


def test_five_readers_at_once_get_whole_numbers() -> None:
    code = f"""
for _ in range(300):
    value = open({ENERGY!r}).read()
    assert value.endswith("\\n") and int(value) > 10**10, value
"""
    readers = f'for i in 1 2 3 4 5; do {sys.executable} -c "$0" || touch "$1" & done; wait'
    done = on_bench("desktop", "sh", "-c", readers, code, "/nonexistent/failed")
    assert done.stderr == ""


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -TERM $$", 143), ("true", 0)])
def test_the_exit_code_is_the_commands(script: str, code: int) -> None:
    assert on_bench("desktop", "sh", "-c", script).returncode == code


def test_a_command_that_does_not_exist_is_said_so() -> None:
    done = on_bench("desktop", "no-such-command")
    assert done.returncode == 127
    assert "no-such-command" in done.stderr


def test_execute_works_from_this_very_process() -> None:
    assert bench.execute(bench.Setup(), ["sh", "-c", f"test -r {ENERGY} && exit 3"]) == 3
    assert not mounted()


def test_a_bench_within_a_bench_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSWATT_BENCH", "/somewhere")
    with pytest.raises(Unsupported, match="within"):
        bench.execute(bench.Setup(), ["true"])


def test_bad_models_are_refused_before_anything_is_mounted(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="server"):
        bench.execute(bench.Setup("servr"), ["true"])
    with pytest.raises(BadFile):
        bench.execute(bench.Setup(str(tmp_path / "none.toml")), ["true"])


def started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a bench and wait until its command runs."""
    host = subprocess.Popen([*RUN, "desktop", "--", *command], start_new_session=True)
    end = time.monotonic() + 60
    while not processes_with(command[-1]) or len(processes_with(command[-1])) < 3:
        assert time.monotonic() < end, "the command did not start"
        time.sleep(0.02)
    return host


def marked(seconds: str) -> list[str]:
    """A command and its child that can be told from any other on this host."""
    return ["sh", "-c", f"sleep {seconds} & sleep {seconds}; true"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killing_the_host_leaves_nothing(number: int) -> None:
    mark = f"{70_000 + os.getpid()}.{int(number)}"
    host = started(marked(mark))
    host.send_signal(number)
    host.wait(timeout=60)
    assert gone(mark)
    assert not mounted()


def test_killing_the_keeper_ends_command_and_server() -> None:
    mark = f"{80_000 + os.getpid()}.5"
    host = started(["sleep", mark])
    keeper = [each for each in processes_with(mark) if parent_of(each) == host.pid]
    os.kill(keeper[0], signal.SIGKILL)
    assert host.wait(timeout=60) == 137
    assert gone(mark)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_ctrl_c_is_for_the_command() -> None:
    script = "trap 'exit 42' INT; echo ready; while :; do sleep 0.05; done"
    host = subprocess.Popen(
        [*RUN, "desktop", "--", "sh", "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Where tests run in the background of a script, Ctrl-C is ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    assert host.stdout is not None
    assert host.stdout.readline() == "ready\n"
    os.killpg(host.pid, signal.SIGINT)
    assert host.wait(timeout=60) == 42
    host.stdout.close()


def test_what_the_command_leaves_in_the_background_ends_too() -> None:
    mark = f"{90_000 + os.getpid()}.7"
    done = on_bench("desktop", "sh", "-c", f"sleep {mark} >/dev/null 2>&1 & exit 0")
    assert done.returncode == 0
    assert gone(mark)


def may_run(user: list[str], program: str, environment: dict[str, str]) -> bool:
    # From within a shell: setpriv itself still has the rights of root when it starts a program.
    script = '"$0" -c "import calibrate.bench, mfusepy"'
    done = subprocess.run(
        [*user, "sh", "-c", script, program], check=False, capture_output=True, env=environment
    )
    return done.returncode == 0


def test_without_root_where_the_host_permits_it() -> None:
    if os.geteuid() != 0:
        pytest.skip("this run is without root already")
    if Path("/dev/fuse").stat().st_mode & 0o006 != 0o006:
        pytest.skip("/dev/fuse is for root only on this host")
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    # Not every interpreter lies where nobody may go; another one may borrow its packages.
    choices = (sys.executable, shutil.which(f"python3.{sys.version_info[1]}", path="/usr/bin"))
    paths = os.pathsep.join(filter(None, [*sys.path, str(REPOSITORY)]))
    environment = {**os.environ, "PYTHONPATH": paths}
    usable = [each for each in choices if each and may_run(nobody, each, environment)]
    if not usable:
        pytest.skip("interpreter or repository lie where another user may not go")
    done = subprocess.run(
        [*nobody, usable[0], *RUN[1:], "desktop", "--", "sh", "-c", f"id -u; cat {ENERGY}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )
    if "not permitted" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    user, energy_uj = map(int, done.stdout.split())
    assert user == 0  # of its own user namespace
    assert energy_uj > 10**10


def test_the_truth_probe_reads_inside_and_explains_itself_outside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CROSSWATT_BENCH", raising=False)
    probe = load_probe(catalog.find("adapters", "truth"))()
    with pytest.raises(Unavailable, match="no simulated machine"):
        probe.open(Target())


def test_the_truth_probe_reads_inside() -> None:
    scopes, grew = python_on_bench(
        "server",
        """
        from calibrate import catalog
        from calibrate.probe import Target
        from calibrate.probe.adapter import load_probe
        probe = load_probe(catalog.find("adapters", "truth"))()
        probe.open(Target())
        first = probe.read(); time.sleep(0.1); last = probe.read()
        assert probe.facts()["simulated"] == "yes"
        print(json.dumps([[d.scope for d in probe.domains()],
                          all(last[k] > first[k] for k in first)]))
        probe.close()
        """,
    )
    assert scopes == ["package-0", "dram-0", "package-1", "dram-1", "node"]
    assert grew
