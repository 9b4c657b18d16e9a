"""The simulated machine as it runs: its true energy at any instant.

`Live` follows the real activity of this host through the power model, `Replay` a recorded trace.
Both are exact between the instants at which conditions are renewed, and nobody's looking changes
anything.
"""

from __future__ import annotations

import bisect
import csv
import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from calibrate.bench import power
from calibrate.bench.activity import Activity, blocks
from calibrate.bench.model import Model
from calibrate.bench.power import Conditions, Rate, at_rest, is_constant
from calibrate.errors import BadFile
from calibrate.textfile import TABLE_BYTES, read_text

_REMEMBERED_S = 5.0
_MOST_STRETCHES = 100_000  # begun whenever a workload declares something or the past is asked for
Clock = Callable[[], int]


class Instant(Protocol):
    """The state of the machine at one instant.

    Parameters
    ----------
    t_ns : CLOCK_MONOTONIC.
    """

    @property
    def t_ns(self) -> int:
        """See above."""

    def joules(self, scope: str) -> float:
        """Return the exact energy of a zone since the machine started."""


class Machine(Protocol):
    """What a machine can be asked.

    Parameters
    ----------
    start_ns : CLOCK_MONOTONIC at its start.
    scopes : everything whose energy is known.
    clock : monotonic nanoseconds.
    """

    start_ns: int
    scopes: Sequence[str]
    clock: Clock

    def look(self) -> Instant:
        """Return the present instant."""

    def past_j(self, scope: str, t_ns: int) -> float:
        """Return the energy of a zone at an instant of the last seconds; see `remember`."""

    def remember(self, seconds: float) -> None:
        """Keep the past for at least so long."""

    def renew(self) -> None:
        """Renew the conditions; to be called every `power.TICK_S` if `restless`."""

    def note(self) -> None:
        """Put down what was used until now, for who asks for a short stretch of the past."""

    @property
    def restless(self) -> bool:
        """Tell whether conditions change at all."""

    def declare(self, gpu_use: Mapping[int, float], traffic_gbps: float) -> None:
        """Set what workloads have declared; see `calibrate.bench.demand`."""

    def sleep(self, asleep: bool) -> None:
        """Suspend the machine, or wake it up."""

    def temperature_c(self, package: int) -> float:
        """Return the temperature of a package."""


@dataclass(frozen=True)
class _Stretch:
    """A time in which all power was linear: from `t_ns` on, until the next one."""

    t_ns: int
    busy_s: tuple[float, ...]
    joules: Mapping[str, float]
    rates: Mapping[str, Rate]


@dataclass(frozen=True)
class _Moment:
    """An `Instant` of a live machine."""

    t_ns: int
    busy_s: tuple[float, ...]
    stretch: _Stretch

    def joules(self, scope: str) -> float:
        """See `Instant`."""
        since, rate = self.stretch, self.stretch.rates[scope]
        used_j = rate.base_w * (self.t_ns - since.t_ns) / 1e9
        for watts, now, was in zip(rate.busy_w, self.busy_s, since.busy_s, strict=True):
            used_j += watts * (now - was)
        return since.joules[scope] + used_j


