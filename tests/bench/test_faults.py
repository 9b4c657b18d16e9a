"""Faults as a program sees them, through the file system; what each does is in the unit tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("bench_ready")

RUN = [sys.executable, "-m", "calibrate.bench", "exec"]
ZONE = "/sys/class/powercap/intel-rapl:0"
NO_COMPILER = pytest.mark.skipif(
    shutil.which(os.environ.get("CC", "cc")) is None, reason="there is no C compiler"
)


#: What is wrong begins so many seconds after `go()`, however long the program took to start.
HEAD = """
import errno, json, os, subprocess, sys, time
def go():
    with open(os.environ["CROSSWATT_BENCH"] + "/trigger", "w") as file:
        file.write("now")
def until(done):
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
"""


def program(code: str, *options: str, arguments: Sequence[str] = (), within_s: float = 120) -> str:
    """Run Python code on the bench and return what it prints."""
    before = HEAD + f"ZONE = {ZONE!r}\n"
    done = subprocess.run(
        [*RUN, *options, "--", sys.executable, "-c", before + textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


#: The zones of the model server with their power at half load, 0.5 W of noise apart.
ZONES = {
    "package-0": ("intel-rapl:0", 34.5),
    "dram-0": ("intel-rapl:0:0", 8.0),
    "package-1": ("intel-rapl:1", 34.0),
    "dram-1": ("intel-rapl:1:0", 8.0),
}
LOOKS = """
zones = json.loads(sys.argv[1])
place = os.environ["CROSSWATT_BENCH"]
def read(zone):
    try:
        with open(f"/sys/class/powercap/{zone}/energy_uj") as file:
            text = file.read()
        return int(text) / 1e6
    except OSError as error:
        return errno.errorcode[error.errno]
    except ValueError:
        return text
def truth():
    return json.load(open(place + "/truth"))["joules"]
def look():
    before, since = truth(), time.monotonic()
    shown = {scope: read(zone) for scope, zone in zones.items()}
    return [before, shown, truth(), [since - begin[1], time.monotonic() - begin[0]]]
