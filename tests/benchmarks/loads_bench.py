"""How steady the loads are: ops/s over windows of a second, duty, and edges of a square wave.

python tests/benchmarks/loads_bench.py [SECONDS]

On an otherwise idle machine; with anything else running it shows that instead, as `busy` below 1.
SECONDS is the length of each of the measurements (default 20). The targets are the project's own:
a coefficient of variation of ops/s of at most 1 % (integer, gemm) and 4 % (copy, triad), a duty
within 0.01, and edges within 1 ms at the 99th percentile. An edge is late against the earliest one
of its series, since phases tell when they really began and not when they were planned to.

A processor whose clock others decide, on a shared host, scatters by itself. So the same work is
done before and after each load in a bare loop on one CPU: where ops/s miss the target, but not by
more than that loop scatters, the machine is not still enough to tell.
Exit code 1 where a target is missed, 2 where the machine is not still enough.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence

from calibrate import catalog
from calibrate.loads import Kernel, Phase, Segment, Stage, cores, matrix_product, triad
from calibrate.loads.script import run_segments

CV_LIMITS = {"integer": 0.01, "gemm": 0.01, "copy": 0.04, "triad": 0.04}
DUTIES = (0.1, 0.25, 0.5, 0.75, 0.9)
DUTY_LIMIT, EDGE_LIMIT_MS = 0.01, 1.0
HALF_S = 0.25
OK, MISSED, NOT_STILL = "ok", "MISSED", "the machine is not still enough to tell"


class Quiet(Stage):
    """Keeps the phases."""

    def __init__(self) -> None:
        super().__init__(marks=False)
        self.phases: list[Phase] = []

    def phase(self, phase: Phase) -> None:
        """Keep it."""
        self.phases.append(phase)


def kernels() -> dict[str, Callable[[], Kernel]]:
    """Return the loads by name."""
    own = {
        name: catalog.load(catalog.find("workloads", name)).kernel for name in ("integer", "copy")
    }
    return {**own, "gemm": matrix_product, "triad": triad}


def phases(make: Callable[[], Kernel], segments: Sequence[Segment]) -> list[Phase]:
    """Run segments on all CPUs and return what was reported."""
    stage = Quiet()
    run_segments(make, "op", segments, cores(), stage)
    return stage.phases


def verdict(value: float, limit: float, machine: float = 0.0) -> str:
    """Return the verdict as a word; `machine` is what the machine adds to `value` in quadrature."""
    if value <= limit:
        return OK
    return MISSED if value**2 - machine**2 > limit**2 else NOT_STILL


def bare(make: Callable[[], Kernel], windows: int) -> list[float]:
    """Return quanta per second of a plain loop on one CPU, in windows of a second."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    quantum, _ = make()
    rates = []
    try:
        for _ in range(windows):
            done, began = 0, time.perf_counter()
            while (spent := time.perf_counter() - began) < 1.0:
                quantum()
                done += 1
            rates.append(done / spent)
    finally:
        os.sched_setaffinity(0, allowed)
    return rates


def variation(rates: Sequence[float]) -> float:
    """Return the coefficient of variation."""
    return statistics.stdev(rates) / statistics.mean(rates)


def steadiness(seconds: int) -> list[str]:
    """Print the spread of ops/s of each load, beside that of a bare loop."""
    print(f"ops/s over {seconds} windows of 1 s, {len(cores())} CPUs")
    made, said = kernels(), []
    for name, limit in CV_LIMITS.items():
        before = bare(made[name], max(2, seconds // 2))
        done = phases(made[name], [Segment("load", 1.0)] * seconds)
        behind = bare(made[name], max(2, seconds // 2))
        rates = [(each.work or 0.0) / each.seconds for each in done]
        mean, busy = statistics.mean(rates), min(float(p.values["busy"] or 0) for p in done)
        cv = variation(rates)
        # Each half by itself: the load may have heated the processor in between.
        least = statistics.mean(variation(half) ** 2 for half in (before, behind)) ** 0.5
        said.append(verdict(cv, limit, least))
        print(
            f"  {name:8} {mean:.4g}/s  CV {100 * cv:.2f} % (at most {100 * limit:.0f} %; bare loop "
            f"{100 * least:.2f} %)  min/max {min(rates) / max(rates):.3f}  "
            f"least busy {busy:.3f}  {said[-1]}"
        )
    return said


def duty(seconds: int) -> list[str]:
    """Print how far the CPU time is off the duty that was asked for."""
    print(f"duty, {seconds / len(DUTIES):.1f} s each")
    made, said = kernels(), []
    for name in CV_LIMITS:
        segments = [Segment("load", max(1.0, seconds / len(DUTIES)), each) for each in DUTIES]
        done = phases(made[name], segments)
        off = [float(p.values["busy"] or 0) - float(p.values["duty"] or 0) for p in done]
        worst = max(off, key=abs)
        said.append(verdict(abs(worst), DUTY_LIMIT))
        told = " ".join(f"{each:g}:{error:+.4f}" for each, error in zip(DUTIES, off, strict=True))
        print(f"  {name:8} {told}  worst {worst:+.4f} (at most {DUTY_LIMIT})  {said[-1]}")
    return said


def edges(seconds: int) -> list[str]:
    """Print how late the edges of a square wave of matrix products are."""
    count = max(20, round(seconds / HALF_S / 2))
    done = phases(matrix_product, [Segment("high", HALF_S), Segment("low", HALF_S, 0.0)] * count)
    half_ns = round(HALF_S * 1e9)
    said = []
    for what, instants in (
        ("begins", [each.begin_ns for each in done]),
        ("ends", [each.end_ns for each in done]),
    ):
        raw = [at - n * half_ns for n, at in enumerate(instants)]
        late_ms = sorted((each - min(raw)) / 1e6 for each in raw)
        p99 = late_ms[round(0.99 * (len(late_ms) - 1))]
        said.append(verdict(p99, EDGE_LIMIT_MS))
        print(
            f"  {what:8} median {statistics.median(late_ms):.3f} ms  p99 {p99:.3f} ms "
            f"(at most {EDGE_LIMIT_MS:g})  max {late_ms[-1]:.3f} ms  {said[-1]}"
        )
    return said


def main() -> int:
    """Measure everything and return an exit code."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    said = steadiness(seconds) + duty(seconds)
    print(f"edges of a square wave of {2 * HALF_S:g} s")
    said += edges(seconds)
    return 1 if MISSED in said else 2 if NOT_STILL in said else 0


if __name__ == "__main__":
    sys.exit(main())