class Live:
    """A machine that follows the activity of this host.

    Parameters
    ----------
    model : the machine.
    activity : where CPU time comes from.
    clock : monotonic nanoseconds.
    """

    def __init__(self, model: Model, activity: Activity, clock: Clock = time.monotonic_ns) -> None:
        self._model = model
        self._activity = activity
        self.clock = clock
        self._first_ns = list(activity.busy_ns())
        self._blocks = blocks(len(self._first_ns), len(model.packages))
        self._chance = random.Random(model.noise.seed if model.noise else 0)  # noqa: S311
        self._conditions: Conditions = at_rest(model)
        self._lock = threading.RLock()
        self.scopes: Sequence[str] = model.scopes()
        self.start_ns = clock()
        self._stretch = _Stretch(
            self.start_ns,
            self._busy_s(),
            dict.fromkeys(self.scopes, 0.0),
            power.rates(model, self._conditions),
        )
        self._past = deque([self._stretch], maxlen=_MOST_STRETCHES)
        self._remembered_ns = round(_REMEMBERED_S * 1e9)
        self.restless = not is_constant(model) or bool(model.gpus)

    def _busy_s(self) -> tuple[float, ...]:
        """Return for each package how long it was busy, all its CPUs taken together."""
        now_ns = self._activity.busy_ns()
        busy_ns = [now - was for now, was in zip(now_ns, self._first_ns, strict=True)]
        return tuple(sum(busy_ns[b.start : b.stop]) / (len(b) * 1e9) for b in self._blocks)

    def look(self) -> _Moment:
        """See `Machine`."""
        with self._lock:
            return _Moment(self.clock(), self._busy_s(), self._stretch)

    def past_j(self, scope: str, t_ns: int) -> float:
        """See `Machine`."""
        with self._lock:
            place = bisect.bisect_right(self._past, t_ns, key=lambda each: each.t_ns)
            if place == 0:
                return self._past[0].joules[scope]
            low = self._past[place - 1]
            if place == len(self._past):
                self.note()
            high = self._past[min(place, len(self._past) - 1)]
            high_ns, high_j = high.t_ns, high.joules[scope]
        if t_ns >= high_ns:
            return high_j
        return low.joules[scope] + (high_j - low.joules[scope]) * (
            (t_ns - low.t_ns) / (high_ns - low.t_ns)
        )

    def note(self) -> None:
        """See `Machine`. What was said of the past is not said otherwise later.

        Between two points the past is a straight line, and one that ended at a present that moves
        on would move with it: a counter that is renewed seldom would tremble, and go back.
        """
        with self._lock:
            now, was = self.look(), self._past[-1]
            if now.t_ns > was.t_ns:
                joules = {scope: now.joules(scope) for scope in self.scopes}
                self._past.append(replace(self._stretch, t_ns=now.t_ns, joules=joules))

    def remember(self, seconds: float) -> None:
        """See `Machine`."""
        self._remembered_ns = max(self._remembered_ns, round(seconds * 1e9))

    def renew(self) -> None:
        """See `Machine`."""
        with self._lock:
            now, was = self.look(), self._stretch
            seconds = (now.t_ns - was.t_ns) / 1e9
            if seconds <= 0:
                return
            joules = {scope: now.joules(scope) for scope in self.scopes}
            used_w = {s: (joules[s] - was.joules[s]) / seconds for s in self.scopes}
            use = [(b - a) / seconds for b, a in zip(now.busy_s, was.busy_s, strict=True)]
            self._conditions = power.renew(
                self._model, self._conditions, seconds, use, self._chance, used_w
            )
            self._begin(now, joules)

    def _begin(self, now: _Moment, joules: Mapping[str, float]) -> None:
        rates = power.rates(self._model, self._conditions)
        self._stretch = _Stretch(now.t_ns, now.busy_s, joules, rates)
        self._past.append(self._stretch)
        while self._past[1].t_ns < now.t_ns - self._remembered_ns:
            self._past.popleft()

    def _change(self, **conditions: Any) -> None:
        with self._lock:
            now = self.look()
            joules = {scope: now.joules(scope) for scope in self.scopes}
            self._conditions = replace(self._conditions, **conditions)
            self._begin(now, joules)

    def declare(self, gpu_use: Mapping[int, float], traffic_gbps: float) -> None:
        """See `Machine`."""
        use = tuple(gpu_use.get(number) for number in range(len(self._model.gpus)))
        self._change(gpu_use=use, traffic_gbps=traffic_gbps)

    def sleep(self, asleep: bool) -> None:
        """See `Machine`."""
        self._change(asleep=asleep)

    def temperature_c(self, package: int) -> float:
        """See `Machine`."""
        return self._conditions.temperature_c[package]


@dataclass(frozen=True)
class Trace:
    """A recorded course of power.

    Parameters
    ----------
    times_s : from zero on, rising.
    joules : energy since the beginning by scope, one value for each time.
    """

    times_s: tuple[float, ...]
    joules: Mapping[str, tuple[float, ...]]

    def energy_j(self, scope: str, seconds: float) -> float:
        """Return the energy so far; after its end the trace goes on as it ended."""
        times, total = self.times_s, self.joules[scope]
        place = min(max(1, bisect.bisect_right(times, seconds)), len(times) - 1)
        low, high = times[place - 1], times[place]
        share = (seconds - low) / (high - low)
        return total[place - 1] + (total[place] - total[place - 1]) * share


