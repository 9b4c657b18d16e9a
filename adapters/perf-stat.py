"""``perf stat`` beside us: RAPL by perf events, printed every 100 ms in joules.

It adds all packages up (-a), rounds every interval to 0.01 J, and lets the kernel handle wraps.
Source: perf-stat(1); with -I and -x, a line is time, value, unit, event, and more.
"""

from collections.abc import Mapping
from typing import IO

from calibrate import About, Domain, Probe, Target
from calibrate.linux.sysfs import LET_PERF_COUNT
from calibrate.probe import finite_number
from calibrate.probe.program import Stream, version

_SCOPES = {"energy-pkg": "package", "energy-ram": "dram", "energy-psys": "psys"}
_INTERVAL_MS = 100


class PerfStat(Probe):
    """Joules since the start, by event."""

    name = "perf-stat"
    period_s = 0.1
    default = False
    summary = "perf stat -I (RAPL by perf events)"
    about = About(
        scope="all packages, DRAM, psys",
        basis="measured",
        unit="J",
        granularity=f"{_INTERVAL_MS} ms, 0.01 J",
        platforms="Linux, Intel and AMD",
        tested="documented format; not tried on hardware",
    )

    def open(self, target: Target) -> None:
        """Start it and wait for its first interval."""
        self._joules: dict[str, float] = {}
        self._left: set[str] = set()
        events = [f"power/{event}/" for event in _SCOPES]
        command = [target.options.get("program", "perf"), "stat", "-a", "-x,", "--log-fd", "1",
                   "-I", str(_INTERVAL_MS)]  # fmt: skip
        wanted = target.options.get("events", ",".join(events)).split(",")
        for event in wanted:
            command += ["-e", event]
        self._stream = Stream(command, self._follow, "install perf (linux-perf, perf-tools)")
        self._stream.wait(
            lambda: len(self._joules) + len(self._left) == len(wanted) and bool(self._joules),
            f"{LET_PERF_COUNT}; name the events that are there: "
            "--set perf-stat.events=power/energy-pkg/",
        )

    def _follow(self, stream: IO[str]) -> None:
        for line in stream:
            if line.strip() and not line.startswith("#"):
                self._take(line.strip())

    def _take(self, line: str) -> None:
        cells = line.split(",")
        if len(cells) < 4:
            raise ValueError(f"the line {line!r} is none of perf stat's")
        _, value, unit, event = (cell.strip() for cell in cells[:4])
        scope = _SCOPES.get(event.strip("/").rpartition("/")[2])
        if scope is None:
            raise ValueError(f"the event {event!r} was not asked for")
        if value.startswith("<"):  # <not supported>, <not counted>
            self._left.add(scope)
            return
        if unit != "Joules":
            raise ValueError(f"{event} is in {unit!r} and not in joules")
        self._joules[scope] = self._joules.get(scope, 0.0) + finite_number(value, event)

    def domains(self) -> list[Domain]:
        """One counter for each event that counts."""
        return [
            Domain(
                scope, scope, "counter", "measured", "rapl-psys" if scope == "psys" else "rapl",
                0.01,
            )
            for scope in self._joules
        ]  # fmt: skip

    def read(self) -> Mapping[str, float]:
        """Joules of all intervals so far."""
        self._stream.check()
        return dict(self._joules)

    def close(self) -> None:
        """End it."""
        self._stream.close()

    def facts(self) -> Mapping[str, str]:
        """Release, and what it could not count."""
        facts = {"mode": "perf", "release": version(self._stream.program)}
        return facts | ({"not counted": ", ".join(sorted(self._left))} if self._left else {})
