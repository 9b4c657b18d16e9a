"""What a plan's runs can tell: which faults of a meter they name, and which they cannot tell apart.

The runs that a plan asks for are made up a few times, on a machine of 15 to 120 W, with a meter
that has one fault after another, and diagnosed as real ones would be. The meter has 2 % of noise,
the reference 0.7 %, and each workload an effect of 3 % that no model is told of. Everything here is
simulated; how far powers really differ between workloads decides much, and a pilot shows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calibrate.campaign import Plan, Step
from calibrate.diagnosis import FAULTS, NO_FAULT, Diagnosis, Keys, Runs, diagnose

Vector = np.ndarray[Any, np.dtype[np.float64]]
#: The machine that is made up: its power at rest and under full load.
REST_W, FULL_W = 15.0, 120.0
#: RAPL's usual range; see docs/workloads.md.
WRAPS_J = 2.0**18
#: Load of the shipped workloads, as a share of full load, as seen on simulated machines.
LOADS: Mapping[str, float] = {
    "idle": 0.0, "gemm": 1.0, "copy": 0.8, "integer": 0.75, "square": 0.5, "asr": 0.85,
    "asr-train": 0.7, "ml": 0.6, "triad": 0.8, "mixed": 0.9, "ramp": 0.5, "steps": 0.5,
    "bursts": 0.1, "soak": 0.75,
}  # fmt: skip
_OTHER_LOAD = 0.65


class Design:
    """Runs of a campaign that is made up, with the energy of parts of the machine.

    Parameters
    ----------
    rng : decides everything that is random.
    workload : label of each run.
    watts, seconds : what it is meant to use, and for how long.
    rest_w : power of the machine at rest.
    wraps_at_j : range of the counter that the meter reads.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        workload: Sequence[str],
        watts: Sequence[float] | Vector,
        seconds: Sequence[float] | Vector,
        rest_w: float = REST_W,
        wraps_at_j: float = WRAPS_J,
    ) -> None:
        self.labels = list(workload)
        names, self.w = np.unique(self.labels, return_inverse=True)
        k, n = names.size, self.w.size
        self.rest_w = rest_w
        self.t = np.asarray(seconds, dtype=np.float64) * rng.uniform(0.97, 1.03, n)
        self.p = np.asarray(watts, dtype=np.float64) * np.exp(rng.normal(0, 0.01, n))
        self.e = self.p * self.t
        self.dram = rng.uniform(0.05, 0.35, k)[self.w] * self.e
        self.socket = rng.uniform(0.35, 0.65, k)[self.w] * self.e
        self.rng = rng
        self.wraps_at_j = wraps_at_j

    def stale(self, period_s: float) -> Vector:
        """Return what a counter shows that is renewed once a period."""
        early, late = self.rng.uniform(0, period_s, (2, self.w.size))
        return np.asarray(self.e - self.p * late + self.rest_w * early)

    def dropped(self, interval_s: float) -> Vector:
        """Return what is left where a reading is lost at every wrap."""
        wraps = np.floor(self.e / self.wraps_at_j + self.rng.uniform(0, 1, self.w.size))
        return np.asarray(self.e - wraps * self.p * interval_s * self.rng.uniform(0.9, 1.1))

    def slow(self, tau_s: float) -> Vector:
        """Return what a filter counts whose time constant is `tau_s`."""
        kept = tau_s * (1 - np.exp(-self.t / tau_s))
        return np.asarray(self.e - (self.p - self.rest_w) * kept)

    def lost(self, share: float) -> Vector:
        """Return what is left where single samples, one a second, are lost."""
        due = np.maximum(self.t.astype(np.int64), 1)
        return np.asarray(self.e * self.rng.binomial(due, 1 - share) / due)

    def leap(self) -> Vector:
        """Return what a counter shows that leaps once."""
        probe = self.e.copy()
        probe[self.rng.integers(probe.size)] += 5e4
        return np.asarray(probe)

    def part_time(self) -> Vector:
        """Return what a meter shows that sees a tenth of one changing load."""
        one = int(self.w.max()) // 2
        noise = np.where(self.w == one, self.rng.normal(0, 0.25, self.w.size), 0.0)
        return np.asarray(self.e * np.exp(noise))

    def runs(self, probe_j: Vector, noise: float = 0.02, workload_sd: float = 0.03) -> Runs:
        """Return what was measured of a meter that reports `probe_j` but for noise."""
        rng, n = self.rng, self.w.size
        effect = rng.normal(0, workload_sd, int(self.w.max()) + 1)[self.w]
        return Runs(
            probe_j * np.exp(rng.normal(0, noise, n) + effect),
            self.e * np.exp(rng.normal(0, noise / 3, n)),
            np.asarray(self.t, dtype=np.float64),
            self.labels,
            idle_w=self.rest_w,
            wraps_at_j=self.wraps_at_j,
            parts_j={"dram": self.dram, "package-0": self.socket},
        )


