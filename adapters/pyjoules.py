"""pyJoules 0.5, unmodified: an `EnergyMeter` around the workload.

Between start and stop the same devices are read directly, for the curve; the energy of the window
is the trace that the meter itself gives. pyJoules returns microjoules by domain and never adds
them up, nor corrects a wrapped counter; what it returns is passed on as it is. Its GPU figures
stand beside the others and are taken for microjoules like them, as its documentation says.
"""

from collections.abc import Mapping
from typing import Any

from calibrate import About, Domain, Probe, Target, Unavailable
from calibrate.linux.cpus import rapl_fix
from calibrate.linux.sysfs import LET_A_GROUP_READ
from calibrate.requirement import pip_install

MICRO = 1e-6


class PyJoules(Probe):
    """RAPL domains and NVIDIA GPUs as pyJoules sees them."""

    name = "pyjoules"
    period_s = 0.1
    reopens = True
    summary = "pyJoules EnergyMeter (RAPL, NVIDIA GPUs)"
    about = About(
        scope="RAPL domains, NVIDIA GPUs",
        basis="measured",
        unit="uJ; mJ for GPUs",
        granularity="as RAPL and NVML",
        platforms="Linux, Intel and AMD",
        tested="bench; not tried on hardware",
    )

    def open(self, target: Target) -> None:
        """Create the devices of every domain that pyJoules finds."""
        try:
            from pyJoules.device.device_factory import DeviceFactory
            from pyJoules.device.rapl_device import RaplDevice
            from pyJoules.energy_meter import EnergyMeter
            from pyJoules.exception import NoSuchDeviceError, PyJoulesException
        except ImportError as error:
            raise Unavailable(str(error), pip_install("pyJoules")) from None
        try:
            domains = RaplDevice.available_domains()
        except NoSuchDeviceError:
            domains = []
        try:
            # GPUs are missing far more often than they are there.
            from pyJoules.device.nvidia_device import NvidiaGPUDevice

            domains += NvidiaGPUDevice.available_domains()
        except (ImportError, PyJoulesException):
            pass
        if not domains:
            raise Unavailable(
                "pyJoules finds no RAPL domain named package-N here, and no GPU",
                rapl_fix(),
            )
        try:
            self._devices = DeviceFactory.create_devices(domains)
        except PermissionError as error:
            raise Unavailable(
                f"{error.filename} may not be read by this user",
                LET_A_GROUP_READ,
            ) from None
        self._keys = [str(d) for each in self._devices for d in each.get_configured_domains()]
        self._meter = EnergyMeter(self._devices)
        self._start: list[float] | None = None
        self._final: dict[str, float] | None = None

    def domains(self) -> list[Domain]:
        """One window per domain; the scope is in pyJoules' own name (``dram_1``)."""
        return [_domain(key) for key in self._keys]

    def begin(self) -> None:
        """Start the meter."""
        self._start = self._now()
        self._meter.start(tag="workload")

    def read(self) -> Mapping[str, float]:
        """Joules since `begin`; after `end`, the meter's own trace."""
        if self._final is not None:
            return self._final
        if self._start is None:
            return {}
        pairs = zip(self._keys, self._now(), self._start, strict=True)
        return {key: (now - start) * MICRO for key, now, start in pairs}

    def _now(self) -> list[float]:
        return [float(value) for device in self._devices for value in device.get_energy()]

    def end(self) -> None:
        """Stop the meter and take the sample it made."""
        self._meter.stop()
        sample: Any = self._meter.get_trace()[0]
        self._final = {key: value * MICRO for key, value in sample.energy.items()}

    def facts(self) -> Mapping[str, str]:
        """Release and domains in use."""
        from importlib.metadata import version

        return {"release": version("pyJoules"), "mode": "counters", "domains": " ".join(self._keys)}


def _domain(key: str) -> Domain:
    gpu = key.startswith("nvidia_gpu_")
    scope = key.removeprefix("nvidia_").replace("_", "-")
    return Domain(key, scope, "window", "measured", "nvml" if gpu else "rapl", MICRO)
