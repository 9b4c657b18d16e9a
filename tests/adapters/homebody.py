"""Ten watts, from a process that may stay: options kind (what goes wrong), in the run of a pid."""

import os
import threading
import time
from collections.abc import Mapping

from calibrate import Domain, Probe, Target


class Homebody(Probe):
    """Ten watts; says how often it was opened, and for whom."""

    name = "homebody"
    period_s = 0.02
    reopens = True

    def __init__(self) -> None:
        self._opened = 0

    def open(self, target: Target) -> None:
        """Count; leave a thread running where that is wanted."""
        self._opened += 1
        self._pid = target.pid
        self._kind = target.options.get("kind", "")
        if self._kind == "thread":
            threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()

    def domains(self) -> list[Domain]:
        """One counter."""
        return [Domain("ten-watts", scope="synthetic", basis="synthetic", family="synthetic")]

    def begin(self) -> None:
        """Fail, or spend CPU time, where that is wanted."""
        if self._kind == "raise":
            raise OSError("counter vanished")
        if self._kind == "kill":
            os.kill(os.getpid(), 9)
        until = time.process_time() + 0.2
        while self._kind == "work" and self._opened == 1 and time.process_time() < until:
            pass

    def read(self) -> Mapping[str, float]:
        """Joules since the machine started."""
        return {"ten-watts": time.monotonic_ns() / 1e8}

    def facts(self) -> Mapping[str, str]:
        """Which process it is in, how often it was opened there, and for which workload."""
        return {"process": str(os.getpid()), "opened": str(self._opened), "pid": str(self._pid)}
