"""Does the U of `crosswatt check` hold the energy of a window as often as it says?

    python tests/benchmarks/check_windows.py [--windows 1000] [--seed 0] [NAME ...]

Logs of known power are simulated: loads (steps, ramps, noise, iterations, a sine) and meters
(sampled and averaged power, counters; several rates, repeated figures, rounded times, gaps). Each
window lies anywhere in a log of its own. The table has how often the true energy is within E ± U,
with a binomial interval; U over E; the root mean square of the error over u; how many windows were
refused. Simulated throughout.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import binomtest

from calibrate.ingest import LogColumn
from calibrate.logcheck.series import series_of
from calibrate.logcheck.windowed import measure
from calibrate.probe import Domain

Vector = NDArray[np.float64]
Rng = np.random.Generator
#: Of the true power, s; a log is this long, s; it begins at this instant, ns since 1970.
FINE_S, LOG_S, ORIGIN = 0.01, 300.0, 1_750_000_000 * 10**9
Load = Callable[[Rng], Vector]


def times() -> Vector:
    return np.arange(0.0, LOG_S, FINE_S)


def piecewise(rng: Rng, dwell_s: float, jitter: float | None = None) -> tuple[Vector, Vector]:
    """Return instants of changes, exponential or with a jitter, and a level after each."""
    count = int(3 * LOG_S / dwell_s) + 10
    lengths = (
        rng.exponential(dwell_s, count) if jitter is None
        else dwell_s * np.clip(1 + jitter * rng.standard_normal(count), 0.2, 3)
    )  # fmt: skip
    at = np.cumsum(lengths) - rng.uniform(0, dwell_s)
    return at, rng.uniform(60, 300, count)


def noise(rng: Rng, watts: float, lasts_s: float) -> Vector:
    """Return noise that is forgotten after so long; at once where that is no time."""
    if lasts_s < FINE_S:
        return rng.standard_normal(times().size) * watts
    keep = np.exp(-FINE_S / lasts_s)
    white = rng.standard_normal(times().size + 2000) * watts * np.sqrt(1 - keep**2)
    return np.asarray(lfilter([1.0], [1.0, -keep], white))[2000:]


def steps(rng: Rng, dwell_s: float = 15.0) -> Vector:
    at, level = piecewise(rng, dwell_s)
    return level[np.searchsorted(at, times())] + noise(rng, 1.5, 0.0)


def few_steps(rng: Rng) -> Vector:
    return steps(rng, 60.0)


def ramps(rng: Rng) -> Vector:
    at, level = piecewise(rng, 15.0)
    return np.asarray(np.interp(times(), at, level)) + noise(rng, 2.0, 0.0)


def fast_noise(rng: Rng) -> Vector:
    return 200 + noise(rng, 30.0, 0.0)


def slow_noise(rng: Rng) -> Vector:
    return 200 + noise(rng, 30.0, 3.0)


def iterations(rng: Rng, period_s: float = 4.0) -> Vector:
    """Iterations of a training: 60 % of each at high power; lengths vary by 15 %."""
    at, _ = piecewise(rng, period_s / 2, 0.15)
    high = np.searchsorted(at, times()) % 2 == 0
    return np.where(high, 280.0, 120.0) + noise(rng, 3.0, 0.0)


def fast_iterations(rng: Rng) -> Vector:
    return iterations(rng, rng.uniform(0.25, 0.75))


def sine(rng: Rng) -> Vector:
    period = rng.uniform(15, 30)
    return (
        200 + 60 * np.sin(2 * np.pi * times() / period + rng.uniform(0, 7)) + noise(rng, 2.0, 0.0)
    )


LOADS: dict[str, Load] = {
    "steps": steps, "few steps": few_steps, "ramps": ramps, "fast noise": fast_noise,
    "slow noise": slow_noise, "iterations": iterations, "fast iterations": fast_iterations,
    "sine": sine,
}  # fmt: skip


@dataclass(frozen=True)
class Meter:
    """How a log is made: a reading every `read_s`, which shows the last of every `update_s`."""

    form: str
    read_s: float
    update_s: float = 0.0
    family: str = "wall"
    step: float = 0.01
    stamp_s: float = 0.0
    gap_s: float = 0.0

    def log(self, rng: Rng, watts: Vector) -> LogColumn:
        joules = np.concatenate([[0.0], np.cumsum(watts) * FINE_S])
        fine = np.arange(watts.size + 1) * FINE_S
        read_s = self.read_s * rng.uniform(1.0, 1.03)  # a loop takes a little longer than it sleeps
        read = np.arange(rng.uniform(0, read_s), LOG_S - 2 * FINE_S, read_s)
        read = read + np.clip(rng.normal(0, 0.01, read.size), -0.03, 0.03) * min(self.read_s, 1.0)
        read = np.clip(read, 0.0, LOG_S - 2 * FINE_S)
        phase = rng.uniform(0, self.update_s) if self.update_s else 0.0
        renewed = (
            np.floor((read - phase) / self.update_s) * self.update_s + phase
            if self.update_s
            else read
        )
        renewed = np.maximum(renewed, 0.0)
        if self.form == "sampled":
            value = watts[np.minimum((renewed / FINE_S).astype(int), watts.size - 1)]
        elif self.form == "averaged":
            before = (
                np.maximum(renewed - (self.update_s or 0), 0)
                if self.update_s
                else np.concatenate([[0.0], read[:-1]])
            )
            value = (
                np.interp(renewed, fine, joules) - np.interp(before, fine, joules)
            ) / np.maximum(renewed - before, FINE_S)
        else:
            value = np.interp(renewed, fine, joules)
        value = (
            np.round(value / self.step) * self.step
            if self.form != "counter"
            else np.floor(value / self.step) * self.step
        )
        at_ns = ORIGIN + np.round(read * 1e9).astype(np.int64)
        if self.stamp_s:
            at_ns -= at_ns % int(self.stamp_s * 1e9)
        keep = np.ones(read.size, bool)
        if self.gap_s:
            for _ in range(3):
                begin = rng.uniform(10, LOG_S - self.gap_s - 10)
                keep &= (read < begin) | (read > begin + self.gap_s)
        keep[1:] &= np.diff(at_ns) > 0
        kind = "counter" if self.form == "counter" else "power"
        domain = Domain("meter", "node", kind, family=self.family)  # type: ignore[arg-type]
        return LogColumn(domain, at_ns[keep], value[keep])


METERS: dict[str, Meter] = {
    "sampled 1 s": Meter("sampled", 1.0),
    "sampled 0.1 s": Meter("sampled", 0.1),
    "sampled, repeated": Meter("sampled", 0.2, update_s=1.0),
    "averaged 1 s": Meter("averaged", 1.0),
    "averaged, repeated": Meter("averaged", 0.1, update_s=1.0),
    "counter of NVML, 1 s": Meter("counter", 1.0, update_s=0.1, family="nvml", step=0.001),
    "counter, repeated": Meter("counter", 0.1, update_s=1.0, step=1.0),
    "sampled, whole watts": Meter("sampled", 1.0, step=1.0),
    "sampled, whole seconds": Meter("sampled", 1.0, stamp_s=1.0),
    "sampled, gaps of 20 s": Meter("sampled", 1.0, gap_s=20.0),
    "instant of NVML, 1 s": Meter("sampled", 1.0, update_s=0.1, family="nvml-instant"),
    "counter, gaps of 20 s": Meter("counter", 1.0, update_s=0.1, family="nvml", gap_s=20.0),
}
#: Beside every load; the other meters are tried with these loads.
EVERY = tuple(METERS)[:7]
SOME = ("steps", "ramps", "iterations")
#: What a log cannot show: a load that repeats within the step of an averaged meter leaves no trace
#: in its figures, and what it does in the two parts of a step at the ends is in no U.
HIDDEN = {("fast iterations", name) for name in ("averaged 1 s", "averaged, repeated")}


@dataclass(frozen=True)
class Outcome:
    within: bool
    error: float
    u: float
    share: float


def window(rng: Rng, load: Load, meter: Meter, *, job: bool = False) -> Outcome | None:
    """Return how one window came out; None where it was refused."""
    watts = load(rng)
    length = rng.uniform(30, 120)
    begin = rng.uniform(30, LOG_S - 30 - length)
    end = begin + length
    if job:
        outside = (times() < begin) | (times() >= end)
        watts = np.where(outside, 55 + noise(rng, 1.0, 0.0), watts)
    column = meter.log(rng, watts)
    joules = np.concatenate([[0.0], np.cumsum(watts) * FINE_S])
    fine = np.arange(watts.size + 1) * FINE_S
    true = float(np.diff(np.interp([begin, end], fine, joules))[0])
    form = meter.form if meter.form != "counter" else None
    series = series_of(column, ORIGIN, form)  # type: ignore[arg-type]
    found = measure(series, begin, end, 0.05)
    if found.joules is None or found.expanded_j is None or found.u_j is None:
        return None
    error = found.joules - true
    return Outcome(abs(error) <= found.expanded_j, error, found.u_j, found.expanded_j / true)


def row(name: str, load: Load, meter: Meter, windows: int, seed: int, *, job: bool = False) -> str:
    rng = np.random.default_rng(seed)
    made = [window(rng, load, meter, job=job) for _ in range(windows)]
    found = [each for each in made if each is not None]
    hits = sum(each.within for each in found)
    test = binomtest(hits, len(found)).proportion_ci(method="exact")
    share = np.median([each.share for each in found])
    ratio = np.sqrt(np.mean([(each.error / max(each.u, 1e-12)) ** 2 for each in found]))
    bias = np.mean([each.error / max(each.u, 1e-12) for each in found])
    return (
        f"{name:40} {100 * hits / len(found):5.1f} ({100 * test.low:.1f} to {100 * test.high:.1f}) "
        f"{100 * share:6.2f} % {ratio:5.2f} {bias:+5.2f} {windows - len(found):4d}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--windows", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print(f"{'load, meter':40} held, %            U/E, median  rms/u  bias/u refused")
    for load_name, load in LOADS.items():
        for meter_name, meter in METERS.items():
            if meter_name not in EVERY and load_name not in SOME:
                continue
            for job in (False, True) if meter_name in EVERY else (False,):
                name = f"{load_name}, {meter_name}" + (", job" if job else "")
                if (load_name, meter_name) in HIDDEN:
                    name += " (*)"
                if asked.names and not any(each in name for each in asked.names):
                    continue
                print(row(name, load, meter, asked.windows, asked.seed, job=job), flush=True)
    print("(*) nothing of such a load is in the log; job: the window is a job, idle around it")


if __name__ == "__main__":
    main()
