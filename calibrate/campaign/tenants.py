"""What else runs on this machine when a campaign starts."""

from __future__ import annotations

import os
import time
from pathlib import Path

STAT = Path("/proc/stat")
#: How long the machine is looked at, seconds.
LOOK_S = 0.3
#: Other programs are told of from so many cores on, and from such a share of all cores.
LEAST_CORES, LEAST_SHARE = 0.25, 0.05
#: Fields of the first line of /proc/stat that are rest: idle, and waiting for a disk.
_REST = (3, 4)


def busy_cores(seconds: float = LOOK_S, stat: Path = STAT) -> float | None:
    """Return how many cores other programs keep busy while this one waits; None if not known.

    What a hypervisor gives to its other guests (steal) counts.
    """
    before = _ticks(stat)
    time.sleep(seconds)
    after = _ticks(stat)
    if before is None or after is None or sum(after) <= sum(before):
        return None
    passed = [late - early for early, late in zip(before, after, strict=True)]
    busy = sum(ticks for field, ticks in enumerate(passed) if field not in _REST)
    return (os.cpu_count() or 1) * max(busy, 0) / sum(passed)


def _ticks(stat: Path) -> list[int] | None:
    """Return user, nice, system, idle, iowait, irq, softirq and steal of all cores together."""
    try:
        name, *fields = stat.read_text(encoding="ascii").splitlines()[0].split()
        return [int(field) for field in fields[:8]] if name == "cpu" else None
    except (OSError, ValueError, IndexError):
        return None


def disturbance(busy: float | None, cores: int) -> str:
    """Return the sentence that warns of other programs; empty where there is no reason.

    Parameters
    ----------
    busy : cores that others keep busy, as `busy_cores` returns them.
    cores : of the machine.
    """
    if busy is None or busy < max(LEAST_CORES, LEAST_SHARE * cores):
        return ""
    return (
        f"Other programs keep {busy:.1f} of {cores} cores busy: figures may be unstable, and "
        "disturbed runs are repeated. Measure while nothing else runs on the machine."
    )
