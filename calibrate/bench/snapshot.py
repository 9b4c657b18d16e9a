"""All counters of the simulated machine at one instant, refreshed as hardware refreshes them."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence

from calibrate.bench.counter import count, counter_uj
from calibrate.bench.faults import Distortion, Fault, Obstacle
from calibrate.bench.layout import altered
from calibrate.bench.machine import Instant, Machine
from calibrate.bench.model import Model


class Snapshots:
    """Takes a snapshot at the first look in each update interval; later looks see the same one.

    Parameters
    ----------
    model : the machine as it was designed.
    machine : the machine as it runs.
    faults : what is wrong with it.
    armed : let the machine stand still until `trigger`: it uses nothing, and no time passes for
        its faults.

    Attributes
    ----------
    interrupted : tells whether somebody who reads just now has been interrupted; set by whoever
        serves the files.
    """

    def __init__(
        self, model: Model, machine: Machine, faults: Sequence[Fault] = (), *, armed: bool = False
    ) -> None:
        self.model = model
        self.machine = machine
        self.faults = tuple(faults)
        self.counters = {
            scope: counter
            for scope, counter in altered(model, faults).items()
            if scope in machine.scopes
        }
        self.interrupted: Callable[[], bool] = lambda: False
        self._zero_ns = None if armed else machine.start_ns
        self._update_ns = max(1, round(model.update_s * 1e9))
        self._distortions = {scope: self._distortion(scope) for scope in machine.scopes}
        self._lock = threading.RLock()
        self._interval = -1
        self._now = machine.look()
        self._shown: dict[str, float] = {}
        self._marks: list[tuple[float, dict[str, int]]] = []
        machine.remember(_look_back_s(model, self.faults))
        if armed:
            machine.sleep(True)

    def _distortion(self, scope: str) -> Distortion:
        counter = self.counters.get(scope)
        mine = [f for f in self.faults if f.group == "counter" and f.strikes(scope)]
        zero_j = -counter.start * counter.unit_j if counter else 0.0

        def past_j(back_s: float) -> float:
            return self.machine.past_j(scope, self._now.t_ns - round(back_s * 1e9))

        turn_j = counter.turn * counter.unit_j if counter else math.inf
        return Distortion(mine, zero_j, turn_j, past_j)

    def seconds(self) -> float:
        """Return the time of the faults."""
        return self._seconds(self.machine.clock())

    def _seconds(self, t_ns: int) -> float:
        return 0.0 if self._zero_ns is None else (t_ns - self._zero_ns) / 1e9

    def trigger(self) -> None:
        """Let the machine go on, if it was to stand still."""
        if self._zero_ns is None:
            self._zero_ns = self.machine.clock()
            self.machine.sleep(False)

    def now(self) -> Instant:
        """Return the instant of the current update interval."""
        with self._lock:
            interval = (self.machine.clock() - self.machine.start_ns) // self._update_ns
            if interval != self._interval:
                self._interval, self._now = interval, self.machine.look()
                self._shown.clear()
            return self._now

    def shown_j(self, scope: str) -> float:
        """Return the joules since the start that a zone's counter shows, faults included."""
        with self._lock:
            now = self.now()
            if scope not in self._shown:
                seconds = self._seconds(now.t_ns)
                self._shown[scope] = self._distortions[scope](seconds, now.joules(scope))
            return self._shown[scope]

    def shown_uj(self, scope: str) -> int:
        """Return what a zone's `energy_uj` shows."""
        return counter_uj(self.counters[scope], self.shown_j(scope))

    def register(self, scope: str) -> int:
        """Return what a zone's 32-bit register holds."""
        return count(self.counters[scope], self.shown_j(scope))

    def obstacle(self, scope: str) -> Obstacle:
        """Return what happens to somebody who reads a zone's files."""
        mine = [f for f in self.faults if f.group == "reading" and f.strikes(scope)]
        return Obstacle(mine, self.seconds, self.interrupted)

    def mark(self) -> None:
        """Have every fault see this instant; to be called when one begins or ends."""
        with self._lock:
            self._interval = -1
            for scope in self.machine.scopes:
                self.shown_j(scope)
            shown_uj = {scope: self.shown_uj(scope) for scope in self.counters}
            self._marks.append((self.seconds(), shown_uj))

    def marked_uj(self, scope: str, at_s: float) -> int:
        """Return what `energy_uj` showed when a fault began."""
        marks = (shown_uj for seconds, shown_uj in self._marks if seconds >= at_s)
        return next(marks, {scope: self.shown_uj(scope)})[scope]


def _look_back_s(model: Model, faults: Sequence[Fault]) -> float:
    """Return from how long ago somebody wants to know the energy."""
    sensors = [device.update_s for device in model.hwmon]
    sensors += [model.battery.update_s] if model.battery else []
    windows = [each.power_window_s + each.power_update_s for each in model.gpus]
    windows += [each.energy_update_s for each in model.gpus]
    late = [f.size + 1 for f in faults if f.name in ("lag", "stale", "gpu-slow-power")]
    # A figure of a sensor may be as old as its window is long.
    return max([*(2 * each for each in sensors), *windows, *late], default=0.0)
