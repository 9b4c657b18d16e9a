"""What this host is: the conditions under which figures were taken."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

from calibrate.store import Machine

POWERCAP = Path("/sys/class/powercap")
BENCH_LABEL = "simulated machine"


def describe() -> Machine:
    """Return the facts of this host; ``unknown`` where it does not tell."""
    bench = os.environ.get("CROSSWATT_BENCH")
    model = json.loads((Path(bench) / "model.json").read_text()) if bench else {}
    title = model.get("model", {}).get("title", "")
    cpu = _field("/proc/cpuinfo", "model name")
    return Machine(
        simulated=bool(bench),
        label=f"{BENCH_LABEL}: {title.removeprefix('simulated ')}" if bench else cpu,
        bench=model,
        cpu=cpu,
        cpus=os.cpu_count() or 0,
        kernel=platform.release(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        virtual="yes" if "hypervisor" in _field("/proc/cpuinfo", "flags").split() else "no",
        governor=_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        microcode=_field("/proc/cpuinfo", "microcode"),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
    )


def rapl_readable() -> bool:
    """Tell whether any RAPL counter can be read by this user."""
    return any(os.access(counter, os.R_OK) for counter in POWERCAP.glob("*:*/energy_uj"))


def why_no_rapl() -> str:
    """Return why RAPL cannot be read, and what to type to get it."""
    if any(POWERCAP.glob("*:*/energy_uj")):
        return (
            "The RAPL counters may not be read by this user; type: "
            "sudo chmod -R a+r /sys/class/powercap/intel-rapl"
        )
    return (
        "There are no RAPL counters on this machine; if it is not virtual, type: "
        "sudo modprobe intel_rapl_msr"
    )


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return "unknown"


def _field(path: str, name: str) -> str:
    """Return the first value of a field in a file of ``name : value`` lines."""
    for line in _text(path).splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip() == name:
            return value.strip()
    return "unknown"
