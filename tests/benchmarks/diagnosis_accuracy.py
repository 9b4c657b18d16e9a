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

import numpy as np

from calibrate.diagnosis import diagnose
from calibrate.studies import METERS
from calibrate.studies.foresight import Design, right

IDLE_W = 45.0
#: Range of the counter, and one so small that what is lost at its wraps can be seen.
WRAPS_J, DROPS_AT_J = 2.0**14, 500.0


def grid(
    rng: np.random.Generator, k: int = 5, m: int = 5, repeats: int = 3, wraps_at_j: float = WRAPS_J
) -> Design:
    """Return the runs of k workloads of 60 to 240 W at m lengths of 5 to 300 s."""
    watts = rng.permutation(np.linspace(60, 240, k))
    w, t = np.meshgrid(np.arange(k), np.geomspace(5, 300, m), indexing="ij")
    which, seconds = (np.repeat(each.ravel(), repeats) for each in (w, t))
    return Design(
        rng,
        [f"w{i}" for i in which],
        watts[which],
        np.asarray(seconds, dtype=np.float64),
        IDLE_W,
        wraps_at_j,
    )


def accuracy(
    fault: str, simulations: int, seed: int = 0, **given: float
) -> tuple[float, float, Counter[str]]:
    """Return the share that is right, the seconds of one diagnosis, and what was said instead."""
    make, wanted = METERS[fault]
    hits, spent, instead = 0, 0.0, Counter[str]()
    wraps_at_j = DROPS_AT_J if fault == "wrap readings dropped" else WRAPS_J
    for number in range(simulations):
        design = grid(np.random.default_rng([seed, number]), wraps_at_j=wraps_at_j)
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
    for fault in METERS:
        share, seconds, instead = accuracy(fault, simulations)
        shares.append(share)
        print(f"{fault:32s} {share:6.3f} {1e3 * seconds:5.0f} ms  {dict(instead.most_common(3))}")
    print(f"{'all':32s} {np.mean(shares):6.3f}   ({simulations} simulations of each)")


if __name__ == "__main__":
    main()
