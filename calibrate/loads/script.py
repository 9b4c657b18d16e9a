"""What the workload scripts share: their options, and pinned workers with a known duty cycle.

A workload is a script that runs alone (``python workloads/gemm.py --seconds 5``) and does not
know that it is measured. With ``--marks`` it prints what it does as marks
(`calibrate.loads.marks`) and waits for a line on standard input before it starts.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from calibrate.linux.processes import die_with_parent
from calibrate.loads.kernels import Kernel, matrix_product
from calibrate.loads.marks import PREFIX, Phase, Stage, Value
from calibrate.loads.placement import Background, add_placing, background, cores, placed

__all__ = [
    "PREFIX", "Kernel", "Phase", "Segment", "Stage", "Value", "cores", "load_parser",
    "matrix_product", "one_thread", "parser", "run_load", "run_segments", "steady", "whole_periods",
]  # fmt: skip

#: Pulse-width period of a part load; measured in the prototype: duty within 0.005.
PWM_PERIOD_NS = 20_000_000


@dataclass(frozen=True)
class Segment:
    """A stretch of a load that is planned.

    Parameters
    ----------
    name : of its phase.
    seconds : its length, s.
    duty : share of the time that each CPU is busy, from 0 to 1.
    """

    name: str
    seconds: float
    duty: float = 1.0


def parser(description: str | None, seconds: float = 5.0) -> argparse.ArgumentParser:
    """Return the options that every workload has: ``--seconds``, ``--seed``, ``--marks``.

    Parameters
    ----------
    description : the script's docstring, whose first line is its help.
    seconds : default length, s.
    """
    options = argparse.ArgumentParser(description=(description or "").split("\n", maxsplit=1)[0])
    options.add_argument("--seconds", type=float, default=seconds, help="length of the load")
    options.add_argument("--seed", type=int, default=0, help="seed of whatever is random")
    options.add_argument("--marks", action="store_true", help="print phase marks for a program")
    return options


def load_parser(
    description: str | None, seconds: float = 5.0, *, duty: bool = True
) -> argparse.ArgumentParser:
    """Return `parser` with the options of a load on CPUs: where, how busy, and what beside it.

    Parameters
    ----------
    description : the script's docstring.
    seconds : default length.
    duty : whether ``--duty`` is for the user to choose.
    """
    options = parser(description, seconds)
    add_placing(options)
    if duty:
        options.add_argument("--duty", type=float, default=1.0, help="share of the time spent busy")
    options.add_argument(
        "--background",
        metavar="DUTY@CPUS",
        help="matrix products beside the load, on CPUs of their own: 0.5@2-3",
    )
    return options


def one_thread() -> None:
    """Keep numerical libraries to one thread a process; they read this when first imported."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def whole_periods(seconds: float) -> float:
    """Return a length that is a whole number of duty periods (20 ms), at least one, s.

    Parameters
    ----------
    seconds : the length that is wanted, s.
    """
    return max(1, round(seconds * 1e9 / PWM_PERIOD_NS)) * PWM_PERIOD_NS / 1e9


def steady(make: Callable[[], Kernel], unit: str, options: argparse.Namespace) -> None:
    """Run a whole workload script: one load of constant duty on pinned workers.

    Parameters
    ----------
    make : makes the kernel, in each worker.
    unit : what its work is counted in, for example ``flop``.
    options : as `load_parser` gives them.
    """
    run_load(make, unit, [Segment("load", options.seconds, options.duty)], options)


def run_load(
    make: Callable[[], Kernel],
    unit: str,
    segments: Sequence[Segment],
    options: argparse.Namespace,
) -> None:
    """Run segments where the options of `load_parser` say.

    Parameters
    ----------
    make : makes the kernel, in each worker.
    unit : what its work is counted in, for example ``flop``.
    segments : what to do, one after the other.
    options : as parsed.

    Raises
    ------
    SystemExit : the options make no sense, or this machine lacks those CPUs.
    """
    if not 0 <= getattr(options, "duty", 1.0) <= 1:
        raise SystemExit(f"--duty {options.duty}: it is a share, between 0 and 1.")
    if not all(segment.seconds > 0 for segment in segments):
        raise SystemExit(f"--seconds {options.seconds:g}: it is a length of time, above 0.")
    beside = background(options.background)
    on = placed(options, beside.cpus if beside else ())
    run_segments(make, unit, segments, on, Stage(options.marks), beside)


def run_segments(
    make: Callable[[], Kernel],
    unit: str,
    segments: Sequence[Segment],
    on: Sequence[int],
    stage: Stage,
    beside: Background | None = None,
) -> None:
    """Run segments on one pinned worker per CPU and report each as it was.

    A segment begins when the first worker begins it and ends when the last one leaves it. Its
    ``duty`` is what was asked for, ``busy`` the share of the CPUs' time that the workers had: less
    than the duty where something else had the CPU. What a background did is reported as a result.
    """
    each = [(make, cpu, segments) for cpu in on]
    if beside:
        whole = [Segment("background", sum(s.seconds for s in segments), beside.duty)]
        each += [(matrix_product, cpu, whole) for cpu in beside.cpus]
    answers = _together(each, stage)
    for index, segment in enumerate(segments):
        parts = [answer[index] for answer in answers[: len(on)]]
        stage.phase(_joined(segment, parts, unit))
    if beside:
        done = _joined(whole[0], [answer[0] for answer in answers[len(on) :]], "flop")
        values = {f"background_{name}": value for name, value in done.values.items()}
        stage.result(background_flop=done.work, **values)


