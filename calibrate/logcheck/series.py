"""A column of a log as what its meter said anew: update period, steps, gaps, resets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calibrate.ingest import LogColumn
from calibrate.stats import resolution, update_period

Vector = NDArray[np.float64]
#: How the figures of a column are made: the power at an instant, the mean since the last one, or
#: joules that grow.
Form = Literal["sampled", "averaged", "counter"]

#: What the makers' documents say of the update of a family whose log may be slower, s.
KNOWN_UPDATE_S = {
    "nvml": 0.1, "nvml-average": 0.1, "nvml-instant": 0.1, "rapl": 0.001, "rapl-psys": 0.001,
}  # fmt: skip
#: Over how long a family averages, on some devices or drivers, s: its figures are as old as half of
#: that, or new.
_AVERAGES_S = {"nvml-average": 1.0}
#: A pause of so many usual steps is a gap.
GAP_STEPS = 3.0
#: Readings that are looked at for the update period.
_LOOKED = 4000
#: A period that is this many steps of the log or more can be seen in it.
_SEEN = 1.5


@dataclass(frozen=True)
class Series:
    """Figures that a meter said anew, in order of time.

    Parameters
    ----------
    name : of the column.
    form : see `Form`.
    at_s : instants, s since the log began, shape (n,); of what was read late, the middle of when
        it may have been renewed.
    value : W, or J without wraps, shape (n,).
    step_s : the usual time from one to the next.
    half_s : half of the time in which a figure was renewed, as far as the readings tell it.
    update_s : the update period, s; None where the log is too slow to show it and nothing tells.
    seen : whether the log shows the update period.
    exact : whether a count is of its very instants; see `calibrate.ingest.LogColumn`.
    late_s : how old a figure may be when it is read, beyond what `at_s` allows for.
    step : the smallest change of the value; 0 where none was found.
    stamp_s : the step of the times as they are written.
    resets_s : instants at which a counter had begun anew.
    unknown_s : stretches of which the log says nothing.
    """

    name: str
    form: Form
    at_s: Vector
    value: Vector
    step_s: float
    half_s: float
    update_s: float | None
    seen: bool
    exact: bool
    late_s: float
    step: float
    stamp_s: float
    resets_s: tuple[float, ...] = ()
    unknown_s: tuple[tuple[float, float], ...] = ()

    def between(self, begin_s: float, end_s: float) -> int:
        """Return how many of its instants lie in a window."""
        low, high = np.searchsorted(self.at_s, [begin_s, end_s])
        return int(high - low)


def series_of(
    column: LogColumn, origin_ns: int, form: Form | None = None, update_s: float | None = None
) -> Series:
    """Return what the meter of a column said anew.

    Parameters
    ----------
    column : at least two readings.
    origin_ns : the instant that is 0 s.
    form : how figures of power are made, where that is known; else a figure is the power at its
        time, whose scatter is then in the uncertainty.
    update_s : the update period, where the user knows it.
    """
    domain = column.domain
    at_s = (column.at_ns - origin_ns) / 1e9
    value = column.value
    resets: tuple[float, ...] = ()
    if domain.kind != "power":
        value, resets = _unwrapped(at_s, value, domain.wraps_at_j)
    made: Form = "counter" if domain.kind != "power" else form or "sampled"
    read_s = float(np.median(np.diff(at_s)))
    stated = update_s or KNOWN_UPDATE_S.get(domain.family)
    shown = None if column.exact else _shown_period(at_s, value, read_s)
    seen = shown is not None
    period = shown or stated
    half_s, late_s = 0.0, 0.0
    if shown is not None:
        at_s, value, half_s = _renewed(at_s, value, shown, read_s)
    elif column.exact:
        period = read_s
    elif made != "averaged":
        # How old a figure is when it is read: anything up to the period.
        late_s = min(period, read_s) if period else read_s if made == "counter" else 0.0
    if form is None:
        late_s = max(late_s, _AVERAGES_S.get(domain.family, 0.0))
    step_s = float(np.median(np.diff(at_s)))
    stamp_s = _stamp(column.at_ns)
    stamp_s = stamp_s if stamp_s >= 0.1 * step_s else 0.0
    # Clocks are cut to their step, not rounded; of a count both ends are late alike.
    at_s, value = _moved(at_s, value, (0 if made == "counter" else stamp_s / 2) - late_s / 2, made)
    return Series(
        domain.name, made, at_s, value, step_s, half_s, period, seen,
        column.exact, late_s, domain.resolution_j or _resolution(value), stamp_s, resets,
        tuple(((a - origin_ns) / 1e9, (b - origin_ns) / 1e9) for a, b in column.unknown),
    )  # fmt: skip


def _moved(at_s: Vector, value: Vector, by_s: float, form: Form) -> tuple[Vector, Vector]:
    """Return figures at other instants, with their ends where they were: there the power holds."""
    if not by_s:
        return at_s, value
    first, last = float(at_s[0]), float(at_s[-1])
    at_s = at_s + by_s
    if by_s < 0:
        slope = (value[-1] - value[-2]) / (at_s[-1] - at_s[-2]) if form == "counter" else 0.0
        end = value[-1] - slope * by_s
        return np.append(at_s, last), np.append(value, end)
    slope = (value[1] - value[0]) / (at_s[1] - at_s[0]) if form == "counter" else 0.0
    return np.append(first, at_s), np.append(value[0] - slope * by_s, value)


def joined(parts: list[Series]) -> Series:
    """Return the sum of columns of one form, at the instants of the first.

    A figure of another column at those instants lies on a straight line between its own.
    """
    first = parts[0]
    begin = max(part.at_s[0] for part in parts)
    end = min(part.at_s[-1] for part in parts)
    # The ends are those that all of them share, to a step.
    keep = (first.at_s >= begin - first.step_s) & (first.at_s <= end + first.step_s)
    at_s = first.at_s[keep]
    total = np.sum([np.interp(at_s, part.at_s, part.value) for part in parts], axis=0)
    resets = sorted({each for part in parts for each in part.resets_s})
    unknown = sorted({each for part in parts for each in part.unknown_s})
    return replace(
        first, name=" + ".join(part.name for part in parts), at_s=at_s, value=total,
        step=max(part.step for part in parts) * len(parts) ** 0.5,
        half_s=max(part.half_s for part in parts), late_s=max(part.late_s for part in parts),
        resets_s=tuple(resets), unknown_s=tuple(unknown),
    )  # fmt: skip


def can_join(parts: list[Series]) -> bool:
    """Tell whether columns are read together: one form, one step, and hardly apart in time."""
    first = parts[0]
    for part in parts[1:]:
        if part.form != first.form or abs(part.step_s - first.step_s) > 0.1 * first.step_s:
            return False
        near = np.clip(np.searchsorted(part.at_s, first.at_s), 1, part.at_s.size - 1)
        away = np.minimum(
            np.abs(part.at_s[near] - first.at_s), np.abs(first.at_s - part.at_s[near - 1])
        )
        if float(np.median(away)) > 0.2 * first.step_s:
            return False
    return True


def _unwrapped(
    at_s: Vector, value: Vector, wraps_at: float | None
) -> tuple[Vector, tuple[float, ...]]:
    """Return a counter that never falls, and when it began anew without a known wrap."""
    falls = np.diff(value) < 0
    if not falls.any():
        return value, ()
    if wraps_at:
        return value + wraps_at * np.concatenate([[0], np.cumsum(falls)]), ()
    lift = np.concatenate([[0.0], np.cumsum(np.where(falls, -np.diff(value), 0.0))])
    return value + lift, tuple(float(each) for each in at_s[1:][falls])


def _shown_period(at_s: Vector, value: Vector, read_s: float) -> float | None:
    """Return the update period, s, where figures are repeated until they are renewed."""
    changed = np.flatnonzero(np.diff(value) != 0)
    if not changed.size:
        return None
    middle = int(changed[changed.size // 2])
    part = slice(max(0, middle - _LOOKED // 2), middle + _LOOKED // 2)
    try:
        found = update_period(at_s[part], value[part]).value
    except ValueError:
        return None
    return float(found) if found > _SEEN * read_s else None


def _renewed(
    at_s: Vector, value: Vector, period: float, read_s: float
) -> tuple[Vector, Vector, float]:
    """Return the figures that are new, in a long row of equal ones one a period.

    The last number is half of the time in which each was renewed, s. Where renewals keep a beat,
    all of them together tell it better than one.
    """
    places = np.flatnonzero(np.diff(value) != 0) + 1
    times, figures = (at_s[places] + at_s[places - 1]) / 2, value[places]
    turns = np.concatenate([[0], np.cumsum(np.maximum(np.round(np.diff(times) / period), 1))])
    half_s = read_s / 2
    if times.size > 2:
        line = np.polyfit(turns, times, 1)
        beat = np.polyval(line, turns)
        if float(np.abs(times - beat).max()) < 1.5 * half_s:
            times, half_s = beat, 1.2 * half_s / times.size**0.5
    before = int((times[0] - at_s[0]) / period)
    after = int((at_s[-1] - times[-1]) / period)
    every = np.arange(-before, turns[-1] + after + 1)
    at = np.interp(every, turns, times)
    at = np.where(every < 0, times[0] + every * period, at)
    at = np.where(every > turns[-1], times[-1] + (every - turns[-1]) * period, at)
    shown = np.searchsorted(turns, every, side="right") - 1
    return at, np.where(shown < 0, value[0], figures[shown]), half_s


def _resolution(value: Vector) -> float:
    """Return the smallest step of figures; 0 where there is none.

    Changes of one or two sizes alone may be a steady power; then it is the last digit that counts.
    """
    part = value[:_LOOKED]
    try:
        found = resolution(part)
    except ValueError:
        return 0.0
    if found.checks and (np.diff(part) != 0).all():
        for step in (1.0, 0.1, 0.01, 0.001):
            if np.allclose(part, np.round(part / step) * step, rtol=0, atol=1e-3 * step):
                return step
        return 0.0
    return float(found.value)


def _stamp(at_ns: NDArray[np.int64]) -> float:
    """Return the step of times as they are written: 1 s, or down to 1 ms; else 0."""
    for step in (1_000_000_000, 100_000_000, 10_000_000):
        if not (at_ns % step).any():
            return step / 1e9
    return 0.0
