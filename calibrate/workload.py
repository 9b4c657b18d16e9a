"""What the workload scripts share: phase marks, and pinned workers with a known duty cycle.

A workload is a script that runs alone (``python workloads/gemm.py --seconds 5``) and does not
know that it is measured. With ``--marks`` it prints what it does as lines of the form
``crosswatt: {...}`` on standard output and waits for a line on standard input before it starts:

    crosswatt: {"mark": "ready"}
    crosswatt: {"mark": "phase", "name": "load", "begin_ns": 1, "end_ns": 9, "work": 2}
    crosswatt: {"mark": "phase", "name": "eval[3]", "begin_ns": 9, "end_ns": 12,
                "values": {"wer": 0.061}}
    crosswatt: {"mark": "result", "values": {"wer": 0.061}}

Instants are CLOCK_MONOTONIC nanoseconds. Any other line is the workload's own output.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing.synchronize import Barrier
from typing import Any

PREFIX = "crosswatt: "
#: Pulse-width period of a part load; measured in the prototype: duty within 0.005.
PWM_PERIOD_NS = 20_000_000

#: One quantum of work, and the units of work it does.
Kernel = tuple[Callable[[], object], float]
Value = float | int | str | None


@dataclass(frozen=True)
class Phase:
    """A stretch of a workload, with the instants when it really began and ended.

    Parameters
    ----------
    name : for example ``load``, ``high``, ``infer``; ``train[3]`` is the third of its kind.
    begin_ns, end_ns : CLOCK_MONOTONIC.
    work : units of work done, all workers together; None where there is no such figure.
    unit : what the work is counted in, for example ``flop`` or ``byte``.
    values : figures of quality that belong to this phase, for example the word error rate.
    """

    name: str
    begin_ns: int
    end_ns: int
    work: float | None = None
    unit: str | None = None
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Length of the phase."""
        return (self.end_ns - self.begin_ns) / 1e9


class Stage:
    """The workload's side of the conversation: ready, phases, result.

    Parameters
    ----------
    marks : print marks for a program; otherwise sentences for a person.
    """

    def __init__(self, marks: bool) -> None:
        self._marks = marks

    def _print(self, document: Mapping[str, object]) -> None:
        print(PREFIX + json.dumps(document), flush=True)

    def ready(self) -> None:
        """Say that preparation is over and wait until told to start."""
        if self._marks:
            self._print({"mark": "ready"})
            sys.stdin.readline()

    def phase(self, phase: Phase) -> None:
        """Report a finished phase."""
        if self._marks:
            self._print({"mark": "phase", **asdict(phase)})
        else:
            parts = [f"{phase.seconds:.3f} s"]
            if phase.work is not None:
                parts.append(f"{phase.work / phase.seconds:.4g} {phase.unit}/s")
            parts += [_words(name, value) for name, value in phase.values.items()]
            print(f"{phase.name}: {', '.join(parts)}")

    def result(self, **values: Value) -> None:
        """Report figures of quality, such as the word error rate."""
        if self._marks:
            self._print({"mark": "result", "values": values})
        else:
            for name, value in values.items():
                print(_words(name, value))


def _words(name: str, value: Value) -> str:
    """Return a figure of quality for a person."""
    return f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}"


def parser(description: str | None, seconds: float = 5.0) -> argparse.ArgumentParser:
    """Return the options that every workload has: ``--seconds``, ``--seed``, ``--marks``."""
    options = argparse.ArgumentParser(description=(description or "").split("\n", maxsplit=1)[0])
    options.add_argument("--seconds", type=float, default=seconds, help="length of the load")
    options.add_argument("--seed", type=int, default=0, help="seed of whatever is random")
    options.add_argument("--marks", action="store_true", help="print phase marks for a program")
    return options


def load_parser(description: str | None, seconds: float = 5.0) -> argparse.ArgumentParser:
    """Return `parser` with the options of a steady load: ``--cores`` and ``--duty``."""
    options = parser(description, seconds)
    options.add_argument("--cores", type=int, default=0, help="cores to load; 0 means all")
    options.add_argument("--duty", type=float, default=1.0, help="share of the time spent busy")
    return options


def cores(wanted: int = 0) -> list[int]:
    """Return the CPU numbers to load: the first `wanted` of those allowed, or all of them."""
    allowed = sorted(os.sched_getaffinity(0))
    if wanted < 0 or wanted > len(allowed):
        raise SystemExit(f"--cores {wanted}: this process may use 1 to {len(allowed)} cores.")
    return allowed[:wanted] if wanted else allowed


