"""perun, unmodified: its monitor around a function that waits while the workload runs; joules.

perun starts a process that samples once a second, and adds up what lies between its samples. It
writes into a temporary folder here.
"""

import tempfile
import threading
from collections.abc import Mapping
from typing import Any

from calibrate import About, Domain, Probe, Target, Unavailable

#: perun's word for a kind of device, as it stands before "_energy", and ours.
SCOPES = {"cpu": "package", "dram": "dram", "gpu": "gpu"}
WITHIN_S = 30.0


class Perun(Probe):
    """CPUs, DRAM and GPUs, each a total."""

    name = "perun"
    period_s = 0.5
    default = False
    summary = "perun monitor (RAPL, NVML)"
    about = About(
        scope="packages, DRAM, GPUs",
        basis="measured",
        unit="uJ",
        granularity="its own interval",
        platforms="Linux",
        tested="bench; not tried on hardware",
    )

    def open(self, target: Target) -> None:
        """Find out what perun can measure here."""
        try:
            from perun.api.decorator import perun, register_callback
            from perun.configuration import config
            from perun.core import Perun as Core
        except ImportError as error:
            raise Unavailable(str(error), "crosswatt probes add perun==1.0.0") from None
        self._settings = {
            "sampling_period": float(target.options.get("sampling_period", 1)),
            "format": "json",
        }
        self._sensors = {
            key: device.value
            for key, (_, device, unit) in Core(config).l_available_sensors.items()
            if unit.value in ("J", "W")
        }
        if not self._sensors:
            raise Unavailable("perun finds no sensor of energy here")
        self._monitor, self._register = perun, register_callback
        self._place = tempfile.TemporaryDirectory(prefix="crosswatt-")
        self._entered, self._leave = threading.Event(), threading.Event()
        self._found: list[Any] = []
        self._thread: threading.Thread | None = None

    def domains(self) -> list[Domain]:
        """Windows, one for each kind of device."""
        kinds = dict.fromkeys({"ram": "dram"}.get(each, each) for each in self._sensors.values())
        return [
            Domain(kind, SCOPES[kind], "window", "measured", "nvml" if kind == "gpu" else "rapl")
            for kind in kinds
            if kind in SCOPES
        ]

    def begin(self) -> None:
        """Start the monitor, and wait until it has entered the function."""

        def wait() -> None:
            self._register(self._found.append)
            self._entered.set()
            self._leave.wait()

        monitored = self._monitor(data_out=self._place.name, **self._settings)(wait)
        self._thread = threading.Thread(target=monitored, daemon=True)
        self._thread.start()
        if not self._entered.wait(WITHIN_S):
            raise TimeoutError(f"perun did not start within {WITHIN_S:g} s")

    def read(self) -> Mapping[str, float]:
        """Joules of the window, once it has ended."""
        if not self._found:
            return {}
        metrics = {str(key): metric for key, metric in self._found[0].metrics.items()}
        totals = {each.name: metrics.get(f"{each.name}_energy") for each in self.domains()}
        return {name: float(total.value) for name, total in totals.items() if total is not None}

    def end(self) -> None:
        """Leave the function, and wait for perun's account."""
        self._leave.set()
        if self._thread:
            self._thread.join(WITHIN_S)

    def close(self) -> None:
        """Remove the temporary folder."""
        self._leave.set()
        self._place.cleanup()

    def facts(self) -> Mapping[str, str]:
        """Release, sensors and settings."""
        from importlib.metadata import version

        return {
            "release": version("perun"),
            "mode": "counters",
            "hardware": " ".join(sorted(self._sensors)),
            "settings": f"sampling_period={self._settings['sampling_period']}",
        }
