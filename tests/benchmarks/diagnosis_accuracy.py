"""How often the diagnosis is right on simulated meters. Simulated throughout.

python tests/benchmarks/diagnosis_accuracy.py [SIMULATIONS]

5 workloads x 5 durations (5 to 300 s) x 3 repeats, 2 % noise of the meter, 0.7 % of the reference,
and a workload effect of 3 % that no model is told of. A name is right if it is the fault's, or if
the fault is among those that it says cannot be told apart.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from calibrate.diagnose import NO_FAULT, Diagnosis, Runs, diagnose

Vector = np.ndarray[Any, np.dtype[np.float64]]
IDLE_W = 45.0
WRAPS_J = 2.0**14


class Design:
    """The runs of a simulated campaign, with the energy of parts of the machine."""

    def __init__(self, rng: np.random.Generator, k: int = 5, m: int = 5, repeats: int = 3) -> None:
        watts = rng.permutation(np.linspace(60, 240, k))
        seconds = np.geomspace(5, 300, m)
        self.w: np.ndarray[Any, np.dtype[np.intp]]
        w, t = (each.ravel() for each in np.meshgrid(np.arange(k), seconds, indexing="ij"))
        self.w = np.repeat(w, repeats)
        n = self.w.size
        self.t = np.repeat(t, repeats) * rng.uniform(0.97, 1.03, n)
        self.p = watts[self.w] * np.exp(rng.normal(0, 0.01, n))
        self.e = self.p * self.t
        self.dram = rng.uniform(0.05, 0.35, k)[self.w] * self.e
        self.socket = rng.uniform(0.35, 0.65, k)[self.w] * self.e
        self.rng = rng
        self.wraps_at_j = WRAPS_J

    def stale(self, period_s: float) -> Vector:
        """Return what a counter shows that is renewed once a period."""
        early, late = self.rng.uniform(0, period_s, (2, self.w.size))
        return np.asarray(self.e - self.p * late + IDLE_W * early)

    def dropped(self, interval_s: float) -> Vector:
        """Return what is left where a reading is lost at every wrap."""
        self.wraps_at_j = 500.0
        wraps = self.rng.poisson(self.e / self.wraps_at_j)
        return np.asarray(self.e - wraps * self.p * interval_s * self.rng.uniform(0.9, 1.1))

    def leap(self) -> Vector:
        """Return what a counter shows that leaps once."""
        probe = self.e.copy()
        probe[self.rng.integers(probe.size)] += 5e4
        return np.asarray(probe)

    def part_time(self) -> Vector:
        """Return what a meter shows that sees a tenth of one changing load."""
        noise = np.where(self.w == 2, self.rng.normal(0, 0.25, self.w.size), 0.0)
        return np.asarray(self.e * np.exp(noise))

    def runs(self, probe_j: Vector, noise: float = 0.02, workload_sd: float = 0.03) -> Runs:
        """Return what was measured of a meter that reports `probe_j` but for noise."""
        rng, n = self.rng, self.w.size
        effect = rng.normal(0, workload_sd, int(self.w.max()) + 1)[self.w]
        return Runs(
            probe_j * np.exp(rng.normal(0, noise, n) + effect),
            self.e * np.exp(rng.normal(0, noise / 3, n)),
            np.asarray(self.t, dtype=np.float64),
            [f"w{i}" for i in self.w],
            idle_w=IDLE_W,
            wraps_at_j=self.wraps_at_j,
            parts_j={"dram": self.dram, "package-0": self.socket},
        )


#: What the simulated meter does -> (the energy it reports, what its diagnosis has to begin with).
FAULTS: dict[str, tuple[Callable[[Design], Vector], str]] = {
    "sound": (lambda d: d.e, NO_FAULT),
    "kW for W": (lambda d: 1e-3 * d.e, "scale 1e-3 (kW taken for W)"),
    "Wh for J": (lambda d: d.e / 3600, "scale 1/3600 (Wh taken for J)"),
    "kWh for J": (lambda d: d.e / 3.6e6, "scale 1/3.6e6 (kWh taken for J)"),
    "mJ for J": (lambda d: 1e3 * d.e, "scale 1e3 (mJ taken for J)"),
    "uJ for J": (lambda d: 1e6 * d.e, "scale 1e6 (µJ taken for J)"),
    "one of two sockets": (lambda d: d.e / 2, "ratio 1/2"),
    "DRAM unit": (lambda d: d.e / 4, "ratio 1/4"),
    "mirrored dies": (lambda d: 2 * d.e, "ratio 2 "),
    "core added": (lambda d: 1.5 * d.e, "ratio 3/2"),
    "PUE": (lambda d: 1.58 * d.e, "ratio 1.58"),
    "raw counts": (lambda d: 2.0**16 * d.e, "ratio 2^16 "),
    "pseudo-targets": (lambda d: 3 * d.e, "ratio 3 "),
    "idle added": (lambda d: d.e + 20 * d.t, "idle offset"),
    "idle removed": (lambda d: d.e - 40 * d.t, "idle offset"),
    "constant power": (lambda d: np.asarray(95.0 * d.t), "constant power"),
    "process scope": (lambda d: d.e - IDLE_W * d.t, "idle power removed"),
    "tail lost": (lambda d: d.e - 0.8 * d.p, "window deficit"),
    "start counted in": (lambda d: d.e + 1.2 * d.p, "window deficit"),
    "lag": (lambda d: d.e - 1.5 * (d.p - IDLE_W), "lag"),
    "first reading too high": (lambda d: d.e + 323.0, "fixed energy"),
    "DRAM missing": (lambda d: d.e - d.dram, "missing dram"),
    "DRAM twice": (lambda d: d.e + d.dram, "dram twice"),
    "one socket by its own counter": (lambda d: d.socket, "only package-0"),
    "gain": (lambda d: 0.87 * d.e, "constant gain"),
    "gain and idle": (lambda d: 0.6 * d.e + 40 * d.t, "gain and idle offset"),
    "kW for W, idle added": (
        lambda d: 1e-3 * (d.e + 20 * d.t),
        "scale 1e-3 (kW taken for W) and idle offset",
    ),
    "kW for W, DRAM missing": (
        lambda d: 1e-3 * (d.e - d.dram),
        "scale 1e-3 (kW taken for W) and missing dram",
    ),
    "Wh for J, tail lost": (
        lambda d: (d.e - 0.8 * d.p) / 3600,
        "scale 1/3600 (Wh taken for J) and window deficit",
    ),
    "kW for W, counted twice": (
        lambda d: 2e-3 * d.e,
        "scale 1e-3 (kW taken for W) and ratio 2",
    ),
    "renewed every 2 s": (lambda d: d.stale(2.0), "stale counter"),
    "wrap readings dropped": (lambda d: d.dropped(0.5), "wrap readings dropped"),
    "one run of 75 leaps": (lambda d: d.leap(), "stray run"),
    "one load is seen part-time": (lambda d: d.part_time(), "part-time sampling"),
    "wrap lost": (lambda d: d.e % 2.0**14, "lost wraparound"),
}


def right(found: Diagnosis, wanted: str) -> bool:
    """Tell whether a diagnosis names the fault, or says that it may be that."""
    return any(each.startswith(wanted) for each in (found.alternatives or (found.name,)))


def accuracy(
    fault: str, simulations: int, seed: int = 0, **given: float
) -> tuple[float, float, Counter[str]]:
    """Return the share that is right, the seconds of one diagnosis, and what was said instead."""
    make, wanted = FAULTS[fault]
    hits, spent, instead = 0, 0.0, Counter[str]()
    for number in range(simulations):
        design = Design(np.random.default_rng([seed, number]))
        runs = design.runs(np.asarray(make(design)), **given)
        began = time.perf_counter()
        found = diagnose(runs)
        spent += time.perf_counter() - began
        if right(found, wanted):
            hits += 1
        else:
            instead[found.name if found.conclusive else f"{found.name}; {found.leading}"] += 1
    return hits / simulations, spent / simulations, instead


def main() -> None:
    """Print a line a fault."""
    simulations = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    shares = []
    for fault in FAULTS:
        share, seconds, instead = accuracy(fault, simulations)
        shares.append(share)
        print(f"{fault:32s} {share:6.3f} {1e3 * seconds:5.0f} ms  {dict(instead.most_common(3))}")
    print(f"{'all':32s} {np.mean(shares):6.3f}   ({simulations} simulations of each)")


if __name__ == "__main__":
    main()