def one_thread() -> None:
    """Keep numerical libraries to one thread a process; they read this when first imported."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def matrix_product(side: int = 192) -> Kernel:
    """Return one float32 matrix product and its floating-point operations.

    The default side makes a quantum of about 0.15 ms, which a 20 ms duty period needs.
    """
    import numpy as np

    random = np.random.default_rng(0)
    a, b = (random.random((side, side), dtype=np.float32) for _ in range(2))
    out = np.empty_like(a)
    return (lambda: np.dot(a, b, out=out)), 2.0 * side**3


def steady(make: Callable[[], Kernel], unit: str, options: argparse.Namespace) -> None:
    """Run a whole workload script: one load of constant duty on pinned workers."""
    if not 0 <= options.duty <= 1:
        raise SystemExit(f"--duty {options.duty}: it is a share, between 0 and 1.")
    segments = [("load", options.seconds, options.duty)]
    run_segments(make, unit, segments, cores(options.cores), Stage(options.marks))


def run_segments(
    make: Callable[[], Kernel],
    unit: str,
    segments: Sequence[tuple[str, float, float]],
    on: Sequence[int],
    stage: Stage,
) -> None:
    """Run segments of (name, seconds, duty) on one pinned worker per core and report each.

    A segment begins when the first worker begins it and ends when the last one leaves it.
    """
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(len(on) + 1)
    start = context.Value("q", 0)
    results = context.Queue()
    workers = [
        context.Process(
            target=_work, args=(make, core, segments, barrier, start, results), daemon=True
        )
        for core in on
    ]
    for worker in workers:
        worker.start()
    barrier.wait(60)
    stage.ready()
    start.value = time.monotonic_ns() + 5_000_000
    barrier.wait(60)
    answers = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    for index, (name, _, _) in enumerate(segments):
        parts = [answer[index] for answer in answers]
        begin, end = min(p[0] for p in parts), max(p[1] for p in parts)
        stage.phase(Phase(name, begin, end, sum(p[2] for p in parts), unit))


def _work(
    make: Callable[[], Kernel],
    core: int,
    segments: Sequence[tuple[str, float, float]],
    barrier: Barrier,
    start: Any,  # a shared integer; its class is private to multiprocessing
    results: Any,
) -> None:
    """One worker: warm up, meet the others twice, do every segment on time."""
    os.sched_setaffinity(0, {core})
    one_thread()
    kernel, work = make()
    quantum_ns = _quantum_ns(kernel)
    barrier.wait(60)
    barrier.wait()
    _sleep_until(start.value)
    out, planned = [], int(start.value)
    for _, seconds, duty in segments:
        end = planned + int(seconds * 1e9)
        begin = time.monotonic_ns()
        count = _segment(kernel, quantum_ns, planned, end, duty)
        out.append((begin, time.monotonic_ns(), count * work))
        planned = end
    results.put(out)


def _quantum_ns(kernel: Callable[[], object]) -> float:
    """Return the median time of one quantum, after a warm-up."""
    for _ in range(20):
        kernel()
    times = []
    for _ in range(30):
        before = time.monotonic_ns()
        kernel()
        times.append(time.monotonic_ns() - before)
    return statistics.median(times)


def _segment(
    kernel: Callable[[], object], quantum_ns: float, begin: int, end: int, duty: float
) -> int:
    """Work from `begin` to `end` at a duty cycle; return the number of quanta done."""
    if duty <= 0:
        _sleep_until(end)
        return 0
    if duty >= 1:
        count = 0
        while time.monotonic_ns() < end:
            kernel()
            count += 1
        return count
    count, carry_ns = 0, 0.0
    for tick in range(begin, end, PWM_PERIOD_NS):
        # Each period gets the CPU time that is due, plus what the last one missed or overdrew.
        wanted = PWM_PERIOD_NS * duty + carry_ns
        before = time.process_time_ns()
        while (
            time.process_time_ns() - before + quantum_ns / 2 < wanted
            and time.monotonic_ns() < tick + PWM_PERIOD_NS
        ):
            kernel()
            count += 1
        missed = wanted - (time.process_time_ns() - before)
        carry_ns = max(-PWM_PERIOD_NS, min(PWM_PERIOD_NS, missed))
        _sleep_until(min(tick + PWM_PERIOD_NS, end))
    return count


def _sleep_until(instant_ns: int) -> None:
    """Sleep to a CLOCK_MONOTONIC instant."""
    while (left := instant_ns - time.monotonic_ns()) > 0:
        time.sleep(left / 1e9)
