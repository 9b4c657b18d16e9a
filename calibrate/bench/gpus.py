"""The virtual GPUs as small text files; `nvml.c` reads them and speaks NVML.

    nvml/count       how many
    nvml/N/static    name, uuid, memory, limit, bus number
    bin/nvidia-smi   see `nvidia_smi.py`
    nvml/N/now       energy_mj power_mw instant_mw average_mw gpu% memory% used_mib temperature_c

A negative number is the NVML error that the call for it returns.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from calibrate.bench.faults import Fault
from calibrate.bench.files import File, Leaf, text
from calibrate.bench.model import Gpu, Model
from calibrate.bench.sensors import mean_w, renewed_j
from calibrate.bench.snapshot import Snapshots

_NOT_SUPPORTED, _NO_PERMISSION, _GPU_IS_LOST, _UNKNOWN = 3, 4, 15, 999
_VALUES = 8
_MEAN_S = 1.0  # NVML_FI_DEV_POWER_AVERAGE is a mean over one second
_INSTANT_S = 0.02


def leaves(model: Model, snapshots: Snapshots) -> dict[str, Leaf]:
    """Return every file; a machine without GPUs has no driver."""
    shown = [n for n in range(len(model.gpus)) if f"gpu-{n}" in snapshots.machine.scopes]
    if not shown:
        return {}
    found: dict[str, Leaf] = {
        "/nvml/count": text(f"{len(shown)}\n"),
        "/bin/nvidia-smi": text(_smi(), 0o555),
    }
    for place, number in enumerate(shown):
        gpu = _altered(model.gpus[number], snapshots.faults, f"gpu-{number}")
        found[f"/nvml/{place}/static"] = text(_static(gpu, number))
        found[f"/nvml/{place}/now"] = File(_now(gpu, f"gpu-{number}", snapshots))
    return found


def _smi() -> str:
    program = Path(__file__).with_name("nvidia_smi.py")
    return f'#!/bin/sh\nexec "{sys.executable}" -P -S "{program}" "$@"\n'


def _static(gpu: Gpu, number: int) -> str:
    return (
        f"name {gpu.name}\n"
        f"uuid GPU-00000000-0000-4000-8000-{number:012d}\n"
        f"memory_mib {round(gpu.memory_gib * 1024)}\n"
        f"limit_mw {round(gpu.limit_w * 1000)}\n"
        f"bus_id 0000:{number + 1:02X}:00.0\n"
    )


def _altered(gpu: Gpu, faults: Sequence[Fault], scope: str) -> Gpu:
    for fault in faults:
        if fault.strikes(scope) and fault.name == "gpu-part-time":
            gpu = _with_window(gpu, gpu.power_update_s * fault.size)
        if fault.strikes(scope) and fault.name == "gpu-slow-power":
            gpu = _with_window(gpu, fault.size)
    return gpu


def shortest_window_s(model: Model, faults: Sequence[Fault]) -> float:
    """Return the shortest time that a GPU's power is a mean of; infinite without GPUs."""
    gpus = (_altered(gpu, faults, f"gpu-{number}") for number, gpu in enumerate(model.gpus))
    return min((gpu.power_window_s for gpu in gpus), default=math.inf)


def _with_window(gpu: Gpu, window_s: float) -> Gpu:
    return gpu.model_copy(update={"power_window_s": window_s})


def _now(gpu: Gpu, scope: str, snapshots: Snapshots) -> Callable[[], bytes]:
    mine = [fault for fault in snapshots.faults if fault.strikes(scope)]
    obstacle = snapshots.obstacle(scope)
    distorted = any(fault.group == "counter" for fault in mine)
    update = _Held(gpu.energy_update_s, lambda: snapshots.shown_j(scope))

    def energy_j() -> float:
        # A distortion has no past: then it is held from the first look on.
        if distorted:
            return update(snapshots.seconds())
        return renewed_j(snapshots, scope, gpu.energy_update_s)

    def active(name: str) -> bool:
        seconds = snapshots.seconds()
        return any(fault.name == name and fault.active(seconds) for fault in mine)

    def values() -> list[int]:
        if active("gpu-lost"):
            return [-_GPU_IS_LOST] * _VALUES
        try:
            instead = obstacle.number()
        except PermissionError:
            return [-_NO_PERMISSION] * _VALUES
        except OSError:
            return [-_UNKNOWN] * _VALUES
        power_w, instant_w, mean = (
            mean_w(snapshots, scope, window_s, update_s)
            for window_s, update_s in (
                (gpu.power_window_s, gpu.power_update_s),
                (_INSTANT_S, _INSTANT_S),
                (_MEAN_S, gpu.power_update_s),
            )
        )
        use = max(0, min(100, round(100 * (instant_w - gpu.idle_w) / (gpu.active_w or 1.0))))
        energy_mj = round(energy_j() * 1e3) if instead is None else instead
        powers = [round(watts * 1e3) for watts in (power_w, instant_w, mean)]
        if active("gpu-no-power"):
            powers = [-_NOT_SUPPORTED] * 3
        if active("gpu-no-energy") or not gpu.energy_counter:
            energy_mj = -_NOT_SUPPORTED
        used_mib = round(gpu.memory_gib * 1024 * (0.02 + 0.006 * use))
        return [energy_mj, *powers, use, use // 2, used_mib, 30 + use // 2]

    def content() -> bytes:
        return " ".join(map(str, values())).encode() + b"\n"

    return content


class _Held:
    """A figure that is renewed at a steady pace only."""

    def __init__(self, step_s: float, fresh: Callable[[], float]) -> None:
        self._step_s, self._fresh = step_s, fresh
        self._at, self._value = -1, 0.0

    def __call__(self, seconds: float) -> float:
        at = int(seconds / self._step_s)
        if at != self._at:
            self._at, self._value = at, self._fresh()
        return self._value
