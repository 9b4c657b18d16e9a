"""What workloads declare: use of GPUs and memory traffic, which no file of this host tells.

A process writes lines into the file `demand` of the simulated machine:

    gpu-0 0.9            share of full use
    memory_gbps 12.5     GB/s of memory traffic

They hold until the process writes others or ends. Several processes add up.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping

from calibrate.bench.machine import Machine

_MOST_GBPS = 10_000.0


class Demand:
    """The declarations of all living processes.

    Parameters
    ----------
    machine : which is told.
    gpus : how many it has.
    alive : tells whether a process still runs.
    """

    def __init__(
        self, machine: Machine, gpus: int, alive: Callable[[int], bool] | None = None
    ) -> None:
        self._machine = machine
        self._gpus = gpus
        self._alive = alive or (lambda pid: os.path.exists(f"/proc/{pid}"))  # noqa: PTH110
        self._said: dict[int, Mapping[str, float]] = {}

    def write(self, data: bytes, pid: int) -> None:
        """Take what a process declares.

        Raises
        ------
        OSError : EINVAL for what makes no sense; nothing is changed then.
        """
        said = {}
        try:
            for line in data.decode("ascii").splitlines():
                key, value = line.split()
                most = _MOST_GBPS if key == "memory_gbps" else 1.0
                known = key == "memory_gbps" or key in self._names()
                said[key] = float(value)
                if not known or not 0 <= said[key] <= most:
                    raise ValueError(line)
        except ValueError:
            raise OSError(errno.EINVAL, "not a demand") from None
        self._said[pid] = said
        self._tell()

    def refresh(self) -> None:
        """Forget the processes that have ended."""
        # A copy: processes declare while another thread is in here.
        gone = [pid for pid in list(self._said) if not self._alive(pid)]
        for pid in gone:
            self._said.pop(pid, None)
        if gone:
            self._tell()

    def text(self) -> bytes:
        """Return what holds now, in the form in which it is written."""
        gpu_use, traffic_gbps = self._sums()
        lines = [f"gpu-{number} {use:g}" for number, use in sorted(gpu_use.items())]
        return "".join(f"{line}\n" for line in [*lines, f"memory_gbps {traffic_gbps:g}"]).encode()

    def _names(self) -> list[str]:
        return [f"gpu-{number}" for number in range(self._gpus)]

    def _sums(self) -> tuple[dict[int, float], float]:
        declared = list(self._said.values())
        use: dict[int, float] = {}
        for number, name in enumerate(self._names()):
            shares = [said[name] for said in declared if name in said]
            if shares:
                use[number] = min(1.0, sum(shares))
        return use, sum(said.get("memory_gbps", 0.0) for said in declared)

    def _tell(self) -> None:
        self._machine.declare(*self._sums())