begin = [time.monotonic()] * 2
first = look()
begin[0] = time.monotonic()
go()
begin[1] = time.monotonic()
time.sleep(1.4)
print(json.dumps([first, *(look() for _ in range(12))]))
"""
BEGIN_S = 0.5

#: Truth before, what the zones show, truth after, and the least and most seconds since the start.
Look = tuple[dict[str, float], dict[str, Any], dict[str, float], tuple[float, float]]


def looks(faults: dict[str, str]) -> list[Look]:
    """Look at truth and zones once before the faults begin, and a dozen times after."""
    options = [f"--fault={f},at_s={BEGIN_S},scope={scope}" for scope, f in faults.items()]
    zones = json.dumps({scope: zone for scope, (zone, _) in ZONES.items()})
    found: list[Look] = json.loads(
        program(LOOKS, "--model=server", "--armed", "--load=0.5x1", *options, arguments=[zones])
    )
    return found


@pytest.mark.parametrize(
    ("faults", "watts", "joules"),
    [
        (
            {"package-0": "stuck", "dram-0": "unit=4", "package-1": "backwards=10",
             "dram-1": "jump=1000"},
            {"package-0": -34.5, "dram-0": 3 * 8.0},
            {"package-1": -10, "dram-1": 1000},
        ),
        (
            {"dram-0": "offset=50", "package-1": "lag=0.4", "dram-1": "stale=20"},
            {"dram-0": 50, "dram-1": -8.0},
            {"package-1": -0.4 * 34.0},
        ),
    ],
)  # fmt: skip
def test_counters_go_wrong_by_so_many_watts_or_joules(
    faults: dict[str, str], watts: dict[str, float], joules: dict[str, float]
) -> None:
    (_, shown, true, _), *_, (least, shown_then, most, seconds) = looks(faults)
    for scope in ZONES:
        # The host may do something else between the two truths that the counter was read between.
        least_j, most_j = (then[scope] - true[scope] for then in (least, most))
        used_j = shown_then[scope] - shown[scope]
        added_j = [watts.get(scope, 0) * (each - BEGIN_S) for each in seconds]
        expected_j = joules.get(scope, 0)
        slack_j = 0.1 * max(abs(min(added_j) + expected_j), abs(max(added_j) + expected_j)) + 3
        assert least_j + min(added_j) + expected_j - slack_j <= used_j, (scope, shown, shown_then)
        assert used_j <= most_j + max(added_j) + expected_j + slack_j, (scope, shown, shown_then)


def test_counters_start_again_wrap_tremble_and_lie() -> None:
    faults = {"package-0": "reset", "dram-0": "jitter=5", "package-1": "wrap=5", "dram-1": "zero"}
    (_, first, *_), *later = looks(faults)
    assert first["package-0"] > 1000
    _, last, _, (least_s, most_s) = later[-1]
    for scope, watts, before_j in (("package-0", 34.5, 0.0), ("package-1", 34.0, 5.0)):
        least_j, most_j = (watts * (each - BEGIN_S) - before_j for each in (least_s, most_s))
        assert 0.9 * least_j - 3 <= last[scope] <= 1.1 * most_j + 3
    trembling = [shown["dram-0"] for _, shown, *_ in later]
    assert trembling != sorted(trembling)
    assert last["dram-1"] == 0


def test_reads_fail_in_every_way() -> None:
    faults = {
        "package-0": "no-permission",
        "dram-0": "io-error",
        "package-1": "empty",
        "dram-1": "garbage",
    }
    (_, first, *_), *_, (_, last, *_) = looks(faults)
    assert all(isinstance(each, float) for each in first.values())
    assert last == {
        "package-0": "EACCES", "dram-0": "EIO", "package-1": "", "dram-1": "0x%lx\n"
    }  # fmt: skip


def test_zones_are_listed_in_every_wrong_way() -> None:
    code = """
    import pathlib
    zones = sorted(pathlib.Path("/sys/class/powercap").glob("*:*"))
    for zone in zones:
        limit = zone / "max_energy_range_uj"
        print(zone.name, (zone / "name").read_text().strip(),
              int(limit.read_text()) if limit.exists() else "none", sep="=")
    """
    faults = [
        "renamed,scope=package-0", "mirrored,scope=package-1", "mmio", "gap",
        "no-range,scope=dram-0", "absent,scope=dram-1", "range=20,scope=package-0",
        "sentinel=7,scope=dram-0",
    ]  # fmt: skip
    said = program(code, "--model=server", *(f"--fault={each}" for each in faults)).split()
    large = "262143328850"
    assert said == [
        "intel-rapl-mmio:0=package-0-die-0=19999887",
        f"intel-rapl-mmio:2=package-1-die-0={large}",
        f"intel-rapl-mmio:3=package-1-die-1={large}",
        "intel-rapl:0=package-0-die-0=19999887",
        "intel-rapl:0:0=dram=none",
        f"intel-rapl:2=package-1-die-0={large}",
        f"intel-rapl:3=package-1-die-1={large}",
    ]


@NO_COMPILER
def test_gpus_fail_one_by_one() -> None:
    pytest.importorskip("pynvml")
    code = """
    import pynvml
    pynvml.nvmlInit()
    def say(call, gpu):
        try:
            return call(pynvml.nvmlDeviceGetHandleByIndex(gpu)) / 1e3
        except pynvml.NVMLError as error:
            return type(error).__name__
    with open(os.environ["CROSSWATT_BENCH"] + "/demand", "w") as demand:
        demand.write("gpu-3 1\\n")
        demand.flush()
        time.sleep(0.6)
        print(json.dumps([[say(call, gpu) for call in
              (pynvml.nvmlDeviceGetTotalEnergyConsumption, pynvml.nvmlDeviceGetPowerUsage)]
              for gpu in range(4)]))
    """
    faults = [
        "gpu-lost,scope=gpu-0", "gpu-no-energy,scope=gpu-1", "gpu-no-power,scope=gpu-2",
        "gpu-slow-power=30,scope=gpu-3",
    ]  # fmt: skip
    options = ["--model=gpu-node", "--load=0x1", *(f"--fault={each}" for each in faults)]
    lost, no_energy, no_power, slow = json.loads(program(code, *options))
    assert lost == ["NVMLError_GpuIsLost"] * 2
    assert no_energy == ["NVMLError_NotSupported", pytest.approx(68)]
    assert no_power[0] > 0
    assert no_power[1] == "NVMLError_NotSupported"
    assert slow[0] > 69 + 200  # it used 629 W for more than half a second,
    assert 69 < slow[1] < 629  # which a mean since the start does not show yet


def test_battery_and_temperature_for_a_shell() -> None:
    script = (
        "cd /sys/class/power_supply/BAT0; cat type status energy_full energy_now power_now;"
        "cat /sys/class/hwmon/hwmon0/name /sys/class/hwmon/*/temp1_input"
    )
    done = subprocess.run(
        [*RUN, "--model=laptop", "--", "sh", "-c", script],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    kind, status, full_uwh, now_uwh, now_uw, name, temperature_mc = done.stdout.split()
    assert (kind, status, name) == ("Battery", "Discharging", "coretemp")
    assert 0 <= int(full_uwh) - int(now_uwh) < 100_000
    assert 5e6 < int(now_uw) < 60e6
    assert 25_000 < int(temperature_mc) < 60_000


def test_a_zone_goes_and_another_comes() -> None:
    code = """
    def there(n):
        return os.path.exists(f"/sys/class/powercap/intel-rapl:{n}/energy_uj")
    open_file = os.open(ZONE + "/energy_uj", os.O_RDONLY)
    print(there(0), there(1))
    go()
    until(lambda: there(1) and not there(0))
    print(there(0), there(1))
    try:
        os.pread(open_file, 32, 0)
    except OSError as error:
        print(errno.errorcode[error.errno])
    """
    faults = ["--fault=vanish,at_s=1.2,scope=package-0", "--fault=late=1.2,scope=package-1"]
    assert program(code, "--model=server", "--armed", *faults).split() == [
        "True", "False", "False", "True", "ENODEV",
    ]  # fmt: skip


def test_who_keeps_a_replaced_file_open_never_sees_the_new_one() -> None:
    code = """
    path = ZONE + "/energy_uj"
    kept = os.open(path, os.O_RDONLY)
    go()
    time.sleep(1.5)
    first = os.pread(kept, 32, 0)
    time.sleep(0.3)
    print(os.pread(kept, 32, 0) == first, int(open(path).read()) > int(first))
    """
    assert program(code, "--armed", "--fault=replaced,at_s=1,scope=package-0") == "True True"


@pytest.mark.parametrize("fault", ["slow=60,scope=package-0", "hang,scope=package-0"])
def test_a_reader_that_waits_stops_nobody_else_and_can_be_killed(fault: str) -> None:
    code = """
    reader = subprocess.Popen(["cat", ZONE + "/energy_uj"], stdout=subprocess.DEVNULL)
    time.sleep(0.3)
    open("/sys/class/powercap/intel-rapl:0:0/energy_uj").read()
    waits = reader.poll() is None
    reader.kill()
    reader.wait(30)
    print(waits, reader.returncode)
    """
    assert program(code, f"--fault={fault}") == "True -9"


def test_a_sleeping_machine_stops_the_command_and_uses_nothing() -> None:
    code = """
    truth = os.environ["CROSSWATT_BENCH"] + "/truth"
    go()
    end, gaps = time.monotonic() + 3, []
    last = json.load(open(truth))
    while time.monotonic() < end:
        time.sleep(0.01)
        now = json.load(open(truth))
        gap_s = (now["t_ns"] - last["t_ns"]) / 1e9
        gaps.append((gap_s, now["joules"]["package-0"] - last["joules"]["package-0"]))
        last = now
    gap_s, used_j = max(gaps)
    print(gap_s > 0.9, used_j < 0.7 * 6 * gap_s)
    """
    assert program(code, "--armed", "--fault=suspend=1,at_s=1.5") == "True True"


@NO_COMPILER
def test_a_wall_clock_that_leaps() -> None:
    code = """
    begin, steady = time.time(), time.monotonic()
    go()
    time.sleep(1.5)
    print(abs(time.time() - begin - (time.monotonic() - steady) - 3600) < 1)
    """
    assert program(code, "--armed", "--fault=clock-step=3600,at_s=0.5") == "True"


def test_registers_through_the_device() -> None:
    code = """
    device = os.open("/dev/cpu/0/msr", os.O_RDONLY)
    unit = int.from_bytes(os.pread(device, 8, 0x606), "little") >> 8 & 31
    def shown_j():
        return int(open(ZONE + "/energy_uj").read()) / 1e6
    before_j = shown_j()
    read_j = int.from_bytes(os.pread(device, 8, 0x611), "little") * 0.5**unit
    print(before_j - 1 < read_j < shown_j() + 1)
    """
    assert program(code, "--model=server") == "True"


def test_demand_from_a_shell_ends_with_it() -> None:
    code = """
    place = os.environ["CROSSWATT_BENCH"]
    def first():
        return open(place + "/demand").readline().strip()
    shell = subprocess.Popen(["sh", "-c", f"echo gpu-0 0.5 > {place}/demand; exec sleep 100"])
    until(lambda: first() == "gpu-0 0.5")
    shell.kill()
    shell.wait()
    until(lambda: first() == "memory_gbps 0")
    """
    program(code, "--model=gpu-node")


@NO_COMPILER
def test_virtual_gpus_for_pynvml_and_nvidia_smi() -> None:
    code = """
    import pynvml
    pynvml.nvmlInit()
    gpus = [pynvml.nvmlDeviceGetHandleByIndex(n) for n in range(pynvml.nvmlDeviceGetCount())]
    truth = os.environ["CROSSWATT_BENCH"] + "/truth"
    def joules():
        return json.load(open(truth))["joules"]["gpu-2"]
    def shown():
        return pynvml.nvmlDeviceGetTotalEnergyConsumption(gpus[2]) / 1e3
    most, first, least = joules(), shown(), joules()
    time.sleep(1.5)
    least, used, most = joules() - least, shown() - first, joules() - most
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout
    print(len(gpus), 0.97 * least < used < 1.03 * most, listed.count("GPU "))
    """
    assert program(code, "--model=gpu-node", "--load=0.5x1") == "4 True 4"


def test_a_trace_replayed_faster(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("time_s,package-0\n0,10\n100,10\n")
    code = """
    def energy():
        return int(open(ZONE + "/energy_uj").read()) / 1e6
    most, first, least = time.monotonic(), energy(), time.monotonic()
    time.sleep(1)
    least, used, most = time.monotonic() - least, energy() - first, time.monotonic() - most
    print(used / most, used / least)
    """
    least, most = map(float, program(code, f"--replay={trace}", "--speed=20").split())
    assert 0.99 * least <= 200 <= 1.01 * most


def test_a_start_waits_for_the_trigger() -> None:
    code = """
    def truth():
        return json.load(open(os.environ["CROSSWATT_BENCH"] + "/truth"))["joules"]["package-0"]
    first = truth()
    time.sleep(0.2)
    print(truth() == first)
    go()
    time.sleep(0.5)
    print(truth() > 1)
    """
    assert program(code, "--armed").split() == ["True", "True"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fault=stuk"], "stuck"),
        (["--fault=gpu-lost"], "strikes nothing"),
        (["--load=2x1"], "is not a load"),
        (["--replay=/nowhere.csv"], "cannot be read"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_mounted(
    options: list[str], message: str
) -> None:
    done = subprocess.run(
        [*RUN, *options, "--", "true"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 64
    assert message in done.stderr
    assert json.dumps(done.stderr).count("\\n") == 1
