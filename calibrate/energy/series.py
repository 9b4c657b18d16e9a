"""Readings to energy: unwrap, interpolate, add up what belongs together.

A domain is what a probe reports; a column is what can be compared: each domain as it stands, and
the totals ``package``, ``dram`` and ``machine`` (packages and DRAM) over all sockets. Core and
uncore lie inside their package and psys around it, so they are in no total; families are never
mixed, so that a mirror of a package is not counted twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.energy.column import Column
from calibrate.energy.window import Edge, counted, integrated
from calibrate.probe import Domain
from calibrate.quantity import u_of_step
from calibrate.store import ProbeLog


@dataclass(frozen=True)
class Energy:
    """Joules over a window.

    Parameters
    ----------
    joules : energy.
    noise_j : standard uncertainty from the counter's step and the instants of the readings.
    ends_j : standard uncertainty from what the readings leave open of the ends of the window.
    begin_ns, end_ns : the window, CLOCK_MONOTONIC.
    """

    joules: float
    noise_j: float
    ends_j: float
    begin_ns: int
    end_ns: int

    @property
    def u_j(self) -> float:
        """Standard uncertainty from the readings."""
        return math.hypot(self.noise_j, self.ends_j)

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return (self.end_ns - self.begin_ns) / 1e9


@dataclass(frozen=True)
class Curve:
    """One domain over time: instants (ns, at the middle of a read), half-widths (ns), values."""

    at_ns: NDArray[np.int64]
    half_ns: NDArray[np.float64]
    value: NDArray[np.float64]


def counter_curve(log: ProbeLog, domain: Domain) -> Curve:
    """Return one domain's readings, joules unwrapped; watts as they are."""
    taken = log.readings
    value = taken.values.get(domain.name, np.full(len(taken), np.nan))
    there = np.isfinite(value)
    before, after, value = taken.before_ns[there], taken.after_ns[there], value[there]
    if domain.kind == "counter" and domain.wraps_at_j and value.size:
        wraps = np.concatenate([[0], np.cumsum(np.diff(value) < 0)])
        value = value + wraps * domain.wraps_at_j
    return Curve(before + (after - before) // 2, (after - before) / 2.0, value)


def window_energy(log: ProbeLog, column: Column, window_ns: tuple[int, int]) -> Energy | None:
    """Return a column's joules, or None where the readings do not cover the window.

    A counter or a power is cut to `window_ns`; a tracker answers for the window between its own
    begin and end, which is returned with it. The load changes for all parts at once, so that what
    is open at the ends adds up over them.
    """
    total, variance, ends = 0.0, 0.0, 0.0
    for name in column.parts:
        domain = log.domains.get(name)
        part = _energy(log, domain, window_ns) if domain else None
        if part is None:
            return None
        total, variance = total + part.joules, variance + part.noise_j**2
        ends += part.ends_j
        window_ns = (part.begin_ns, part.end_ns)
    return Energy(total, variance**0.5, ends, *window_ns)


def _energy(log: ProbeLog, domain: Domain, window_ns: tuple[int, int]) -> Energy | None:
    points = counter_curve(log, domain)
    if domain.kind == "window":
        if log.window_ns is None or not points.value.size or log.stop.get("status") != "ok":
            return None
        return Energy(float(points.value[-1]), _step_u(domain), 0.0, *log.window_ns)
    begin, end = window_ns
    if points.value.size < 2 or points.at_ns[0] > begin or points.at_ns[-1] < end:
        return None
    before, until = ends = _ends(points, domain, begin, end)
    # The reading after an edge was taken at an instant that is known to half its duration.
    half_s = [points.half_ns[np.searchsorted(points.at_ns, edge)] / 1e9 for edge in window_ns]
    instants = [each.watts * half / 3**0.5 for each, half in zip(ends, half_s, strict=True)]
    noise = math.hypot(_step_u(domain), *instants)
    return Energy(until.joules - before.joules, noise, before.u_j + until.u_j, begin, end)


def _ends(points: Curve, domain: Domain, begin: int, end: int) -> tuple[Edge, Edge]:
    """Return the joules up to both ends of a window."""
    at, value = points.at_ns, points.value
    if domain.kind != "power":
        return counted(at, value, begin), counted(at, value, end)
    total = cumulative(points)
    return (
        integrated(at, value, total, begin, begins=True),
        integrated(at, value, total, end, begins=False),
    )


def cumulative(points: Curve) -> NDArray[np.float64]:
    """Return cumulative joules of watts, by the trapezoidal rule."""
    seconds = np.diff(points.at_ns) / 1e9
    steps = seconds * (points.value[1:] + points.value[:-1]) / 2
    return np.concatenate([[0.0], np.cumsum(steps)])


def _step_u(domain: Domain) -> float:
    """Return the uncertainty of a difference of two readings with the domain's step."""
    return u_of_step(domain.resolution_j or 0.0)


def total_energy(
    log: ProbeLog, column: Column
) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Return (CLOCK_MONOTONIC ns, cumulative joules) of a column, at its first part's instants.

    None where a part is missing or has fewer than two readings.
    """
    at, joules = None, None
    for name in column.parts:
        domain = log.domains.get(name)
        if domain is None:
            return None
        points = counter_curve(log, domain)
        if points.value.size < 2:
            return None
        if domain.kind == "power":
            points = Curve(points.at_ns, points.half_ns, cumulative(points))
        at = points.at_ns if at is None else at
        here = np.interp(at, points.at_ns, points.value)
        joules = here if joules is None else joules + here
    return None if at is None or joules is None else (at, joules)


def power_curve(
    log: ProbeLog, column: Column, step_s: float = 0.1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (CLOCK_MONOTONIC seconds, watts) of a column, for a picture.

    Readings closer than `step_s` are joined; a tracker's repeated figures are left out, since
    they say only that it has not measured anew.
    """
    found = total_energy(log, column)
    if found is None:
        return np.array([]), np.array([])
    at, joules = found
    steps = _steps(at, joules, step_s)
    at, joules = at[steps], joules[steps]
    seconds = np.diff(at) / 1e9
    return (at[1:] + at[:-1]) / 2e9, np.diff(joules) / seconds


def _steps(at: NDArray[np.int64], total: NDArray[np.float64], step_s: float) -> list[int]:
    """Return the places of the readings that say something new.

    A tracker's figure is as old as its last measurement, so that the time of a short last step
    means little: it is joined to the one before.
    """
    keep = [0]
    for index in range(1, at.size):
        if at[index] - at[keep[-1]] >= step_s * 1e9 and total[index] != total[keep[-1]]:
            keep.append(index)
    if len(keep) > 3 and at[keep[-1]] - at[keep[-2]] < np.median(np.diff(at[keep])) * 0.9:
        del keep[-2]
    return keep
