"""Alumet's agent, unmodified, with its plugins `rapl` and `csv`; its own time stamps are kept.

Each line is one metric of one part: joules since the last line of that part. The first interval
begins when the agent does. `platform` is what others call psys.
Source: alumet, plugins/rapl/README.md and plugins/csv/src/output.rs.
"""

import csv
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import IO

from calibrate import About, Domain, Probe, Target
from calibrate.linux.sysfs import LET_PERF_COUNT
from calibrate.probe import finite_number
from calibrate.probe.program import Stream, monotonic_ns, version

_INTERVAL = "100ms"
_PARTS = {"package": "package", "pp0": "core", "pp1": "uncore", "dram": "dram"}
_UNITS = {"": 1.0, "_J": 1.0, "_joule": 1.0, "_mJ": 1e-3, "_uJ": 1e-6}


class Alumet(Probe):
    """Every RAPL zone that the agent finds."""

    name = "alumet"
    period_s = 0.1
    default = False
    summary = "Alumet agent (RAPL by perf events or powercap)"
    about = About(
        scope="packages, core, uncore, DRAM, psys",
        basis="measured",
        unit="J since the last line",
        granularity=_INTERVAL,
        platforms="Linux, Intel and AMD",
        tested="documented format; not tried on hardware",
    )

    def open(self, target: Target) -> None:
        """Start the agent and wait for its first figures."""
        self._sums: dict[str, float] = {}
        self._ready: list[tuple[int, dict[str, float]]] = []
        line = [
            target.options.get("program", "alumet-agent"),
            "--plugins", "rapl,csv",
            "--output-file", "/dev/stdout",
            "--config-override", f'plugins.rapl.poll_interval="{_INTERVAL}"',
            "--config-override", f'plugins.rapl.flush_interval="{_INTERVAL}"',
            "run",
        ]  # fmt: skip
        self._stream = Stream(line, self._follow, "install alumet-agent (alumet.dev)")
        self._stream.wait(lambda: bool(self._sums), LET_PERF_COUNT)

    def _follow(self, stream: IO[str]) -> None:
        header = stream.readline().rstrip("\n")
        if not header:
            return  # it ended, and says why elsewhere
        if not header.startswith("metric"):
            raise ValueError(f"{header[:80]!r} is no header of Alumet's")
        delimiter = header.removeprefix("metric")[:1]
        columns = header.split(delimiter)
        for cells in csv.reader(stream, delimiter=delimiter):
            if len(cells) != len(columns):
                raise ValueError(f"a line has {len(cells)} cells, and not {len(columns)}")
            self._take(dict(zip(columns, cells, strict=True)))

    def _take(self, row: Mapping[str, str]) -> None:
        metric, _, unit = row["metric"].partition("rapl_consumed_energy")
        if metric or row["consumer_kind"] not in {"local_machine", ""}:
            return
        if unit not in _UNITS:
            raise ValueError(f"its unit {unit!r} is not known")
        domain = row.get("domain", "")
        if domain == "platform":
            scope = "psys"
        elif domain in _PARTS and row["resource_id"].isdigit():
            scope = f"{_PARTS[domain]}-{row['resource_id']}"
        else:
            return  # a sum over packages, which is made here
        joules = finite_number(row["value"], row["metric"]) * _UNITS[unit]
        self._sums[scope] = self._sums.get(scope, 0.0) + joules
        at_s = datetime.fromisoformat(row["timestamp"]).timestamp()
        self._ready.append((monotonic_ns(at_s), {scope: self._sums[scope]}))

    def domains(self) -> list[Domain]:
        """One counter for each zone that has told something."""
        return [
            Domain(
                scope, scope, "counter", "measured", "rapl-psys" if scope == "psys" else "rapl"
            )
            for scope in sorted(self._sums)
        ]  # fmt: skip

    def read(self) -> Mapping[str, float]:
        """Nothing but whether it is still there; `drain` has its figures."""
        self._stream.check()
        return {}

    def drain(self) -> Iterable[tuple[int, Mapping[str, float]]]:
        """The lines since the last call."""
        ready, self._ready = self._ready, []
        return sorted(ready, key=lambda each: each[0])

    def close(self) -> None:
        """End it."""
        self._stream.close()

    def facts(self) -> Mapping[str, str]:
        """Release."""
        return {"mode": "agent", "release": version(self._stream.program)}
