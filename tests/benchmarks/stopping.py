"""How often does `--until` stop at a wrong figure, or call sound repeats a drift?

    python tests/benchmarks/stopping.py [--campaigns 400] [--seed 0] [--most 100] [CASE ...]

Every campaign is a series of ln(probe/reference), one value a repeat, with an sd of 1 %; wanted
is the mean to 0.6 % and to 1 %. It is looked at after every repeat, by the rule of `run --until`
and by the one before it: the confidence sequence of all repeats as if they were independent.
Wrong is a stop whose interval does not hold the truth: the level without strays and, where the
meter drifts, its value at the stop. Shares are given with 95 % intervals (Clopper and Pearson,
Biometrika 1934;26:404). Simulated throughout.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from calibrate.comparison.until import PLANNED
from calibrate.stats import LEAST_LOOK, confidence_sequence, repeated_mean

Rng = np.random.Generator
#: What is known after some repeats: mean and half-width, None for not yet; or that it drifts.
Look = Callable[[np.ndarray, float], tuple[float, float | None, bool]]
SD = 0.01
TARGETS = (0.006, 0.01)


def autoregressive(rng: Rng, n: int, lag1: float) -> np.ndarray:
    """Return noise of sd 1 whose neighbours correlate."""
    steps = rng.normal(size=n)
    values = np.empty(n)
    values[0] = steps[0]
    for i in range(1, n):
        values[i] = lag1 * values[i - 1] + math.sqrt(1 - lag1**2) * steps[i]
    return np.asarray(values)


@dataclass(frozen=True)
class Case:
    """A kind of repeats: noise in units of its sd, a drift per repeat, single strays."""

    noise: Callable[[Rng, int], np.ndarray]
    drift: float = 0.0
    stray_share: float = 0.0
    stray_size: float = 0.0

    def series(self, rng: Rng, n: int) -> np.ndarray:
        """Return ln(ratio) of n repeats; the truth is 0, or what has drifted so far."""
        z = self.noise(rng, n) + self.drift * np.arange(n)
        return np.asarray(SD * (z + self.stray_size * (rng.uniform(size=n) < self.stray_share)))


def normal(rng: Rng, n: int) -> np.ndarray:
    """Return independent normal noise."""
    return np.asarray(rng.normal(size=n))


CASES = {
    "independent": Case(normal),
    "t with 3 degrees of freedom": Case(lambda rng, n: rng.standard_t(3, n) / math.sqrt(3)),
    "exponential": Case(lambda rng, n: rng.exponential(size=n) - 1),
    "AR 0.6": Case(lambda rng, n: autoregressive(rng, n, 0.6)),
    "AR 0.8": Case(lambda rng, n: autoregressive(rng, n, 0.8)),
    "drift of 0.1 sd a repeat": Case(normal, 0.1),
    "drift of 0.3 sd a repeat": Case(normal, 0.3),
    "drift, little noise": Case(lambda rng, n: 0.05 * rng.normal(size=n), 0.15),
    "strays of 8 sd, 3 %": Case(normal, 0.0, 0.03, 8),
    "strays of 5 sd, 8 %": Case(normal, 0.0, 0.08, 5),
    "strays of 20 sd, 2 %, little noise": Case(
        lambda rng, n: 0.2 * rng.normal(size=n), 0.0, 0.02, 20
    ),
}


def before(d: np.ndarray, target: float) -> tuple[float, float | None, bool]:
    """Look as the rule did before."""
    found = confidence_sequence(d, n_opt=PLANNED)
    return found.value, None if found.high is None else found.high - found.value, False


def now(d: np.ndarray, target: float) -> tuple[float, float | None, bool]:
    """Look as the rule does."""
    found = repeated_mean(d, n_opt=PLANNED)
    drifts = found.drifts and found.change is not None and abs(found.change.value) > target
    mean = found.mean
    return mean.value, None if mean.high is None else mean.high - mean.value, drifts


def outcome(case: Case, look: Look, target: float, rng: Rng, most: int) -> tuple[str, int]:
    """Return how a campaign ends, and after how many repeats."""
    d = case.series(rng, most)
    for n in range(LEAST_LOOK, most + 1):
        mean, half, drifts = look(d[:n], target)
        if drifts:
            return "drifts", n
        if half is not None and half <= target:
            truth = SD * case.drift * (n - 1)
            return ("right" if abs(mean - truth) <= half else "wrong"), n
    return "missed", most


def share(count: int, n: int) -> str:
    """Return a share in percent with its 95 % interval."""
    from scipy.stats import binomtest

    found = binomtest(count, n).proportion_ci(0.95, "exact")
    return f"{100 * count / n:5.1f} ({100 * found.low:4.1f} to {100 * found.high:5.1f})"


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("names", nargs="*", metavar="CASE", help="cases whose name contains one")
    options.add_argument("--campaigns", type=int, default=400)
    options.add_argument("--most", type=int, default=100, help="repeats at most")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    print(
        f"simulated, {given.campaigns} campaigns each, {given.most} repeats at most; in percent\n"
    )
    print(f"{'case':36}{'goal':>6} {'rule':8}{'wrong':>22}{'said to drift':>22}"
          f"{'goal missed':>22}{'stops at':>9}")  # fmt: skip
    for name, case in CASES.items():
        if given.names and not any(part in name for part in given.names):
            continue
        for target in TARGETS:
            for rule, look in (("before", before), ("now", now)):
                start = time.perf_counter()
                ends = [
                    outcome(case, look, target, np.random.default_rng(source), given.most)
                    for source in np.random.SeedSequence(given.seed).spawn(given.campaigns)
                ]
                count = Counter(how for how, _ in ends)
                stops = [n for how, n in ends if how in ("right", "wrong")]
                cells = [share(count[how], len(ends)) for how in ("wrong", "drifts", "missed")]
                print(f"{name:36}{100 * target:5.1f}% {rule:8}"
                      + "".join(f"{cell:>22}" for cell in cells)
                      + f"{np.median(stops) if stops else '-':>9}"
                      f"  ({time.perf_counter() - start:.0f} s)", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
