"""The virtual GPUs as real meters see them: NVML over plain files, and nvidia-smi."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calibrate.bench import library, nvidia_smi
from calibrate.errors import Unsupported

#: energy_mj power_mw instant_mw average_mw gpu% memory% used_mib celsius
FIGURES = (123_456_789_012, 250_000, 251_000, 249_000, 97, 30, 10_240, 55)
LOST = (-15,) * 8
UUIDS = [f"GPU-00000000-0000-4000-8000-{number:012d}" for number in range(3)]

Run = Callable[[str], Any]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        try:
            return library.build("nvml", "libnvidia-ml.so.1")
        except Unsupported as reason:
            pytest.skip(str(reason))


class Driver:
    """The files of two GPUs, and programs that see them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "count").write_text("2\n")
        for number in (0, 1):
            (folder / str(number)).mkdir()
            (folder / f"{number}/static").write_text(
                f"name NVIDIA H100\nuuid {UUIDS[number]}\nmemory_mib 81920\n"
                f"limit_mw 700000\nbus_id 0000:{number + 10:02X}:00.0\n"
            )
            self.now(number, FIGURES)

    def now(self, number: int, figures: tuple[int, ...] = FIGURES, **changed: int) -> None:
        values = dict(zip(nvidia_smi.FIGURES, figures, strict=True)) | changed
        (self.folder / f"{number}/now").write_text(" ".join(map(str, values.values())) + "\n")

    def environment(self, built: Path | None = None) -> dict[str, str]:
        added = {"CROSSWATT_NVML": str(self.folder)}
        if built:
            added["LD_LIBRARY_PATH"] = str(built.parent)
        return {**os.environ, **added, "PYTHONWARNINGS": "ignore"}

    def smi(self, *arguments: str) -> tuple[int, str]:
        program = [sys.executable, "-P", "-S", nvidia_smi.__file__]  # as the bench starts it
        done = subprocess.run(
            [*program, *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.stderr
        return done.returncode, done.stdout


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    return Driver(tmp_path / "nvml")


@pytest.fixture
def run(driver: Driver, built: Path) -> Run:
    """Return what a program puts into `answer`; it has pynvml, and `fails(call)` gives an error."""
    pytest.importorskip("pynvml")
    before = """
import json, os, sys
from pathlib import Path
from pynvml import *
import pynvml
folder = Path(os.environ["CROSSWATT_NVML"])
def fails(call, *arguments):
    try:
        call(*arguments)
    except NVMLError as error:
        return error.value
"""

    def execute(program: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", f"{before}\n{program}\nprint(json.dumps(answer))"],
            env=driver.environment(built),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return execute


def test_pynvml_sees_every_gpu(run: Run, driver: Driver) -> None:
    driver.now(1, energy_mj=7)
    assert run("""
nvmlInit()
each = [nvmlDeviceGetHandleByIndex(n) for n in range(nvmlDeviceGetCount())]
answer = [
    [nvmlDeviceGetName(h), nvmlDeviceGetUUID(h), nvmlDeviceGetIndex(h), nvmlDeviceGetMinorNumber(h),
     nvmlDeviceGetTotalEnergyConsumption(h)] for h in each
]
""") == [
        ["NVIDIA H100 (simulated)", UUIDS[0], 0, 0, FIGURES[0]],
        ["NVIDIA H100 (simulated)", UUIDS[1], 1, 1, 7],
    ]


def test_every_figure_has_its_unit(run: Run) -> None:
    answer = run("""
nvmlInit()
h = nvmlDeviceGetHandleByIndex(0)
use, memory, second = (nvmlDeviceGetUtilizationRates(h), nvmlDeviceGetMemoryInfo(h),
                       nvmlDeviceGetMemoryInfo(h, nvmlMemory_v2))
answer = dict(
    power=nvmlDeviceGetPowerUsage(h), use=[use.gpu, use.memory],
    memory=[memory.total, memory.free, memory.used],
    second=[second.total, second.reserved, second.free, second.used],
    temperature=[nvmlDeviceGetTemperature(h, 0), nvmlDeviceGetTemperatureV(h, 0)],
    limits=[nvmlDeviceGetPowerManagementLimit(h), nvmlDeviceGetEnforcedPowerLimit(h),
            nvmlDeviceGetPowerManagementDefaultLimit(h),
            *nvmlDeviceGetPowerManagementLimitConstraints(h)],
    modes=[nvmlDeviceGetComputeMode(h), nvmlDeviceGetMigMode(h), nvmlDeviceGetPersistenceMode(h)],
    processes=[nvmlDeviceGetComputeRunningProcesses(h), nvmlDeviceGetGraphicsRunningProcesses(h),
               nvmlDeviceGetComputeRunningProcesses_v2(h)],
    versions=[nvmlSystemGetDriverVersion(), nvmlSystemGetNVMLVersion()],
    cuda=fails(nvmlSystemGetCudaDriverVersion), architecture=nvmlDeviceGetArchitecture(h),
    absent=[fails(nvmlDeviceGetC2cModeInfoV, h), fails(nvmlDeviceGetClockInfo, h, 0)],
)
""")
    gib = 2**30
    assert answer == {
        "power": 250_000,
        "use": [97, 30],
        "memory": [80 * gib, 70 * gib, 10 * gib],
        "second": [80 * gib, 0, 70 * gib, 10 * gib],
        "temperature": [55, 55],
        "limits": [700_000] * 5,
        "modes": [0, [0, 0], 1],
        "processes": [[], [], []],
        "versions": ["0.0-simulated"] * 2,
        "cuda": 12,
        "architecture": 9,
        "absent": [3, 3],
    }


def test_a_gpu_is_found_by_name_and_place(run: Run) -> None:
    assert run(f"""
nvmlInit()
found = [nvmlDeviceGetHandleByUUID({UUIDS[1]!r}), nvmlDeviceGetHandleByPciBusId("0000:0B:00.0"),
         nvmlDeviceGetHandleByPciBusId("00000000:0b:00.0")]
pci = nvmlDeviceGetPciInfo(found[0])
answer = [[nvmlDeviceGetIndex(h) for h in found], pci.busId, pci.busIdLegacy, pci.bus,
          fails(nvmlDeviceGetHandleByUUID, "GPU-0"), fails(nvmlDeviceGetHandleByPciBusId, "x"),
          fails(nvmlDeviceGetHandleByIndex, 2), fails(nvmlDeviceGetHandleByIndex, 2**31)]
""") == [[1, 1, 1], "00000000:0B:00.0", "0000:0B:00.0", 11, 6, 6, 2, 2]


def test_fields_tell_their_own_errors(run: Run, driver: Driver) -> None:
    driver.now(0, average_mw=-3)
    answer = run("""
import time
nvmlInit()
asked = [NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, NVML_FI_DEV_POWER_INSTANT,
         NVML_FI_DEV_POWER_AVERAGE, NVML_FI_DEV_MEMORY_TEMP, (NVML_FI_DEV_POWER_INSTANT, 1)]
found = nvmlDeviceGetFieldValues(nvmlDeviceGetHandleByIndex(0), asked)
answer = dict(returns=[f.nvmlReturn for f in found], ids=[f.fieldId for f in found],
              types=[f.valueType for f in found[:2]], energy=found[0].value.ullVal,
              power=found[1].value.uiVal, age_s=time.time() - found[0].timestamp * 1e-6)
""")
    assert 0 <= answer.pop("age_s") < 60
    assert answer == {
        "returns": [0, 0, 3, 3, 3],
        "ids": [83, 186, 185, 82, 186],
        "types": [3, 1],
        "energy": FIGURES[0],
        "power": 251_000,
    }


def test_nothing_is_remembered(run: Run) -> None:
    assert run("""
nvmlInit()
h = nvmlDeviceGetHandleByIndex(0)
answer = [nvmlDeviceGetTotalEnergyConsumption(h)]
(folder / "0/now").write_text("1 2 3 4 5 6 7 8")
answer += [nvmlDeviceGetTotalEnergyConsumption(h), nvmlDeviceGetPowerUsage(h)]
(folder / "0/now").unlink()
answer += [fails(nvmlDeviceGetPowerUsage, h)]
""") == [FIGURES[0], 1, 2, 999]


def test_misuse_is_refused(run: Run) -> None:
    assert run("""
from ctypes import c_void_p
pynvml._LoadNvmlLibrary()
count = pynvml.nvmlLib.nvmlDeviceGetCount_v2
answer = [fails(nvmlDeviceGetCount), fails(nvmlShutdown)]
nvmlInit(); nvmlInit(); nvmlShutdown()
h = nvmlDeviceGetHandleByIndex(0)
name = create_string_buffer(4)
answer += [nvmlDeviceGetCount(), count(None), fails(nvmlDeviceGetName, c_void_p(12345)),
           pynvml.nvmlLib.nvmlDeviceGetName(h, name, 4), nvmlErrorString(15),
           fails(nvmlDeviceGetTemperature, h, 1), fails(nvmlDeviceGetFieldValues, h, [])]
nvmlShutdown()
answer += [fails(nvmlDeviceGetPowerUsage, h)]
""") == [1, 1, 2, 2, 2, 7, "GPU is lost", 2, 2, 1]


def test_no_folder_is_no_driver(run: Run) -> None:
    assert run('os.environ["CROSSWATT_NVML"] += "/none"; answer = fails(nvmlInit)') == 9


@pytest.mark.parametrize("code", [3, 4, 15, 999])
def test_an_error_is_that_of_its_call_only(run: Run, driver: Driver, code: int) -> None:
    driver.now(0, energy_mj=-code)
    assert run("""
nvmlInit()
h = nvmlDeviceGetHandleByIndex(0)
answer = [fails(nvmlDeviceGetTotalEnergyConsumption, h), nvmlDeviceGetPowerUsage(h)]
""") == [code, 250_000]


def test_a_lost_gpu_is_gone_altogether(run: Run, driver: Driver) -> None:
    driver.now(1, LOST)
    assert run(f"""
nvmlInit()
h = nvmlDeviceGetHandleByIndex(0)
answer = [nvmlDeviceGetCount(), fails(nvmlDeviceGetHandleByIndex, 1),
          fails(nvmlDeviceGetHandleByUUID, {UUIDS[1]!r}), nvmlDeviceGetPowerUsage(h)]
(folder / "0/now").write_text((folder / "1/now").read_text())
answer += [fails(nvmlDeviceGetName, h), fails(nvmlDeviceGetPowerUsage, h),
           fails(nvmlDeviceGetClockInfo, h, 0)]
answer += [fails(nvmlDeviceGetFieldValues, h, [186])]
""") == [2, 15, 15, 250_000, 15, 15, 15, 15]


def test_threads_do_not_disturb_each_other(run: Run) -> None:
    assert run("""
from concurrent.futures import ThreadPoolExecutor
nvmlInit()
(folder / "1/now").write_text("1 2 3 4 5 6 7 8")
each = [nvmlDeviceGetHandleByIndex(n) for n in (0, 1)]
def work(n):
    nvmlInit()
    seen = {nvmlDeviceGetTotalEnergyConsumption(each[n % 2]) for _ in range(200)}
    nvmlShutdown()
    return sorted(seen)
with ThreadPoolExecutor(8) as pool:
    answer = list(pool.map(work, range(8)))
nvmlShutdown()
answer += [fails(nvmlShutdown)]
""") == [[FIGURES[0]], [1]] * 4 + [1]


def test_codecarbon_measures_the_counters(run: Run, driver: Driver) -> None:
    pytest.importorskip("codecarbon")
    driver.now(1, energy_mj=1_000)
    answer = run("""
from codecarbon.core.gpu import AllGPUDevices
from codecarbon.core.units import Time
every = AllGPUDevices()
every.start()
(folder / "0/now").write_text(f"{123_456_789_012 + 3_600_000} 250000 0 0 97 30 10240 55")
(folder / "1/now").write_text("8200 250000 0 0 97 30 10240 55")
found = every.get_delta(Time.from_seconds(1))
answer = dict(static=every.get_gpu_static_info(), details=every.get_gpu_details(),
              joules=[each["delta_energy_consumption"].kWh * 3.6e6 for each in found])
""")
    assert answer["joules"] == pytest.approx([3_600, 7.2], rel=1e-5)
    assert [each["uuid"] for each in answer["static"]] == UUIDS[:2]
    assert answer["static"][0]["power_limit"] == 700
    assert answer["details"][0]["power_usage"] == 250
    assert answer["details"][0]["free_memory"] == 70 * 2**30


def test_codecarbon_without_a_counter_averages_power(run: Run, driver: Driver) -> None:
    pytest.importorskip("codecarbon")
    driver.now(0, energy_mj=-3)
    joules = run("""
from codecarbon.core.gpu import AllGPUDevices
from codecarbon.core.units import Time
every = AllGPUDevices()
every.start()
found = every.get_delta(Time.from_seconds(2))
answer = [each["delta_energy_consumption"].kWh * 3.6e6 for each in found]
""")
    version = tuple(map(int, run("import codecarbon; answer = codecarbon.__version__").split(".")))
    if version < (3, 3, 2):
        pytest.skip("older ones report nothing")
    assert joules == pytest.approx([500, 0], rel=1e-5)


def test_pyjoules_reads_millijoules(run: Run, driver: Driver) -> None:
    pytest.importorskip("pyJoules")
    program = """
from pyJoules.device.nvidia_device import NvidiaGPUDevice
device = NvidiaGPUDevice()
domains = NvidiaGPUDevice.available_domains()
device.configure(domains)
answer = [list(map(str, domains)), fails(device.get_energy) or device.get_energy()]
"""
    names = ["nvidia_gpu_0", "nvidia_gpu_1"]
    assert run(program) == [names, [FIGURES[0]] * 2]
    driver.now(1, energy_mj=-15)
    assert run(program) == [names, 15]


def test_the_library_is_built_once_and_whole(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = library.build("nvml", "libnvidia-ml.so.1")
    changed = first.stat().st_mtime_ns
    assert library.build("nvml", "libnvidia-ml.so.1") == first
    assert first.stat().st_mtime_ns == changed
    assert first.parent.name == built.parent.name
    assert [each.name for each in first.parent.iterdir()] == ["libnvidia-ml.so.1"]
    assert [each.name for each in (tmp_path / "crosswatt").iterdir()] == [first.parent.name]


def test_it_compiles_without_a_warning(built: Path, tmp_path: Path) -> None:
    source = str(Path(library.__file__).with_name("nvml.c"))
    command = ["cc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-c", source]
    subprocess.run(command, cwd=tmp_path, check=True)


def test_without_a_compiler_it_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unsupported, match="apt-get install gcc"):
        library.build("nvml", "libnvidia-ml.so.1")
    (tmp_path / "cc").write_text(
        "#!/bin/sh\n[ $1 = --version ] || { echo error: x >&2; exit 1; }\n"
    )
    (tmp_path / "cc").chmod(0o755)
    with pytest.raises(Unsupported, match="error: x"):
        library.build("nvml", "libnvidia-ml.so.1")


def test_nvidia_smi_answers_as_the_real_one(driver: Driver) -> None:
    driver.now(1, instant_mw=-3, average_mw=-4, used_mib=-999)
    asked = "index,gpu_name,power.draw.instant,power.draw.average,memory.free,clocks.sm"
    assert driver.smi(f"--query-gpu={asked}", "--format=csv") == (
        0,
        "index, name, power.draw.instant [W], power.draw.average [W], memory.free [MiB], "
        "clocks.current.sm [MHz]\n"
        "0, NVIDIA H100 (simulated), 251.00 W, 249.00 W, 71680 MiB, [N/A]\n"
        "1, NVIDIA H100 (simulated), [N/A], [Insufficient Permissions], [Unknown Error], [N/A]\n",
    )
    asked = "uuid, power.draw, power.limit, utilization.gpu, temperature.gpu, memory.used"
    bare = ("--format=csv,noheader,nounits", "-i", "0")
    assert driver.smi(f"--query-gpu={asked}", *bare) == (
        0,
        f"{UUIDS[0]}, 250.00, 700.00, 97, 55, 10240\n",
    )
    assert driver.smi("-L")[1].splitlines()[1] == (
        f"GPU 1: NVIDIA H100 (simulated) (UUID: {UUIDS[1]})"
    )
    processes = "--query-compute-apps=pid,used_memory"
    assert driver.smi(processes, "--format=csv") == (0, "pid, used_gpu_memory [MiB]\n")
    assert driver.smi(processes, "--format=csv,noheader") == (0, "")


def test_nvidia_smi_chooses(driver: Driver) -> None:
    for name in ("1", UUIDS[1], "00000000:0B:00.0", "0000:0b:00.0"):
        query = driver.smi("--query-gpu=index", "--format=csv,noheader", f"--id={name}")
        assert query == (0, "1\n")
    assert driver.smi("-i", "5") == (6, "No devices were found\n")


def test_nvidia_smi_refuses_as_the_real_one(driver: Driver) -> None:
    unknown = driver.smi("--query-gpu=index,cuda_version", "--format=csv")
    assert unknown == (2, 'Field "cuda_version" is not a valid field to query.\n\n')
    assert driver.smi("--query-gpu=index")[0] == 2
    assert driver.smi("-q")[0] == 2
    assert driver.smi("--help")[0] == 0  # CodeCarbon looks for a driver with it
    driver.now(0, LOST)
    code, said = driver.smi("--query-gpu=power.draw", "--format=csv")
    assert code == 15
    assert "GPU 00000000:0A:00.0: GPU is lost." in said
    driver.folder = driver.folder / "none"
    code, said = driver.smi()
    assert code == 9
    assert "couldn't communicate with the NVIDIA driver" in said


def test_nvidia_smi_says_that_it_is_simulated(driver: Driver) -> None:
    code, said = driver.smi()
    lines = said.splitlines()[1:]
    assert code == 0
    assert "simulated machine" in lines[1]
    assert len({len(line) for line in lines}) == 1
    assert "250W / 700W  10240MiB / 81920MiB       97% |" in lines[5]


READ = """
from calibrate import catalog
from calibrate.probe import Target, Unavailable
from calibrate.probe.adapter import load_probe
probe = load_probe(catalog.files("adapters")["nvml"])()
try:
    probe.open(Target())
    answer = {
        "domains": [[d.name, d.scope, d.kind, d.family] for d in probe.domains()],
        "values": probe.read(), "facts": probe.facts()}
    probe.close()
except Unavailable as why:
    answer = {"why": why.why, "fix": why.fix}
"""


def test_the_adapter_reads_energy_and_both_powers(run: Run) -> None:
    found = run(READ)
    assert found["domains"][:3] == [
        ["gpu-0", "gpu-0", "counter", "nvml"],
        ["gpu-0-average", "gpu-0", "power", "nvml-average"],
        ["gpu-0-instant", "gpu-0", "power", "nvml-instant"],
    ]
    values = {name: value for name, value in found["values"].items() if name.startswith("gpu-0")}
    assert values == {"gpu-0": 123_456_789.012, "gpu-0-average": 250.0, "gpu-0-instant": 251.0}
    assert found["facts"]["mode"] == "nvml" and found["facts"]["gpu-1"] == "NVIDIA H100 (simulated)"


def test_the_adapter_says_what_a_card_does_not_tell(run: Run, driver: Driver) -> None:
    driver.now(1, energy_mj=-3)
    found = run(READ)
    assert "gpu-1" not in found["values"] and "gpu-1-average" in found["values"]
    assert found["facts"]["left out"].startswith("gpu-1: ")
    for code, words in ((-3, "no GPU tells energy"), (-4, "may not be read"), (-15, "NVML: ")):
        for number in (0, 1):
            driver.now(number, (code,) * 4 + FIGURES[4:])
        refused = run(READ)
        assert words in refused["why"] and refused["fix"]
