"""RAPL in three ways, on files as the kernel shows them: the same domains, the same joules."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from calibrate import catalog
from calibrate.energy import native_columns
from calibrate.probe.adapter import load_probe
from calibrate.probe.contract import Target, Unavailable
from calibrate.probe.rapl import choice
from calibrate.probe.rapl.msr import Msr
from calibrate.probe.rapl.perf import Perf
from calibrate.probe.rapl.powercap import Powercap

Zone = tuple[str, str, int]
Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Make a powercap tree of (folder, name, microjoules)."""

    def make(*zones: Zone) -> Path:
        for folder, name, energy in zones:
            place = tmp_path / folder
            place.mkdir()
            (place / "name").write_text(f"{name}\n")
            (place / "energy_uj").write_text(f"{energy}\n")
            (place / "max_energy_range_uj").write_text("262143328850\n")
        return tmp_path

    return make


def test_rapl_reads_every_zone_in_joules(tree: Tree) -> None:
    probe = Powercap(
        tree(
            ("intel-rapl:0", "package-1", 5_000_000),
            ("intel-rapl:0:0", "core", 3_000_000),
            ("intel-rapl:0:1", "dram", 1_500_000),
            ("intel-rapl:1", "package-0", 7_000_001),
            ("intel-rapl:2", "psys", 20_000_000),
            ("intel-rapl-mmio:0", "package-0", 6_900_000),
            ("dtpm:0", "other", 1),
        )
    )
    assert probe.read() == {
        "package-1": 5.0, "core-1": 3.0, "dram-1": 1.5, "package-0": 7.000001, "psys": 20.0,
        "mmio-package-0": 6.9,
    }  # fmt: skip
    families = {d.name: d.family for d in probe.domains()}
    assert families["psys"] == "rapl-psys"
    assert families["mmio-package-0"] == "rapl-mmio"
    totals = {c.name: c.parts for c in native_columns(probe.domains()) if len(c.parts) > 1}
    assert totals["package"] == ("package-1", "package-0") or totals["package"] == (
        "package-0",
        "package-1",
    )
    assert set(totals["machine"]) == {"package-0", "package-1", "dram-1"}
    assert {d.wraps_at_j for d in probe.domains()} == {262143.32885}
    probe.close()


def test_rapl_dies_belong_to_their_package(tree: Tree) -> None:
    probe = Powercap(
        tree(
            ("intel-rapl:0", "package-0-die-0", 1_000_000),
            ("intel-rapl:1", "package-0-die-1", 2_000_000),
        )
    )
    assert {d.name: d.scope for d in probe.domains()} == {
        "package-0-die-0": "package-0",
        "package-0-die-1": "package-0",
    }
    probe.close()


def test_two_zones_of_one_name_are_two_counters(tree: Tree) -> None:
    probe = Powercap(tree(("intel-rapl:0", "psys", 5_000_000), ("intel-rapl:1", "psys", 9_000_000)))
    assert probe.read() == {"psys": 5.0, "psys-zone-1": 9.0}
    probe.close()


