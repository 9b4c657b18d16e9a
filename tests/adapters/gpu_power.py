"""The power of the first GPU as NVML tells it, a hundred times a second."""

import importlib
from collections.abc import Mapping
from typing import Any

from calibrate import Domain, Probe, Target


class GpuPower(Probe):
    """Watts of one GPU."""

    name = "gpu_power"
    period_s = 0.01

    def open(self, target: Target) -> None:
        """Open the driver's library."""
        self._nvml: Any = importlib.import_module("pynvml")
        self._nvml.nvmlInit()
        self._gpu = self._nvml.nvmlDeviceGetHandleByIndex(0)

    def domains(self) -> list[Domain]:
        """One power."""
        return [Domain("gpu-0", "gpu-0", "power", "measured", "nvml")]

    def read(self) -> Mapping[str, float]:
        """Watts now."""
        return {"gpu-0": self._nvml.nvmlDeviceGetPowerUsage(self._gpu) / 1000}
