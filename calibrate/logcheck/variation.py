"""How the power varies from one reading to the next, and what readings miss of it.

Differences of readings tell apart what changes within a step (it is in differences of every
order and distance alike), what lasts for some steps (their mean square grows with the distance,
the variogram), and what goes slowly (it is in the first differences only). What a sum over
readings misses of each is known: all of the first, a sixth of a step of the second where it lasts
long, nothing of the third. Source: Matheron 1971, on transitive methods; the share of an
exponential variogram is the sum of its aliases, coth(r/2) - 2/r where it lasts for 1/r steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

#: Steps in the time of an exponential; the last is as good as a line.
_RATES = (0.7, 0.05)
#: Fewer figures than this tell nothing of how they vary.
LEAST = 7


@dataclass(frozen=True)
class Variation:
    """What differences of figures one step apart are made of.

    Parameters
    ----------
    within : the variance of what changes within a step, W².
    lasting : (variance, W², steps in its time) of what lasts for some.
    df : how many independent differences it is from.
    """

    within: float
    lasting: tuple[tuple[float, float], ...]
    df: float

    @property
    def between(self) -> float:
        """What one step of readings misses, W², of what lasts longer than a step."""
        return sum(size * missed(rate) for size, rate in self.lasting)

    @property
    def next_w(self) -> float:
        """How far a figure is from the next, the root mean square over sqrt(2), W."""
        lasting = sum(size * -math.expm1(-rate) for size, rate in self.lasting)
        return math.sqrt(self.within + lasting)


def missed(rate: float) -> float:
    """Return the share of the variance of an exponential that a step of readings misses."""
    return rate / 6 if rate < 1e-3 else 1 / math.tanh(rate / 2) - 2 / rate


def variation(values: Vector) -> Variation:
    """Return how figures at equal steps vary.

    Parameters
    ----------
    values : W, shape (n,), n >= `LEAST`.
    """
    from scipy.optimize import nnls

    df = values.size / 4  # as the spread of `within` of simulated noise
    seen = np.array([_square(values, order, lag) for order, lag in _KINDS])
    if not seen.max() > 0:
        return Variation(0.0, (), df)
    weight = 1 / np.maximum(seen, 1e-9 * seen.max())
    basis: Any = _BASIS * weight[:, None]
    sizes, _ = nnls(basis, seen * weight)
    # Of noise, a part is taken for lasting: a tenth of 90 values, as simulated.
    within = float(sizes[0]) * (1 + 8 / values.size)
    return Variation(within, tuple(zip(map(float, sizes[1:-1]), _RATES, strict=True)), df)


#: Differences that are looked at: order, and how many steps apart. Of the second order at two
#: distances: there noise is alike, what lasts is twice as large at the double, a slope is in none.
_KINDS = ((1, 1), (2, 1), (2, 2), (3, 1))


def _square(values: Vector, order: int, lag: int) -> float:
    """Return the mean square of differences, 1 for noise of variance 1."""
    for _ in range(order):
        values = values[lag:] - values[:-lag]
    return float(np.mean(values**2)) / math.comb(2 * order, order)


def _expected(gamma: Callable[[Vector], Vector]) -> Vector:
    """Return the mean squares of differences that a variogram means; see `_square`."""
    found = []
    for order, lag in _KINDS:
        signs = [(-1) ** k * math.comb(order, k) for k in range(order + 1)]
        products = np.correlate(signs, signs, "full")[order + 1 :]
        total = -2 * products @ gamma(lag * np.arange(1.0, order + 1))
        found.append(float(total) / math.comb(2 * order, order))
    return np.array(found)


def _exponential(rate: float) -> Callable[[Vector], Vector]:
    return lambda lags: -np.expm1(-rate * lags)


_BASIS = np.stack(
    [_expected(np.ones_like), *(_expected(_exponential(rate)) for rate in _RATES),
     _expected(np.square)],
    axis=1,
)  # fmt: skip
