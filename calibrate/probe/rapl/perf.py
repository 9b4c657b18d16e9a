"""RAPL by perf_event: the PMU `power`, one event for each zone, 64 bits in steps of 2^-32 J.

Sources: perf_event_open(2); Linux kernel, arch/x86/events/rapl.c and
Documentation/ABI/testing/sysfs-bus-event_source-devices-events.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from calibrate.linux.cpus import CPUS, numbers, package
from calibrate.linux.perf_event import open_event, value
from calibrate.linux.sysfs import LET_PERF_COUNT
from calibrate.probe.contract import Domain, Unavailable
from calibrate.probe.rapl.guard import Guard

PMU = Path("/sys/bus/event_source/devices/power")
_NAMES = {"energy-pkg": "package", "energy-cores": "core", "energy-gpu": "uncore",
          "energy-ram": "dram", "energy-psys": "psys"}  # fmt: skip

#: Long enough for a counter of milliseconds to move, even of a machine asleep.
_ALIVE_S = 0.2

#: (type, config, cpu) -> a file whose reads give eight bytes.
Opener = Callable[[int, int, int], int]


class Perf:
    """Every event of the PMU on the first CPU of each package.

    Parameters
    ----------
    pmu, cpus : where the kernel shows them.
    opener : makes an event; perf_event_open unless given.

    Raises
    ------
    Unavailable : no such PMU, or no right to use it.
    """

    def __init__(self, pmu: Path = PMU, cpus: Path = CPUS, opener: Opener | None = None) -> None:
        if not (pmu / "type").exists():
            raise Unavailable("the kernel has no perf events for RAPL", "sudo modprobe rapl")
        self._domains: list[Domain] = []
        self._events: dict[str, tuple[int, float]] = {}
        self._guards: dict[str, Guard] = {}
        kind = int(_text(pmu / "type"))
        make = opener or _event
        for event, part in _NAMES.items():
            file = pmu / "events" / event
            if not file.exists():
                continue
            config = int(_text(file).removeprefix("event="), 0)
            scale_j = float(_text(file.with_name(f"{event}.scale")))
            for cpu in numbers(_text(pmu / "cpumask")):
                scope = part if part == "psys" else f"{part}-{package(cpu, cpus)}"
                if scope not in self._events:
                    self._add(scope, (_made(make, kind, config, cpu), scale_j))
        if not self._domains:
            raise Unavailable("the PMU `power` has no energy event", "use powercap")
        if not self._moves():
            self.close()
            raise Unavailable(
                f"the PMU `power` shows {', '.join(self._events)}, which stands still, as in a "
                "virtual machine whose host keeps the counter to itself",
                "measure on the host",
            )

    def _add(self, scope: str, event: tuple[int, float]) -> None:
        part = scope.partition("-")[0]
        family = "rapl-psys" if part == "psys" else "rapl"
        self._domains.append(Domain(scope, scope, "counter", "measured", family))
        self._events[scope] = event
        self._guards[scope] = Guard(f"perf {scope}", None, steady=part == "package")

    def _moves(self) -> bool:
        """Wait a moment for any event to count: what has power uses energy."""
        first = self.read()
        until_s = time.monotonic() + _ALIVE_S
        while (now := self.read()) == first and time.monotonic() < until_s:
            time.sleep(_ALIVE_S / 20)
        return now != first

    def domains(self) -> list[Domain]:
        """See `Way`."""
        return list(self._domains)

    def read(self) -> Mapping[str, float]:
        """See `Way`."""
        now_s = time.monotonic()
        return {
            scope: self._guards[scope](now_s, value(file) * scale_j)
            for scope, (file, scale_j) in self._events.items()
        }

    def close(self) -> None:
        """See `Way`."""
        for file, _ in self._events.values():
            os.close(file)

    def facts(self) -> Mapping[str, str]:
        """See `Way`."""
        return {"pmu": "power"}


def _made(make: Opener, kind: int, config: int, cpu: int) -> int:
    try:
        return make(kind, config, cpu)
    except PermissionError:
        raise Unavailable(
            "perf events of whole CPUs are not for this user", LET_PERF_COUNT
        ) from None
    except OSError as error:
        raise Unavailable(f"perf_event_open: {error.strerror}", "use powercap") from None


def _event(kind: int, config: int, cpu: int) -> int:
    """Open an event that counts from now on, of all processes on a CPU."""
    return open_event(kind, config, cpu=cpu)


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()
