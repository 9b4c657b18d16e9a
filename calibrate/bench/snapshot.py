"""All counters of the simulated machine at one instant, refreshed as hardware refreshes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from calibrate.bench.activity import Activity, blocks
from calibrate.bench.energy import counter_uj, counters, energy_j
from calibrate.bench.model import Model


@dataclass(frozen=True)
class Snapshot:
    """The state of every counter at one instant.

    Parameters
    ----------
    t_ns : CLOCK_MONOTONIC.
    joules : exact energy since the start by scope; never wraps.
    shown_uj : what `energy_uj` shows, by scope.
    """

    t_ns: int
    joules: Mapping[str, float]
    shown_uj: Mapping[str, int]


class Snapshots:
    """Takes a snapshot at the first look in each update interval; later looks see the same one.

    Parameters
    ----------
    model : the machine.
    activity : where CPU time comes from.
    clock : monotonic nanoseconds.
    """

    def __init__(
        self, model: Model, activity: Activity, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.counters = counters(model)
        self._activity = activity
        self._clock = clock
        self._update_ns = max(1, round(model.update_s * 1e9))
        self._first_busy_ns = list(activity.busy_ns())
        self._blocks = blocks(len(self._first_busy_ns), len(model.packages))
        self._start_ns = clock()
        self._interval = -1
        self._last = Snapshot(self._start_ns, {}, {})

    def now(self) -> Snapshot:
        """Return the snapshot of the current update interval."""
        t_ns = self._clock()
        interval = (t_ns - self._start_ns) // self._update_ns
        if interval != self._interval:
            self._interval = interval
            self._last = self._take(t_ns)
        return self._last

    def _take(self, t_ns: int) -> Snapshot:
        now_ns = self._activity.busy_ns()
        busy_ns = [now - was for now, was in zip(now_ns, self._first_busy_ns, strict=True)]
        shares = [busy_ns[block.start : block.stop] for block in self._blocks]
        joules = {
            each.scope: energy_j(each, t_ns - self._start_ns, shares[each.package])
            for each in self.counters
        }
        shown_uj = {each.scope: counter_uj(each, joules[each.scope]) for each in self.counters}
        return Snapshot(t_ns, joules, shown_uj)
