"""Which CPU belongs to which package, and which processor this is."""

from __future__ import annotations

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


def processor(cpuinfo: Path = CPUINFO) -> Processor:
    """Return which processor this is."""
    first = cpuinfo.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    table: dict[str, str] = {}
    for line in first.splitlines():
        name, _, value = line.partition(":")
        table[name.strip()] = value.strip()
    return Processor(
        table.get("vendor_id", ""), int(table.get("cpu family", 0)), int(table.get("model", 0))
    )
