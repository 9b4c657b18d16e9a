"""eco2AI, unmodified: a `Tracker` around the workload; kWh inside eco2AI.

It knows no RAPL: the CPU's power is its TDP times the use of the CPU, that of RAM goes with the
memory in use, and GPUs are looked at through NVML. One total is all that it gives.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calibrate import About, Domain, Probe, Target, Unavailable
from calibrate.probe import J_PER_KWH


class Eco2Ai(Probe):
    """One total of CPU, RAM and GPUs."""

    name = "eco2ai"
    period_s = 0.5
    default = False
    summary = "eco2AI Tracker (TDP, NVML)"
    about = About(
        scope="a process or all, by TDP and CPU share",
        basis="modelled",
        unit="kWh",
        granularity="10 s",
        platforms="any",
        tested="bench; not tried on hardware",
    )

    def open(self, target: Target) -> None:
        """Make a tracker that writes into a temporary folder and asks nobody where it is."""
        try:
            from eco2ai import Tracker
        except ImportError as error:
            raise Unavailable(str(error), "crosswatt probes add eco2ai==0.3.12") from None
        self._place = tempfile.TemporaryDirectory(prefix="crosswatt-")
        self._tracker: Any = Tracker(
            file_name=str(Path(self._place.name) / "emission.csv"),
            measure_period=float(target.options.get("measure_period", 1)),
            alpha_2_code="FR",
            cpu_processes=target.options.get("cpu_processes", "all"),
            ignore_warnings=True,
            timezone="UTC",
        )
        self._final: Mapping[str, float] = {}

    def domains(self) -> list[Domain]:
        """One modelled total."""
        return [Domain("energy", "machine", "window", "modelled", "model")]

    def begin(self) -> None:
        """Start the tracker."""
        self._tracker.start()

    def read(self) -> Mapping[str, float]:
        """Joules of the window, once it has ended."""
        return self._final

    def end(self) -> None:
        """Stop the tracker; it forgets its sum in doing so, so that is taken from its last look."""
        self._tracker._func_for_sched()
        self._final = {"energy": float(self._tracker.consumption()) * J_PER_KWH}
        self._tracker.stop()

    def close(self) -> None:
        """Remove the temporary folder."""
        self._place.cleanup()

    def facts(self) -> Mapping[str, str]:
        """Release and settings."""
        from importlib.metadata import version

        return {
            "release": version("eco2ai"),
            "mode": "TDP",
            "settings": f"measure_period={self._tracker._measure_period}, "
            f"cpu_processes={self._tracker._cpu_processes}",
        }