#: What the simulated meter does -> (the energy it reports, the faults of which it has to be found).
METERS: dict[str, tuple[Callable[[Design], Vector], Keys]] = {
    "sound": (lambda d: d.e, ()),
    "kW for W": (lambda d: 1e-3 * d.e, ("scale-1e-3",)),
    "Wh for J": (lambda d: d.e / 3600, ("scale-1/3600",)),
    "kWh for J": (lambda d: d.e / 3.6e6, ("scale-1/3.6e6",)),
    "mJ for J": (lambda d: 1e3 * d.e, ("scale-1e3",)),
    "uJ for J": (lambda d: 1e6 * d.e, ("scale-1e6",)),
    "one of two sockets": (lambda d: d.e / 2, ("one-socket",)),
    "DRAM unit": (lambda d: d.e / 4, ("unit-1/4",)),
    "mirrored dies": (lambda d: 2 * d.e, ("packages-twice",)),
    "core added": (lambda d: 1.5 * d.e, ("psys-added",)),
    "PUE": (lambda d: 1.58 * d.e, ("pue-1.58",)),
    "raw counts": (lambda d: 2.0**16 * d.e, ("counts-of-15.3-as-j",)),
    "pseudo-targets": (lambda d: 3 * d.e, ("three-times",)),
    "idle added": (lambda d: d.e + d.rest_w * 4 / 9 * d.t, ("idle-offset",)),
    "idle removed": (lambda d: d.e - d.rest_w * 8 / 9 * d.t, ("idle-offset",)),
    "constant power": (lambda d: np.asarray(95.0 * d.t), ("constant-power",)),
    "process scope": (lambda d: d.e - d.rest_w * d.t, ("idle-removed",)),
    "tail lost": (lambda d: d.e - 0.8 * d.p, ("window-deficit",)),
    "start counted in": (lambda d: d.e + 1.2 * d.p, ("window-deficit",)),
    "lag": (lambda d: d.e - 1.5 * (d.p - d.rest_w), ("lag",)),
    "first reading too high": (lambda d: d.e + 323.0, ("fixed-energy",)),
    "DRAM missing": (lambda d: d.e - d.dram, ("dram-missing",)),
    "DRAM twice": (lambda d: d.e + d.dram, ("dram-twice",)),
    "one socket by its own counter": (lambda d: d.socket, ("package-0-only",)),
    "gain": (lambda d: 0.87 * d.e, ("constant-gain",)),
    "gain and idle": (
        lambda d: 0.6 * d.e + d.rest_w * 8 / 9 * d.t,
        ("constant-gain", "idle-offset"),
    ),
    "kW for W, idle added": (
        lambda d: 1e-3 * (d.e + d.rest_w * 4 / 9 * d.t),
        ("scale-1e-3", "idle-offset"),
    ),
    "kW for W, DRAM missing": (
        lambda d: 1e-3 * (d.e - d.dram),
        ("scale-1e-3", "dram-missing"),
    ),
    "Wh for J, tail lost": (
        lambda d: (d.e - 0.8 * d.p) / 3600,
        ("scale-1/3600", "window-deficit"),
    ),
    "kW for W, counted twice": (
        lambda d: 2e-3 * d.e,
        ("scale-1e-3", "packages-twice"),
    ),
    "renewed every 2 s": (lambda d: d.stale(2.0), ("stale",)),
    "slow filter": (lambda d: d.slow(12.0), ("slow-response",)),
    "a fifth of the samples lost": (lambda d: d.lost(0.2), ("samples-lost",)),
    "PUE, DRAM missing": (lambda d: 1.58 * (d.e - d.dram), ("pue-1.58", "dram-missing")),
    "wrap readings dropped": (lambda d: d.dropped(0.5), ("wrap-dropped",)),
    "one run leaps": (lambda d: d.leap(), ("stray",)),
    "one load is seen part-time": (lambda d: d.part_time(), ("part-time",)),
    "wrap lost": (lambda d: d.e % d.wraps_at_j, ("wrap",)),
}


_SLIPS = {each.key for each in FAULTS if each.group == "unit"}


def right(found: Diagnosis, wanted: Keys) -> bool:
    """Tell whether a diagnosis names the faults, or says that it may be these."""
    if not wanted:
        return found.name == NO_FAULT
    # A slip of units is found, whatever else is named behind it.
    named = (keys[: len(wanted)] if wanted[0] in _SLIPS else keys for keys in found.keys)
    return wanted in named


@dataclass(frozen=True)
class Told:
    """What a design makes of one fault.

    Parameters
    ----------
    fault : what is wrong with the meter.
    named : share of the campaigns in which the fault, and nothing else, is named.
    among : share in which it is one of several that cannot be told apart.
    instead : what is said most often where it is not named alone.
    """

    fault: str
    named: float
    among: float
    instead: str

    @property
    def verdict(self) -> str:
        """Return the outcome that is the most likely."""
        if self.named >= 0.5:
            return "named"
        return "among others" if self.named + self.among >= 0.5 else "not told"


def foresee(
    plan: Plan, simulations: int = 5, seed: int = 0, faults: Iterable[str] = tuple(METERS)
) -> Iterator[Told]:
    """Yield what the runs of a plan tell of faults.

    Parameters
    ----------
    plan : what would run.
    simulations : campaigns made up for each fault.
    seed : of all that is random.
    faults : names of `METERS`.
    """
    planned = [(step, seconds) for _, step, seconds in plan.in_turn()]
    labels = [step.called for step, _ in planned]
    watts = [REST_W + (FULL_W - REST_W) * load(step) for step, _ in planned]
    lengths = [seconds for _, seconds in planned]
    for name in faults:
        make, wanted = METERS[name]
        alone, among, instead = 0, 0, Counter[str]()
        for number in range(simulations):
            rng = np.random.default_rng([seed, number])
            design = Design(rng, labels, watts, lengths)
            found = diagnose(design.runs(np.asarray(make(design))))
            if right(found, wanted) and len(found.alternatives) < 2:
                alone += 1
                continue
            among += right(found, wanted)
            instead[found.name] += 1
        words = instead.most_common(1)[0][0] if instead else ""
        yield Told(name, alone / simulations, among / simulations, words)


def load(step: Step) -> float:
    """Return the load of a workload as a share of full load, for want of anything measured."""
    duty = 1.0
    for flag, value in zip(step.arguments, step.arguments[1:], strict=False):
        if flag == "--duty":
            duty = float(value)
        elif flag == "--cores" and value == "1":
            duty *= 0.5
    return duty * LOADS.get(step.name, _OTHER_LOAD)
