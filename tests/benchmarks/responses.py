"""Do the intervals of a datasheet hold its update period and its mean delay?

    python tests/benchmarks/responses.py [--meters 100] [--seed 0]

Meters of known response beside a fine reference under a square wave. Renewals keep a beat, or are
off it by 5 % of a period each (beat), or each period is 5 % longer or shorter (walk). The table has
the share of 95 % intervals that hold the truth, with a binomial interval, and what was refused.
Simulated throughout.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import binomtest

from calibrate.stats import power_response, update_period

Vector = NDArray[np.float64]
Rng = np.random.Generator
STEP_S, READ_S, SECONDS, WAVE_S = 0.002, 0.01, 30.0, 1.37


@dataclass(frozen=True)
class Meter:
    """A power meter.

    Parameters
    ----------
    form, span_s, lag_s : window or exponential, its length or time constant, and lag.
    beat, walk : relative jitter of renewals about a beat, and of each period.
    duty : of the square wave.
    update_s : mean period of renewals.
    """

    form: str
    span_s: float
    lag_s: float = 0.05
    beat: float = 0.0
    walk: float = 0.0
    duty: float = 0.44
    update_s: float = 0.1

    @property
    def delay_s(self) -> float:
        return self.lag_s + self.span_s * (0.5 if self.form == "window" else 1.0)


METERS = {
    f"{form} {span:g} s{how}": Meter(form, span, **more)
    for form, spans in (("window", (0.1, 0.3, 1.0)), ("exponential", (0.1, 0.3)))
    for span in spans
    for how, more in ((", beat", {"beat": 0.05}), (", walk", {"walk": 0.05}), ("", {}))
} | {
    "window 0.6 s, half duty": Meter("window", 0.6, 0.1, duty=0.5),
    "exponential 0.3 s, half duty": Meter("exponential", 0.3, 0.1, duty=0.5),
}


def renewed(rng: Rng, meter: Meter, until_s: float) -> Vector:
    """Return the instants of renewal."""
    n = round(1.2 * (until_s + 1) / meter.update_s)
    periods = meter.update_s * (1 + meter.walk * rng.normal(size=n))
    at = rng.uniform(-1, meter.update_s - 1) + np.cumsum(periods)
    at = np.sort(at + meter.update_s * meter.beat * rng.normal(size=n))
    return np.asarray(at[at < until_s])


def shown(rng: Rng, meter: Meter) -> tuple[Vector, Vector, Vector, Vector]:
    """Return readings of a meter, and instants and joules of the reference."""
    t = np.arange(-6, SECONDS + 1, STEP_S)
    power = np.where((t % WAVE_S < meter.duty * WAVE_S) & (t > 0), 120.0, 30.0)
    keep = math.exp(-STEP_S / 0.3)
    noise = lfilter([math.sqrt(1 - keep**2)], [1, -keep], rng.normal(0, 0.01, t.size))
    power = power * (1 + noise)
    joules = np.concatenate([[0.0], np.cumsum(power[:-1] * STEP_S)])
    ticks = renewed(rng, meter, SECONDS + 0.9)
    end = ticks - meter.lag_s
    if meter.form == "window":
        figures = np.interp(end, t, joules) - np.interp(end - meter.span_s, t, joules)
        figures = figures / meter.span_s
    else:
        kept = math.exp(-STEP_S / meter.span_s)
        faded = lfilter([1 - kept], [1, -kept], power, zi=[power[0] * kept])[0]
        figures = np.interp(end - STEP_S, t, faded)
    figures = np.round(figures + rng.normal(0, 0.3, figures.size), 1)
    at = np.arange(0, SECONDS, READ_S) + rng.uniform(0, READ_S / 20, round(SECONDS / READ_S))
    return at, figures[np.searchsorted(ticks, at, side="right") - 1], t, joules


def share(held: list[bool]) -> str:
    """Return a share with its 95 % interval."""
    if not held:
        return "-"
    low, high = binomtest(sum(held), len(held)).proportion_ci(method="exact")
    return f"{100 * sum(held) / len(held):5.1f} % ({100 * low:.0f} to {100 * high:.0f})"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--meters", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    print("Simulated. Share of 95 % intervals that hold the truth.")
    print(f"{'':30} {'update period':22} {'mean delay':22} {'form right':>11} {'refused':>9}")
    for name, meter in METERS.items():
        periods, delays, forms, refused = [], [], [], 0
        for number in range(given.meters):
            at, watts, t, joules = shown(np.random.default_rng([given.seed, number]), meter)
            try:
                periods.append(update_period(at, watts).covers(meter.update_s))
                found = power_response(at, watts, t, joules)
            except ValueError:
                refused += 1
                continue
            forms.append(found.form == meter.form)
            delays.append(found.mean_delay_s.covers(meter.delay_s))
        right = f"{100 * np.mean(forms):.0f} %" if forms else "-"
        print(
            f"{name:30} {share(periods):22} {share(delays):22} {right:>11} "
            f"{100 * refused / given.meters:7.0f} %",
            flush=True,
        )


if __name__ == "__main__":
    main()
