"""Faults as a program sees them, through the file system; what each does is in the unit tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("bench_ready")

RUN = [sys.executable, "-m", "calibrate.bench", "exec"]
ZONE = "/sys/class/powercap/intel-rapl:0"
NO_COMPILER = pytest.mark.skipif(
    shutil.which(os.environ.get("CC", "cc")) is None, reason="there is no C compiler"
)


def program(code: str, *options: str, within_s: float = 30) -> str:
    """Run Python code on the bench and return what it prints."""
    before = f"import errno, json, os, subprocess, sys, time\nZONE = {ZONE!r}\n"
    done = subprocess.run(
        [*RUN, *options, "--", sys.executable, "-c", before + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_zone_goes_and_another_comes() -> None:
    code = """
    def there(n):
        return os.path.exists(f"/sys/class/powercap/intel-rapl:{n}/energy_uj")
    open_file = os.open(ZONE + "/energy_uj", os.O_RDONLY)
    print(there(0), there(1))
    time.sleep(1.2)
    print(there(0), there(1))
    try:
        os.pread(open_file, 32, 0)
    except OSError as error:
        print(errno.errorcode[error.errno])
    """
    faults = ["--fault=vanish,at_s=1.2,scope=package-0", "--fault=late=1.2,scope=package-1"]
    assert program(code, "--model=server", *faults).split() == [
        "True", "False", "False", "True", "ENODEV",
    ]  # fmt: skip


def test_who_keeps_a_replaced_file_open_never_sees_the_new_one() -> None:
    code = """
    path = ZONE + "/energy_uj"
    kept = os.open(path, os.O_RDONLY)
    time.sleep(1.5)
    first = os.pread(kept, 32, 0)
    time.sleep(0.3)
    print(os.pread(kept, 32, 0) == first, int(open(path).read()) > int(first))
    """
    assert program(code, "--fault=replaced,at_s=1,scope=package-0") == "True True"


@pytest.mark.parametrize("fault", ["slow=2,scope=package-0", "hang,scope=package-0"])
def test_a_reader_that_waits_stops_nobody_else_and_can_be_killed(fault: str) -> None:
    code = """
    reader = subprocess.Popen(["cat", ZONE + "/energy_uj"], stdout=subprocess.DEVNULL)
    time.sleep(0.3)
    begin = time.monotonic()
    open("/sys/class/powercap/intel-rapl:0:0/energy_uj").read()
    reader.kill()
    reader.wait(5)
    print(time.monotonic() - begin < 1, reader.returncode)
    """
    assert program(code, f"--fault={fault}") == "True -9"


def test_a_sleeping_machine_stops_the_command_and_uses_nothing() -> None:
    code = """
    truth = os.environ["CROSSWATT_BENCH"] + "/truth"
    end, gaps = time.monotonic() + 3, []
    last = json.load(open(truth))
    while time.monotonic() < end:
        time.sleep(0.01)
        now = json.load(open(truth))
        gap_s = (now["t_ns"] - last["t_ns"]) / 1e9
        gaps.append((gap_s, now["joules"]["package-0"] - last["joules"]["package-0"]))
        last = now
    gap_s, used_j = max(gaps)
    print(0.9 < gap_s < 1.6, used_j < 0.7 * 6 * gap_s)
    """
    assert program(code, "--fault=suspend=1,at_s=1.5") == "True True"


@NO_COMPILER
def test_a_wall_clock_that_leaps() -> None:
    code = """
    begin, steady = time.time(), time.monotonic()
    time.sleep(1.5)
    print(3600 < time.time() - begin < 3603, time.monotonic() - steady < 3)
    """
    assert program(code, "--fault=clock-step=3600,at_s=0.5") == "True True"


def test_registers_through_the_device() -> None:
    code = """
    device = os.open("/dev/cpu/0/msr", os.O_RDONLY)
    unit = int.from_bytes(os.pread(device, 8, 0x606), "little") >> 8 & 31
    shown_j = int(open(ZONE + "/energy_uj").read()) / 1e6
    read_j = int.from_bytes(os.pread(device, 8, 0x611), "little") * 0.5**unit
    print(abs(read_j - shown_j) < 1)
    """
    assert program(code, "--model=server") == "True"


def test_demand_from_a_shell_ends_with_it() -> None:
    code = """
    place = os.environ["CROSSWATT_BENCH"]
    shell = subprocess.Popen(["sh", "-c", f"echo gpu-0 0.5 > {place}/demand; sleep 1"])
    time.sleep(0.5)
    print(open(place + "/demand").readline().strip())
    shell.wait()
    time.sleep(0.6)
    print(open(place + "/demand").readline().strip())
    """
    assert program(code, "--model=gpu-node").splitlines() == ["gpu-0 0.5", "memory_gbps 0"]


@NO_COMPILER
def test_virtual_gpus_for_pynvml_and_nvidia_smi() -> None:
    code = """
    import pynvml
    pynvml.nvmlInit()
    gpus = [pynvml.nvmlDeviceGetHandleByIndex(n) for n in range(pynvml.nvmlDeviceGetCount())]
    truth = os.environ["CROSSWATT_BENCH"] + "/truth"
    def joules():
        return json.load(open(truth))["joules"]["gpu-2"]
    first, before = pynvml.nvmlDeviceGetTotalEnergyConsumption(gpus[2]), joules()
    time.sleep(1.5)
    last, after = pynvml.nvmlDeviceGetTotalEnergyConsumption(gpus[2]), joules()
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout
    print(len(gpus), abs((last - first) / 1e3 / (after - before) - 1) < 0.03, listed.count("GPU "))
    """
    assert program(code, "--model=gpu-node", "--load=0.5x1") == "4 True 4"


def test_a_trace_replayed_faster(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("time_s,package-0\n0,10\n100,10\n")
    code = """
    def energy():
        return int(open(ZONE + "/energy_uj").read()) / 1e6
    first, begin = energy(), time.monotonic()
    time.sleep(1)
    print((energy() - first) / (time.monotonic() - begin))
    """
    watts = float(program(code, f"--replay={trace}", "--speed=20"))
    assert watts == pytest.approx(200, rel=0.01)


def test_a_start_waits_for_the_trigger() -> None:
    code = """
    def truth():
        return json.load(open(os.environ["CROSSWATT_BENCH"] + "/truth"))["joules"]["package-0"]
    first = truth()
    time.sleep(0.2)
    print(truth() == first)
    open(os.environ["CROSSWATT_BENCH"] + "/trigger", "w").write("now")
    time.sleep(0.2)
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
    begin = time.monotonic()
    done = subprocess.run(
        [*RUN, *options, "--", "true"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 64
    assert message in done.stderr
    assert json.dumps(done.stderr).count("\\n") == 1
    assert time.monotonic() - begin < 10
