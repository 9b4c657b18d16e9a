"""Meters whose power follows the load late: by a delay, or as a filter of the first order.

A delay of d seconds moves the last d seconds of a run out of it, and d seconds of rest into it. A
filter with the time constant tau that shows the power x when a run of t seconds at P begins counts
P t - (P - x) tau (1 - exp(-t/tau)); in runs much longer than tau that is a delay of tau. Where tau
is no shorter than the rest between runs, x still has something of the run before.

Of a load that changes, the power at the end of a run and its mean are known. What a meter misses
lies between these, and the distance is taken for uncertainty.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from calibrate.diagnosis.faults import fault
from calibrate.diagnosis.irregular import IrregularModel
from calibrate.diagnosis.models import Table
from calibrate.stats import Vector

_PRIOR = 0.006
#: Delays looked for, s.
_DELAYS_S = tuple(np.geomspace(0.1, 10.0, 16))
#: Time constants looked for, in shortest and longest runs; a smaller one is a delay.
_SLOWEST = (0.3, 10.0)
#: Rest between runs, s, from which something of the run before is left; the first is endless.
_RESTS_S = (np.inf, 3.5, 1.7)
#: For how long before its end the power of a run is known, s; see `calibrate.comparison`.
_SEEN_S = 0.3
#: How far the power that counts is from the middle of mean and end, in their distance.
_UNSTEADY = 0.4


def _delayed_j(table: Table, delay: float) -> Vector:
    unseen = 0.5 * (1 - min(1.0, _SEEN_S / delay))
    tail = table.ends_w[1] + unseen * (table.power_w - table.ends_w[1])
    return np.asarray((tail - table.ends_w[0]) * np.minimum(delay, table.seconds))


def _delayed_sd_j(table: Table, delay: float) -> Vector:
    unseen = _UNSTEADY * (1 - min(1.0, _SEEN_S / delay))
    away = (0.05 + unseen) * np.abs(table.power_w - table.ends_w[1])
    return np.asarray(away * np.minimum(delay, table.seconds))


DELAY = IrregularModel(fault("lag"), _delayed_j, _delayed_sd_j, prior=_PRIOR, sizes_s=_DELAYS_S)


def _filled(table: Table, tau: float) -> Vector:
    """Return for how many seconds a filter withholds the power of each run, s."""
    return np.asarray(tau * (1 - np.exp(-table.seconds / tau)))


def _late_w(table: Table, tau: float) -> tuple[Vector, Vector]:
    """Return the power of each run that a filter withholds, and its sd, W: exact for a ramp."""
    x = table.seconds / tau
    late = 2 * (1 / (1 - np.exp(-x)) - 1 / x) - 1
    away = table.ends_w[1] - table.power_w
    return table.power_w + late * away, (0.1 + _UNSTEADY * late) * np.abs(away)


def _shown_w(table: Table, tau: float, rest_s: float) -> Vector:
    """Return what a filter shows when each run begins, W: rest, and what is left of runs before."""
    shown = table.ends_w[0].copy()
    if table.edges_w is None or not np.isfinite(rest_s):
        return np.asarray(shown)
    reached, _ = _late_w(table, tau)
    kept, over = np.exp(-table.seconds / tau), float(np.exp(-rest_s / tau))
    for i in range(1, shown.size):
        at_end = reached[i - 1] + (shown[i - 1] - reached[i - 1]) * kept[i - 1]
        shown[i] += (at_end - table.ends_w[0][i]) * over
    return np.asarray(shown)


def _held_back_j(table: Table, tau: float, rest_s: float) -> Vector:
    """Return the energy that a filter has not let through at the end of each run, J."""
    power, _ = _late_w(table, tau)
    return np.asarray((power - _shown_w(table, tau, rest_s)) * _filled(table, tau))


def _held_back_sd_j(table: Table, tau: float, rest_s: float) -> Vector:
    """Return how far that is known, J: the load is not steady, and rests differ."""
    _, sd = _late_w(table, tau)
    rest = 0.2 * np.abs(_shown_w(table, tau, rest_s) - table.ends_w[0])
    return np.asarray(np.hypot(sd, rest) * _filled(table, tau))


def catalogue(table: Table) -> list[IrregularModel]:
    """Return what these runs could show."""
    if table.idle_w is None and table.edges_w is None:
        return []
    low, high = _SLOWEST[0] * table.seconds.min(), _SLOWEST[1] * table.seconds.max()
    sizes = tuple(np.geomspace(low, high, 16))
    rests = _RESTS_S if table.edges_w is not None else _RESTS_S[:1]
    slow = [
        IrregularModel(
            fault("slow-response"),
            partial(_held_back_j, rest_s=rest_s),
            partial(_held_back_sd_j, rest_s=rest_s),
            prior=_PRIOR / len(rests),
            sizes_s=sizes,
        )
        for rest_s in rests
    ]
    return [DELAY, *slow]
