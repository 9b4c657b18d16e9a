"""carbontracker, unmodified: one epoch around the workload; kWh inside carbontracker.

It looks at its sources for a second, waits for a second, and multiplies mean power by time and by
a data centre's overhead (PUE); that factor is part of what it reports, and so it is left in.
"""

import contextlib
import io
import os
import time
from collections.abc import Mapping
from typing import Any

from calibrate import About, Domain, Probe, Target, Unavailable
from calibrate.probe import J_PER_KWH


class CarbonTracker(Probe):
    """One total of everything that carbontracker finds."""

    name = "carbontracker"
    period_s = 0.5
    default = False
    summary = "carbontracker CarbonTracker (RAPL or TDP, NVML)"
    about = About(
        scope="packages, DRAM, GPUs, times PUE",
        basis="measured; TDP without RAPL",
        unit="kWh",
        granularity="1 s of every 2 s",
        platforms="Linux; macOS, untried",
        tested="bench; not tried on hardware",
    )

    def open(self, target: Target) -> None:
        """Make a tracker of two epochs, so that the end of the first concludes nothing."""
        try:
            from carbontracker import constants
            from carbontracker.tracker import CarbonTracker as Tracker
        except ImportError as error:
            raise Unavailable(str(error), "crosswatt probes add carbontracker==2.4.7") from None
        # It asks a server on the internet where it is; a proxy that is not there prevents that.
        os.environ |= dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
        with contextlib.redirect_stdout(io.StringIO()):
            self._tracker: Any = Tracker(
                epochs=2, epochs_before_pred=0, monitor_epochs=2, log_dir=None, verbose=0
            )
        self._thread: Any = self._tracker.tracker
        self._pue = constants.PUE_2023
        self._parts = self._found()
        if not self._parts:
            raise Unavailable("carbontracker finds nothing to measure here")
        self._final: Mapping[str, float] = {}

    def _found(self) -> list[Any]:
        """Return the components that have devices; a thread finds them, shortly after the start."""
        last: list[int] = []
        for _ in range(30):
            time.sleep(0.1)
            counts = [_count(each) for each in self._thread.components]
            if counts == last and counts and -1 not in counts:
                return [each for each in self._thread.components if _count(each)]
            last = counts
        return []

    def domains(self) -> list[Domain]:
        """One total; a TDP in the place of RAPL makes it a model."""
        names = {each.name for each in self._parts}
        modelled = not any(_zones(each) for each in self._parts if each.name == "cpu")
        scope = ("system" if "cpu" in names else "gpu") if "gpu" in names else "machine"
        basis, family = ("modelled", "model") if modelled else ("measured", "rapl")
        if scope == "gpu":
            basis, family = "measured", "nvml"
        return [Domain("energy", scope, "window", basis, family)]  # type: ignore[arg-type]

    def begin(self) -> None:
        """Start the epoch."""
        self._tracker.epoch_start()

    def read(self) -> Mapping[str, float]:
        """Joules of the epoch, once it has ended."""
        return self._final

    def end(self) -> None:
        """End the epoch; one too short for a look at the sources has no value."""
        self._tracker.epoch_end()
        if any(each.power_usages and each.power_usages[-1] for each in self._parts):
            total_kwh = float(self._thread.total_energy_per_epoch()[-1])
            self._final = {"energy": total_kwh * J_PER_KWH}

    def close(self) -> None:
        """Stop the tracker's thread."""
        with contextlib.redirect_stdout(io.StringIO()):
            self._thread.stop()

    def facts(self) -> Mapping[str, str]:
        """Release, what it found, and its PUE."""
        from importlib.metadata import version

        devices = "; ".join(
            f"{each.name}: {', '.join(map(str, each.devices()))}" for each in self._parts
        )
        mode = "rapl" if any(_zones(each) for each in self._parts) else "TDP"
        return {
            "release": version("carbontracker"),
            "mode": mode,
            "hardware": devices,
            "settings": f"PUE {self._pue}",
        }


def _zones(component: Any) -> bool:
    """Tell whether a component reads RAPL."""
    return type(component._handler).__name__ == "IntelCPU"


def _count(component: Any) -> int:
    """Return how many devices a component has; -1 before it knows."""
    try:
        return len(component.devices())
    except (AttributeError, TypeError):
        return -1
