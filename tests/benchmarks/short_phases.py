"""Is the power of phases shorter than a meter's update right, and does its interval hold it?

    python tests/benchmarks/short_phases.py [--runs 400] [--seed 0] [NAME ...]

Every run has phases of 30 ms at 60 W, rests of random length at 8 W between them, and a meter that
is renewed every 0.1 s. The table has bias and scatter of the power of the phases, how often its
95 % interval holds the power (with a binomial interval), and how many runs were refused. "edges" is
the mean over the phases each by itself, as the project had it before. Simulated throughout.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import binomtest

from calibrate.energy import native_columns
from calibrate.energy.phase_power import KindPower, kind_powers
from calibrate.energy.stretch import StretchMeter
from calibrate.probe import Domain
from calibrate.store import ProbeLog
from calibrate.store.readings import Reading, Readings

Vector = NDArray[np.float64]
Rng = np.random.Generator
SECOND, ORIGIN = 10**9, 10**12
PHASE_W, REST_W, LENGTH_S, UPDATE_S = 60.0, 8.0, 0.03, 0.1


@dataclass(frozen=True)
class Case:
    """A meter and a load.

    Parameters
    ----------
    phases : in a run.
    rest_s : mean of the rests, which are exponential; `regular` makes them all alike.
    noise_w : of the power, correlated over 20 ms.
    scatter : relative sd of the power from phase to phase.
    instant_s : sd of the error of the instant of a reading.
    step_j : of the counter.
    late_s : how old a figure is.
    window_s : None for a counter; of a power meter, what a figure is the mean of.
    """

    phases: int = 100
    rest_s: float = 0.15
    regular: bool = False
    noise_w: float = 0.0
    scatter: float = 0.0
    instant_s: float = 0.001
    step_j: float = 0.0
    late_s: float = 0.0
    window_s: float | None = None


CASES = {
    "instants known to 1 ms": Case(),
    "instants known to 5 ms": Case(instant_s=0.005),
    "noise of 3 W": Case(noise_w=3.0),
    "noise of 20 W": Case(noise_w=20.0),
    "phases differ by 10 %": Case(scatter=0.1),
    "steps of 1 J": Case(step_j=1.0),
    "50 ms late": Case(late_s=0.05, noise_w=3.0),
    "rests of 107 ms": Case(regular=True, rest_s=0.107, noise_w=3.0),
    "rests of 70 ms, in step": Case(regular=True, rest_s=0.07, noise_w=3.0),
    "20 phases": Case(phases=20, scatter=0.05),
    "1000 phases": Case(phases=1000, noise_w=20.0, scatter=0.1),
    "power, mean of 0.1 s": Case(window_s=0.1, noise_w=3.0),
    "power, of an instant": Case(window_s=0.002, noise_w=3.0),
    "power, mean of 0.3 s, late": Case(window_s=0.3, late_s=0.08, noise_w=3.0),
    "power, mean of 1 s": Case(window_s=1.0, noise_w=3.0),
}


def course(rng: Rng, case: Case) -> tuple[list[tuple[float, float]], Callable[[Vector], Vector]]:
    """Return begin and end of each phase, and the joules used up to any instant, s."""
    rests = np.full(case.phases, case.rest_s)
    if not case.regular:
        rests = 0.005 + rng.exponential(case.rest_s, case.phases)
    begins = 2.0 + np.concatenate([[0.0], np.cumsum(LENGTH_S + rests)[:-1]])
    edges = np.concatenate([[0.0], np.ravel(np.column_stack([begins, begins + LENGTH_S]))])
    edges = np.append(edges, edges[-1] + 2.0)
    watts = np.full(edges.size - 1, REST_W)
    watts[1::2] = PHASE_W * (1 + rng.normal(0, case.scatter, case.phases))
    used = np.concatenate([[0.0], np.cumsum(watts * np.diff(edges))])
    fine, keep = np.arange(0.0, edges[-1], 0.001), np.exp(-0.001 / 0.02)
    noise = lfilter([np.sqrt(1 - keep**2)], [1, -keep], rng.normal(0, case.noise_w, fine.size))
    moved = np.cumsum(noise) * 0.001
    spans = [(float(begin), float(begin) + LENGTH_S) for begin in begins]
    return spans, lambda at: np.interp(at, edges, used) + np.interp(at, fine, moved)


def meter(rng: Rng, case: Case, used: Callable[[Vector], Vector], end_s: float) -> StretchMeter:
    """Return what a meter shows of a course."""
    at = np.arange(1.0 + rng.uniform(0, UPDATE_S), end_s + 1.5, UPDATE_S)
    true = at + rng.normal(0, case.instant_s, at.size) - case.late_s
    values = used(true)
    if case.window_s is not None:
        values = (values - used(true - case.window_s)) / case.window_s
    if case.step_j:
        values = np.floor(values / case.step_j) * case.step_j
    kind = "counter" if case.window_s is None else "power"
    domain = Domain("package-0", "package-0", kind, "measured", "rapl")  # type: ignore[arg-type]
    readings = [
        Reading(ORIGIN + round(t * SECOND), ORIGIN + round(t * SECOND), {domain.name: float(value)})
        for t, value in zip(at, values, strict=True)
    ]
    log = ProbeLog("probe", {domain.name: domain}, readings=Readings.of(readings))
    return StretchMeter(log, native_columns([domain])[0])


def by_edges(spans: list[tuple[int, int]], of: StretchMeter) -> float:
    """Return the mean power of phases each by itself, W."""
    found = [of.between(begin, end) for begin, end in spans]
    return float(np.mean([each.joules for each in found if each])) / LENGTH_S


def row(name: str, case: Case, runs: int, seed: int) -> str:
    """Return a line of the table."""
    errors, held, before, refused, told = [], 0, [], 0, []
    for number in range(runs):
        rng = np.random.default_rng([seed, number])
        spans_s, used = course(rng, case)
        of = meter(rng, case, used, spans_s[-1][1])
        spans = [(ORIGIN + round(a * SECOND), ORIGIN + round(b * SECOND)) for a, b in spans_s]
        before.append(by_edges(spans, of) / PHASE_W - 1)
        found = kind_powers({"step": spans}, of)["step"]
        if not isinstance(found, KindPower):
            refused += 1
            continue
        errors.append(found.watts / PHASE_W - 1)
        told.append(found.k * found.u_w / PHASE_W)
        held += abs(found.watts - PHASE_W) <= found.k * found.u_w
    edges = f"{100 * np.mean(before):7.1f} %"
    if not errors:
        return f"{name:28} {edges} {'':37} {100 * refused / runs:6.1f} %"
    low, high = binomtest(held, len(errors)).proportion_ci(method="exact")
    return (
        f"{name:28} {edges} {100 * np.mean(errors):7.2f} % {100 * np.std(errors):6.2f} % "
        f"{100 * np.median(told):6.2f} %   {100 * held / len(errors):5.1f} % "
        f"({100 * low:.1f} to {100 * high:.1f}) {100 * refused / runs:6.1f} %"
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=400)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("names", nargs="*", help="cases; all unless given")
    given = arguments.parse_args()
    print("Simulated. bias, sd, U: of the power of the phases, relative; U is expanded (95 %).")
    print(f"{'':28} {'edges':>9} {'bias':>9} {'sd':>8} {'U':>8}   in U (95 % interval)   refused")
    for name, case in CASES.items():
        if not given.names or name in given.names:
            print(row(name, case, given.runs, given.seed), flush=True)


if __name__ == "__main__":
    main()
