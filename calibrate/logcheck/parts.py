"""What an uncertainty is made of, and the interval that holds the value with 95 %.

Contributions are independent: rectangles (a change somewhere within a gap) and normal ones. Of a
single rectangle 95 % lie within 1.65 standard uncertainties, of many within 1.96; k is what the
contributions give together (JCGM 101:2008, by Monte Carlo).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

LEVEL = 0.95
_DRAWS, _SEED = 10_000, 20
#: Rectangles that are drawn one by one; the sum of the smaller ones is as good as normal.
_MOST = 24


@dataclass(frozen=True)
class Part:
    """A contribution to the uncertainty.

    Parameters
    ----------
    name : what it comes from.
    u_j : standard uncertainties, J, each independent of the others.
    rectangular : whether each is a rectangle; else normal.
    df : degrees of freedom of a normal one.
    """

    name: str
    u_j: tuple[float, ...]
    rectangular: bool = False
    df: float = math.inf

    @property
    def total_j(self) -> float:
        """The standard uncertainty of all of them."""
        return math.hypot(*self.u_j)


def combined(parts: Iterable[Part]) -> tuple[float, float]:
    """Return the standard uncertainty and the half-width of the interval of 95 %, J."""
    parts = [part for part in parts if part.total_j > 0]
    u_j = math.hypot(*(part.total_j for part in parts))
    if not u_j:
        return 0.0, 0.0
    rng = np.random.default_rng(_SEED)
    large = sorted((u for part in parts if part.rectangular for u in part.u_j), reverse=True)
    normal = math.hypot(*large[_MOST:])
    off = normal * rng.standard_normal(_DRAWS)
    for u in large[:_MOST]:
        off += u * math.sqrt(3) * rng.uniform(-1, 1, _DRAWS)
    for part in parts:
        if not part.rectangular:
            draws = (
                rng.standard_normal(_DRAWS) if math.isinf(part.df)
                else rng.standard_t(max(part.df, 2.5), _DRAWS)
            )  # fmt: skip
            off += part.total_j * draws
    return u_j, float(np.quantile(np.abs(off), LEVEL))
