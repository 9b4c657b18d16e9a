"""What this host is: the conditions under which figures were taken."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calibrate.errors import MachineLost
from calibrate.linux.cpus import cpu_fields, cpu_name, is_arm, virtual
from calibrate.linux.sysfs import LET_A_GROUP_READ, POWERCAP
from calibrate.simulated import SIMULATED, bench_folder
from calibrate.store import MachineRecord

#: What makes a machine another one; all else may change on it from campaign to campaign.
IDENTITY = ("simulated", "label", "cpu", "cpus")
#: What may not change within a campaign, either.
FIXED = (*IDENTITY, "bench", "kernel")
#: How a record says that a fact is not known.
_UNKNOWN = (None, "", "unknown")


def describe_machine(
    model: Mapping[str, Any] | None = None, faults: Sequence[str] = ()
) -> MachineRecord:
    """Return the facts of this host; ``unknown`` where it does not tell.

    Parameters
    ----------
    model : of the simulated machine that stands in for this host; None asks the environment.
    faults : what is wrong with that machine.
    """
    if model is None and (bench := bench_folder()):
        about = json.loads((Path(bench) / "model.json").read_text(encoding="utf-8"))
        model, faults = about["model"], about["faults"]
    fields = cpu_fields()
    cpu = cpu_name(fields)
    title = str((model or {}).get("title", "")).removeprefix("simulated ")
    return MachineRecord(
        simulated=model is not None,
        label=cpu if model is None else f"{SIMULATED}: {title}",
        bench={**model, "faults": list(faults)} if model else {},
        cpu=cpu,
        cpus=os.cpu_count() or 0,
        kernel=platform.release(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        virtual=virtual(fields),
        governor=_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        microcode=fields.get("microcode", "unknown"),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
    )


def machine_differences(
    one: MachineRecord, other: MachineRecord, names: Sequence[str] = IDENTITY
) -> tuple[str, ...]:
    """Return which facts tell two machines apart; none if they are the same machine.

    Parameters
    ----------
    one, other : what was recorded of each. A fact that one of them does not know does not differ.
    names : the facts that are looked at; without them, those that make a machine another one.
    """
    facts = ((name, getattr(one, name), getattr(other, name)) for name in names)
    return tuple(
        name
        for name, mine, yours in facts
        if mine != yours and mine not in _UNKNOWN and yours not in _UNKNOWN
    )


def on_bench() -> bool:
    """Tell whether this process sees a simulated machine."""
    return bench_folder() is not None


def require_bench() -> None:
    """Refuse to go on where this process was on a simulated machine, and that has ended.

    Raises
    ------
    MachineLost : its file server ended.
    """
    place = bench_folder()
    if place and not os.path.exists(f"{place}/truth"):  # noqa: PTH110 - the answer may be an error
        raise MachineLost(
            "The simulated machine has ended: its file server was killed. Start it again; "
            "'crosswatt run --resume FOLDER' goes on with the runs that are left."
        )


def rapl_readable() -> bool:
    """Tell whether any RAPL counter can be read by this user."""
    return any(os.access(counter, os.R_OK) for counter in POWERCAP.glob("*:*/energy_uj"))


def why_no_rapl() -> str:
    """Return why RAPL cannot be read, and what to type to get it."""
    if any(POWERCAP.glob("*:*/energy_uj")):
        return f"The RAPL counters may not be read by this user; type: {LET_A_GROUP_READ}"
    if is_arm(cpu_fields()):
        return (
            "This arm64 machine has no RAPL counters. With --no-bench it is measured by its "
            "sensors (the probe hwmon) or by a wall meter"
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
