"""How the power varies from one reading to the next, and what readings miss of it.

Differences of higher orders hold nothing of a slope, nor of a bend. Where they are as large two
steps apart as one step apart, the power changes within a step: noise. What lasts for some steps is
twice as large there. What a sum over readings misses of each is known: all of the first, and of the
second a sixth of what a step changes (Matheron 1971, on transitive methods: the share of an
exponential variogram is the sum of its aliases, coth(r/2) - 2/r where it lasts for 1/r steps).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

#: Of what lasts: 20 steps, as good as for ever.
_RATE = 0.05
#: Fewer figures than this tell nothing of how they vary.
LEAST = 9


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

    def inside(self, share: float) -> float:
        """Return how far a part of a step is from its share of the mean of it, W² of the step.

        Of noise as a bridge, of what lasts for long as the bridge of its integral.
        """
        spread = share * (1 - share)
        lasting = sum(size * rate for size, rate in self.lasting)
        return self.within * spread + 1.5 * lasting * spread**2

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
    squares = {order: (_square(values, order, 1), _square(values, order, 2)) for order in _ORDERS}
    # The lowest order, whose estimate is the best, that the next one shows to be free of bends.
    order = next((k for k in (2, 3) if squares[k + 1][1] > _ALIKE * squares[k][1]), 4)
    near, far = squares[order]
    df = values.size / _ORDERS[order]
    if not far > near:
        return Variation(near, (), df)
    # near = within + lasting, far = within + 2 lasting; or it is noise that differs by chance.
    ratio, spread = far / near, _SPREAD[order] / math.sqrt(values.size)
    noise = math.exp(-(((ratio - 1) / spread) ** 2) / 2) * _WIDER * _ODDS
    lasts = math.exp(-((max(2 - ratio, 0) / (_WIDER * spread)) ** 2) / 2)
    lasting = min(far - near, near) * lasts / (lasts + noise)
    return Variation(near - lasting, ((lasting / _share(order), _RATE),), df)


#: Orders of the differences, and how many values make a degree of freedom of their mean square.
_ORDERS = {2: 3.0, 3: 3.6, 4: 4.2}
#: A mean square that falls to less than this with the next order has a bend in it.
_ALIKE = 0.7
#: How far the mean square at two steps, over that at one, is spread for noise, for one value; and
#: how much more for what lasts. As simulated.
_SPREAD = {2: 2.5, 3: 3.2, 4: 3.7}
_WIDER = 1.25
#: How much rather it is noise: noise that is taken for what lasts makes u 2.4 times too small, and
#: the other way round it is only that much too large.
_ODDS = 20.0


def _square(values: Vector, order: int, lag: int) -> float:
    """Return the mean square of differences, 1 for noise of variance 1."""
    for _ in range(order):
        values = values[lag:] - values[:-lag]
    return float(np.mean(values**2)) / math.comb(2 * order, order)


def _share(order: int) -> float:
    """Return that mean square one step apart, of what lasts, with a variance of 1."""
    signs = [(-1) ** k * math.comb(order, k) for k in range(order + 1)]
    products = np.correlate(signs, signs, "full")[order + 1 :]
    gamma = -np.expm1(-_RATE * np.arange(1.0, order + 1))
    return float(-2 * products @ gamma) / math.comb(2 * order, order)
