"""RAPL as the processor's own registers: `/dev/cpu/N/msr`.

Addresses and bit fields: Intel SDM volume 4 (MSR_RAPL_POWER_UNIT and the energy status registers)
and AMD PPR for family 17h (MSRC001_0299 and following).
"""

from __future__ import annotations

import errno
import math
import struct
from collections.abc import Callable, Sequence

from calibrate.bench.activity import blocks
from calibrate.bench.files import Device, Leaf
from calibrate.bench.model import Model
from calibrate.bench.snapshot import Snapshots

_INTEL = {0x611: "package", 0x639: "core", 0x641: "uncore", 0x619: "dram", 0x64D: "psys"}
_AMD = {0xC001029B: "package", 0xC001029A: "core"}
_UNITS = {"intel": 0x606, "amd": 0xC0010299}
_POWER_UNIT, _TIME_UNIT = 0x3, 0xA  # 1/8 W and 976 us, as on every known part
_FULL = (1 << 32) - 1


def leaves(model: Model, snapshots: Snapshots, cpus: Sequence[int]) -> dict[str, Leaf]:
    """Return `/cpu/N/msr` for the CPUs of this host, divided over the packages."""
    if "msr" not in model.sources:
        return {}
    found: dict[str, Leaf] = {}
    for package, block in enumerate(blocks(len(cpus), len(model.packages))):
        for place in block:
            found.setdefault(
                f"/cpu/{cpus[place]}/msr", Device(_registers(model, snapshots, package))
            )
    return found


def _registers(model: Model, snapshots: Snapshots, package: int) -> Callable[[int, int], bytes]:
    table = _INTEL if model.vendor == "intel" else _AMD
    scopes = {at: "psys" if part == "psys" else f"{part}-{package}" for at, part in table.items()}
    obstacles = {scope: snapshots.obstacle(scope) for scope in scopes.values()}

    def register(address: int, size: int) -> bytes:
        if size < 8:
            raise OSError(errno.EINVAL, "a register has eight bytes")
        if not model.readable:
            raise OSError(errno.EPERM, "not permitted here")
        if address == _UNITS[model.vendor]:
            return struct.pack("<Q", _unit_register(model.energy_unit_j))
        scope = scopes.get(address)
        if scope not in snapshots.counters:
            raise OSError(errno.EIO, "no such register")
        number = obstacles[scope].number()
        value = snapshots.register(scope) if number is None else min(number, _FULL)
        return struct.pack("<Q", value & _FULL)

    return register


def _unit_register(energy_unit_j: float) -> int:
    """Return the unit register; an energy unit is a power of two, the nearest one is told."""
    energy = round(-math.log2(energy_unit_j))
    return _TIME_UNIT << 16 | energy << 8 | _POWER_UNIT
