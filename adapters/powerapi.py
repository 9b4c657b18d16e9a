"""PowerAPI-style meter: counters of a process tree, and a formula that RAPL teaches.

    crosswatt run --probe powerapi                                  SmartWatts where installed
    crosswatt run --probe powerapi --set powerapi.formula=ridge     ours, of the same structure

A tick is a tenth of a second (``interval_s``). SmartWatts gives a target no figure during the first
10 ticks at each frequency, and looks at a tick only when 5 more have come: the first are spent
before the run, the last are waited for after it. SmartWatts believes its setting of the interval
(``reports_frequency_s``) and no clock; given another than the true one it errs by their ratio.
With ``cgroup=/sys/fs/cgroup/my.slice`` the target is a control group and not the workload's tree.
All packages are taken for one socket. ``rapl`` and ``global`` are its pseudo-targets.

PowerAPI is a service that runs on: in a campaign the formula keeps from run to run what it has
learnt, and only its target changes.
"""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from calibrate import About, Domain, Probe, Target, Unavailable
from calibrate.linux.cpus import online, rapl_fix
from calibrate.probe import finite_number
from calibrate.probe.counts import Counts, Sensor
from calibrate.probe.formulas import DELAY_TICKS, MIN_SAMPLES, Formula, Ridge, SmartWatts, Tick
from calibrate.probe.rapl import first
from calibrate.requirement import pip_install

INTERVAL_S = 0.1
_PARTS = ("package", "dram")
_REST = "others"


