"""Ten watts, twenty times a second: the neighbour of a naughty probe."""

import time
from collections.abc import Mapping

from calibrate import Domain, Probe


class Steady(Probe):
    """Ten watts exactly."""

    name = "steady"
    period_s = 0.05

    def domains(self) -> list[Domain]:
        """One counter."""
        return [Domain("ten-watts", scope="synthetic", basis="synthetic", family="synthetic")]

    def read(self) -> Mapping[str, float]:
        """Joules since the machine started."""
        return {"ten-watts": time.monotonic_ns() / 1e8}
