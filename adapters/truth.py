"""What a simulated machine has really used: the energy its power model says, without a meter."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from calibrate.probe.contract import About, Domain, Probe, Target, Unavailable


class Truth(Probe):
    """The bench's own account, exact, and free of every fault that meters have.

    Its joules are those of the snapshot that the counters show at the same moment: it is
    refreshed when they are, about every millisecond.
    """

    name = "truth"
    period_s = 0.01
    reopens = True
    summary = "true energy of a simulated machine (bench only)"
    about = About(
        scope="all of a simulated machine",
        basis="truth",
        unit="J",
        granularity="1 ms",
        platforms="bench",
        tested="bench",
    )

    def open(self, target: Target) -> None:
        """Open the file once: reading it again at its beginning gives the next value."""
        if target.bench is None:
            raise Unavailable(
                "there is no simulated machine here", fix="crosswatt run --bench desktop"
            )
        folder = Path(target.bench)
        try:
            self._fd = os.open(folder / "truth", os.O_RDONLY | os.O_CLOEXEC)
            self._about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        except OSError as error:
            raise Unavailable(
                f"the simulated machine does not answer: {error.strerror} ({folder})",
                fix="crosswatt run --bench desktop",
            ) from error

    def domains(self) -> list[Domain]:
        """List package-0, core-0, dram-0 and so on, as the model has them."""
        return [
            Domain(scope, scope=scope, kind="counter", basis="truth", family="truth")
            for scope in self.read()
        ]

    def read(self) -> Mapping[str, float]:
        """Return joules since the machine started."""
        joules: dict[str, float] = json.loads(os.pread(self._fd, 65536, 0))["joules"]
        return joules

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def facts(self) -> Mapping[str, str]:
        """Say which machine is simulated, what drives it, and where its counters wrap."""
        activity = self._about["activity"]
        return {
            "simulated": "yes",
            "model": self._about["model"]["title"],
            "activity": f"{activity['source']}, steps of {activity['resolution_ns'] / 1e6:g} ms",
            **{
                f"range {scope}": f"{counter['max_energy_range_uj'] / 1e6:g} J"
                for scope, counter in self._about["counters"].items()
            },
        }
