"""The files of simulated machines, as what they read."""

from __future__ import annotations

import json
import struct

import pytest

from calibrate.bench import names
from calibrate.bench.demand import Demand
from calibrate.bench.files import Device, File, Link
from calibrate.bench.server import Files
from tests.helpers.bench import POWERCAP, Machine

ENERGY = f"{POWERCAP}/intel-rapl/intel-rapl:0/energy_uj"


@pytest.mark.parametrize("name", names())
def test_every_link_leads_somewhere_and_every_file_reads(name: str) -> None:
    machine = Machine(name)
    machine.run(0.5)
    for path, node in machine.nodes.items():
        if isinstance(node, Link):
            stack = path.split("/")[:-1]
            for part in node.target.split("/"):
                stack = stack[:-1] if part == ".." else [*stack, part]
            assert "/".join(stack) in machine.nodes, (path, node.target)
        elif isinstance(node, File) and not (name == "container" and path.endswith("energy_uj")):
            assert isinstance(node.content(), bytes)


def test_the_tree_has_the_kernels_layout() -> None:
    machine = Machine("server")
    top = f"{POWERCAP}/intel-rapl"
    assert f"{top}/intel-rapl:1/intel-rapl:1:0/energy_uj" in machine.nodes
    assert machine.nodes["/class/powercap/intel-rapl:1:0"] == Link(
        "../../devices/virtual/powercap/intel-rapl/intel-rapl:1/intel-rapl:1:0"
    )


def test_sensors_of_the_real_machine_are_hidden_by_empty_folders() -> None:
    machine = Machine("vm")
    for name in ("powercap", "hwmon", "power_supply"):
        assert machine.names(f"/class/{name}") == ()
    assert machine.names("/cpu") == ()
    assert "/nvml/count" not in machine.nodes


def test_platform_mirror_and_mirrored_dies() -> None:
    desktop = Machine("desktop")
    desktop.run(2.0)
    assert desktop.read(f"{POWERCAP}/intel-rapl/intel-rapl:1/name") == b"psys\n"
    mirror = f"{POWERCAP}/intel-rapl-mmio/intel-rapl-mmio:0/energy_uj"
    assert desktop.read(mirror) == desktop.read(ENERGY)
    epyc = Machine("epyc")
    labels = [epyc.read(f"{POWERCAP}/intel-rapl/intel-rapl:{n}/name") for n in range(4)]
    assert labels == [b"package-%d-die-%d\n" % (p, d) for p in (0, 1) for d in (0, 1)]
    assert epyc.energy_j("intel-rapl:0") == epyc.energy_j("intel-rapl:1")


def test_model_json_says_that_it_is_simulated_and_what_is_wrong() -> None:
    about = json.loads(Machine("desktop", "stuck,at_s=2").read("/model.json"))
    assert about["simulated"] is True
    assert about["activity"] == {"source": "test"}
    assert about["faults"] == ["stuck,at_s=2"]


def test_every_file_shows_the_same_snapshot_within_an_update() -> None:
    machine = Machine("desktop")
    files = Files(machine.nodes)
    machine.t_ns += 10 * 976_000
    first, truth = files.read(ENERGY, 4096, 0, 0), files.read("/truth", 4096, 0, 0)
    machine.t_ns += 975_900
    machine.activity.now = [value + 10**9 for value in machine.activity.now]
    assert files.read(ENERGY, 4096, 0, 0) == first
    assert files.read("/truth", 4096, 0, 0) == truth
    machine.t_ns += 100
    assert files.read(ENERGY, 4096, 0, 0) != first