def test_rapl_without_zones_says_what_helps(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no RAPL zone") as refused:
        Powercap(tmp_path)
    assert "modprobe" in refused.value.fix


def test_rapl_that_may_not_be_read_says_what_helps(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree(("intel-rapl:0", "package-0", 1))

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(Unavailable, match="may not be read by this user") as refused:
        Powercap(root)
    assert "chgrp energy" in refused.value.fix  # a group, not all users
    assert "CVE-2020-8694" in refused.value.fix
    assert "a+r" not in refused.value.fix


INTEL = "vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: {}\n\nprocessor\t: 1\n"
AMD = "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\n\n"
#: 2^-14 J, as on most Intel parts, in bits 12 to 8.
UNIT_REGISTER = 14 << 8 | 0x3
SKYLAKE, SKYLAKE_X, SAPPHIRE_RAPIDS = 0x5E, 0x55, 0x8F


def cpus(folder: Path, *packages: int) -> Path:
    """Make the topology of CPUs 0, 1, ... and return its root."""
    for cpu, number in enumerate(packages):
        place = folder / f"cpu{cpu}/topology"
        place.mkdir(parents=True)
        (place / "physical_package_id").write_text(f"{number}\n")
    return folder


def registers(folder: Path, cpu: int, **values: int) -> Path:
    """Make /dev/cpu/N/msr as a file in which an address is a place."""
    device = folder / f"{cpu}/msr"
    device.parent.mkdir(parents=True, exist_ok=True)
    with device.open("wb") as file:
        for address, value in values.items():
            file.seek(int(address.removeprefix("r"), 16))
            file.write(struct.pack("<Q", value))
    return device


def msr(tmp_path: Path, cpuinfo: str) -> Msr:
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    return Msr(tmp_path / "dev", tmp_path / "sys", tmp_path / "cpuinfo")


def test_registers_give_the_domains_and_joules_of_powercap(tmp_path: Path) -> None:
    cpus(tmp_path / "sys", 0, 0, 1)
    count = {0: 81920, 1: 163840}  # 5 J and 10 J
    for cpu, number in ((0, 0), (1, 0), (2, 1)):
        # The upper half is reserved and may hold anything.
        registers(tmp_path / "dev", cpu, r606=UNIT_REGISTER, r611=count[number] | 7 << 40,
                  r619=16384, r639=8192, r641=0, r64D=4 * 16384)  # fmt: skip
    way = msr(tmp_path, INTEL.format(SKYLAKE))
    assert way.read() == {
        "package-0": 5.0, "core-0": 0.5, "dram-0": 1.0, "package-1": 10.0, "core-1": 0.5,
        "dram-1": 1.0, "psys": 4.0,
    }  # fmt: skip
    assert way.facts()["never counted"] == "uncore-0, uncore-1"
    known = {domain.name: domain for domain in way.domains()}
    assert known["package-0"].wraps_at_j == 2.0**18 and known["psys"].family == "rapl-psys"
    registers(tmp_path / "dev", 0, r606=UNIT_REGISTER, r611=5, r619=16384, r639=8192, r64D=65536)
    with pytest.raises(ValueError, match=r"register 0x611 went from 5 J"):
        way.read()
    way.close()


@pytest.mark.parametrize(
    ("model", "dram_j", "psys_j"),
    [(SKYLAKE, 1.0, 4.0), (SKYLAKE_X, 16384 * 15.3e-6, 4.0), (SAPPHIRE_RAPIDS, 1.0, 65536.0)],
)
def test_units_are_the_kernels(tmp_path: Path, model: int, dram_j: float, psys_j: float) -> None:
    """DRAM of 15.3 uJ on some servers (likwid issues 39 and 642: a factor of 4), psys in joules."""
    cpus(tmp_path / "sys", 0)
    registers(tmp_path / "dev", 0, r606=UNIT_REGISTER, r611=1, r619=16384, r64D=65536)
    found = msr(tmp_path, INTEL.format(model)).read()
    assert found["dram-0"] == pytest.approx(dram_j) and found["psys"] == pytest.approx(psys_j)


def test_an_amd_counts_its_packages(tmp_path: Path) -> None:
    cpus(tmp_path / "sys", 0)
    registers(tmp_path / "dev", 0, rC0010299=16 << 8, rC001029B=65536)
    assert msr(tmp_path, AMD).read() == {"package-0": 1.0}


def test_registers_that_are_not_known_are_not_read(tmp_path: Path) -> None:
    cpus(tmp_path / "sys", 0)
    with pytest.raises(Unavailable, match="no /dev/cpu/0/msr") as refused:
        msr(tmp_path, AMD)
    assert "modprobe msr" in refused.value.fix
    for silvermont in (INTEL.format(0x37), "", AMD.replace("25", "16")):
        with pytest.raises(Unavailable, match="are not known"):
            msr(tmp_path, silvermont)


def pmu(folder: Path, **scales: str) -> Path:
    """Make the PMU `power` with these events, on CPUs 0 and 2."""
    (folder / "events").mkdir(parents=True)
    (folder / "type").write_text("21\n")
    (folder / "cpumask").write_text("0,2\n")
    for code, (name, scale) in enumerate(scales.items(), start=1):
        event = folder / "events" / name.replace("_", "-")
        event.write_text(f"event=0x{code:02x}\n")
        event.with_name(f"{event.name}.scale").write_text(f"{scale}\n")
    return folder


SCALE = "2.3283064365386962890625e-10"


def test_perf_gives_the_same_domains(tmp_path: Path) -> None:
    cpus(tmp_path / "sys", 0, 0, 1)
    made: list[tuple[int, int, int]] = []

    def opener(kind: int, config: int, cpu: int) -> int:
        made.append((kind, config, cpu))
        read, write = os.pipe()
        for halves in range(4):  # two of them show that it counts
            os.write(write, struct.pack("<Q", (halves + 2 * config) << 31))
        os.close(write)
        return read

    way = Perf(pmu(tmp_path / "pmu", energy_pkg=SCALE, energy_ram=SCALE, energy_psys=SCALE),
               tmp_path / "sys", opener)  # fmt: skip
    assert made == [(21, 1, 0), (21, 1, 2), (21, 2, 0), (21, 2, 2), (21, 3, 0)]
    first = way.read()
    assert first == {
        "package-0": 2.0, "package-1": 2.0, "dram-0": 3.0, "dram-1": 3.0, "psys": 4.0,
    }  # fmt: skip
    assert way.read()["package-0"] == 2.5
    assert all(domain.wraps_at_j is None for domain in way.domains())
    way.close()


def test_a_counter_that_stands_still_is_none(tmp_path: Path) -> None:
    """Seen on a virtual machine: a PMU `power` with nothing but a psys that is always zero."""
    cpus(tmp_path / "sys", 0, 0, 1)
    opened = []

    def opener(*_: int) -> int:
        opened.append(os.open("/dev/zero", os.O_RDONLY))
        return opened[-1]

    with pytest.raises(Unavailable, match="shows psys, which stands still") as refused:
        Perf(pmu(tmp_path / "pmu", energy_psys=SCALE), tmp_path / "sys", opener)
    assert refused.value.fix == "measure on the host"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.read(opened[0], 8)


def test_perf_that_is_not_there_or_not_allowed_says_what_helps(tmp_path: Path) -> None:
    cpus(tmp_path / "sys", 0, 0, 1)
    with pytest.raises(Unavailable, match="no perf events for RAPL"):
        Perf(tmp_path / "nothing", tmp_path / "sys")

    def refuse(*_: int) -> int:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(Unavailable, match="not for this user") as refused:
        Perf(pmu(tmp_path / "pmu", energy_pkg=SCALE), tmp_path / "sys", refuse)
    assert "perf_event_paranoid" in refused.value.fix


class Fixed:
    """A way that always works."""

    def domains(self) -> list[object]:
        return []

    def read(self) -> dict[str, float]:
        return {"package-0": 1.0}

    def close(self) -> None:
        """Nothing is open."""

    def facts(self) -> dict[str, str]:
        return {}


def missing() -> Fixed:
    raise Unavailable("it is not here", "bring it")


def test_the_best_way_that_works_is_taken_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    ways: dict[str, Callable[[], Fixed]] = {"powercap": missing, "perf": missing, "msr": Fixed}
    monkeypatch.setattr(choice, "ways", lambda: ways)
    monkeypatch.setattr(choice, "has_zones", lambda: False)
    probe = load_probe(catalog.files("adapters")["rapl"])()
    probe.open(Target())
    assert probe.facts()["mode"] == "msr" and probe.read() == {"package-0": 1.0}
    # Where the kernel shows zones that may not be read, its registers are not gone around it.
    monkeypatch.setattr(choice, "has_zones", lambda: True)
    with pytest.raises(Unavailable, match="powercap: it is not here; perf: it is not here") as why:
        probe.open(Target())
    assert why.value.fix == "bring it"
    probe.open(Target(options={"way": "msr"}))
    with pytest.raises(Unavailable, match="no way to RAPL called 'mrs'"):
        probe.open(Target(options={"way": "mrs"}))
