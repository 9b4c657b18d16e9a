"""What an energy counter may say next: a wrong figure is worse than none."""

from __future__ import annotations

#: More than any zone can use: what lies above is a reset or a fault, no energy.
MOST_W = 20_000.0
#: A package uses energy even in its deepest sleep; a counter that rests for so long is dead.
STANDSTILL_S = 2.0


class Guard:
    """What one counter may say next."""

    def __init__(self, zone: object, range_j: float | None, *, steady: bool) -> None:
        self._zone, self._range_j, self._steady = zone, range_j, steady
        self._last: tuple[float, float] | None = None
        self._moved_s = float("inf")

    def __call__(self, now_s: float, joules: float) -> float:
        """Return the joules, or raise ValueError with what is wrong with them."""
        if joules < 0 or (self._range_j is not None and joules > self._range_j):
            raise ValueError(f"{self._zone} shows {joules:g} J, which is outside its range")
        if self._last is not None:
            self._compare(now_s, joules, *self._last)
        self._last = now_s, joules
        return joules

    def _compare(self, now_s: float, joules: float, then_s: float, before_j: float) -> None:
        rise_j = joules - before_j
        if rise_j < 0 and self._range_j is not None:
            rise_j += self._range_j
        if not 0 <= rise_j <= 1 + MOST_W * (now_s - then_s):
            raise ValueError(f"{self._zone} went from {before_j:g} J to {joules:g} J at once")
        if rise_j or self._moved_s == float("inf"):
            self._moved_s = now_s
        elif self._steady and now_s - self._moved_s > STANDSTILL_S:
            raise ValueError(f"{self._zone} stands still at {joules:g} J")
