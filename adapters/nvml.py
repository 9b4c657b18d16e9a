"""NVIDIA GPUs through NVML: the energy counter, and average and instantaneous power beside it.

The three are domains of their own, since they disagree: the counter is the driver's own sum, the
average is over a second on most cards since Ampere, and on A100 and H100 power is seen for a
quarter of the time (Yang, Adamek & Armour, arXiv:2312.02741). What a card does not have is left out
and said. Under MIG all figures are of the whole card. Source: NVML API reference, R550 and later.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from calibrate import About, Domain, Probe, Target, Unavailable
from calibrate.requirement import pip_install


class Nvml(Probe):
    """Energy and power of every NVIDIA GPU."""

    name = "nvml"
    period_s = 0.05
    reopens = True
    summary = "NVIDIA GPUs: energy counter, average and instantaneous power"
    about = About(
        scope="NVIDIA GPUs: energy, average and instantaneous power",
        basis="measured",
        unit="mJ, mW",
        granularity="20 to 100 ms, 1 mJ",
        platforms="Linux, NVIDIA since Volta",
        tested="bench; not tried on hardware",
    )

    def open(self, target: Target) -> None:
        """Find the GPUs and what each can tell."""
        try:
            pynvml: Any = importlib.import_module("pynvml")
        except ImportError as error:
            raise Unavailable(str(error), pip_install("nvidia-ml-py")) from None
        self._nvml = pynvml
        self._domains: list[Domain] = []
        self._reads: dict[str, Callable[[], float]] = {}
        self._left: list[str] = []
        self._mig: list[str] = []
        try:
            pynvml.nvmlInit()
            for number in range(pynvml.nvmlDeviceGetCount()):
                self._add(number, pynvml.nvmlDeviceGetHandleByIndex(number))
        except pynvml.NVMLError_NoPermission:
            raise Unavailable(
                "the GPUs may not be read by this user",
                "join the group that owns /dev/nvidia0, or run as root",
            ) from None
        except pynvml.NVMLError as error:
            raise Unavailable(f"NVML: {error}", "install the NVIDIA driver, or repair it") from None
        if not self._domains:
            raise Unavailable(
                f"no GPU tells energy or power ({'; '.join(self._left) or 'there is none'})",
                "use a GPU with a power sensor, or a whole card instead of a MIG slice or vGPU",
            )

    def _add(self, number: int, gpu: Any) -> None:
        nvml, scope = self._nvml, f"gpu-{number}"
        try:
            if nvml.nvmlDeviceGetMigMode(gpu)[0]:
                self._mig.append(scope)
        except nvml.NVMLError:
            pass  # a card without MIG
        # Families apart, so that no total adds energy and power of one card.
        counter = Domain(scope, scope, "counter", "measured", "nvml", 1e-3)
        self._try(counter, lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(gpu))
        average = Domain(f"{scope}-average", scope, "power", "measured", "nvml-average")
        self._try(average, lambda: nvml.nvmlDeviceGetPowerUsage(gpu))
        instant = Domain(f"{scope}-instant", scope, "power", "measured", "nvml-instant")
        self._try(instant, lambda: self._instant_mw(gpu))

    def _try(self, domain: Domain, read: Callable[[], float]) -> None:
        try:
            read()
        except (self._nvml.NVMLError_NotSupported, self._nvml.NVMLError_FunctionNotFound) as error:
            self._left.append(f"{domain.name}: {error}")
            return
        self._domains.append(domain)
        self._reads[domain.name] = read

    def _instant_mw(self, gpu: Any) -> float:
        nvml = self._nvml
        [field] = nvml.nvmlDeviceGetFieldValues(gpu, [nvml.NVML_FI_DEV_POWER_INSTANT])
        if field.nvmlReturn:
            raise nvml.NVMLError(field.nvmlReturn)
        return float(field.value.uiVal)

    def domains(self) -> list[Domain]:
        """One counter and up to two powers for each GPU."""
        return list(self._domains)

    def read(self) -> Mapping[str, float]:
        """Joules since the driver was loaded, and watts; NVML has both in thousandths."""
        return {name: read() / 1e3 for name, read in self._reads.items()}

    def close(self) -> None:
        """Leave the driver."""
        self._nvml.nvmlShutdown()

    def facts(self) -> Mapping[str, str]:
        """Driver and cards, and what they do not tell."""
        nvml = self._nvml
        cards = {
            f"gpu-{number}": str(nvml.nvmlDeviceGetName(nvml.nvmlDeviceGetHandleByIndex(number)))
            for number in range(nvml.nvmlDeviceGetCount())
        }
        facts = {"release": str(nvml.nvmlSystemGetDriverVersion()), "mode": "nvml"} | cards
        if self._left:
            facts["left out"] = "; ".join(self._left)
        return facts | ({"MIG, whole card": ", ".join(self._mig)} if self._mig else {})
