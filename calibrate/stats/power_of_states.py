"""Mean powers of states that alternate faster than a meter is read.

Between two readings a machine is in several states for a part of the time each: in a phase of one
kind, in one of another, in neither. The energy of the interval is the sum of power times time, so
that many intervals with different shares tell the powers, however short the states are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.alignment import lags_of, newey_west
from calibrate.stats.estimate import Vector, measured
from calibrate.stats.interval_errors import error_ratio, whitened

#: Intervals that there must be beyond the numbers that are estimated.
_LEAST = 12
#: Lags that are tried, in distances of readings, and how finely; windows of a power meter.
_LAGS = np.linspace(-0.5, 2.0, 26)
_WINDOWS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.5, 6.0, 8.0, 10.0, 12.0)
#: Ratio of singular values below which states have the same share everywhere.
_FLAT = 1e-3
#: A fit whose deviance is larger by less than this is no worse (chi2 of two degrees, 99 %).
_NEARLY = 9.2
#: Difference of powers, over the largest, from which two fits are different.
_OTHER = 0.05
#: Step of a derivative by the lag, in distances of readings.
_NUDGE = 0.02
#: Rounding of energies that are differences of large ones.
_ROUND = 1e-9


@dataclass(frozen=True)
class StatePowers:
    """Mean power of each state, with what the readings leave open.

    Parameters
    ----------
    watts : of each state, W, shape (k,).
    covariance : of them, W^2, shape (k, k).
    df : degrees of freedom of each variance, shape (k,): of as many intervals as have a say in it
        (Satterthwaite, Biometrics Bull 1946;2:110).
    lag_s, u_lag_s : how late the meter's figures are, s, with its standard uncertainty.
    window_s : of a power meter, what a figure is the mean of, s; None for a counter.
    """

    watts: Vector
    covariance: Vector
    df: Vector
    lag_s: float
    u_lag_s: float
    window_s: float | None = None


@dataclass(frozen=True)
class _States:
    """Which state holds when: state i between edges i and i + 1."""

    edges_s: Vector
    spent_s: Vector  # in each state until each edge, shape (m + 1, k)

    def between(self, begin_s: Vector, end_s: Vector) -> Vector:
        """Return the seconds in each state between instants, shape (n, k)."""
        columns = self.spent_s.T
        return np.stack(
            [
                np.interp(end_s, self.edges_s, each) - np.interp(begin_s, self.edges_s, each)
                for each in columns
            ],
            axis=1,
        )


def _states(edges_s: ArrayLike, state: ArrayLike) -> _States:
    edges = measured("edges_s", edges_s)
    holds = np.asarray(state, dtype=np.intp)
    if edges.size != holds.size + 1 or holds.size < 1 or (np.diff(edges) < 0).any():
        raise ValueError(
            f"{holds.size} states take {holds.size + 1} edges in order; there are {edges.size}."
        )
    spent = np.eye(int(holds.max()) + 1)[holds] * np.diff(edges)[:, None]
    return _States(edges, np.concatenate([np.zeros((1, spent.shape[1])), np.cumsum(spent, axis=0)]))


def state_powers(
    at_s: ArrayLike, energy_j: ArrayLike, edges_s: ArrayLike, state: ArrayLike
) -> StatePowers:
    """Return the mean power of each state from readings of a counter.

    Parameters
    ----------
    at_s, energy_j : instants at which the counter was renewed, s, and joules up to each, J, shape
        (n,).
    edges_s, state : state ``state[i]``, from 0, holds between ``edges_s[i]`` and ``edges_s[i+1]``,
        s; shapes (m + 1,) and (m,). Intervals that reach beyond the edges are left out.

    Returns
    -------
    StatePowers : W.

    Raises
    ------
    ValueError : too few intervals, shares that are the same in all of them, or two lags that fit
        alike: the readings do not tell the powers. Edges out of order, not as many instants as
        joules.

    Notes
    -----
    Energies of intervals have two kinds of error. What the power does by itself is new in every
    interval. What is wrong at a reading (its instant, a step of the counter) moves energy from one
    interval to the next. So the covariance is tridiagonal; the ratio of both parts is found by
    restricted maximum likelihood (Patterson & Thompson, Biometrika 1971;58:545), the powers by
    generalised least squares. The lag of the figures is found with them and is in the covariance,
    which is Newey & West's (Econometrica 1987;55:703) of the whitened residuals, since neither
    phases nor noise need be alike.
    """
    t, e = measured("at_s", at_s), measured("energy_j", energy_j)
    if t.size != e.size:
        raise ValueError(f"There are {t.size} instants for {e.size} energies.")
    states = _states(edges_s, state)
    gap = _gap(t)
    inside = (t >= states.edges_s[0] + _LAGS[-1] * gap) & (t <= states.edges_s[-1] + _LAGS[0] * gap)
    t, e = t[inside], e[inside]
    _enough(t.size - 1, states)
    joules = np.diff(e)

    def shares(shift: Vector) -> Vector:
        return states.between(t[:-1] - shift[0], t[1:] - shift[0])

    start = _best_of(shares, joules, [np.array([lag * gap]) for lag in _LAGS], np.diff(t), gap)
    return _fitted(shares, joules, start, np.diff(t), gap)


def state_powers_of_watts(
    at_s: ArrayLike, watts: ArrayLike, edges_s: ArrayLike, state: ArrayLike
) -> StatePowers:
    """Return the mean power of each state from readings of a power meter.

    Parameters
    ----------
    at_s, watts : instants, s, and power, W, shape (n,).
    edges_s, state : as in `state_powers`.

    Returns
    -------
    StatePowers : W, and the window that a figure is a mean of.

    Raises
    ------
    ValueError : as in `state_powers`.

    Notes
    -----
    A figure is taken for the mean over a window before the reading, whose length and lag are found
    by least squares with the powers. Covariance as in `state_powers`.
    """
    t, w = measured("at_s", at_s), measured("watts", watts)
    if t.size != w.size:
        raise ValueError(f"There are {t.size} instants for {w.size} powers.")
    states = _states(edges_s, state)
    gap = _gap(t)
    back = max(_WINDOWS) * gap + _LAGS[-1] * gap
    if (states.edges_s[-1] - states.edges_s[0]) < 4 * back:
        back = (states.edges_s[-1] - states.edges_s[0]) / 4
    windows = [each * gap for each in _WINDOWS if (each + _LAGS[-1]) * gap <= back]
    inside = (t >= states.edges_s[0] + back) & (t <= states.edges_s[-1] + _LAGS[0] * gap)
    t, w = t[inside], w[inside]
    _enough(t.size, states)

    def shares(shift: Vector) -> Vector:
        end, window = t - shift[0], max(float(shift[1]), gap / 20)
        return states.between(end - window, end) / window

    tried = [np.array([lag * gap, each]) for lag in _LAGS for each in windows]
    start = _best_of(shares, w, tried, None, gap)
    return _fitted(shares, w, start, None, gap)


def _gap(t: Vector) -> float:
    if t.size < 2 or (np.diff(t) <= 0).any():
        raise ValueError("The instants do not increase; sort the readings.")
    return float(np.median(np.diff(t)))


def _enough(n: int, states: _States) -> None:
    k = states.spent_s.shape[1]
    if n < k + _LEAST:
        raise ValueError(
            f"{max(n, 0)} intervals between readings do not tell {k} powers; it takes {k + _LEAST}."
        )


Shares = Callable[[Vector], Vector]


def _best_of(
    shares: Shares, y: Vector, tried: list[Vector], seconds: Vector | None, gap: float
) -> Vector:
    """Return the lag (and window) that fits best, or refuse where others fit alike.

    Others are those that lie apart and make other powers.
    """
    _check_rank(shares(tried[len(tried) // 2]))
    best = tried[len(tried) // 2]
    for _ in range(1 if seconds is None else 2):
        ratio = error_ratio(shares(best), y, seconds)
        fits = [_fit(shares(each), y, seconds, ratio) for each in tried]
        losses = np.array([float(rest @ rest) for _, _, rest in fits])
        best = tried[int(np.argmin(losses))]
    least = float(losses.min())
    worse = y.size * np.log((losses + 1e-300) / (least + 1e-300))
    watts = np.array([found for _, found, _ in fits])
    here = watts[int(np.argmin(losses))]
    apart = (
        np.abs(np.array(tried) - best).max(axis=1)
        > 3 * (_LAGS[1] - _LAGS[0]) * gap + best.max() / 2
    )
    other = np.abs(watts - here).max(axis=1) > _OTHER * np.abs(here).max()
    if (apart & other & (worse < _NEARLY)).any():
        raise ValueError(
            "Two lags of the readings, with other powers each, fit alike. Let the phases last for "
            "other times, or record for longer."
        )
    return best


def _fit(
    design: Vector, y: Vector, seconds: Vector | None, ratio: float
) -> tuple[Vector, Vector, Vector]:
    """Return whitened design, powers, and whitened residuals."""
    white, _ = whitened(np.column_stack([design, y]), seconds, ratio)
    x, z = white[:, :-1], white[:, -1]
    watts: Vector = np.asarray(np.linalg.lstsq(x, z, rcond=None)[0], dtype=np.float64)
    return x, watts, z - x @ watts


def _check_rank(design: Vector) -> None:
    """Refuse a design whose states have the same share in all intervals."""
    size = np.sqrt((design**2).sum(axis=0))
    if (size == 0).any():
        raise ValueError("A kind of phase lies outside of the readings.")
    values = np.linalg.svd(design / size, compute_uv=False)
    if values[-1] < _FLAT * values[0]:
        raise ValueError(
            "Every interval between readings has the same share of each kind of phase: the "
            "readings keep step with the phases. Let the phases last for other times, or read at "
            "another pace."
        )


def _fitted(
    shares: Shares, y: Vector, start: Vector, seconds: Vector | None, gap: float
) -> StatePowers:
    """Return powers and covariance from the best lag and window tried, which are refined."""
    ratio = error_ratio(shares(start), y, seconds)
    shift = _refined(lambda at: _fit(shares(at), y, seconds, ratio)[2], start, gap)
    design, watts, rest = _fit(shares(shift), y, seconds, ratio)
    jacobian = design
    for nudge in np.eye(shift.size) * _NUDGE * gap:
        slope = (shares(shift + nudge) - shares(shift - nudge)) @ watts / (2 * _NUDGE * gap)
        jacobian = np.column_stack([jacobian, whitened(slope, seconds, ratio)[0]])
    size = np.sqrt((jacobian**2).sum(axis=0))
    if (size <= 1e-12 * size.max()).any():
        raise ValueError("The kinds of phases have the same power: no lag can be seen.")
    window = float(shift[1]) if shift.size > 1 else None
    overlap = max((window or gap) / gap, 1.0)
    reach = min(lags_of(y.size, math.ceil(3 * overlap)), y.size // 3)
    # Figures that overlap are worth as many fewer, of which the fit takes some.
    taken = jacobian.shape[1] * (overlap - 1) / y.size
    covariance = newey_west(jacobian, rest, reach) * _few(reach / y.size) ** 2 / max(1 - taken, 0.1)
    k = watts.size
    floor = (_ROUND * float(np.abs(watts).max())) ** 2
    say = (jacobian / size) @ np.linalg.pinv((jacobian / size).T @ (jacobian / size))
    df = (say**2).sum(axis=0) ** 2 / (say**4).sum(axis=0) / overlap
    return StatePowers(
        watts,
        covariance[:k, :k] + floor * np.eye(k),
        np.clip(df[:k], 1, y.size - jacobian.shape[1]),
        float(shift[0]),
        math.sqrt(max(float(covariance[k, k]), 0.0)),
        window,
    )


def _few(share: float) -> float:
    """Return by how much a standard uncertainty is too small that is from few lags of few readings.

    Kiefer & Vogelsang, Econometric Theory 2005;21:1130, table 1 (Bartlett kernel), at 95 %.
    """
    return (1.96 + 2.9694 * share + 0.4160 * share**2 - 0.5324 * share**3) / 1.96


def _refined(residuals: Shares, start: Vector, gap: float) -> Vector:
    """Return the lag (and window) of the least squares near the best that was tried."""
    from scipy.optimize import least_squares

    near = np.array([0.15 * gap, 0.5 * gap + 0.3 * start[-1]])[: start.size]
    low = np.maximum(start - near, np.array([-math.inf, gap / 20])[: start.size])
    found = least_squares(
        residuals,
        np.maximum(start, low + 1e-6 * gap),
        bounds=(low, start + near),
        diff_step=_NUDGE * gap / np.maximum(np.abs(start), gap),
        x_scale=gap,
    )
    return np.asarray(found.x)
