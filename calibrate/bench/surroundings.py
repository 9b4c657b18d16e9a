"""The environment of a command on the bench: what it finds beside the files.

libnvidia-ml.so.1 and nvidia-smi where the machine has GPUs, and a wall clock that can be set.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from calibrate.bench.library import build
from calibrate.bench.namespace import MOUNTPOINT
from calibrate.bench.setup import Setup
from calibrate.errors import Unsupported
from calibrate.simulated import VARIABLE

_REAL_DRIVER = Path("/dev/nvidiactl")


def of(wanted: Setup, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a command, from that of the host.

    Parameters
    ----------
    wanted : the machine.
    environment : the host's.
    """
    model, faults = wanted.check()
    found = {**environment, VARIABLE: MOUNTPOINT}
    # A real driver must not be seen either, so that ours, with no GPU, goes before it.
    if model.gpus or _REAL_DRIVER.exists():
        try:
            nvml = build("nvml", "libnvidia-ml.so.1")
            _prepend(found, "LD_LIBRARY_PATH", str(nvml.parent))
            _prepend(found, "PATH", f"{MOUNTPOINT}/bin")
        except Unsupported as reason:
            print(f"crosswatt: the virtual GPUs cannot be seen: {reason}", file=sys.stderr)
    for fault in faults:
        if fault.name == "clock-step":
            clock = build("clock", "libcrosswatt-clock.so")
            _prepend(found, "LD_PRELOAD", str(clock))
            at_ns = time.monotonic_ns() + round(fault.at_s * 1e9)
            found["CROSSWATT_CLOCK"] = f"{at_ns} {round(fault.size * 1e9)}"
    return found


def _prepend(environment: dict[str, str], name: str, place: str) -> None:
    environment[name] = os.pathsep.join([place, *filter(None, [environment.get(name)])])
