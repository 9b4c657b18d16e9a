"""What programs that read RAPL write: perf stat, turbostat, EnergiBridge, Alumet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from calibrate.errors import BadFile
from calibrate.ingest.feed import Found, Options, Window, counter, epoch_ns, power, rapl
from calibrate.ingest.long import Long
from calibrate.ingest.opened import text
from calibrate.ingest.sheet import figure, instant, pointed, rows
from calibrate.probe import Domain
from calibrate.quantity import finite_number

#: Where the times of a file count from when it has no date, ns since 1970: "date not known".
NO_DATE_NS = 3_600_000_000_000
UNDATED = "The file has no date: its intervals are right, and its date is not known."
_STARTED = "perf says when it started ({}) in no zone: --zone places it there."


def perf_stat(paths: Sequence[Path], options: Options) -> Found:
    """``perf stat -I -x,``: seconds since its start and joules of the interval.

    A session that was appended to a file is a run of its own: its time begins again. With
    ``--zone`` a session stands where its line ``# started on`` says.
    """
    long, sessions = Long(), _Sessions(options)
    for path in paths:
        sessions.begin()
        with text(path, options.seen) as stream:
            for line in stream:
                if started := _PERF_START.match(line):
                    sessions.begin(started[1])
                    continue
                try:
                    event = _perf_event(line)
                    if event is not None:
                        at_s, name, joules = event
                        at_ns = sessions.at_ns(at_s)
                        if at_ns == sessions.first_ns and name not in sessions.names:
                            long.add(sessions.base_ns, name, 0.0)
                        long.add(at_ns, name, joules)
                        sessions.names.add(name)
                except ValueError as error:
                    options.reject(line, str(error))
    if not long:
        raise BadFile(paths[0], "it has no RAPL event of perf stat's")
    windows = sessions.windows()
    feed = long.feed(options.name or "perf-stat", rapl)
    return Found([feed], windows if len(windows) > 1 else (), notes=sessions.notes())


class _Sessions:
    """The sessions of perf stat, one after the other: where each begins, and its last instant."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._spans: list[list[int]] = []
        self._undated: list[str] = []
        self.base_ns = self.first_ns = NO_DATE_NS
        self.names: set[str] = set()
        self._started = ""

    def begin(self, started: str = "") -> None:
        """Begin a session with its next line."""
        self.names, self._started = set(), started.strip() or self._started

    def at_ns(self, at_s: float) -> int:
        """Return the instant of a line; a time that falls begins another session."""
        past = self.names and self._spans and self.base_ns + round(at_s * 1e9) < self._spans[-1][1]
        if past:
            self.begin()
        if not self.names:
            self.base_ns = self._base()
            self._spans.append([self.base_ns, self.base_ns])
            self.first_ns = self.base_ns + round(at_s * 1e9)
        at_ns = self.base_ns + round(at_s * 1e9)
        self._spans[-1][1] = at_ns
        return at_ns

    def _base(self) -> int:
        """Return the instant from which a session counts."""
        started, self._started = self._started, ""
        last_ns = self._spans[-1][1] if self._spans else 0
        if started and self._options.zone is not None:
            local = datetime.strptime(" ".join(started.split()), "%a %b %d %H:%M:%S %Y")
            base_ns = epoch_ns(local.isoformat(), self._options)
            if base_ns < last_ns:
                raise ValueError(f"a session that began ({started}) before the one before ended")
            return base_ns
        self._undated.append(started)
        return last_ns + NO_DATE_NS

    def windows(self) -> list[Window]:
        """Return a run for each session."""
        return [Window("measured", begin, end) for begin, end in self._spans if end > begin]

    def notes(self) -> list[str]:
        """Return what is not known of the dates."""
        if not self._undated:
            return []
        return [_STARTED.format(self._undated[0]) if self._undated[0] else UNDATED]


_PERF_START = re.compile(r"\s*#\s*started on\s+(.*)")
_PERF = {"energy-pkg": "package", "energy-ram": "dram", "energy-psys": "psys",
         "energy-cores": "core", "energy-gpu": "uncore"}  # fmt: skip


def _perf_event(line: str) -> tuple[float, str, float] | None:
    """Return seconds, domain and joules of a line, if it is of a RAPL event that was counted."""
    delimiter = ";" if ";" in line else ","
    cells = [cell.strip() for cell in line.split(delimiter)]
    if len(cells) < 4 or line.lstrip().startswith("#"):
        return None
    if delimiter == "," and "Joules" in cells[4:]:
        raise ValueError("a decimal comma between commas: record with LC_ALL=C, or with -x ';'")
    socket = cells.pop(1)[1:] if re.fullmatch(r"S\d+(-D\d+)?", cells[1]) else ""
    if socket:
        cells.pop(1)  # how many CPUs
    if len(cells) < 4:
        raise ValueError("an event is cut short")
    at_s, value, unit, event = (pointed(cell) for cell in cells[:4])
    scope = _PERF.get(event.strip("/").rpartition("/")[2])
    if scope is None or value.startswith("<"):
        return None
    if unit != "Joules":
        raise ValueError(f"{event} is in {unit!r} and not in joules")
    name = f"{scope}-{socket}" if socket and scope != "psys" else scope
    return finite_number(at_s, "time"), name, finite_number(value, event)


def turbostat(paths: Sequence[Path], options: Options) -> Found:
    """Tables of turbostat with ``Time_Of_Day_Seconds``: watts or joules of the interval before.

    The summary adds the packages up. Core and graphics power are taken from it alone, since some
    processors have the former by core. Source: turbostat(8), format_counters() of its source.
    """
    long = Long()
    for path in paths:
        with text(path, options.seen) as stream:
            for line, row in _turbostat_rows(path, stream, options):
                try:
                    at_ns = epoch_ns(row[_TIME], options)
                    for column, name, value in _turbostat_figures(row):
                        (long.add if column.endswith("_J") else long.put)(at_ns, name, value)
                except ValueError as error:
                    options.reject(line, str(error))
    if not long:
        why = "it has no table of turbostat's with power or energy (counters of --Dump are none)"
        raise BadFile(paths[0], why, fix=_TURBOSTAT_FIX)
    return Found([long.feed(options.name or "turbostat", _turbostat_domain)])


