"""CodeCarbon, unmodified: an offline tracker around the workload, of any release from 1.0.

Nothing is written and nothing is sent. The mode that CodeCarbon chose for itself (RAPL, cpu_load,
a constant) is kept with the data, since it decides what the figures mean. Releases before 2.0
know one total only; later ones give CPU, GPU and RAM, and `energy`: the total that people publish,
`energy_consumed` of emissions.csv. Energies are kWh inside CodeCarbon.

Options are the tracker's own arguments: measure_power_secs, tracking_mode, rapl_include_dram,
force_mode_cpu_load and so on; those that a release does not know are left out. Several ways of one
release are compared by names of their own:

    crosswatt run --probe codecarbon --probe process=codecarbon --set process.tracking_mode=process

In process mode CodeCarbon follows the process that it lives in, with its children. Here it is told
the workload's process instead, so that it counts the same and takes no time from it. Whatever
CodeCarbon reads from RAPL is the whole machine's, in that mode too.
"""

import inspect
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from calibrate import About, Domain, Probe, Target, Unavailable
from calibrate.probe import J_PER_KWH
from calibrate.requirement import pip_install

SETTINGS: dict[str, Any] = {
    "country_iso_code": "FRA",  # spares the look-up of the country over the network
    "allow_multiple_runs": True,
    "log_level": "error",
    "measure_power_secs": 1,
    "output_methods": [],
    "save_to_file": False,
    "tracking_mode": "machine",
}
#: Releases before 2.0 look at RAPL for 10 ms once per interval and take that for the whole of it;
#: at their default of 15 s a short run would be judged by a single look.
LOOK_EVERY_S = 0.1
#: Where a tracker keeps the sum of each domain.
_SUMS = {
    "cpu": "_total_cpu_energy",
    "ram": "_total_ram_energy",
    "gpu": "_total_gpu_energy",
    "energy": "_total_energy",
}
RAPL_MODES = ("intel_rapl", "intel_power_gadget", "windows_emi")


class CodeCarbon(Probe):
    """A tracker started and stopped around the workload, as its users do."""

    name = "codecarbon"
    period_s = 0.2  # looks at the tracker's sums; the tracker measures at its own interval
    reopens = True
    summary = "CodeCarbon OfflineEmissionsTracker"
    about = About(
        scope="packages, GPUs; RAM modelled",
        basis="measured or modelled; its mode is recorded",
        unit="kWh",
        granularity="its own interval, 1 s",
        platforms="Linux; others without RAPL",
        tested="bench; not tried on hardware",
    )

    def open(self, target: Target) -> None:
        """Make a tracker and let it find its hardware."""
        try:
            from codecarbon import OfflineEmissionsTracker
        except ImportError as error:
            raise Unavailable(str(error), pip_install("codecarbon")) from None
        settings = dict(SETTINGS)
        if int(version("codecarbon").partition(".")[0]) < 2:
            settings["measure_power_secs"] = LOOK_EVERY_S
        settings |= {key: _value(text) for key, text in target.options.items()}
        known = _parameters(OfflineEmissionsTracker)
        self._settings = {k: v for k, v in settings.items() if k in known}
        # An old release given a setting of a new one, or the reverse, would fail without a word.
        self._tracker: Any = OfflineEmissionsTracker(**self._settings)
        self._process = self._settings.get("tracking_mode") == "process"
        ready = getattr(self._tracker, "_ensure_hardware_ready", None)
        if ready:
            ready()  # otherwise found in start(), inside the window
        if self._process and target.pid:
            _follow(self._tracker._hardware, target.pid)
        self._stopped: Mapping[str, float] | None = None
        self._started = False

    def domains(self) -> list[Domain]:
        """CPU, GPU and RAM of the machine, and their total; the total only before 2.0."""
        tracked = {type(each).__name__: each for each in self._tracker._hardware}
        cpu = _cpu_mode(tracked.get("CPU")) in RAPL_MODES
        basis, family = ("measured", "rapl") if cpu else ("modelled", "model")
        modelled = "process" if self._process else "package"
        # Asked to count DRAM with the CPU, its figure claims to cover both.
        counts_dram = cpu and self._settings.get("rapl_include_dram") is True
        if not self._splits():
            scope = "system" if "GPU" in tracked else "package"
            return [Domain("energy", scope, "window", basis, family)]  # type: ignore[arg-type]
        scope = "machine" if counts_dram else "package" if cpu else modelled
        domains = [Domain("cpu", scope, "window", basis, family)]  # type: ignore[arg-type]
        if "RAM" in tracked:
            ram = "process" if self._process else "dram"
            domains.append(Domain("ram", ram, "window", "modelled", "model"))
        if "GPU" in tracked:
            domains.append(Domain("gpu", "gpu", "window", "measured", "nvml"))
        return [*domains, *_total(domains)]

    def _splits(self) -> bool:
        return hasattr(self._tracker, "_total_cpu_energy")

    def begin(self) -> None:
        """Start the tracker."""
        self._tracker.start()
        self._started = True

    def read(self) -> Mapping[str, float]:
        """Joules that the tracker has counted since its start; final after `end`."""
        if self._stopped is not None or not self._started:
            return self._stopped or {}
        if not self._splits():
            return {"energy": _kwh(self._tracker._total_energy) * J_PER_KWH}
        return {
            domain.name: _kwh(getattr(self._tracker, _SUMS[domain.name])) * J_PER_KWH
            for domain in self.domains()
        }

    def end(self) -> None:
        """Stop the tracker, which measures the last stretch."""
        self._tracker.stop()
        self._stopped = dict(self.read())

    def facts(self) -> Mapping[str, str]:
        """Release, the mode in use, hardware found and settings."""
        hardware = self._tracker._hardware
        cpu = next((each for each in hardware if type(each).__name__ == "CPU"), None)
        return {
            "release": version("codecarbon"),
            "mode": _cpu_mode(cpu),
            "hardware": "; ".join(type(each).__name__ for each in hardware),
            "settings": ", ".join(f"{k}={v}" for k, v in sorted(self._settings.items())),
            "interpreter": sys.version.split()[0],
        }


def _total(parts: list[Domain]) -> list[Domain]:
    """Return the total that CodeCarbon makes of its parts, where there are several."""
    if len(parts) < 2:
        return []
    scopes = {part.scope for part in parts}
    scope = "process" if "process" in scopes else "system" if "gpu" in scopes else "machine"
    basis = "modelled" if any(part.basis == "modelled" for part in parts) else "measured"
    names = tuple(part.name for part in parts)
    return [Domain("energy", scope, "window", basis, "model", sum_of=names)]  # type: ignore[arg-type]


def _value(text: str) -> bool | float | str:
    """Return a setting as the tracker takes it: true and false, numbers, or text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        return text


def _follow(hardware: Iterable[Any], pid: int) -> None:
    """Name the process that a tracker in process mode lives in."""
    from psutil import Process

    for each in hardware:
        if hasattr(each, "_pid"):
            each._pid = pid
        if hasattr(each, "_process"):
            each._process = Process(pid)


def _parameters(tracker: type) -> set[str]:
    """Return the keyword arguments that a tracker of this release takes."""
    return {name for each in tracker.__mro__ for name in inspect.signature(each).parameters}


def _cpu_mode(cpu: Any) -> str:
    """Return CodeCarbon's own word for the way it gets CPU energy."""
    return str(getattr(cpu, "_mode", "none"))


def _kwh(energy: Any) -> float:
    """Return an energy's figure; the attribute was renamed in release 2.0."""
    return float(energy.kWh if hasattr(energy, "kWh") else energy.kwh)