class PowerApi(Probe):
    """The machine by RAPL, and by the model; and the target process tree."""

    name = "powerapi"
    period_s = INTERVAL_S / 2  # so that a tick is never late by more than half of one
    reopens = True
    summary = "PowerAPI-style: process counters, SmartWatts or a ridge, RAPL"
    about = About(
        scope="packages, DRAM; the target's processes",
        basis="measured; modelled for processes",
        unit="2^-32 J, W",
        granularity=f"{INTERVAL_S:g} s; first figures after {MIN_SAMPLES} ticks",
        platforms="Linux, Intel and AMD",
        tested="bench, without PMU; not tried on hardware",
    )

    def __init__(self) -> None:
        self._formulas: dict[str, Formula] = {}
        self._events: tuple[str, ...] = ()

    def open(self, target: Target) -> None:
        """Open RAPL and the counters; the first time, let the formula learn what rest is."""
        options = target.options
        self._interval_s = finite_number(options.get("interval_s", INTERVAL_S), "interval_s")
        believed_s = finite_number(
            options.get("reports_frequency_s", self._interval_s), "reports_frequency_s"
        )
        self._way_name, self._way = first()
        every = {d.name: d for d in self._way.domains() if d.family == "rapl"}
        self._zones = {
            part: [d for d in every.values() if d.scope.startswith(part)] for part in _PARTS
        }
        if not any(self._zones.values()):
            raise Unavailable("RAPL shows neither packages nor DRAM here", rapl_fix())
        group = options.get("cgroup")
        try:
            self._sensor = Sensor(target.pid, online(), Path(group) if group else None)
        except OSError as error:
            raise Unavailable(
                f"counters of processes: {error.strerror} {error.filename or ''}".strip(),
                "sudo sysctl kernel.perf_event_paranoid=1 (until the next boot)",
            ) from None
        self._targets = ("rapl", "global", "process") if target.pid or group else ("rapl", "global")
        parts = tuple(part for part, zones in self._zones.items() if zones)
        kept = self._events == self._sensor.events and tuple(self._formulas) == parts
        if not kept:
            wanted = options.get("formula", "")
            self._formulas = {part: self._formula(wanted, believed_s) for part in parts}
            self._events = self._sensor.events
        self._ready: dict[int, dict[str, float]] = {}
        self._known_ns = 0
        self._seconds: dict[int, float] = {}
        self._last = self._look()
        if not kept:
            self._learn(MIN_SAMPLES + DELAY_TICKS + 1)

    def _formula(self, wanted: str, interval_s: float) -> Formula:
        """Return SmartWatts, or the ridge where that is wanted or the other is not installed."""
        if wanted not in {"", "smartwatts", "ridge"}:
            raise Unavailable(f"there is no formula {wanted!r}", "choose smartwatts or ridge")
        if wanted != "ridge":
            try:
                return SmartWatts(interval_s, self._sensor.events)
            except ImportError as error:
                if wanted:
                    raise Unavailable(str(error), pip_install("smartwatts")) from None
        return Ridge(interval_s)

    def _look(self) -> tuple[int, Mapping[str, float], Counts, Counts | None]:
        """Return the instant, joules, and counts of the machine and of the target."""
        energy = self._way.read()
        return time.monotonic_ns(), energy, self._sensor.machine(), self._sensor.target()

    def _learn(self, ticks: int) -> None:
        for _ in range(ticks):
            time.sleep(self._interval_s)
            self._tick()

    def _tick(self) -> None:
        """Give the formulas what happened since the last tick."""
        was, now = self._last, self._look()
        self._last = now
        whole = _increase(was[2], now[2])
        targets = {_REST: whole}
        if was[3] is not None and now[3] is not None:
            process = _increase(was[3], now[3])
            rest = tuple(max(0.0, a - b) for a, b in zip(whole, process, strict=True))
            targets = {"process": process, _REST: rest}
        middle_ns = (was[0] + now[0]) // 2
        self._seconds[middle_ns] = (now[0] - was[0]) / 1e9
        known = dict(zip(self._sensor.events, whole, strict=True))
        cycles, base = known.get("cycles", 0.0), known.get("ref-cycles", 0.0)
        for part, formula in self._formulas.items():
            joules = sum(_joules(zone, was[1], now[1]) for zone in self._zones[part])
            tick = Tick(middle_ns, joules, cycles / base if base else 1.0, targets)
            for at_ns, watts in formula.take(tick):
                self._keep(part, at_ns, watts)

    def _keep(self, part: str, at_ns: int, watts: Mapping[str, float]) -> None:
        """Sort a report into domains.

        Who adds up PowerAPI's reports takes each for one interval. A tick that came late is given
        the watts that make the same joules over the time it really took. A tick of an earlier run,
        which a formula looked at too late for it, is of no use to this one.
        """
        if at_ns not in self._seconds:
            return
        share = self._interval_s / self._seconds[at_ns]
        found = self._ready.setdefault(at_ns, {})
        found |= {f"{name}-{part}": watts[name] * share for name in self._targets if name in watts}
        self._known_ns = max(self._known_ns, at_ns)

    def domains(self) -> list[Domain]:
        """The pseudo-targets for packages and DRAM, and the target."""
        scopes = {"process": "process"}
        return [
            Domain(
                f"{name}-{part}", scopes.get(name, part), "power",
                "measured" if name == "rapl" else "modelled",
                "rapl-power" if name == "rapl" else "model",
            )
            for name in self._targets
            for part in self._formulas
        ]  # fmt: skip

    def read(self) -> Mapping[str, float]:
        """Make a tick when one is due; `drain` has what came of it."""
        if time.monotonic_ns() - self._last[0] >= 0.9 * self._interval_s * 1e9:
            self._tick()
        return {}

    def drain(self) -> Iterable[tuple[int, Mapping[str, float]]]:
        """Return the reports since the last call, with the middles of their ticks."""
        ready, self._ready = self._ready, {}
        return ready.items()

    def end(self) -> None:
        """Wait for the reports of the last ticks."""
        end_ns = time.monotonic_ns()
        for _ in range(DELAY_TICKS + 2):
            if self._known_ns < end_ns:
                self._learn(1)

    def close(self) -> None:
        """Close RAPL and the counters."""
        self._way.close()
        self._sensor.close()

    def facts(self) -> Mapping[str, str]:
        """Formula, counters, and the way to RAPL."""
        formula = next(iter(self._formulas.values()))
        mode = "reduced: CPU time, no PMU" if self._sensor.reduced else "PMU"
        facts = {
            "mode": mode,
            "formula": type(formula).__name__,
            "rapl": self._way_name,
            "interval": f"{self._interval_s:g} s",
        }
        if isinstance(formula, SmartWatts):
            from importlib.metadata import version

            facts["release"] = version("smartwatts")
        return facts


def _increase(was: Counts, now: Counts) -> Counts:
    return tuple(max(0.0, b - a) for a, b in zip(was, now, strict=True))


def _joules(zone: Domain, was: Mapping[str, float], now: Mapping[str, float]) -> float:
    """Return a zone's joules between two readings, over at most one wrap."""
    joules = now[zone.name] - was[zone.name]
    return joules + (zone.wraps_at_j or 0.0) if joules < 0 else joules
