"""RAPL energy counters of Intel and AMD processors, by powercap, perf or the registers themselves.

The best way that works is taken and recorded as the mode; ``--set rapl.way=msr`` chooses another.
A counter that says what no counter can say (out of its range, backwards, a leap, a long standstill)
ends the probe with that reason: a wrong figure is worse than none. See `calibrate.probe.rapl`.
"""

from collections.abc import Mapping

from calibrate import About, Domain, Probe, Target
from calibrate.probe.rapl import Way, first


class Rapl(Probe):
    """Cumulative energy of every readable RAPL zone."""

    name = "rapl"
    period_s = 0.01
    reopens = True
    summary = "raw RAPL counters (powercap, perf, or registers)"
    about = About(
        scope="packages, core, uncore, DRAM, psys",
        basis="measured",
        unit="uJ; 2^-32 J by perf; 15 or 61 uJ in registers",
        granularity="1 ms, 15 or 61 uJ",
        platforms="Linux, Intel and AMD",
        tested="bench: powercap; documented formats: perf, msr; not tried on hardware",
    )

    def open(self, target: Target) -> None:
        """Open the counters; a read is then one system call for each."""
        found: tuple[str, Way] = first(target.options.get("way"))
        self._mode, self._way = found
        self.read()

    def domains(self) -> list[Domain]:
        """One counter per zone."""
        return self._way.domains()

    def read(self) -> Mapping[str, float]:
        """Joules as they are now; they wrap."""
        return self._way.read()

    def close(self) -> None:
        """Close the counters."""
        self._way.close()

    def facts(self) -> Mapping[str, str]:
        """Which way the counters were read."""
        return {"mode": self._mode} | dict(self._way.facts())
