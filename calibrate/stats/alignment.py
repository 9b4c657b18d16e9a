"""Lag and clock drift between two meters, from the steps both have seen.

Everything is done on cumulative energy: what is moved in time is never created or lost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from calibrate.stats.estimate import Estimate, Vector, check_level, measured, t_estimate

#: Points of the uniform grid of the first, coarse search; steps of the fine one.
_GRID, _STEPS = 65536, 60
#: Readings of the second meter below which no uncertainty is stated.
_LEAST = 12


@dataclass(frozen=True)
class Alignment:
    """How the second meter's time goes with the first's.

    Parameters
    ----------
    lag_s : the second shows at t what the first showed at t - lag_s, at the middle of the overlap.
    drift_ppm : change of the lag in microseconds a second; None where it was not asked for.
    gain : of the second meter over the first.
    offset_w : power that the second adds, W.
    residual_w : sd of the second's power about the first's, after all this.
    energy_j_per_s : what an error of the lag does: largest change of power over the ends of a
        window, W; times the lag's uncertainty it is an energy.
    """

    lag_s: Estimate
    drift_ppm: Estimate | None
    gain: Estimate
    offset_w: Estimate
    residual_w: float
    energy_j_per_s: float


def align(
    at_s: ArrayLike,
    energy_j: ArrayLike,
    other_at_s: ArrayLike,
    other_energy_j: ArrayLike,
    *,
    max_lag_s: float = 5.0,
    drift: bool = False,
    level: float = 0.95,
) -> Alignment:
    """Return lag, drift, gain and offset of a meter over another one.

    Parameters
    ----------
    at_s, energy_j : instants (increasing) and cumulative joules of the first meter, the finer
        one, shape (n,).
    other_at_s, other_energy_j : of the second, shape (m,), m at least 12.
    max_lag_s : largest lag looked for, either way.
    drift : whether the lag may change with time. It takes steps early and late in the record.
    level : coverage probability of the intervals.

    Returns
    -------
    Alignment : lag, gain and offset with intervals; the drift where it was asked for.

    Raises
    ------
    ValueError : instants that do not increase, too few readings, no overlap, a power that hardly
        changes, which shows no lag, or one that falls where the other rises.

    Notes
    -----
    The second's energy between its own readings is gain (E(t1 - lag) - E(t0 - lag)) + offset
    (t1 - t0): the average over its interval is modelled, not taken for an instant. Coarse search
    by cross-correlation, then Gauss-Newton; standard uncertainties allow for residuals that go
    together in time (Newey & West, Econometrica 1987;55:703, with
    residuals as in MacKinnon & White, J Econom 1985;29:305).
    """
    t, e = _cumulative("at_s", at_s, energy_j, 4)
    u, f = _cumulative("other_at_s", other_at_s, other_energy_j, _LEAST)
    origin = (max(t[0], u[0]) + min(t[-1], u[-1])) / 2
    t, u = t - origin, u - origin
    coarse = _coarse(t, e, u, f, max_lag_s)
    keep = (u - coarse >= t[0] + _edge(t)) & (u - coarse <= t[-1] - _edge(t))
    u, f = u[keep], f[keep]
    if u.size < _LEAST + 1:
        raise ValueError("The two records hardly overlap; record both for longer.")
    found = _refine(t, e, u, f, coarse, drift, check_level(level))
    if found.gain.value <= 0:
        raise ValueError(
            f"The second meter falls where the first one rises (gain {found.gain.value:.2g}): no "
            "lag within the limits makes them the same load. Look at what they measure."
        )
    return found


def _cumulative(name: str, at: ArrayLike, energy: ArrayLike, least: int) -> tuple[Vector, Vector]:
    """Return instants and joules, or refuse them."""
    t, e = measured(name, at), measured(f"energies at {name}", energy)
    if t.size != e.size or t.size < least:
        raise ValueError(f"{name}: {t.size} instants, {e.size} energies; it takes {least} of both.")
    if (np.diff(t) <= 0).any():
        raise ValueError(f"{name} does not increase; sort the readings and drop repeated instants.")
    return t, e - e[0]


def _edge(t: Vector) -> float:
    """Return how much of the first record is left free at its ends for the lag to move in."""
    return 0.02 * float(t[-1] - t[0])


def _coarse(t: Vector, e: Vector, u: Vector, f: Vector, max_lag_s: float) -> float:
    """Return the lag at the peak of the cross-correlation of power."""
    from scipy.signal import correlate, correlation_lags

    begin, end = max(t[0], u[0]), min(t[-1], u[-1])
    if end - begin <= 0:
        raise ValueError("The two records do not overlap in time.")
    step = max(float(np.median(np.diff(t))), (end - begin) / _GRID)
    edges = np.arange(begin, end, step)
    if edges.size < 4:
        raise ValueError("The two records hardly overlap; record both for longer.")
    power = np.diff(np.interp(edges, t, e)) / step
    other = np.diff(np.interp(edges, u, f)) / step
    power, other = power - power.mean(), other - other.mean()
    if min(power.std(), other.std()) <= 1e-9 * max(np.abs(e).max(), np.abs(f).max()):
        raise ValueError("The power does not change: no lag can be seen. Use a load with steps.")
    # Signed: half a period off, a periodic load is its own opposite, and that is no lag.
    match = correlate(other, power, method="fft")
    lags = correlation_lags(other.size, power.size) * step
    within = np.abs(lags) <= max_lag_s
    return float(lags[within][int(np.argmax(match[within]))])


def _refine(
    t: Vector, e: Vector, u: Vector, f: Vector, lag: float, drift: bool, level: float
) -> Alignment:
    """Return the least-squares fit near a lag."""
    seconds, joules = np.diff(u), np.diff(f)
    half = float(u[-1] - u[0]) / 2
    nudge = max(float(np.median(np.diff(t))), 1e-6)

    def design(at: float, rate: float) -> tuple[Vector, Vector, Vector]:
        """Return gain, lag and residual columns at this lag and drift."""
        when = u - at - rate * u
        slope = (np.interp(when - nudge, t, e) - np.interp(when + nudge, t, e)) / (2 * nudge)
        moved = np.diff(np.interp(when, t, e))
        return moved, np.diff(slope), np.diff(slope * u / half)

    rate, best = 0.0, math.inf
    gain = offset = 0.0
    for _ in range(_STEPS):
        moved, by_lag, by_rate = design(lag, rate)
        linear = np.stack([moved, seconds], axis=1)
        (gain, offset), *_ = np.linalg.lstsq(linear, joules, rcond=None)
        columns = [moved, seconds, gain * by_lag] + ([gain * by_rate] if drift else [])
        jacobian = np.stack(columns, axis=1)
        residual = joules - linear @ np.array([gain, offset])
        size = np.sqrt((jacobian**2).sum(axis=0))
        if (size <= 1e-12 * size.max()).any():
            raise ValueError("No step of power lies in the overlap: no lag can be seen.")
        step = np.linalg.lstsq(jacobian / size, residual, rcond=None)[0] / size
        loss = float(residual @ residual)
        if abs(loss - best) <= 1e-12 * loss and abs(step[2]) < 1e-7:
            break
        best = loss
        # Steps of power make the loss piecewise: no leap beyond a reading of the first meter.
        lag += float(np.clip(step[2], -5 * nudge, 5 * nudge))
        if drift:
            rate += float(np.clip(step[3], -5 * nudge, 5 * nudge)) / half
    covariance = newey_west(jacobian, residual, lags_of(residual.size))
    u = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    fine = np.median(np.diff(t)) <= 1.5 * np.median(seconds)
    checks = () if fine else ("The first meter reads less often than the second: exchange them.",)

    def made(value: float, each: float) -> Estimate:
        return t_estimate(
            value,
            each,
            residual.size - u.size,
            level=level,
            method="energy-conserving alignment, Newey-West, t",
            n_runs=1,
            n_clusters=1,
            checks=checks,
        )

    return Alignment(
        made(lag, float(u[2])),
        made(1e6 * rate, 1e6 * float(u[3]) / half) if drift else None,
        made(float(gain), float(u[0])),
        made(float(offset), float(u[1])),
        float(np.std(residual / seconds)),
        float(np.ptp(joules / seconds)),
    )


def lags_of(n: int, least: int = 1) -> int:
    """Return how many neighbours the residuals of n readings are taken to go together with.

    Newey & West, Rev Econ Stud 1994;61:631.
    """
    return max(math.ceil(4 * math.pow(n / 100, 2 / 9)), least)


def newey_west(jacobian: Vector, residual: Vector, reach: int) -> Vector:
    """Return the covariance of a least-squares fit whose residuals go together in time.

    Parameters
    ----------
    jacobian : of the fit, shape (n, p).
    residual : in order of time, shape (n,).
    reach : neighbours that residuals go together with; see `lags_of`.
    """
    n = residual.size
    size = np.sqrt((jacobian**2).sum(axis=0))
    unit = jacobian / size
    inverse = np.linalg.pinv(unit.T @ unit)
    # A few readings at steps of power say it all: their residuals are too small (HC3).
    pull = np.einsum("ij,jk,ik->i", unit, inverse, unit)
    score = unit * (residual / np.maximum(1 - pull, 0.1))[:, None]
    meat = score.T @ score
    for k in range(1, min(reach, n - 1) + 1):
        lagged = score[k:].T @ score[:-k]
        meat += (1 - k / (reach + 1)) * (lagged + lagged.T)
    return np.asarray(inverse @ meat @ inverse / np.outer(size, size))
