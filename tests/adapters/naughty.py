"""A probe that misbehaves when told: options kind, after (seconds since it was opened)."""

import os
import signal
import time
from collections.abc import Mapping
from typing import Any, cast

from calibrate import Domain, Probe, Target, Unavailable


class Naughty(Probe):
    """Ten watts, until it does something bad."""

    name = "naughty"
    period_s = 0.02

    def open(self, target: Target) -> None:
        """Take orders."""
        self._kind = target.options["kind"]
        self._due_s = time.monotonic() + float(target.options.get("after", "0"))
        if self._kind == "unavailable":
            raise Unavailable("it does not want to", "ask nicely")
        if self._kind == "hang in open":
            time.sleep(1000)

    def domains(self) -> list[Domain]:
        """One counter."""
        return [Domain("ten-watts", scope="synthetic", basis="synthetic", family="synthetic")]

    def begin(self) -> None:
        """Fail here when told."""
        if self._kind == "fail in begin":
            raise RuntimeError("no beginning")

    def read(self) -> Mapping[str, float]:
        """Ten watts, or what was ordered once the time has come."""
        if time.monotonic() >= self._due_s:
            self._misbehave()
            rubbish: Any = self._rubbish()
            if rubbish is not None:
                return cast(Mapping[str, float], rubbish)
        return {"ten-watts": time.monotonic_ns() / 1e8}

    def _misbehave(self) -> None:
        if self._kind == "raise":
            raise OSError("counter vanished")
        if self._kind == "hang":
            time.sleep(1000)
        if self._kind == "exit":
            os._exit(3)
        if self._kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._kind == "print":
            print("rubbish on standard output\nbegun\nended", flush=True)

    def _rubbish(self) -> Any:
        return {
            "text": "twelve",
            "list": [1.0],
            "text value": {"ten-watts": "twelve"},
            "unknown domain": {"eleven-watts": 1.0},
            "none": {"ten-watts": None},
            "infinite": {"ten-watts": float("inf")},
            "nothing": {},
        }.get(self._kind)
