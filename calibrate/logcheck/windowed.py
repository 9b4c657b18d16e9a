"""The energy of a window of one series, and what the readings leave open of it.

A power that is sampled is joined by straight lines. Between two readings it may have changed at any
moment: a rectangle for each large change, and what the variogram says of the rest. A count, or a
mean since the reading before, is known from one instant to the next; open are the parts of the
two intervals in which the window begins and ends. A gap may hide what stretches of the log of the
same length show.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibrate.logcheck.parts import Part, combined
from calibrate.logcheck.reason import Code, Reason
from calibrate.logcheck.series import GAP_STEPS, Series, Vector
from calibrate.logcheck.variation import LEAST, Variation, variation

Flags = NDArray[np.bool_]
#: A change of more than so many robust standard deviations of all changes is a step of the load.
_LARGE = 6.0
#: Of more steps of the load than this in a window the sum is normal, and the variogram has them.
_MOST_STEPS = 12
#: Stretches of the log, apart from each other, that say what a gap may hide; most that are asked.
_STRETCHES, _ASKED = 4, 5000
#: What rounding leaves of an instant, s.
_SLACK_S = 1e-6
#: Intervals beside one that is cut which show its levels.
_AROUND = 3
#: A change over an interval of more than so many usual ones is a step within it.
_STEP = 4.0
#: Readings in a window below which nothing is said of a sampled power, and of a count.
LEAST_READINGS = {"sampled": 10, "averaged": 4, "counter": 4}


@dataclass(frozen=True)
class Measured:
    """The energy of a window of one series.

    Parameters
    ----------
    name, form : of the series.
    joules : J; None where the log does not have it.
    u_j, expanded_j : standard and expanded uncertainty (95 %), J; None where they are not known.
    parts : what the uncertainty is made of, J, by name; the largest first.
    seconds : length of the window.
    readings : figures that were new in the window.
    step_s : the usual time from one to the next.
    update_s : update period, s; None where it is not known.
    seen : whether the log itself shows it.
    gaps : pauses in the window, and how long they are together, s.
    late_j : what a delay of the meter of one second would move over the ends, J per s.
    least_s : the shortest window at the same load whose uncertainty is within the need; None where
        it is not known, or this one is long enough.
    reasons : what the log does not allow.
    """

    name: str
    form: str
    joules: float | None
    u_j: float | None
    expanded_j: float | None
    parts: dict[str, float]
    seconds: float
    readings: int
    step_s: float
    update_s: float | None
    seen: bool
    gaps: tuple[int, float]
    late_j: float | None
    least_s: float | None
    reasons: tuple[Reason, ...]

    @property
    def k(self) -> float | None:
        """The coverage factor."""
        if self.u_j is None or self.expanded_j is None:
            return None
        return self.expanded_j / self.u_j if self.u_j else 2.0


def measure(series: Series, begin_s: float, end_s: float, need: float) -> Measured:
    """Return the energy of a window.

    Parameters
    ----------
    series : figures of a meter.
    begin_s, end_s : the window, s since the log began.
    need : the relative uncertainty that is admitted.
    """
    reasons = _bars(series, begin_s, end_s)
    missing = [each.code for each in reasons]
    at, seconds = series.at_s, end_s - begin_s
    inside = series.between(begin_s, end_s)
    steps = np.diff(at)
    here = (at[1:] > begin_s) & (at[:-1] < end_s)
    long = here & (steps > GAP_STEPS * series.step_s)
    paused = np.minimum(at[1:], end_s) - np.maximum(at[:-1], begin_s)
    gaps = int(long.sum()), float(paused[long].sum())
    empty = Measured(
        series.name, series.form, None, None, None, {}, seconds, inside, series.step_s,
        series.update_s, series.seen, gaps, None, None, (*reasons,),
    )  # fmt: skip
    if Code.NOT_COVERED in missing or Code.UNKNOWN_STRETCH in missing:
        return empty
    least = LEAST_READINGS[series.form]
    exact = series.form != "sampled" and _on_readings(series, begin_s, end_s)
    if inside < least and not exact:
        return replace(
            empty, least_s=(least + 1) * series.step_s,
            reasons=(*reasons, _too_short(empty, least)),
        )  # fmt: skip
    cells = _Cells(series, begin_s, end_s)
    joules, parts, told = cells.sampled() if series.form == "sampled" else cells.counted()
    u_j, expanded = combined(parts)
    named = {part.name: part.total_j for part in parts if part.total_j > 0}
    least_s = None
    if joules > 0 and expanded > need * joules:
        least_s = _least(parts, expanded / u_j, joules / seconds, seconds, need)
    known = all(each.code is not Code.GAP_NOT_KNOWN for each in told)
    return replace(
        empty,
        joules=joules,
        u_j=u_j if known else None,
        expanded_j=expanded if known else None,
        parts=dict(sorted(named.items(), key=lambda each: -each[1])),
        late_j=abs(cells.first_w - cells.last_w),
        least_s=least_s,
        reasons=(*reasons, *told),
    )


def _too_short(found: Measured, least: int) -> Reason:
    return Reason(
        Code.TOO_SHORT,
        f"the window of {found.seconds:.3g} s has {found.readings} new figures of the meter; it "
        f"takes {least}: at least {(least + 1) * found.step_s:.3g} s",
        found.name,
    )


def _bars(series: Series, begin_s: float, end_s: float) -> list[Reason]:
    """Return what forbids an answer, and what is to be known of the window."""
    found = []
    first, last = float(series.at_s[0]), float(series.at_s[-1])
    if begin_s < first - _SLACK_S or end_s > last + _SLACK_S:
        found.append(
            Reason(
                Code.NOT_COVERED,
                f"it has readings from +{first:.3f} s to +{last:.3f} s of the log; the window is "
                f"+{begin_s:.3f} s to +{end_s:.3f} s",
                series.name,
            )
        )
    resets = [each for each in series.resets_s if begin_s < each <= end_s]
    if resets:
        times = "once" if len(resets) == 1 else f"{len(resets)} times"
        found.append(
            Reason(
                Code.COUNTER_RESET,
                f"the counter fell {times} in the window, first at +{resets[0]:.3f} s: what it "
                "counted between is a lower bound",
                series.name,
            )
        )
    unknown = [
        (a, b) for a, b in series.unknown_s if b > begin_s + _SLACK_S and a < end_s - _SLACK_S
    ]
    if unknown:
        a, b = unknown[0]
        found.append(
            Reason(
                Code.UNKNOWN_STRETCH,
                f"nothing is recorded from +{a:.3f} s to +{b:.3f} s, in the window: choose "
                "one of the runs that the meter measured",
                series.name,
            )
        )
    if series.exact and _on_readings(series, begin_s, end_s):
        found.append(
            Reason(
                Code.ONLY_TOTAL,
                "the log has what the meter says of whole runs or intervals: how well it knows "
                "that is not in the log, and not in U",
                series.name,
            )
        )
    if not series.seen and series.update_s is None:
        found.append(
            Reason(
                Code.PERIOD_NOT_KNOWN,
                f"every reading is new, so the meter is renewed within {series.step_s:.3g} s; a "
                "delay that it may have is not in U",
                series.name,
            )
        )
    return found


def _on_readings(series: Series, begin_s: float, end_s: float) -> bool:
    """Tell whether a window begins and ends at readings."""
    return all(bool(np.any(np.abs(series.at_s - edge) < 1e-3)) for edge in (begin_s, end_s))


class _Cells:
    """The intervals between figures that have a part in a window."""

    def __init__(self, series: Series, begin_s: float, end_s: float) -> None:
        self.series = series
        at = series.at_s
        low = max(int(np.searchsorted(at, begin_s, side="right")) - 1, 0)
        high = min(int(np.searchsorted(at, end_s, side="left")), at.size - 1)
        self.low, self.high = low, max(high, low + 1)
        self.at = at[self.low : self.high + 1]
        self.value = series.value[self.low : self.high + 1]
        self.steps = np.diff(self.at)
        #: Where in its interval the window begins and ends, 0 to 1.
        self.from_ = np.clip((begin_s - self.at[:-1]) / self.steps, 0, 1)
        self.to = np.clip((end_s - self.at[:-1]) / self.steps, 0, 1)
        self.long = self.steps > GAP_STEPS * series.step_s
        self.window_s = begin_s, end_s
        if series.form == "sampled":
            ends = np.interp([begin_s, end_s], self.at, self.value)
        else:
            ends = _means(series, self.low, self.high)[[0, -1]]
        self.first_w, self.last_w = map(float, ends)

    def sampled(self) -> tuple[float, list[Part], list[Reason]]:
        """Return joules of straight lines between readings, and what is open."""
        left, right = self.value[:-1], self.value[1:]
        change, inside = right - left, self.to - self.from_
        middle = (self.from_ + self.to) / 2
        joules = float(np.sum(self.steps * inside * (left + change * middle)))
        large = _large(change, ~self.long, self.series.step)
        share = inside**3 * (4 - 3 * inside)  # of the variance of a whole interval
        edge = np.zeros(large.size, bool)
        edge[[0, -1]] = (inside[[0, -1]] < 1) & large[[0, -1]]
        rectangles = np.abs(change * self.steps) * np.sqrt(share / 12)
        # A window mostly begins and ends where the load changes: as likely at its very end as
        # anywhere in the interval.
        ends = []
        for place in np.flatnonzero(edge):
            inner = 1.0 if self.from_[place] > 0 else -1.0
            moved = inner * float(change[place] * self.steps[place] * inside[place] ** 2) / 4
            joules += moved
            ends.append(math.sqrt(float(rectangles[place]) ** 2 / 2 + moved**2))
        parts = [
            Part("changes between readings", tuple(rectangles[large & ~edge]), rectangular=True),
            Part("changes at the ends", tuple(ends)),
        ]
        rest = np.concatenate([[0.0], np.cumsum(np.where(large | self.long, 0.0, change))])
        varies = _varies(rest)
        weights = np.zeros(self.at.size)
        weights[:-1] += self.steps * inside * (1 - middle)
        weights[1:] += self.steps * inside * middle
        scatter = varies.within * float(np.sum(weights**2))
        scatter += varies.between * float(np.sum((self.steps**2 * share)[~self.long & ~large]))
        parts.append(Part("scatter between readings", (math.sqrt(scatter),), df=varies.df))
        parts.append(self._rounding(self.value))
        gaps, told = self._gaps(change)
        return joules, [*parts, *self._moved(), *gaps], told

    def counted(self) -> tuple[float, list[Part], list[Reason]]:
        """Return joules from one instant to another, and what is open."""
        series = self.series
        # Some intervals more on each side say how the power was before and after.
        low = max(self.low - _AROUND, 0)
        high = min(self.high + _AROUND, series.at_s.size - 1)
        powers = _means(series, low, high)
        mine = powers[self.low - low : self.low - low + self.steps.size]
        joules = float(np.sum(mine * self.steps * (self.to - self.from_)))
        step = series.step if series.form == "averaged" else series.step / series.step_s
        change = np.diff(powers)
        large = _large(change, np.ones(change.size, bool), step)
        varies = _varies(np.concatenate([[0.0], np.cumsum(np.where(large, 0.0, change))]))
        usual = float(np.median(np.abs(change))) if change.size else 0.0
        ends, instants, told = [], [], []
        moment = series.half_s + series.late_s / 2
        for place, share in ((0, float(self.from_[0])), (-1, float(self.to[-1]))):
            index = self.low - low if place == 0 else self.low - low + self.steps.size - 1
            length = float(self.steps[place])
            spread = share * (1 - share)
            cut = _cut(powers, index, share, length, usual, varies, begins=place == 0)
            if spread and self.long[place]:
                told.append(self._end_in_gap(length))
                hidden = hidden_j(series, length, 0.0, share, self.window_s)
                if hidden is None:
                    told.append(self._not_known(place, length))
                joules += -cut.shift_j / 2 if place == 0 else cut.shift_j / 2
                ends.append(math.hypot(hidden or 0.0, cut.shift_j / 2, cut.u_j))
            elif spread:
                joules += -cut.shift_j if place == 0 else cut.shift_j
                variance = 0.0 if cut.placed else varies.inside(share) * length**2
                ends.append(math.sqrt(variance + cut.u_j**2))
            instants += [each * moment / math.sqrt(3) for each in (cut.left_w, cut.right_w)]
        parts = [Part("parts of intervals at the ends", tuple(ends), df=varies.df)]
        if series.form == "counter":
            rounding = series.step / math.sqrt(12)
            parts += [
                Part("moment of the update", tuple(instants), rectangular=True),
                Part("rounding", (rounding, rounding), rectangular=True),
                *self._stamped(),
            ]
            return joules, parts, told
        inner = np.abs(np.diff(mine)) * moment / math.sqrt(3)
        parts += [
            self._rounding(self.value[1:]),
            Part("moment of the update", tuple(inner), rectangular=True),
            *self._moved(),
        ]
        if self.long.any():
            # A mean is of its own step only: nothing was recorded in the rest of a gap.
            more, also = self._gaps(np.diff(self.value))
            parts += more
            told = also
        return joules, parts, told

    def _rounding(self, value: Vector) -> Part:
        """Return what rounding leaves: in a row of equal figures the error is the same."""
        rows = np.concatenate([[True], np.diff(value) != 0])
        length = np.add.reduceat(np.full(value.size, self.series.step_s), np.flatnonzero(rows))
        u = self.series.step / math.sqrt(12) * float(np.sqrt(np.sum(length**2)))
        return Part("rounding", (u,), rectangular=True)

    def _moved(self) -> list[Part]:
        """Return what a delay of the readings moves over the ends.

        Times that are cut to a step are late by a part of it, which creeps from reading to reading
        where these do not keep in step with the clock; each time it starts again, one is left out.
        """
        change = abs(self.first_w - self.last_w) / math.sqrt(3)
        half = self.series.half_s + self.series.late_s / 2
        found = [Part("update period", (change * half,), rectangular=True)]
        if self.series.stamp_s:
            left_out = int(
                np.sum(np.abs(self.steps - self.series.step_s) > self.series.stamp_s / 2)
            )
            places = np.linspace(0, self.value.size - 1, min(2 * left_out + 2, self.value.size))
            level = self.value[places.round().astype(int)]
            level[[0, -1]] = self.first_w, self.last_w
            stamp = self.series.stamp_s / 2 / math.sqrt(3)
            moved = float(np.sqrt(np.sum(np.diff(level) ** 2)))
            found.append(Part("step of the times", (moved * stamp,), rectangular=True))
        return found

    def _stamped(self) -> list[Part]:
        """Return what the step of the times leaves open of a count at both ends."""
        if self.series.exact and _on_readings(self.series, *self.window_s):
            return []  # what a run used is what it used, whenever it was
        half = self.series.stamp_s / 2 / math.sqrt(3)
        ends = (abs(self.first_w) * half, abs(self.last_w) * half)
        return [Part("step of the times", ends, rectangular=True)]

    def _gaps(self, change: Vector) -> tuple[list[Part], list[Reason]]:
        """Return what gaps may hide, as stretches of the log of their length show."""
        found, told = [], []
        for place in [int(each) for each in np.flatnonzero(self.long)]:
            length, from_, to = (float(each[place]) for each in (self.steps, self.from_, self.to))
            share = to - from_
            hidden = hidden_j(self.series, length, from_, to, self.window_s)
            if hidden is None:
                told.append(self._not_known(place, length))
                continue
            jump = abs(float(change[place])) * length * share**1.5 * math.sqrt((4 - 3 * share) / 12)
            found.append(max(hidden, jump))
            if share < 1:
                told.append(self._end_in_gap(length))
        if found:
            words = f"{len(found)} gaps in the window" if len(found) > 1 else "a gap in the window"
            told.append(Reason(Code.GAPS, words, self.series.name))
        return [Part("gaps", tuple(found))], told

    def _not_known(self, place: int, length: float) -> Reason:
        return Reason(
            Code.GAP_NOT_KNOWN,
            f"nothing was read for {length:.3g} s from +{self.at[place]:.3f} s, and the log has no "
            f"{_STRETCHES} stretches of that length that would show what may be hidden",
            self.series.name,
        )

    def _end_in_gap(self, length: float) -> Reason:
        return Reason(
            Code.END_IN_GAP,
            f"a gap of {length:.3g} s lies over an end of the window",
            self.series.name,
        )


def _means(series: Series, low: int, high: int) -> Vector:
    """Return the mean power of the intervals from one figure to another, W."""
    value = series.value[low : high + 1]
    if series.form == "averaged":
        return value[1:]
    return np.asarray(np.diff(value) / np.diff(series.at_s[low : high + 1]))


def _varies(values: Vector) -> Variation:
    """Return how figures vary; of few, their variance alone."""
    if values.size >= LEAST:
        return variation(values)
    return Variation(float(np.var(values)) if values.size > 1 else 0.0, (), max(values.size - 1, 1))


def _large(change: Vector, regular: Flags, step: float) -> Flags:
    """Tell which changes are steps of the load, where they are few."""
    usual = change[regular]
    if not usual.size:
        return np.zeros(change.size, bool)
    scale = 1.4826 * float(np.median(np.abs(usual)))
    found = regular & (np.abs(change) > max(_LARGE * scale, 3 * step)) & (change != 0)
    few = found.sum() <= min(_MOST_STEPS, max(usual.size // 4, 1))
    return found if few else np.zeros(change.size, bool)


@dataclass(frozen=True)
class _Cut:
    """What an interval has before a cut.

    Parameters
    ----------
    shift_j : beyond its share of the time, J.
    u_j : its standard uncertainty, J.
    left_w, right_w : what a second by which the first or the second of its readings is off moves.
    placed : whether it is known where the power changed; else it varies within as elsewhere.
    """

    shift_j: float
    u_j: float
    left_w: float
    right_w: float
    placed: bool = False


def _cut(
    powers: Vector,
    index: int,
    share: float,
    length: float,
    usual: float,
    varies: Variation,
    *,
    begins: bool,
) -> _Cut:
    """Return what an interval has before a cut.

    Where the power stepped within the interval, its mean says when: between the mean before and
    the mean after. Where it was even outside of the window alone, the window mostly begins or ends
    with the change. Where it rose or fell, it did so along a line. A mean that lies outside of both
    is a burst, which may be anywhere in it.

    Parameters
    ----------
    powers, index : mean power of intervals, W, and the place of the one that is cut.
    share : how much of the interval lies before the cut.
    length : of the interval, s.
    usual : median of the changes from one interval to the next, W.
    varies : how the power varies else.
    begins : whether the window begins at the cut; else it ends.
    """
    here = float(powers[index])
    plain = _Cut(0.0, 0.0, abs(here) * (1 - share), abs(here) * share)
    if index < 1 or index + 1 >= powers.size or not 0 < share < 1:
        return plain
    before, after = float(powers[index - 1]), float(powers[index + 1])
    least, most = min(before, after), max(before, after)
    spread = share * (1 - share)
    # A step stands between two levels; beside a slope there are none.
    levels = float(powers[max(index - 2, 0)]), float(powers[min(index + 2, powers.size - 1)])
    uneven = max(abs(levels[0] - before), abs(levels[1] - after))
    between = least <= here <= most
    if not between or most - least <= _STEP * usual or uneven > (most - least) / 4:
        outer = powers[max(index - _AROUND, 0) : index][::-1] if begins else (
            powers[index + 1 : index + 1 + _AROUND]
        )  # fmt: skip
        level = float(outer[0])
        if outer.size == _AROUND and abs(here - level) > _STEP * float(np.ptp(outer)) > 0:
            outside = share if begins else 1 - share
            moved = (level - here) * outside * length * (1 if begins else -1)
            watts = (abs(level), 0.0) if begins else (0.0, abs(level))
            return _Cut(moved, 0.15 * abs(moved), *watts, placed=True)
        if not between:
            out = max(here - most, least - here)
            burst = out * length * math.sqrt(spread) if out > _STEP * varies.next_w else 0.0
            return replace(plain, u_j=burst)
        bend = abs(after - 2 * here + before) / 4 * spread * length
        return replace(plain, shift_j=-(after - before) / 4 * spread * length, u_j=bend)
    when = (after - here) / (after - before)  # the share of the interval before the step
    early = share <= when
    have = share * before if early else when * before + (share - when) * after
    off = math.hypot(varies.next_w, levels[0] - before if early else levels[1] - after)
    return _Cut(
        (have - share * here) * length,
        off * (share if early else 1 - share) * length,
        abs(before),
        abs(after) * (0.0 if early and when - share > 0.1 else 0.5),
        placed=True,
    )


def hidden_j(
    series: Series, length: float, from_: float, to: float, window_s: tuple[float, float]
) -> float | None:
    """Return how far a straight line over a gap is off, J: the root mean square over the log.

    Parameters
    ----------
    series : the whole log.
    length : of the gap, s.
    from_, to : the part of it that is in the window, 0 to 1.
    window_s : stretches in this window are asked, and elsewhere where it has too few.

    Returns
    -------
    float : J; None where the log has too few stretches of that length without a gap.
    """
    for begin, end in (window_s, (float(series.at_s[0]), float(series.at_s[-1]))):
        off = _off_line(series, length, from_, to, begin, end)
        if off is not None:
            return off
    return None


def _off_line(
    series: Series, length: float, from_: float, to: float, begin_s: float, end_s: float
) -> float | None:
    """Return the root mean square over the stretches from one instant to another, J."""
    at, value = series.at_s, series.value
    counter = series.form == "counter"
    total = value if counter else np.concatenate(
        [[0.0], np.cumsum(np.diff(at) * (value[1:] + value[:-1]) / 2)]
    )  # fmt: skip
    long = np.concatenate([[0], np.cumsum(np.diff(at) > GAP_STEPS * series.step_s)])
    starts = at[(at >= begin_s) & (at <= end_s - length)]
    starts = starts[:: max(starts.size // _ASKED, 1)]
    high = np.minimum(np.searchsorted(at, starts + length), at.size - 1)
    starts = starts[long[high] == long[np.searchsorted(at, starts)]]
    if np.unique(np.floor(starts / length)).size < _STRETCHES:
        return None

    def joules(share: float) -> Vector:
        return np.asarray(np.interp(starts + share * length, at, total))

    true = joules(to) - joules(from_)
    if counter:
        line = (to - from_) * (joules(1.0) - joules(0.0))
    else:
        left, right = (np.interp(starts + each, at, value) for each in (0.0, length))
        line = (to - from_) * length * (left + (right - left) * (from_ + to) / 2)
    return float(np.sqrt(np.mean((true - line) ** 2)))


def _least(parts: list[Part], k: float, watts: float, seconds: float, need: float) -> float | None:
    """Return how long a window at this load has to be: ends stay, and scatter grows as its root."""
    fixed = sum(part.total_j**2 for part in parts if part.name not in _GROW) * k**2
    grows = sum(part.total_j**2 for part in parts if part.name in _GROW) * k**2 / seconds
    goal = (need * watts) ** 2
    # goal t^2 = fixed + grows t
    return (grows + math.sqrt(grows**2 + 4 * goal * fixed)) / (2 * goal)


_GROW = frozenset(("changes between readings", "scatter between readings", "gaps"))