def test_a_file_read_in_pieces_is_one_value(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine("desktop")
    files = Files(machine.nodes)
    monkeypatch.setattr("calibrate.bench.server._reader", lambda: 1)
    whole = files.read(ENERGY, 4096, 0, 0)
    pieces = b""
    while piece := files.read(ENERGY, 1, len(pieces), 0):
        pieces += piece
        machine.t_ns += 200_000_000
    assert pieces == whole
    assert files.read(ENERGY, 4096, len(whole), 0) == b""


@pytest.mark.parametrize(
    ("name", "unit", "package"), [("server", 0x606, 0x611), ("amd", 0xC0010299, 0xC001029B)]
)
def test_registers_and_files_tell_the_same_energy(name: str, unit: int, package: int) -> None:
    machine = Machine(name)
    machine.run(1.0)
    unit_j = 0.5 ** (machine.register(unit) >> 8 & 0x1F)
    assert unit_j == machine.model.energy_unit_j
    shown_j = machine.register(package) * unit_j
    assert machine.energy_j() == pytest.approx(shown_j, rel=1e-4)  # the driver's whole nanojoules


def test_each_package_has_its_own_registers() -> None:
    machine = Machine("server")
    machine.run(1.0)
    assert machine.register(0x611, cpu=0) == machine.register(0x611, cpu=1)
    assert machine.register(0x611, cpu=0) != machine.register(0x611, cpu=3)


def test_what_is_no_register_is_an_error_as_in_the_kernel() -> None:
    device = Machine("server").nodes["/cpu/0/msr"]
    assert isinstance(device, Device)
    with pytest.raises(OSError, match="no such register"):
        device.register(0x639, 8)  # a server has no core counter
    with pytest.raises(OSError, match="eight bytes"):
        device.register(0x611, 4)


def test_hwmon_in_micro_units() -> None:
    machine = Machine("workstation")
    before_j = machine.joules("core-0")
    machine.run(4.0, use=1.0)
    files = dict(zip(("temp1", "power1"), ("temp1_input", "power1_input"), strict=True))
    place = "/devices/virtual/hwmon/hwmon0"
    watts = int(machine.read(f"{place}/{files['power1']}")) / 1e6
    assert watts == pytest.approx((machine.joules("core-0") - before_j) / 4, rel=0.02)
    assert 25_000 < int(machine.read(f"{place}/{files['temp1']}")) < 60_000


def test_a_battery_empties_by_what_the_platform_used() -> None:
    machine = Machine("laptop")
    place = "/devices/virtual/power_supply/BAT0"
    full = int(machine.read(f"{place}/energy_now"))
    machine.run(200.0, use=1.0, step_s=0.5)
    used_wh = (full - int(machine.read(f"{place}/energy_now"))) / 1e6
    assert used_wh == pytest.approx(machine.joules("psys") / 3600, abs=0.01)
    now_w = int(machine.read(f"{place}/power_now")) / 1e6
    assert now_w == pytest.approx(machine.joules("psys") / 200, rel=0.05)


def now(machine: Machine, gpu: int = 0) -> list[int]:
    return [int(each) for each in machine.read(f"/nvml/{gpu}/now").split()]


def test_a_gpu_samples_a_quarter_of_the_time() -> None:
    machine = Machine("gpu-node")
    machine.demand.write(b"gpu-0 0\n", 1)
    machine.run(1.0)
    machine.demand.write(b"gpu-0 1\n", 1)  # busy from 1.00 s to 1.05 s of each 100 ms
    machine.run(0.05)
    machine.demand.write(b"gpu-0 0\n", 1)
    machine.run(0.06)
    energy_mj, power_mw, _, average_mw, *_ = now(machine)
    gpu = machine.model.gpus[0]
    assert power_mw == pytest.approx(gpu.idle_w * 1e3, rel=0.05)  # looked from 1.075 s to 1.1 s
    assert average_mw > power_mw
    assert energy_mj == pytest.approx(machine.joules("gpu-0") * 1e3, rel=0.02)


def test_the_energy_counter_of_a_gpu_is_as_old_as_its_last_renewal() -> None:
    machine = Machine("gpu-node")
    machine.demand.write(b"gpu-0 1\n", 1)
    shown = []
    for _ in range(8):  # looks at 15, 30, 45 ms ...: renewals come every 20 ms
        machine.run(0.015, step_s=0.015)
        shown.append(now(machine)[0] / 1e3)
    watts = machine.joules("gpu-0") / machine.seconds
    assert shown == pytest.approx(
        [watts * 0.020 * (15 * step // 20) for step in range(1, 9)], abs=2e-3
    )


def test_demands_add_up_and_end_with_their_process() -> None:
    machine = Machine("gpu-node")
    machine.demand.write(b"gpu-0 0.25\nmemory_gbps 10\n", 1)
    machine.demand.write(b"gpu-0 0.5\n", 0)  # process 0 has ended, see tests.helpers.bench
    assert machine.demand.text() == b"gpu-0 0.75\nmemory_gbps 10\n"
    machine.demand.refresh()
    assert machine.demand.text() == b"gpu-0 0.25\nmemory_gbps 10\n"


def test_processes_may_declare_while_others_end() -> None:
    machine = Machine("gpu-node")

    def alive(pid: int) -> bool:
        if pid < 50:
            machine.demand.write(b"gpu-0 0.25\n", pid + 1)  # as another thread would, just now
        return pid == 50

    machine.demand = Demand(machine.live, 4, alive)
    machine.demand.write(b"gpu-0 0.5\n", 1)
    for _ in range(50):
        machine.demand.refresh()
    assert machine.demand.text().startswith(b"gpu-0 0.25\n")


@pytest.mark.parametrize("said", [b"gpu-9 1\n", b"gpu-0 2\n", b"gpu-0\n", b"x 1\n", b"\xff"])
def test_a_demand_that_makes_no_sense_changes_nothing(said: bytes) -> None:
    machine = Machine("gpu-node")
    machine.demand.write(b"gpu-0 0.25\n", 1)
    with pytest.raises(OSError, match="not a demand"):
        machine.demand.write(said, 1)
    assert machine.demand.text().startswith(b"gpu-0 0.25\n")


def test_the_energy_register_has_32_bits() -> None:
    machine = Machine("amd", "wrap=1,scope=package-0")
    machine.run(1.0, use=1.0)
    (value,) = struct.unpack("<Q", machine.nodes["/cpu/0/msr"].register(0xC001029B, 8))  # type: ignore[union-attr]
    assert value < 2**32
    assert value * machine.model.energy_unit_j == pytest.approx(15 - 1, rel=0.01)
