"""Ten watts, from a process that is good for one run."""

import os
import time
from collections.abc import Mapping

from calibrate import Domain, Probe


class Lonely(Probe):
    """Ten watts; says in which process it is."""

    name = "lonely"
    period_s = 0.05

    def domains(self) -> list[Domain]:
        """One counter."""
        return [Domain("ten-watts", scope="synthetic", basis="synthetic", family="synthetic")]

    def read(self) -> Mapping[str, float]:
        """Joules since the machine started."""
        return {"ten-watts": time.monotonic_ns() / 1e8}

    def facts(self) -> Mapping[str, str]:
        """The process."""
        return {"process": str(os.getpid())}