_TIME = "Time_Of_Day_Seconds"
_TURBOSTAT = {"PkgWatt": "package", "CorWatt": "core", "GFXWatt": "uncore", "RAMWatt": "dram",
              "SysWatt": "psys", "Pkg_J": "package", "Cor_J": "core", "GFX_J": "uncore",
              "RAM_J": "dram", "Sys_J": "psys"}  # fmt: skip
_TOPOLOGY, _ENERGY = {"Package", "Core", "CPU"}, " energy"
_TURBOSTAT_FIX = (
    f"Record with turbostat --quiet --Summary --show {_TIME},PkgWatt,RAMWatt, or without --Summary "
    f"and with --show {_TIME},Package,Core,CPU,PkgWatt,RAMWatt."
)


def _turbostat_rows(
    path: Path, stream: Iterable[str], options: Options
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield lines and their cells by column; what stands before the first table is left out.

    A CPU that is not the first of its package has no cells in the package's columns, the last.
    """
    columns: list[str] = []
    for line in stream:
        cells = line.split()
        if _TURBOSTAT.keys() & set(cells):
            columns = cells
            if _TIME not in columns:
                raise BadFile(path, f"its table has no column {_TIME}", fix=_TURBOSTAT_FIX)
        elif len(cells) > len(columns) and columns:
            options.reject(line, f"{len(cells)} cells under {len(columns)} columns")
        elif len(cells) < len(columns) and not _TOPOLOGY & set(columns):
            options.reject(line, "a row that does not say of what it is, and is not the summary")
        elif columns and cells:
            yield line, dict(zip(columns, cells, strict=False))


def _turbostat_figures(row: Mapping[str, str]) -> Iterator[tuple[str, str, float]]:
    """Yield column, name and figure of the summary's row, or of a package's."""
    place = next((row[name] for name in ("Package", "Core", "CPU") if name in row), "-")
    if place != "-" and "Package" not in row:
        return  # of the only package, and the summary has the same
    for column in _TURBOSTAT.keys() & row.keys():
        scope = _TURBOSTAT[column]
        energy = _ENERGY if column.endswith("_J") else ""
        if place == "-":
            yield column, scope + energy, finite_number(row[column], column)
        elif scope in {"package", "dram"}:
            yield column, f"{scope}-{int(place)}{energy}", finite_number(row[column], column)


def _turbostat_domain(name: str) -> Domain:
    scope = name.removesuffix(_ENERGY)
    family = "rapl-psys" if scope == "psys" else "rapl"
    if name != scope:
        return counter(name, scope, family)
    return power(name, scope, family if scope == "psys" else "rapl-power")


def energibridge(paths: Sequence[Path], options: Options) -> Found:
    """CSV of EnergiBridge: registers of the first package, joules that wrap."""
    scopes = {"PACKAGE_ENERGY (J)": "package-0", "PACAKGE_ENERGY (J)": "package-0",
              "CPU_ENERGY (J)": "package-0", "DRAM_ENERGY (J)": "dram-0",
              "PP0_ENERGY (J)": "core-0", "PP1_ENERGY (J)": "uncore-0"}  # fmt: skip
    long = Long()
    dead: set[str] = set()
    for path in paths:
        for row in rows(path, options, ("Delta", "Time")):
            time_ms = figure(row, "Time", options)
            if time_ms is None:
                continue
            at_ns = round(time_ms) * 1_000_000
            for column, scope in scopes.items():
                value = figure(row, column, options) if column in row else None
                if value is None:
                    continue
                if value or scope in long:
                    long.put(at_ns, scope, value)
                else:
                    dead.add(scope)
    if not long:
        raise BadFile(paths[0], "it has no column of energy that counts")
    notes = [
        f"{scope} never counted: its register is 0 in every line, and is left out."
        for scope in sorted(dead)
        if scope not in long
    ]
    return Found([long.feed(options.name or "energibridge", rapl)], notes=notes)


def alumet(paths: Sequence[Path], options: Options) -> Found:
    """CSV of Alumet's agent: RAPL's joules since the last line of the same part."""
    long = Long()
    for path in paths:
        with text(path) as stream:
            delimiter = stream.readline().removeprefix("metric")[:1] or ";"
        for row in rows(path, options, ("metric", "timestamp", "value", "domain"), delimiter):
            name = _alumet_part(row)
            if name is None:
                continue
            joules, at_ns = figure(row, "value", options), instant(row, "timestamp", options)
            if joules is not None and at_ns is not None:
                try:
                    long.add(at_ns, name, joules)
                except ValueError as error:
                    options.reject(delimiter.join(row.values()), str(error))
    if not long:
        raise BadFile(paths[0], "it has no metric rapl_consumed_energy")
    return Found([long.feed(options.name or "alumet", rapl)])


def _alumet_part(row: Mapping[str, str]) -> str | None:
    """Return what a line is of; None where it is no energy of RAPL's, or a sum of others."""
    parts = {"package": "package", "pp0": "core", "pp1": "uncore", "dram": "dram"}
    if not row["metric"].startswith("rapl_consumed_energy"):
        return None
    if row["domain"] == "platform":
        return "psys"
    known = row["domain"] in parts and row["resource_id"].isdecimal()
    return f"{parts[row['domain']]}-{row['resource_id']}" if known else None