def read_trace(path: Path) -> Trace:
    """Read a trace: CSV with a column ``time_s`` and a column of watts a zone, as ``package-0``.

    A row's power holds until the next row; the last one ends the trace.

    Raises
    ------
    BadFile : the file cannot be read, or a line of it makes no sense.
    """
    try:
        lines = read_text(path, TABLE_BYTES).splitlines(keepends=True)
        rows = list(csv.DictReader(lines))
    except csv.Error as error:
        raise BadFile(path, f"cannot be read ({error})") from None
    if len(rows) < 2 or "time_s" not in rows[0] or len(rows[0]) < 2:
        raise BadFile(path, "needs a column time_s, a column of watts a zone, and two rows")
    try:
        times = [float(row["time_s"]) for row in rows]
        watts = {key: [float(row[key]) for row in rows] for key in rows[0] if key != "time_s"}
    except (TypeError, ValueError) as error:
        raise BadFile(path, f"holds something that is no number: {error}") from None
    numbers = [*times, *(each for column in watts.values() for each in column)]
    if not all(map(math.isfinite, numbers)) or min(map(min, watts.values())) < 0:
        raise BadFile(path, "holds a power that is negative, infinite or missing")
    if any(b <= a for a, b in pairwise(times)):
        raise BadFile(path, "has times that do not rise")
    return _trace(times, watts)


def _trace(times: Sequence[float], watts: Mapping[str, Sequence[float]]) -> Trace:
    joules = {}
    for scope, column in watts.items():
        total, sums = 0.0, [0.0]
        for place in range(1, len(times)):
            total += column[place - 1] * (times[place] - times[place - 1])
            sums.append(total)
        joules[scope] = tuple(sums)
    return Trace(tuple(each - times[0] for each in times), joules)


@dataclass(frozen=True)
class _Frame:
    """An `Instant` of a replayed machine."""

    t_ns: int
    seconds: float
    trace: Trace

    def joules(self, scope: str) -> float:
        """See `Instant`."""
        return self.trace.energy_j(scope, self.seconds)


class Replay:
    """A machine that repeats a recorded trace.

    Parameters
    ----------
    model : the machine whose counters show it.
    trace : the power; each of its scopes must be one of the machine's.
    speed : seconds of the trace that pass in a second; power grows with it.
    clock : monotonic nanoseconds.
    """

    restless = False

    def __init__(
        self, model: Model, trace: Trace, speed: float = 1.0, clock: Clock = time.monotonic_ns
    ) -> None:
        unknown = sorted(set(trace.joules) - set(model.scopes()))
        if unknown:
            raise BadFile(
                Path("the trace"),
                f"has {unknown[0]!r}, which this machine lacks: {', '.join(model.scopes())}",
            )
        self._trace, self._speed, self.clock = trace, speed, clock
        self._slept_ns, self._since_ns = 0, 0
        self.scopes: Sequence[str] = list(trace.joules)
        self.start_ns = clock()

    def _at(self, t_ns: int) -> _Frame:
        awake_ns = t_ns - self.start_ns - self._slept_ns
        if self._since_ns:
            awake_ns -= t_ns - self._since_ns
        return _Frame(t_ns, max(0, awake_ns) * self._speed / 1e9, self._trace)

    def look(self) -> _Frame:
        """See `Machine`."""
        return self._at(self.clock())

    def past_j(self, scope: str, t_ns: int) -> float:
        """See `Machine`."""
        return self._at(t_ns).joules(scope)

    def remember(self, seconds: float) -> None:
        """See `Machine`. A trace forgets nothing."""

    def renew(self) -> None:
        """See `Machine`."""

    def note(self) -> None:
        """See `Machine`. A trace is known."""

    def declare(self, gpu_use: Mapping[int, float], traffic_gbps: float) -> None:
        """See `Machine`. A trace is deaf to workloads."""

    def sleep(self, asleep: bool) -> None:
        """See `Machine`."""
        now = self.clock()
        if asleep:
            self._since_ns = now
        elif self._since_ns:
            self._slept_ns += now - self._since_ns
            self._since_ns = 0

    def temperature_c(self, package: int) -> float:
        """See `Machine`. A trace knows no temperatures."""
        del package
        return 25.0
