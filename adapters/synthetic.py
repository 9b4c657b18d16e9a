"""A perfect instrument: 10 W exactly, so joules are ten times the seconds."""

import time
from collections.abc import Mapping

from calibrate import About, Domain, Probe


class Synthetic(Probe):
    """Ten watts by the monotonic clock; tests the whole path without hardware."""

    name = "synthetic"
    period_s = 0.01
    default = False
    reopens = True
    summary = "10 W exactly, for testing the recorder"
    about = About(
        scope="nothing",
        basis="synthetic",
        unit="J",
        granularity="1 ns",
        platforms="any",
        tested="everywhere",
    )

    def domains(self) -> list[Domain]:
        """One counter."""
        return [Domain("ten-watts", scope="synthetic", basis="synthetic", family="synthetic")]

    def read(self) -> Mapping[str, float]:
        """Joules since the machine started."""
        return {"ten-watts": time.monotonic_ns() / 1e8}
