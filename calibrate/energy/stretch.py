"""Joules of a stretch of a run by one probe, and what the readings leave open of them.

A stretch begins and ends where it pleases, a meter renews its figure when it pleases. What a meter
counted between two renewals may have been used anywhere between them:

- At an edge with the share f of a gap before it, f of the joules are taken. They are known to
  e sqrt(f (1 - f) / 3), where e is what the gap would have at the largest power around it: in the
  middle that of a rectangular distribution over all of e (GUM 4.3.7), at a renewal none.
- A figure may be older than the reading that shows it: a power that is the mean since the reading
  before is half a gap late, a counter that is looked at more often than it is renewed is up to one
  look late. Both edges of a stretch are late alike, so that it matters no more than its length.
- A stretch that has no whole gap of its own may have used all that was counted in the gaps that it
  touches, however short it is.

So a meter that looks once a second knows little of half a second, and says so. What cannot be seen
in readings is left out: that a meter of momentary power may miss a short stretch altogether.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calibrate.energy.column import Column
from calibrate.energy.series import counter_curve, cumulative
from calibrate.probe import Domain
from calibrate.quantity import u_of_step
from calibrate.store import ProbeLog

#: A counter renewed in fewer than two of three looks is slow: a figure that stands is no news.
_SLOW = 1.5


@dataclass(frozen=True)
class Joules:
    """An energy with its standard uncertainty from step and instants of the readings, J."""

    joules: float
    u_j: float

    def __add__(self, other: Joules) -> Joules:
        """Return the sum; one meter read both and may be wrong in both alike."""
        return Joules(self.joules + other.joules, self.u_j + other.u_j)

    def times(self, factor: float) -> Joules:
        """Return a multiple."""
        return Joules(self.joules * factor, self.u_j * factor)


@dataclass(frozen=True)
class Renewals:
    """When a meter was renewed, ns, and its joules or watts then, shapes (n,)."""

    at_ns: NDArray[np.int64]
    value: NDArray[np.float64]
    power: bool

    def with_those_of(self, other: Renewals) -> bool:
        """Return whether both are renewed at the same instants, in the same quantity."""
        return self.power == other.power and np.array_equal(self.at_ns, other.at_ns)

    def plus(self, other: Renewals) -> Renewals:
        """Return the sum of both."""
        return Renewals(self.at_ns, self.value + other.value, self.power)


class StretchMeter:
    """One column of a probe in one run, to be asked for any stretch of it.

    Parameters
    ----------
    log : a probe's file of the run.
    column : what to add up.
    """

    def __init__(self, log: ProbeLog, column: Column) -> None:
        self._log, self.column = log, column

    @cached_property
    def _parts(self) -> list[_Part | None]:
        return [_part(self._log, self._log.domains[name]) for name in self.column.parts]

    @cached_property
    def renewed_ns(self) -> float:
        """Distance between two renewals of the slowest part, ns; infinite where none is known."""
        parts = self._parts
        known = [float(np.median(np.diff(part.at_ns))) for part in parts if part]
        return max(known) if len(known) == len(parts) else math.inf

    @cached_property
    def renewals(self) -> tuple[Renewals, ...]:
        """Renewals of the parts; those of parts that are renewed together are added up."""
        found: list[Renewals] = []
        for name, part in zip(self.column.parts, self._parts, strict=True):
            if part is None:
                return ()
            domain = self._log.domains[name]
            points = counter_curve(self._log, domain)
            power = domain.kind == "power"
            here = Renewals(
                points.at_ns if power else part.at_ns,
                points.value if power else part.total_j,
                power,
            )
            same = [k for k, each in enumerate(found) if here.with_those_of(each)]
            if same:
                found[same[0]] = found[same[0]].plus(here)
            else:
                found.append(here)
        return tuple(found)

    def between(self, begin_ns: int, end_ns: int) -> Joules | None:
        """Return the joules of a stretch, or None where the readings do not cover it."""
        total = Joules(0.0, 0.0)
        for part in self._parts:
            found = part.between(begin_ns, end_ns) if part else None
            if found is None:
                return None
            total += found
        return total


def _part(log: ProbeLog, domain: Domain) -> _Part | None:
    """Return one domain, where it has two readings that tell anything."""
    points = counter_curve(log, domain)
    if points.value.size < 2:
        return None
    at, total = points.at_ns, points.value
    look_ns = float(np.median(np.diff(at)))
    late = np.zeros(at.size)
    if domain.kind == "power":
        total, late = cumulative(points), late + look_ns / 2
    else:
        new = np.concatenate([[True], np.diff(total) != 0])
        if new.sum() > 1 and np.median(np.diff(at[new])) > _SLOW * look_ns:
            at, total, late = at[new], total[new], late[new] + look_ns
    if domain.kind == "window" and log.window_ns:
        # A tracker has nothing at its begin, and everything at its end, as it knows at once. When
        # it looked last before its end is not known so well that a short last gap had a power.
        near_ns = float(np.median(np.diff(at))) / 2
        inside = (at > log.window_ns[0] + near_ns) & (at < log.window_ns[1] - near_ns)
        at = np.concatenate([log.window_ns[:1], at[inside], log.window_ns[1:]])
        total = np.concatenate([[0.0], total[inside], total[-1:]])
        late = np.concatenate([[0.0], late[inside], [0.0]])
    step_u_j = u_of_step(domain.resolution_j or 0.0)
    return _Part(at, total, late, int(points.at_ns[-1]), step_u_j)


@dataclass(frozen=True)
class _Part:
    """One domain over time.

    Parameters
    ----------
    at_ns : the instants of its renewals, shape (n,), two or more.
    total_j : the joules up to each.
    late_ns : how old each may be when it is first seen.
    seen_ns : the last reading.
    step_u_j : standard uncertainty of a difference from its step.
    """

    at_ns: NDArray[np.int64]
    total_j: NDArray[np.float64]
    late_ns: NDArray[np.float64]
    seen_ns: int
    step_u_j: float

    def between(self, begin_ns: int, end_ns: int) -> Joules | None:
        """Return the joules of a stretch, or None where the readings do not cover it."""
        last_ns = int(self.at_ns[-1])
        if not self.at_ns[0] <= begin_ns <= end_ns <= max(last_ns, self.seen_ns):
            return None
        counted = min(begin_ns, last_ns), min(end_ns, last_ns)
        joules = float(np.diff(np.interp(counted, self.at_ns, self.total_j))[0])
        # Readings show that nothing more was counted; what was used has not been shown yet.
        rest_j = self._power(self.at_ns.size - 1) * (end_ns - max(begin_ns, last_ns)) / math.sqrt(3)
        u_j = self._ends_u_j(*counted, joules) + max(rest_j, 0.0)
        return Joules(joules, math.hypot(u_j, self.step_u_j))

    def _ends_u_j(self, begin_ns: int, end_ns: int, joules: float) -> float:
        """Return what both ends leave open of the joules of a stretch, J."""
        if end_ns <= begin_ns:
            return 0.0
        first, last = self._after(begin_ns, "right"), self._after(end_ns, "left")
        length_ns = float(end_ns - begin_ns)
        edges = self._edge_u_j(first, begin_ns, length_ns) + self._edge_u_j(last, end_ns, length_ns)
        inside = np.searchsorted(self.at_ns, [begin_ns, end_ns + 1])
        if inside[1] - inside[0] > 1:
            return edges
        # No whole gap of its own: all may be its, also what was shown late.
        shown = self._after(end_ns + round(2 * self._late(end_ns)), "left")
        held_j = abs(float(self.total_j[shown] - self.total_j[first - 1])) - abs(joules)
        return max(held_j / math.sqrt(3), edges if first < last else 0.0)

    def _edge_u_j(self, after: int, edge_ns: int, length_ns: float) -> float:
        """Return what is open at an edge in the gap before a renewal, J."""
        before_ns = float(edge_ns - self.at_ns[after - 1])
        behind_ns = float(self.at_ns[after] - edge_ns)
        late_ns = min(self._late(edge_ns), length_ns)
        return self._power(after) * math.sqrt((before_ns * behind_ns + late_ns**2) / 3)

    def _late(self, edge_ns: int) -> float:
        """Return how late a figure may be at an instant, ns."""
        return float(np.interp(edge_ns, self.at_ns, self.late_ns))

    def _after(self, edge_ns: int, side: Literal["left", "right"]) -> int:
        """Return the place of the renewal after an edge; of those at it, the one that is inside."""
        return int(np.clip(np.searchsorted(self.at_ns, edge_ns, side), 1, self.at_ns.size - 1))

    def _power(self, after: int) -> float:
        """Return the largest power of a gap and of those beside it, J/ns."""
        near = slice(max(after - 2, 0), after + 2)
        joules, ns = np.diff(self.total_j[near]), np.diff(self.at_ns[near])
        return float(np.max(np.abs(joules) / np.maximum(ns, 1)))