@dataclass(frozen=True)
class _Part:
    """What one worker did of one segment; `busy_ns` is its CPU time."""

    begin_ns: int
    end_ns: int
    work: float
    busy_ns: int


def _joined(segment: Segment, parts: Sequence[_Part], unit: str) -> Phase:
    """Return what all workers did of a segment."""
    begin, end = min(part.begin_ns for part in parts), max(part.end_ns for part in parts)
    busy = sum(part.busy_ns for part in parts) / len(parts) / (end - begin)
    values: dict[str, Value] = {"duty": segment.duty, "busy": round(busy, 4)}
    return Phase(segment.name, begin, end, sum(part.work for part in parts), unit, values)


def _together(
    each: Sequence[tuple[Callable[[], Kernel], int, Sequence[Segment]]], stage: Stage
) -> list[list[_Part]]:
    """Run one worker for each (kernel, CPU, segments), all from one instant on.

    Nobody waits for a worker that is gone: each waits at a pipe that ends with its other side.
    """
    stage.able()
    context = multiprocessing.get_context("fork")
    start = context.RawValue("q", 0)
    gate, opener = context.Pipe(duplex=False)
    pipes = [context.Pipe(duplex=False) for _ in each]
    ends = [opener, *(send for _, send in pipes)]
    meeting = (start, gate, ends, os.getpid())
    workers = [
        context.Process(target=_work, args=(*load, send, *meeting), daemon=True)
        for load, (_, send) in zip(each, pipes, strict=True)
    ]
    for worker in workers:
        worker.start()
    for _, send in pipes:
        send.close()
    answers = _Answers(workers, [receive for receive, _ in pipes])
    answers.next(within_s=60)  # each is warm
    stage.ready()
    start.value = time.monotonic_ns() + 5_000_000
    opener.close()
    done: list[list[_Part]] = answers.next()
    for worker in workers:
        worker.join()
    return done


class _Answers:
    """What the workers say, each in turn.

    Parameters
    ----------
    workers : the processes.
    pipes : what each answers on.
    """

    def __init__(
        self, workers: Sequence[BaseProcess], pipes: Sequence[Connection[Any, Any]]
    ) -> None:
        self._workers, self._pipes = workers, pipes

    def next(self, within_s: float | None = None) -> list[Any]:
        """Return an answer of each.

        Raises
        ------
        SystemExit : one was ended, or does not answer in time.
        """
        return [
            self._of(worker, pipe, within_s)
            for worker, pipe in zip(self._workers, self._pipes, strict=True)
        ]

    def _of(self, worker: BaseProcess, pipe: Connection[Any, Any], within_s: float | None) -> Any:
        try:
            if not pipe.poll(within_s):
                self._end()
                raise SystemExit(f"A worker of the load was not ready within {within_s:g} s.")
            return pipe.recv()
        except (EOFError, ConnectionError):
            worker.join()
            self._end()
        words = (
            "A worker of the load was ended from outside, for want of memory perhaps; run it again."
        )
        number = -(worker.exitcode or 0)
        if number <= 0:
            raise SystemExit(words)
        sys.stderr.write(words + "\n")
        raise SystemExit(128 + number)  # as a shell ends whose command was ended by a signal

    def _end(self) -> None:
        for worker in self._workers:
            worker.kill()
            worker.join()


def _work(
    make: Callable[[], Kernel],
    core: int,
    segments: Sequence[Segment],
    answer: Connection[Any, Any],
    start: Any,  # a shared integer; its class is private to ctypes
    gate: Connection[Any, Any],
    ends: Sequence[Connection[Any, Any]],
    parent: int,
) -> None:
    """One worker: warm up, wait for the others, do every segment on time."""
    for each in ends:
        if each is not answer:
            each.close()  # what a process holds open does not end with the others
    with suppress(ImportError, OSError, AttributeError):  # not all systems have it
        die_with_parent(parent)
    os.sched_setaffinity(0, {core})
    one_thread()
    kernel, work = make()
    quantum_ns = _quantum_ns(kernel)
    answer.send(None)
    with suppress(EOFError):
        gate.recv()
    _sleep_until(start.value)
    out, planned = [], int(start.value)
    for segment in segments:
        end = planned + round(segment.seconds * 1e9)
        begin, used = time.monotonic_ns(), time.process_time_ns()
        count = _segment(kernel, quantum_ns, planned, end, segment.duty)
        used = time.process_time_ns() - used
        out.append(_Part(begin, time.monotonic_ns(), count * work, used))
        planned = end
    answer.send(out)


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
    count, due_ns, began_ns = 0, 0.0, time.process_time_ns()
    for tick in range(begin, end, PWM_PERIOD_NS):
        # All CPU time since the beginning counts, so that what a period missed or overdrew, and
        # what waking up takes, is made up for in the next.
        over = min(tick + PWM_PERIOD_NS, end)
        due_ns += (over - tick) * duty
        while (
            time.process_time_ns() - began_ns + quantum_ns / 2 < due_ns
            and time.monotonic_ns() < over
        ):
            kernel()
            count += 1
        # Where another has the CPU, no more than a period's worth is owed.
        due_ns = min(due_ns, time.process_time_ns() - began_ns + PWM_PERIOD_NS)
        _sleep_until(over)
    return count


def _sleep_until(instant_ns: int) -> None:
    """Sleep to a CLOCK_MONOTONIC instant."""
    while (left := instant_ns - time.monotonic_ns()) > 0:
        time.sleep(left / 1e9)
