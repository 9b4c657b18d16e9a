"""``turbostat`` beside us: RAPL by the processor's registers, joules every half second.

Its summary adds the packages up. Old releases print ``***`` where 32 bits were not enough: that
ends the probe. Source: turbostat(8).
"""

from collections.abc import Mapping
from typing import IO

from calibrate import About, Domain, Probe, Target
from calibrate.probe import finite_number
from calibrate.probe.program import Stream, version

_SCOPES = {"Pkg_J": "package", "RAM_J": "dram"}
_INTERVAL_S = 0.5


class Turbostat(Probe):
    """Joules since the start, of packages and DRAM."""

    name = "turbostat"
    period_s = 0.25
    default = False
    summary = "turbostat --Joules (RAPL by registers)"
    about = About(
        scope="all packages, DRAM",
        basis="measured",
        unit="J",
        granularity=f"{_INTERVAL_S:g} s, 0.01 J",
        platforms="Linux, Intel and AMD, as root",
        tested="documented format; not tried on hardware",
    )

    def open(self, target: Target) -> None:
        """Start it and wait for its first interval."""
        self._joules: dict[str, float] = {}
        self._columns: list[str] = []
        command = [target.options.get("program", "turbostat"), "--quiet", "--Summary", "--Joules",
                   "--interval", f"{_INTERVAL_S:g}", "--show", ",".join(_SCOPES)]  # fmt: skip
        self._stream = Stream(command, self._follow, "install turbostat (linux-cpupower)")
        self._stream.wait(lambda: bool(self._joules), "run as root, with the module msr loaded")

    def _follow(self, stream: IO[str]) -> None:
        for line in stream:
            cells = line.split()
            if not cells:
                continue
            if set(cells) <= set(_SCOPES):
                self._columns = cells
                continue
            if len(cells) != len(self._columns):
                raise ValueError(f"the line {line.strip()!r} is none of turbostat's summaries")
            for column, cell in zip(self._columns, cells, strict=True):
                scope = _SCOPES[column]
                self._joules[scope] = self._joules.get(scope, 0.0) + finite_number(cell, column)

    def domains(self) -> list[Domain]:
        """Packages, and DRAM where there is such a column."""
        return [Domain(scope, scope, "counter", "measured", "rapl", 0.01) for scope in self._joules]

    def read(self) -> Mapping[str, float]:
        """Joules of all intervals so far."""
        self._stream.check()
        return dict(self._joules)

    def close(self) -> None:
        """End it."""
        self._stream.close()

    def facts(self) -> Mapping[str, str]:
        """Which release."""
        return {"mode": "msr", "release": version(self._stream.program)}
