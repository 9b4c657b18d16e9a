"""Counters that fall without a known wrap: what they counted between the falls, a lower bound.

A counter begins again when a driver is loaded, when a register behind it wraps, or when its day
ends. Nothing tells how much was used from the reading before to the one after, so that nothing is
counted there. One reading below both of its neighbours is a stray, and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Readings that are looked at together.
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Falls:
    """Where a counter fell, ns since 1970, shape (n,), and how many strays were left out."""

    at_ns: NDArray[np.int64]
    strays: int

    def within(self, begin_ns: int, end_ns: int) -> NDArray[np.int64]:
        """Return the falls of a window."""
        return self.at_ns[(self.at_ns > begin_ns) & (self.at_ns <= end_ns)]


def bridge_falls(at_ns: Any, values: Any, block: int = _BLOCK) -> Falls:
    """Make a counter one that never falls, in place.

    Parameters
    ----------
    at_ns, values : shape (n,); NaN is no reading. Both may be mapped into memory.
    block : readings that are looked at together.
    """
    last, lift, strays = np.nan, 0.0, 0
    falls: list[NDArray[np.int64]] = []
    for begin in range(0, len(values), block):
        part = values[begin : begin + block]
        there = np.flatnonzero(np.isfinite(part))
        if not there.size:
            continue
        own = np.array(part[there])
        stray = _strays(last, own, _next(values, begin + block, block))
        part[there[stray]] = np.nan
        strays += int(stray.sum())
        there, own = there[~stray], own[~stray]
        if not own.size:
            continue
        steps = np.diff(np.concatenate([[last], own]))
        fell = steps < 0  # the first of all has no step: NaN is not below zero
        if fell.any() or lift:
            part[there] = own + lift + np.cumsum(np.where(fell, -steps, 0.0))
            lift += float(-steps[fell].sum())
        falls.append(np.asarray(at_ns[begin : begin + block][there[fell]], dtype=np.int64))
        last = own[-1]
    return Falls(np.concatenate([np.empty(0, dtype=np.int64), *falls]), strays)


def _strays(before: float, values: NDArray[np.float64], after: float) -> NDArray[np.bool_]:
    """Tell which figures lie below the one before, while the next is at or above that again."""
    begins = np.concatenate([[True], np.diff(values) != 0])  # one figure that is told several times
    with_ends = np.concatenate([[before], values[begins], [after]])
    low = (with_ends[1:-1] < with_ends[:-2]) & (with_ends[2:] >= with_ends[:-2])
    found: NDArray[np.bool_] = low[np.cumsum(begins) - 1]
    return found


def _next(values: Any, begin: int, block: int) -> float:
    """Return the first reading from a place on; NaN where there is none."""
    for place in range(begin, len(values), block):
        part = values[place : place + block]
        there = np.flatnonzero(np.isfinite(part))
        if there.size:
            return float(part[there[0]])
    return float("nan")


def counted(at_ns: Any, joules: Any, begin_ns: int, end_ns: int) -> float:
    """Return the joules of a counter from an instant to another."""
    there = np.isfinite(joules)
    begin, end = np.interp([begin_ns, end_ns], at_ns[there], joules[there])
    return float(end - begin)


def integrated(at_ns: Any, watts: Any, begin_ns: int, end_ns: int) -> float:
    """Return the joules of a power from an instant to another, by the trapezoidal rule."""
    there = np.isfinite(watts) & (at_ns >= begin_ns) & (at_ns <= end_ns)
    seconds, power_w = np.diff(at_ns[there]) / 1e9, watts[there]
    return float(np.sum(seconds * (power_w[1:] + power_w[:-1]) / 2))
