"""Zeus, unmodified: a window of a `ZeusMonitor` around the workload; joules."""

from collections.abc import Mapping
from typing import Any

from calibrate import About, Domain, Probe, Target, Unavailable

WINDOW = "workload"


class Zeus(Probe):
    """GPUs, and every RAPL zone that Zeus takes for a CPU, with its DRAM."""

    name = "zeus"
    period_s = 0.2
    default = False
    summary = "Zeus ZeusMonitor (NVML, RAPL)"
    about = About(
        scope="packages, DRAM, NVIDIA GPUs",
        basis="measured",
        unit="mJ",
        granularity="as RAPL and NVML, at begin and end",
        platforms="Linux",
        tested="bench; not tried on hardware",
    )

    def open(self, target: Target) -> None:
        """Make a monitor of everything that Zeus finds, and learn what it measures."""
        try:
            from zeus.device.cpu import get_cpus
            from zeus.device.exception import ZeusBaseCPUError, ZeusBaseGPUError
            from zeus.device.gpu import get_gpus
            from zeus.monitor import ZeusMonitor
        except ImportError as error:
            raise Unavailable(str(error), "crosswatt probes add zeus==0.16.0") from None
        try:
            self._gpus = list(range(len(get_gpus(ensure_homogeneous=False))))
        except ZeusBaseGPUError:
            self._gpus = []
        try:
            self._cpus = list(range(len(get_cpus())))
        except ZeusBaseCPUError:
            self._cpus = []
        if not (self._gpus or self._cpus):
            raise Unavailable("Zeus finds neither a GPU nor RAPL here")
        self._monitor: Any = ZeusMonitor(gpu_indices=self._gpus, cpu_indices=self._cpus)
        self._final: Mapping[str, float] = {}
        # What it measures shows in a window: DRAM is there for some machines only.
        self._monitor.begin_window(WINDOW, sync_execution=False)
        self._names = list(self._joules())

    def _joules(self) -> dict[str, float]:
        found = self._monitor.end_window(WINDOW, sync_execution=False)
        columns = {"gpu": found.gpu_energy, "cpu": found.cpu_energy, "dram": found.dram_energy}
        return {
            f"{kind}-{number}": float(joules)
            for kind, energies in columns.items()
            for number, joules in (energies or {}).items()
            if joules is not None
        }

    def domains(self) -> list[Domain]:
        """Windows; what Zeus calls a CPU is a RAPL zone, taken for a package here."""
        found = []
        for name in self._names:
            family = "nvml" if name.startswith("gpu") else "rapl"
            scope = name.replace("cpu", "package")
            found.append(Domain(name, scope, "window", "measured", family, 1e-3))
        return found

    def begin(self) -> None:
        """Begin the window."""
        self._monitor.begin_window(WINDOW, sync_execution=False)

    def read(self) -> Mapping[str, float]:
        """Joules of the window, once it has ended."""
        return self._final

    def end(self) -> None:
        """End the window."""
        self._final = self._joules()

    def facts(self) -> Mapping[str, str]:
        """Release, and what it found."""
        from importlib.metadata import version

        found = f"{len(self._gpus)} GPUs, {len(self._cpus)} RAPL zones taken for CPUs"
        return {"release": version("zeus"), "mode": "counters", "hardware": found}
