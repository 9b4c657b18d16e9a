"""How a power meter responds to a change: over what time it averages, in which form, how late.

A figure may be the mean over a window (a boxcar), or an exponential mean (a filter with a time
constant). Beside a finer reference least squares tell them apart. What both have is a mean delay:
half of the window, or the time constant, and the lag.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.alignment import lags_of, newey_west
from calibrate.stats.estimate import Estimate, Vector, check_level, measured, t_estimate
from calibrate.stats.line import least_squares as straight_line
from calibrate.stats.response import counted, instants_and_values, renewals

#: Renewals below which a response is a guess.
_LEAST = 8
#: Spans (windows or time constants) and lags that are tried.
_SPANS, _LAGS = 60, 41
#: Spans of one mean delay that are tried.
_FINE = 120
#: Minima among them that are looked at closely.
_MINIMA = 4
#: A fit whose deviance is larger by less than this is no worse (chi2 of two degrees, 99 %).
_NEARLY = 9.2
#: Gains that a meter of watts may have beside a reference of watts.
_GAINS = (0.8, 1.25)
#: Rounding of figures, over their spread: what is below it is no misfit.
_ROUND = 1e-4

Form = Literal["window", "exponential"]
#: Mean delay of a form, in spans.
_SHARE: dict[Form, float] = {"window": 0.5, "exponential": 1.0}


@dataclass(frozen=True)
class PowerResponse:
    """What a power reading is a mean of.

    Parameters
    ----------
    form : ``window`` for the mean over a stretch of time, ``exponential`` for one that forgets.
    span_s : length of the window, or the time constant.
    lag_s : how long before the renewal the newest power in a figure was.
    mean_delay_s : how late a figure is on average: half of the window, or the time constant, and
        the lag.
    gain, offset_w : of the meter over the reference.
    residual_w : sd of what is left.
    """

    form: Form
    span_s: Estimate
    lag_s: Estimate
    mean_delay_s: Estimate
    gain: float
    offset_w: float
    residual_w: float


@dataclass(frozen=True)
class AveragingWindow:
    """What a power reading is a mean of.

    Parameters
    ----------
    window_s : length of the stretch it averages over.
    lag_s : how long before the renewal that stretch ends.
    gain, offset_w : of the meter over the reference.
    residual_w : sd of what is left.
    """

    window_s: Estimate
    lag_s: Estimate
    gain: float
    offset_w: float
    residual_w: float


def averaging_window(
    at_s: ArrayLike,
    watts: ArrayLike,
    reference_at_s: ArrayLike,
    reference_j: ArrayLike,
    *,
    longest_s: float = 3.0,
    longest_lag_s: float = 1.0,
    level: float = 0.95,
) -> AveragingWindow:
    """Return over what stretch of time a power reading is a mean.

    Parameters
    ----------
    at_s, watts, reference_at_s, reference_j, longest_s, longest_lag_s, level : as in
        `power_response`.

    Returns
    -------
    AveragingWindow : window and lag, s, gain and offset over the reference.

    Raises
    ------
    ValueError : as in `power_response`; a meter that responds exponentially has no window.

    Notes
    -----
    `power_response` of the form ``window``. A square wave whose half-period is longer than the
    window shows it best; one near the update period shows part-time sampling (Yang, Adamek &
    Armour, arXiv:2312.02741, section 4).
    """
    found = power_response(
        at_s, watts, reference_at_s, reference_j,
        longest_s=longest_s, longest_lag_s=longest_lag_s, level=level,
    )  # fmt: skip
    if found.form == "exponential":
        raise ValueError(
            f"It responds exponentially, with a time constant of {found.span_s.value:.3g} s: there "
            "is no window."
        )
    return AveragingWindow(found.span_s, found.lag_s, found.gain, found.offset_w, found.residual_w)


def power_response(
    at_s: ArrayLike,
    watts: ArrayLike,
    reference_at_s: ArrayLike,
    reference_j: ArrayLike,
    *,
    longest_s: float = 3.0,
    longest_lag_s: float = 1.0,
    watts_known: bool = True,
    level: float = 0.95,
) -> PowerResponse:
    """Return what a power reading is a mean of: a window or an exponential, and how late it is.

    Parameters
    ----------
    at_s, watts : readings of the meter, shape (n,).
    reference_at_s, reference_j : cumulative energy by a finer reference, shape (m,); it must
        begin `longest_s + longest_lag_s` before the meter.
    longest_s, longest_lag_s : largest window (time constant: a third of it) and lag looked for.
    watts_known : whether the reference is in watts, so that a gain far from 1 speaks against a fit.
    level : coverage probability.

    Returns
    -------
    PowerResponse : s, W.

    Raises
    ------
    ValueError : a power that does not change, too few renewals, a reference that does not reach
        back, a span shorter than readings can show, or two spans that fit alike.

    Notes
    -----
    At a renewal the meter shows gain times mean plus offset, found by least squares over span and
    lag (gain and offset are linear and follow), for both forms; the form with the smaller misfit is
    taken. Under a square wave of half duty a window W and one of the period less W fit alike, with
    another gain: they are told apart by the gain where the reference is in watts, else refused. The
    covariance is Newey & West's (Econometrica 1987;55:703), since successive figures overlap.
    """
    when, shown, t, e, read_s = _data(
        at_s, watts, reference_at_s, reference_j, longest_s, longest_lag_s
    )
    step = float(np.median(np.diff(t)))
    low = max(step, longest_s / 300)
    forms: tuple[tuple[Form, float], ...] = (
        ("window", longest_s),
        ("exponential", longest_s / 3),
    )
    fits = [
        fit
        for form, most in forms
        for fit in _Search(
            form, _mean_of(form, t, e), when, shown, np.geomspace(low, most, _SPANS),
            longest_lag_s, step,
        ).fits()
    ]  # fmt: skip
    best = _chosen(fits, when, shown, watts_known)
    if best.span_s < read_s:
        raise ValueError(
            f"The window is shorter than readings every {read_s:.3g} s can show. Read it more "
            "often."
        )
    return _result(best, when, step, read_s, check_level(level))


def _data(
    at_s: ArrayLike, watts: ArrayLike, reference_at_s: ArrayLike, reference_j: ArrayLike,
    longest_s: float, longest_lag_s: float,
) -> tuple[Vector, Vector, Vector, Vector, float]:  # fmt: skip
    """Return renewals and figures within the reference, the reference, and the reading distance."""
    when, shown = renewals(at_s, watts)
    t, e = instants_and_values(reference_at_s, reference_j)
    read_s = float(np.median(np.diff(measured("at_s", at_s))))
    if when.size >= _LEAST:
        when = _paced(when, 1.5 * read_s)
    keep = (when - longest_s - longest_lag_s >= t[0]) & (when <= t[-1])
    when, shown = when[keep], shown[keep]
    if when.size < _LEAST:
        raise ValueError(
            f"{when.size} renewals lie within the reference; a window takes {_LEAST}. Begin the "
            "reference earlier and record for longer."
        )
    power = np.diff(e) / np.diff(t)
    if float(np.ptp(power)) <= 1e-9 * float(np.abs(power).max()) or float(np.ptp(shown)) == 0.0:
        raise ValueError("The power does not change: no window can be seen. Use a square wave.")
    return when, shown, t, e, read_s


def _paced(when: Vector, read_s: float) -> Vector:
    """Return the instants of renewals on the beat that they keep, if they keep one.

    Each is seen up to a reading late; taken as seen, that would widen every window.
    """
    count, _ = counted(when, read_s / 1.5)
    beat = straight_line(count, when).at(count)
    return beat if float(np.abs(when - beat).max()) <= read_s else when


#: Instants and a span -> the mean power that ends there.
Mean = Callable[[Vector, float], Vector]


def _mean_of(form: Form, t: Vector, e: Vector) -> Mean:
    """Return how the reference is averaged: over a window, or with weights that fall off."""
    if form == "window":
        return lambda at, span: (np.interp(at, t, e) - np.interp(at - span, t, e)) / span
    from scipy.signal import lfilter

    step = float(np.median(np.diff(t)))
    grid = np.arange(t[0], t[-1] + step / 2, step)
    power = np.diff(np.interp(grid, t, e)) / step

    @lru_cache(maxsize=4)
    def faded(span: float) -> Vector:
        kept = math.exp(-step / span)
        start = np.array([power[: max(int(span / step), 1)].mean() * kept])
        return np.asarray(lfilter([1 - kept], [1, -kept], power, zi=start)[0])

    return lambda at, span: np.asarray(np.interp(at, grid[1:], faded(float(span))))


@dataclass(frozen=True)
class _Fit:
    """A form with a span and a lag: what it leaves, and how that goes with them."""

    form: Form
    span_s: float
    lag_s: float
    gain: float
    offset_w: float
    rest: Vector
    jacobian: Vector

    @property
    def loss(self) -> float:
        return float(self.rest @ self.rest)


@dataclass(frozen=True)
class _Search:
    """The least squares of one form over span and lag.

    Parameters
    ----------
    mean : of the reference, by instants and span.
    when, shown : renewals, s, and figures, W, shape (n,).
    spans : that are tried.
    longest_lag_s, step_s : largest lag, and distance of the reference's readings.
    """

    form: Form
    mean: Mean
    when: Vector
    shown: Vector
    spans: Vector
    longest_lag_s: float
    step_s: float

    def linear(self, span: float, lag: float) -> tuple[Vector, Vector]:
        """Return residuals and (gain, offset)."""
        columns = np.column_stack([self.mean(self.when - lag, span), np.ones(self.when.size)])
        found = np.asarray(np.linalg.lstsq(columns, self.shown, rcond=None)[0], dtype=np.float64)
        return self.shown - columns @ found, found

    def fits(self) -> list[_Fit]:
        """Return the fits at the deepest minima."""
        lags = np.linspace(0.0, self.longest_lag_s, _LAGS)
        losses = np.array(
            [[float((self.linear(s, lag)[0] ** 2).sum()) for lag in lags] for s in self.spans]
        )
        rows, columns = losses.shape
        wide = np.pad(losses, 1, constant_values=math.inf)
        beside = [
            wide[1 + i : rows + 1 + i, 1 + j : columns + 1 + j]
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
        ]
        minima = np.argwhere(losses <= np.min(beside, axis=0))
        deepest = sorted(minima, key=lambda at: float(losses[tuple(at)]))[:_MINIMA]
        found = [self._near(float(self.spans[i]), float(lags[j])) for i, j in deepest]
        best = min(found, key=lambda fit: fit.loss)
        return found + [self._near(*each) for each in self._as_late_as(best)]

    def _as_late_as(self, best: _Fit) -> list[tuple[float, float]]:
        """Return spans and lags of the same mean delay at which the misfit has a minimum too.

        They are close to one another: a window, and the period of the load less it.
        """
        share = _SHARE[self.form]
        delay = best.lag_s + share * best.span_s
        spans = np.linspace(self.spans[0], min(float(self.spans[-1]), delay / share), _FINE)
        each = [
            (float(span), lag)
            for span in spans
            for lag in [max(delay - share * float(span), 0.0)]
            if lag <= self.longest_lag_s and span >= self.spans[0]
        ]
        if len(each) < 3:
            return []
        losses = np.array([float((self.linear(*at)[0] ** 2).sum()) for at in each])
        low = np.flatnonzero((losses[1:-1] <= losses[:-2]) & (losses[1:-1] <= losses[2:])) + 1
        low = np.append(low, np.flatnonzero([losses[-1] < losses[-2]]) + losses.size - 1)
        return [each[i] for i in sorted(low, key=lambda i: float(losses[i]))[:_MINIMA]]

    def _near(self, span: float, lag: float) -> _Fit:
        """Return the least squares near a span and a lag."""
        from scipy.optimize import least_squares

        step = self.step_s
        best = least_squares(
            lambda p: self.linear(p[0], p[1])[0],
            [span, lag],
            bounds=([step / 4, -step], [1.2 * self.spans[-1], 1.2 * self.longest_lag_s + step]),
            diff_step=max(step / 2 / span, 1e-3),
            x_scale=[span, max(lag, step)],
        )
        span, lag = (float(p) for p in best.x)
        rest, (gain, offset) = self.linear(span, lag)
        mean = self.mean(self.when - lag, span)
        jacobian = np.column_stack([mean, np.ones(mean.size), *(-best.jac.T)])
        return _Fit(self.form, span, lag, float(gain), float(offset), rest, jacobian)


def _chosen(fits: list[_Fit], when: Vector, shown: Vector, watts_known: bool) -> _Fit:
    """Return the fit with the least misfit, or refuse where another says something else."""
    floor = shown.size * (_ROUND * float(np.std(shown))) ** 2
    fits = sorted(fits, key=lambda fit: fit.loss)
    # Figures of which each overlaps others say less than as many that do not.
    nearly = _NEARLY * _overlap(fits[0], when) / shown.size
    alike = [f for f in fits if math.log((f.loss + floor) / (fits[0].loss + floor)) < nearly]
    if watts_known:
        alike = [fit for fit in alike if _GAINS[0] <= fit.gain <= _GAINS[1]] or alike
    for other in alike[1:]:
        if _far(other, alike[0]):
            raise ValueError(
                f"A {alike[0].form} of {alike[0].span_s:.3g} s and a {other.form} of "
                f"{other.span_s:.3g} s fit alike. Use a square wave of another period, whose "
                "halves differ."
            )
    return alike[0]


def _overlap(fit: _Fit, when: Vector) -> float:
    """Return over how many renewals a figure is a mean."""
    return max(fit.span_s / float(np.median(np.diff(when))), 1.0)


def _far(fit: _Fit, best: _Fit) -> bool:
    """Return whether two fits say something else of the meter."""
    same = fit.form == best.form
    return not same or abs(fit.span_s - best.span_s) > 0.1 * best.span_s


def _result(best: _Fit, when: Vector, step: float, read_s: float, level: float) -> PowerResponse:
    """Return estimates of a fit."""
    n = when.size
    overlap = _overlap(best, when)
    covariance = newey_west(
        best.jacobian, best.rest, min(lags_of(n, math.ceil(1.5 * overlap)), n // 3)
    )[2:, 2:]
    # Both ends of a window are off alike; only the lag is, where readings and renewals keep step.
    edge = step**2 / 12 + read_s**2 / 12
    share = _SHARE[best.form]
    variances = (
        covariance[0, 0] + edge / n,
        covariance[1, 1] + edge,
        share**2 * covariance[0, 0] + covariance[1, 1] + 2 * share * covariance[0, 1] + edge,
    )
    values = best.span_s, best.lag_s, share * best.span_s + best.lag_s
    df, how = max(n / overlap - 4, 1.0), f"least squares, {best.form}; Newey-West, t"
    span, lag, delay = (
        t_estimate(
            value, math.sqrt(max(float(variance), 0.0)), df,
            level=level, method=how, n_runs=n, n_clusters=1,
        )
        for value, variance in zip(values, variances, strict=True)
    )  # fmt: skip
    sd = math.sqrt(best.loss / max(n - 4, 1))
    return PowerResponse(best.form, span, lag, delay, best.gain, best.offset_w, sd)


def duty_cycle(window_s: Estimate, update_s: Estimate) -> Estimate:
    """Return the share of the time that a meter sees: window over update period, at most 1.

    Parameters
    ----------
    window_s, update_s : of `averaging_window` and `update_period`.

    Returns
    -------
    Estimate : a share, 0 to 1.

    Raises
    ------
    ValueError : a window or an update period that is not above zero.

    Notes
    -----
    Yang, Adamek & Armour, arXiv:2312.02741: 25 of 100 ms on A100 and H100.
    """
    if not (window_s.value > 0 and update_s.value > 0):
        raise ValueError(
            f"A window of {window_s.value:g} s and an update period of {update_s.value:g} s have "
            "no duty cycle; both must be above zero."
        )
    share = window_s.value / update_s.value
    relative = math.hypot(*((e.u or 0.0) / e.value for e in (window_s, update_s)))
    return t_estimate(
        min(share, 1.0),
        share * relative,
        max(min(window_s.n_runs, update_s.n_runs) - 2, 1),
        level=window_s.level,
        method="window over update period",
        n_runs=window_s.n_runs,
        n_clusters=1,
        checks=("It averages over more than one update period: all is seen.",) if share > 1 else (),
    )
