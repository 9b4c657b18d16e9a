"""EnergiBridge, unmodified: its CSV, followed while a command of ours does nothing under it.

It reads the registers of the first package only, and gives them in joules as they are: they start
again from zero at 2^32 units, which EnergiBridge neither mends nor mentions; a wrap is therefore
seen as a fall. Its own time stamps date its figures.
Source: EnergiBridge, src/main.rs and src/cpu/{intel,amd}.rs; releases before 0.0.5 write PACAKGE.
"""

import os
from collections.abc import Iterable, Mapping
from typing import IO

from calibrate import About, Domain, Probe, Target
from calibrate.probe import finite_number
from calibrate.probe.program import Stream, monotonic_ns, version

_INTERVAL_MS = 100
_SCOPES = {
    "PACKAGE_ENERGY (J)": "package-0",
    "PACAKGE_ENERGY (J)": "package-0",
    "CPU_ENERGY (J)": "package-0",
    "PP0_ENERGY (J)": "core-0",
    "PP1_ENERGY (J)": "uncore-0",
    "DRAM_ENERGY (J)": "dram-0",
}


class EnergiBridge(Probe):
    """The registers of the first package."""

    name = "energibridge"
    period_s = 0.1
    default = False
    summary = "EnergiBridge (RAPL registers)"
    about = About(
        scope="first package, its cores, DRAM",
        basis="measured",
        unit="J",
        granularity=f"{_INTERVAL_MS} ms",
        platforms="Linux, Intel and AMD",
        tested="documented format; not tried on hardware",
    )

    def open(self, target: Target) -> None:
        """Start it over a command that ends with us, and wait for its first line."""
        self._columns: list[str] = []
        self._ready: list[tuple[int, dict[str, float]]] = []
        self._seen: set[str] = set()
        program = target.options.get("program", "energibridge")
        wait = ["tail", f"--pid={os.getpid()}", "-f", "/dev/null"]
        line = [program, "--interval", str(_INTERVAL_MS), "--", *wait]
        self._stream = Stream(line, self._follow, "install EnergiBridge, and: sudo modprobe msr")
        self._stream.wait(
            lambda: bool(self._ready),
            "run it as root: registers need more than powercap does (docs/privileges.md)",
        )

    def _follow(self, stream: IO[str]) -> None:
        for line in stream:
            cells = line.rstrip("\n").split(",")
            if not self._columns:
                if cells[:2] != ["Delta", "Time"]:
                    raise ValueError(f"{line[:80]!r} is no header of EnergiBridge's")
                self._columns = cells
            else:
                self._take(cells)

    def _take(self, cells: list[str]) -> None:
        if len(cells) != len(self._columns):
            raise ValueError(f"a line has {len(cells)} cells, and not {len(self._columns)}")
        row = dict(zip(self._columns, cells, strict=True))
        values = {
            scope: finite_number(row[column], column)
            for column, scope in _SCOPES.items()
            if column in row
        }
        if not values:
            raise ValueError("it has no column of energy")
        self._seen |= values.keys()
        self._ready.append((monotonic_ns(finite_number(row["Time"], "Time") / 1e3), values))

    def domains(self) -> list[Domain]:
        """One counter for each register."""
        return [Domain(scope, scope, "counter", "measured", "rapl") for scope in sorted(self._seen)]

    def read(self) -> Mapping[str, float]:
        """Nothing but whether it is still there; `drain` has its figures."""
        self._stream.check()
        return {}

    def drain(self) -> Iterable[tuple[int, Mapping[str, float]]]:
        """The lines since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def close(self) -> None:
        """End it."""
        self._stream.close()

    def facts(self) -> Mapping[str, str]:
        """Release."""
        return {"mode": "msr", "release": version(self._stream.program)}
