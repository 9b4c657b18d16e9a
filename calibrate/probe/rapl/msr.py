"""RAPL by the processor's own registers, `/dev/cpu/N/msr`: 32 bits that count energy units.

Sources: Intel SDM volume 4 (MSR_RAPL_POWER_UNIT and the energy status registers); AMD PPR for
family 17h (MSRC001_0299 and following); units that differ from what the register says, and the
Atoms that count otherwise, as in the Linux kernel, drivers/powercap/intel_rapl_common.c.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from calibrate.linux.cpus import CPUINFO, CPUS, Processor, package, processor
from calibrate.probe.contract import Domain, Unavailable
from calibrate.probe.rapl.guard import Guard

DEVICES = Path("/dev/cpu")
_INTEL = {"package": 0x611, "core": 0x639, "uncore": 0x641, "dram": 0x619, "psys": 0x64D}
_AMD = {"package": 0xC001029B}
_UNIT = {"GenuineIntel": 0x606, "AuthenticAMD": 0xC0010299, "HygonGenuine": 0xC0010299}
#: Servers whose DRAM counts 15.3 uJ whatever the register says: Haswell-X, Broadwell-X, Skylake-X,
#: Ice Lake-X and -D, Knights Landing and Mill.
_DRAM_15_UJ = {0x3F, 0x4F, 0x55, 0x6A, 0x6C, 0x57, 0x85}
_DRAM_J = 15.3e-6
#: Servers whose psys counts joules: Sapphire and Emerald Rapids.
_PSYS_JOULES = {0x8F, 0xCF}
#: Atoms that count another unit.
_OTHER_UNIT = {0x37, 0x4A, 0x4C, 0x5A, 0x5D}


class Msr:
    """Every energy register of the first CPU of each package.

    Parameters
    ----------
    devices, cpus, cpuinfo : where the kernel shows them.

    Raises
    ------
    Unavailable : no device, no right to read it, or a processor that is not known.
    """

    def __init__(self, devices: Path = DEVICES, cpus: Path = CPUS, cpuinfo: Path = CPUINFO) -> None:
        self._files: dict[int, int] = {}
        self._domains: list[Domain] = []
        self._places: dict[str, tuple[int, int, float]] = {}
        self._guards: dict[str, Guard] = {}
        self._left: list[str] = []
        known = processor(cpuinfo)
        registers = _registers(known)
        for device in sorted(devices.glob("*/msr"), key=lambda each: int(each.parent.name)):
            number = package(int(device.parent.name), cpus)
            if number not in self._files:
                self._files[number] = _open(device)
                self._add(number, registers, known)
        if not self._domains:
            raise Unavailable("there is no /dev/cpu/0/msr", "sudo modprobe msr (and run as root)")

    def _add(self, number: int, registers: Mapping[str, int], known: Processor) -> None:
        """Add the domains of a package."""
        try:
            exponent = self._register(number, _UNIT[known.vendor]) >> 8 & 0x1F
        except OSError as error:
            raise Unavailable(
                f"the register of energy units ({_UNIT[known.vendor]:#x}) cannot be read: "
                f"{error.strerror}",
                "run on the machine itself: virtual machines seldom have these registers",
            ) from None
        for part, address in registers.items():
            unit_j = _unit_j(part, exponent, known)
            scope = part if part == "psys" else f"{part}-{number}"
            if scope in self._places:
                continue  # psys is one, whichever package tells it
            try:
                value = self._register(number, address)
            except OSError:
                continue  # this processor has no such register
            if value == 0:  # as of a register that is there and never counts
                self._left.append(scope)
                continue
            family = "rapl-psys" if part == "psys" else "rapl"
            wraps_at_j = 2**32 * unit_j
            self._domains.append(
                Domain(scope, scope, "counter", "measured", family, unit_j, wraps_at_j)
            )
            self._places[scope] = number, address, unit_j
            self._guards[scope] = Guard(
                f"register {address:#x}", wraps_at_j, steady=part == "package"
            )

    def _register(self, number: int, address: int) -> int:
        return int.from_bytes(os.pread(self._files[number], 8, address), "little") & 0xFFFFFFFF

    def domains(self) -> list[Domain]:
        """See `Way`."""
        return list(self._domains)

    def read(self) -> Mapping[str, float]:
        """See `Way`."""
        now_s = time.monotonic()
        return {
            name: self._guards[name](now_s, self._register(number, address) * unit_j)
            for name, (number, address, unit_j) in self._places.items()
        }

    def close(self) -> None:
        """See `Way`."""
        for file in self._files.values():
            os.close(file)

    def facts(self) -> Mapping[str, str]:
        """See `Way`."""
        units = {f"{each.resolution_j:.4g} J" for each in self._domains}
        facts = {"energy units": ", ".join(sorted(units))}
        return facts | ({"never counted": ", ".join(self._left)} if self._left else {})


def _registers(known: Processor) -> Mapping[str, int]:
    """Return the registers of a processor, or refuse one whose units are not known."""
    if known.vendor == "GenuineIntel" and known.family == 6 and known.model not in _OTHER_UNIT:
        return _INTEL
    if known.vendor in _UNIT and known.vendor != "GenuineIntel" and known.family >= 0x17:
        return _AMD
    raise Unavailable(
        f"the energy registers of {known.vendor or 'this processor'} family {known.family:#x} "
        f"model {known.model:#x} are not known",
        "use powercap or perf, where the kernel knows them",
    )


def _unit_j(part: str, exponent: int, known: Processor) -> float:
    """Return what a register counts, J."""
    if known.vendor == "GenuineIntel" and part == "dram" and known.model in _DRAM_15_UJ:
        return _DRAM_J
    if known.vendor == "GenuineIntel" and part == "psys" and known.model in _PSYS_JOULES:
        return 1.0
    return 2.0**-exponent


def _open(device: Path) -> int:
    try:
        return os.open(device, os.O_RDONLY)
    except PermissionError:
        raise Unavailable(
            f"{device} may not be read by this user",
            "use powercap, which needs less (sudo modprobe intel_rapl_msr); or run as root",
        ) from None
    except OSError as error:
        raise Unavailable(f"{device}: {error.strerror}", "sudo modprobe msr") from None
