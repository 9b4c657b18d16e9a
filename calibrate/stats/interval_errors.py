"""Errors of intervals between readings: some are new in each, some go from one to the next.

What a quantity does by itself between two readings is new in every interval. What is wrong at a
reading is in two intervals, with opposite signs. So the covariance of intervals is tridiagonal, and
the ratio of both parts is found from the data.
"""

from __future__ import annotations

import math

import numpy as np

from calibrate.stats.estimate import Vector


def whitened(columns: Vector, seconds: Vector | None, ratio: float) -> tuple[Vector, float]:
    """Return columns whose errors are alike and independent, and ln det of their covariance.

    Parameters
    ----------
    seconds : lengths of intervals; None for readings that are independent.
    ratio : variance of what is wrong at a reading over that of the power itself in an interval.
    """
    from scipy.linalg import cholesky_banded, solve_banded

    if seconds is None:
        return columns, 0.0
    n = seconds.size
    band = np.zeros((2, n))
    band[0] = seconds / float(np.median(seconds)) + 2 * ratio
    band[1, :-1] = -ratio
    lower = cholesky_banded(band, lower=True)
    return solve_banded((1, 0), lower, columns), 2 * float(np.log(lower[0]).sum())


def error_ratio(design: Vector, y: Vector, seconds: Vector | None) -> float:
    """Return the ratio of both kinds of error by restricted maximum likelihood."""
    from scipy.optimize import minimize_scalar

    if seconds is None:
        return 0.0
    n, k = design.shape

    def deviance(log_ratio: float) -> float:
        white, log_det = whitened(np.column_stack([design, y]), seconds, math.exp(log_ratio))
        x, z = white[:, :-1], white[:, -1]
        spread = np.linalg.slogdet(x.T @ x)[1]
        rest = z - x @ np.linalg.lstsq(x, z, rcond=None)[0]
        misfit = math.log(max(float(rest @ rest), 1e-300))
        return float(log_det + spread + (n - k) * misfit)

    found = minimize_scalar(
        deviance, bounds=(-8.0, 12.0), method="bounded", options={"xatol": 0.05}
    )
    return math.exp(float(found.x))
