"""Joules up to an instant between two readings, and what the readings leave open of them.

A window begins and ends where its workload does, and there the power changes. It is taken to change
once between the two readings around the edge, anywhere with the same probability: before the edge
with the share f of the gap that lies before it, after the edge with 1 - f. The standard
uncertainty is the root mean square of what that may be off (a state of knowledge, GUM 4.3). There
is none where the power is steady, and none where a counter was read at the edge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Instants = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Edge:
    """Joules up to an edge, their standard uncertainty, and watts between the two readings."""

    joules: float
    u_j: float
    watts: float


@dataclass(frozen=True)
class _Gap:
    """The time between two readings: the second one's place, and seconds before and after."""

    after: int
    before_s: float
    after_s: float

    @property
    def seconds(self) -> float:
        """Its length; never zero, so that two readings at one instant have no power."""
        return max(self.before_s + self.after_s, 1e-9)

    @property
    def share(self) -> float:
        """How much of it lies before the edge."""
        return self.before_s / self.seconds


def _gap(at_ns: Instants, edge_ns: int, *, begins: bool = False) -> _Gap:
    """Return the gap around an edge; at a reading, that within a window that begins or ends."""
    found = np.searchsorted(at_ns, edge_ns, side="right" if begins else "left")
    after = int(np.clip(found, 1, at_ns.size - 1))
    before_ns, after_ns = edge_ns - at_ns[after - 1], at_ns[after] - edge_ns
    return _Gap(after, float(before_ns) / 1e9, float(after_ns) / 1e9)


def counted(at_ns: Instants, total_j: Values, edge_ns: int) -> Edge:
    """Return the joules of a counter up to an edge.

    The powers before and after the change are those of the gaps on either side. If it came after
    the edge, the joules before the edge are the power before times the time; if it came before,
    those after the edge are the power after times the time, and the rest is before. Which of the
    two follows from the joules of the gap where its power lies between those of its neighbours.
    Elsewhere, or where a neighbour is missing, they are divided in proportion to the time.

    Parameters
    ----------
    at_ns, total_j : two readings or more, around the edge, shape (n,); the joules unwrapped.
    edge_ns : the instant.
    """
    gap = _gap(at_ns, edge_ns)
    base_j = float(total_j[gap.after - 1])
    joules = float(total_j[gap.after]) - base_j
    taken_j, late_j, early_j = gap.share * joules, 0.0, joules
    if gap.after >= 2 and gap.after + 1 < at_ns.size:
        left_w, right_w = (_power_w(at_ns, total_j, gap.after + step) for step in (-1, 1))
        least, most = sorted((joules, 0.0))
        late_j = min(max(left_w * gap.before_s, least), most)
        early_j = min(max(joules - right_w * gap.after_s, least), most)
        if min(left_w, right_w) <= joules / gap.seconds <= max(left_w, right_w):
            taken_j = (max if right_w > left_w else min)(late_j, early_j)
    off = (1 - gap.share) * (late_j - taken_j) ** 2 + gap.share * (early_j - taken_j) ** 2
    return Edge(base_j + taken_j, math.sqrt(off), joules / gap.seconds)


def _power_w(at_ns: Instants, total_j: Values, after: int) -> float:
    """Return the mean power of the gap before a reading."""
    seconds = float(at_ns[after] - at_ns[after - 1]) / 1e9
    return float(total_j[after] - total_j[after - 1]) / max(seconds, 1e-9)


def integrated(
    at_ns: Instants, power_w: Values, total_j: Values, edge_ns: int, *, begins: bool
) -> Edge:
    """Return the joules of a meter of power up to an edge: the area under straight lines.

    What is open is the part of the gap that lies in the window: the part before is another's.

    Parameters
    ----------
    at_ns, power_w : two readings or more, around the edge, shape (n,).
    total_j : the area up to each of them.
    edge_ns : the instant.
    begins : whether the window begins there; else it ends.
    """
    gap = _gap(at_ns, edge_ns, begins=begins)
    left_w = float(power_w[gap.after - 1])
    change_w = float(power_w[gap.after]) - left_w
    area_j = left_w * gap.before_s + change_w * gap.share * gap.before_s / 2
    inside_s, share = (gap.after_s, 1 - gap.share) if begins else (gap.before_s, gap.share)
    u_j = abs(change_w) * inside_s * math.sqrt(share * (4 - 3 * share) / 12)
    return Edge(float(total_j[gap.after - 1]) + area_j, u_j, left_w + change_w / 2)
