"""Does the interval of a corrected reading hold its true energy in 95 % of cases?

    python tests/benchmarks/coverage_of_corrections.py [--campaigns 400] [--seed 0] [NAME ...]

Every campaign has a meter of a known form, workloads with an effect of their own, and runs that
scatter. A correction is fitted to it, and one run of a workload that was not measured is corrected.
The table says how often the true energy is within the limits, with a binomial interval (95 %), for
3 to 30 workloads; how often a correction was given at all; and beside it the forms that were
chosen. Many of the readings lie outside of the loads that were measured: with 3 workloads, half.
Simulated throughout; the meter is made here, of nothing that the project fits with.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from scipy.stats import binomtest

from calibrate.calibration import Calibration, Corrector, fit_calibration
from calibrate.comparison import Comparison, Pair, PairedRun, ProbeSummary
from calibrate.diagnosis import UNEXPLAINED, Diagnosis
from calibrate.errors import CrosswattError

Rng = np.random.Generator
#: True power, W, to the power that a meter without scatter reports, W.
Meter = Callable[[float], float]

METERS: dict[str, Meter] = {
    "factor": lambda w: 0.9 * w,
    "offset": lambda w: w + 15,
    "gain and offset": lambda w: 0.8 * w + 15,
    "by load": lambda w: 0.6 * w if w < 75 else 0.9 * w,
    "sound": lambda w: w,
}
EFFECTS: dict[str, Callable[[Rng], float]] = {
    "normal": lambda rng: float(rng.normal()),
    "skewed": lambda rng: float(rng.exponential() - 1),
}
#: Standard deviation of the effect of a workload, and from run to run.
SCATTER = {"runs scatter less": (0.02, 0.005), "runs scatter more": (0.006, 0.02)}
WORKLOADS, REPEATS, SECONDS = (3, 5, 10, 30), 3, 60.0


def watts(rng: Rng) -> float:
    """Return the power of a workload, W."""
    return float(rng.uniform(25, 180))


def campaign(
    rng: Rng, meter: Meter, effect: Callable[[Rng], float], scatter: tuple[float, float], k: int
) -> Calibration:
    """Return the calibration of a meter from k workloads."""
    between, within = scatter
    rows = [
        PairedRun(
            run=f"{i}-{j}", workload=f"w{i}", repeat=j + 1, seconds=SECONDS,
            probe_j=meter(true) * SECONDS * float(np.exp(own + within * rng.normal())),
            reference_j=true * SECONDS, u_reference_j=0.0,
        )
        for i, (true, own) in enumerate((watts(rng), between * effect(rng)) for _ in range(k))
        for j in range(REPEATS)
    ]  # fmt: skip
    pair = Pair(
        probe="p", column="c", scope="package", reference_scope="package", basis="measured",
        family="f", same_family=False, headline=True, resolution_j=0.0, rows=tuple(rows),
        ratio=None, limits=None, prediction=None,
    )  # fmt: skip
    comparison = Comparison(
        simulated=True, machine="m", reference="truth", runs=len(rows),
        workloads=tuple(sorted({row.workload for row in rows})), pairs=(pair,), left=(),
        probes={"p": ProbeSummary(status="ok")},
    )  # fmt: skip
    unknown = Diagnosis(UNEXPLAINED, None, False, "Simulated.")
    return fit_calibration(comparison, {("p", "c"): unknown})


def trials(
    rng: Rng, campaigns: int, meter: Meter, effect: Callable[[Rng], float],
    scatter: tuple[float, float], k: int,
) -> Iterator[tuple[bool, bool, str]]:  # fmt: skip
    """Yield of each campaign whether a reading was corrected, whether its limits hold, the form."""
    between, within = scatter
    for _ in range(campaigns):
        found = Corrector(campaign(rng, meter, effect, scatter, k))
        true = watts(rng)
        shown = meter(true) * float(np.exp(between * effect(rng) + within * rng.normal()))
        form = found.calibration.corrections[0].verdict
        try:
            made = found.correct(shown * SECONDS, seconds=SECONDS)
        except CrosswattError:
            yield False, False, form
            continue
        low, high = made.low or 0.0, made.high or 0.0
        yield True, low <= true * SECONDS <= high, form


def _share(held: list[bool]) -> str:
    """Return a share in percent with its interval, and of how many."""
    if not held:
        return "none corrected"
    interval = binomtest(sum(held), len(held)).proportion_ci()
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * np.mean(held):5.1f} % ({low:.0f} to {high:.0f}) of {len(held):4}"


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("names", nargs="*", help="meters whose name contains one of these")
    options.add_argument("--campaigns", type=int, default=400)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    warnings.simplefilter("ignore")
    print(f"simulated, {given.campaigns} campaigns each: limits hold, of those corrected\n")
    for name, meter in METERS.items():
        if given.names and not any(part in name for part in given.names):
            continue
        for shape, effect in EFFECTS.items():
            for which, scatter in SCATTER.items():
                print(f"{name:16}{shape:8}{which:19}", end="", flush=True)
                forms: dict[str, int] = {}
                for k in WORKLOADS:
                    rng = np.random.default_rng([given.seed, k, *name.encode(), *which.encode()])
                    # Many workloads take ten times as long.
                    n = given.campaigns // (3 if k > 20 else 1)
                    every = list(trials(rng, n, meter, effect, scatter, k))
                    done = [holds for made, holds, _ in every if made]
                    for *_, form in every:
                        forms[form] = forms.get(form, 0) + 1
                    print(f"  {k:2}: {_share(done)}", end="", flush=True)
                print("   " + ", ".join(f"{n} {form}" for form, n in forms.items()), flush=True)


if __name__ == "__main__":
    main()
