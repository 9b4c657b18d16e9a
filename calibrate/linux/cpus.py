"""Which CPU belongs to which package, and which processor this is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CPUS = Path("/sys/devices/system/cpu")
CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Processor:
    """Vendor as /proc/cpuinfo has it, family and model."""

    vendor: str
    family: int
    model: int


def package(cpu: int, root: Path = CPUS) -> int:
    """Return the number of a CPU's package."""
    text = (root / f"cpu{cpu}/topology/physical_package_id").read_text(encoding="ascii")
    return max(int(text), 0)  # -1 where a virtual machine does not say


def online(root: Path = CPUS) -> list[int]:
    """Return the numbers of the online CPUs."""
    return numbers((root / "online").read_text(encoding="ascii").strip())


def numbers(text: str) -> list[int]:
    """Return the numbers in a list such as ``0,28-29``."""
    found: list[int] = []
    for part in filter(None, text.split(",")):
        low, _, high = part.partition("-")
        found += range(int(low), int(high or low) + 1)
    return found


#: What an arm64 kernel says of a processor instead of a name.
_ARM_NUMBERS = ("implementer", "part", "variant")


def cpu_fields(cpuinfo: Path = CPUINFO) -> dict[str, str]:
    """Return what the kernel says of the first CPU, by field; nothing where it says nothing."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    fields: dict[str, str] = {}
    for line in text.split("\n\n")[0].splitlines():
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    return fields


def cpu_name(fields: Mapping[str, str]) -> str:
    """Return the name of the processor; its numbers on arm64, where the kernel gives no name.

    Parameters
    ----------
    fields : see `cpu_fields`.
    """
    if "model name" in fields:
        return fields["model name"]
    if "CPU implementer" not in fields:
        return "unknown"
    numbers = (
        fields["CPU implementer"],
        fields.get("CPU part", "?"),
        fields.get("CPU variant", "?"),
    )
    return "arm64, implementer {}, part {}, variant {}".format(*numbers)


def is_arm(fields: Mapping[str, str]) -> bool:
    """Tell whether this is an arm64 machine, none of which has RAPL.

    Parameters
    ----------
    fields : see `cpu_fields`.
    """
    return "CPU implementer" in fields


def rapl_fix() -> str:
    """Return what to do where there are no RAPL counters."""
    if is_arm(cpu_fields()):
        return "use the probe hwmon or a wall meter: arm64 processors have no RAPL"
    return "sudo modprobe intel_rapl_msr (virtual machines usually have no RAPL at all)"


def virtual(fields: Mapping[str, str]) -> str:
    """Return whether this is a virtual machine: ``yes`` or ``no``; ``unknown`` but on x86.

    Parameters
    ----------
    fields : see `cpu_fields`.
    """
    flags = fields.get("flags")
    if flags is None:
        return "unknown"
    return "yes" if "hypervisor" in flags.split() else "no"


def processor(cpuinfo: Path = CPUINFO) -> Processor:
    """Return which processor this is."""
    fields = cpu_fields(cpuinfo)
    return Processor(
        fields.get("vendor_id", ""), int(fields.get("cpu family", 0)), int(fields.get("model", 0))
    )
