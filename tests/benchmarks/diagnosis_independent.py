"""How often the diagnosis is right on meters simulated in time, independently of its models.

python tests/benchmarks/diagnosis_independent.py [--campaigns N] [--seed S] [--case NAME ...]

The machine is a power trace: turbo, utilisation, a part for memory and two sockets, steady and
changing loads, rest between them. A reference with errors of its own (gain, step, latency, the time
between its readings) and a meter with one mechanism read that trace; runs scatter with heavy tails,
from workload to workload with skew, and from one run to the next with memory. Nothing here is taken
from `calibrate.diagnosis`: the log ratio of no run is drawn from a model of it.

What is printed, a line for each case, in percent:

    right    sound meters: "no fault found", or for how long a run has to be for the meter's step.
             Faulty ones: the name is the fault's, and its factor the exact one where it has one
    others   the fault is named together with others that the runs cannot tell from it, or with the
             run that would
    open     no name, and nothing said to be sound
    wrong    another name; for faulty meters also "no fault found"

with the 95 % interval of Clopper and Pearson of ``right`` and ``others`` together for faulty
meters, and of ``wrong``, the false alarms, for sound ones.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
from scipy.stats import beta

from calibrate.diagnosis import FAULTS, NO_FAULT, UNEXPLAINED, Diagnosis, Runs, diagnose
from calibrate.quantity import u_of_step

Vector = np.ndarray[Any, np.dtype[np.float64]]

#: Workload -> share of the cores that it keeps busy, power of a busy core beside the usual one,
#: share of the power that is memory's, and its course.
WORKLOADS: dict[str, tuple[float, float, float, str]] = {
    "idle": (0.02, 1.0, 0.08, "steady"),
    "gemm": (1.0, 1.15, 0.06, "steady"),
    "triad": (1.0, 0.80, 0.30, "steady"),
    "copy": (0.5, 0.90, 0.25, "steady"),
    "mixed": (0.9, 1.0, 0.15, "waves"),
    "integer": (0.25, 1.0, 0.05, "steady"),
    "square": (1.0, 1.0, 0.08, "square"),
    "ramp": (1.0, 1.0, 0.10, "ramp"),
    "steps": (1.0, 1.0, 0.10, "steps"),
    "bursts": (1.0, 1.05, 0.08, "bursts"),
    "asr": (0.7, 1.0, 0.18, "waves"),
}


@dataclass(frozen=True)
class Plan:
    """Lengths of the runs of each workload, s, the rest around them, s, and the trace's step, s."""

    seconds: dict[str, tuple[float, ...]]
    rest_s: float
    step_s: float = 0.01


QUICK = Plan(
    {
        "idle": (3.4, 5.4),
        "gemm": (5.4, 3.4),
        "integer": (3.4, 4.4),
        "square": (4.8, 5.6),
        "asr": (5.4, 4.4),
    },
    0.8,
)
DEFAULT = Plan(
    {
        "idle": (5.4, 10.4, 7.4),
        "gemm": (10.4, 5.4, 15.4),
        "copy": (7.4, 12.4, 5.4),
        "integer": (12.4, 5.4, 8.4),
        "square": (10.4, 14.4, 6.4),
        "asr": (10.4, 8.4, 15.4),
    },
    1.5,
)
THOROUGH = Plan(
    {
        "idle": (5.4, 20.4, 60.4, 10.4, 30.4),
        "gemm": (20.4, 5.4, 30.4, 60.4, 10.4),
        "triad": (10.4, 30.4, 5.4, 20.4, 60.4),
        "copy": (30.4, 10.4, 20.4, 5.4, 40.4),
        "mixed": (5.4, 40.4, 10.4, 30.4, 20.4),
        "integer": (40.4, 20.4, 5.4, 10.4, 30.4),
        "square": (20.8, 10.4, 40.8, 5.6, 30.4),
        "ramp": (18.0, 36.0, 9.0, 27.0, 18.0),
        "steps": (10.0, 30.0, 20.0, 40.0, 15.0),
        "bursts": (10.4, 20.4, 5.4, 30.4, 40.4),
        "asr": (10.4, 30.4, 20.4, 5.4, 40.4),
    },
    3.0,
)
#: For a plug that counts watt-hours.
LONG = Plan(dict.fromkeys(("idle", "integer", "gemm", "asr"), (450.0, 900.0, 1300.0)), 5.0, 0.1)


@dataclass(frozen=True)
class World:
    """What a case has of its own beside the meter's mechanism.

    Parameters
    ----------
    scatter : relative standard deviation from run to run.
    tails : degrees of freedom of its t distribution, 0 for normal. `scatter` stays its standard
        deviation.
    memory : correlation of one run's deviation with that of the next.
    effect : relative standard deviation between workloads, with the skew of an exponential.
    step_j : step of the meter.
    u_ref : relative standard uncertainty of the reference, stated, of which its error is drawn;
        None draws one from those that are usual.
    reference_step_j : step of the reference; None draws one from 15 uJ to 0.1 J.
    reference_late_s : largest latency of the reference.
    late_s : largest latency of the meter at the begin of a run.
    ends_late_s : the same at its end.
    renewed_s : time between renewals of the meter's figure.
    full_w : power of the loaded machine; None draws one from 25 to 400 W.
    wraps_at_j : range of the counter as the campaign knows it; 0 where it does not.
    """

    scatter: float = 0.005
    tails: int = 0
    memory: float = 0.0
    effect: float = 0.008
    step_j: float = 61e-6
    u_ref: float | None = None
    reference_step_j: float | None = None
    reference_late_s: float = 0.02
    late_s: float = 0.02
    ends_late_s: float = 0.005
    renewed_s: float = 0.001
    full_w: float | None = None
    wraps_at_j: float = 0.0


class Trace:
    """A campaign as power over time, and what the reference says of it.

    Parameters
    ----------
    plan, world : what is run, and where.
    rng : decides everything that is random.
    """

    def __init__(self, plan: Plan, world: World, rng: np.random.Generator) -> None:
        self.rng, self.world, self.step_s = rng, world, plan.step_s
        runs = [
            (name, lengths[repeat % len(lengths)])
            for repeat in range(max(map(len, plan.seconds.values())))
            for name, lengths in rng.permutation(np.array(list(plan.seconds.items()), dtype=object))
        ]
        self.labels = [name for name, _ in runs]
        self.names = list(dict.fromkeys(self.labels))
        self.code = np.array([self.names.index(name) for name in self.labels])
        lengths = np.array([seconds for _, seconds in runs]) * rng.uniform(0.99, 1.01, len(runs))
        rests = plan.rest_s * rng.uniform(0.9, 1.4, len(runs))
        self.begin = np.cumsum(rests + np.concatenate([[0.0], lengths[:-1]])) + 1.0
        self.end = self.begin + lengths
        self.seconds = lengths
        self.full_w = world.full_w or float(np.exp(rng.uniform(np.log(25), np.log(400))))
        self.rest_w = self.full_w * float(rng.uniform(0.1, 0.3))
        self.at = np.arange(0.0, self.end[-1] + 3.0, plan.step_s)
        self._fill()

    def _fill(self) -> None:
        """Make utilisation and the power of the parts, one value a step."""
        rng, size = self.rng, self.at.size - 1
        busy, core, memory, age = (
            np.full(size, 0.01),
            np.ones(size),
            np.full(size, 0.08),
            np.zeros(size),
        )
        self.turbo, self.turbo_s = rng.uniform(0.0, 0.35), float(np.exp(rng.uniform(0.5, 3.0)))
        for name, begin, end in zip(self.labels, self.begin, self.end, strict=True):
            share, per_core, of_memory, course = WORKLOADS[name]
            # The load starts a little after the window, and is gone a little before its end.
            first, last = begin + rng.uniform(0, 0.05), end - rng.uniform(0, 0.01)
            part = slice(*np.searchsorted(self.at, (first, last)))
            t = self.at[part] - first
            busy[part] = share * _course(course, t, end - begin, rng)[: busy[part].size]
            core[part], memory[part], age[part] = per_core, of_memory, t[: age[part].size]
        boost = 1 + self.turbo * np.exp(-age / self.turbo_s) * (busy > 0.1)
        # A single core clocks higher than all of them together: power is concave in utilisation.
        self.busy = busy
        load_w = (self.full_w - self.rest_w) * busy ** rng.uniform(0.65, 1.0) * core * boost
        wander = 1 + 0.01 * np.cumsum(rng.normal(0, self.step_s**0.5, size)) / 10
        watts = (self.rest_w + load_w) * np.clip(wander, 0.97, 1.03)
        socket = rng.uniform(0.35, 0.65, len(self.names))
        one = np.full(size, 0.5)
        for code, begin, end in zip(self.code, self.begin, self.end, strict=True):
            one[slice(*np.searchsorted(self.at, (begin, end)))] = socket[code]
        self.watts = watts
        parts = {"dram": watts * memory, "package-0": watts * (1 - memory) * one}
        self.watts_of = {"": watts} | parts
        self._joules = {name: self._added(each) for name, each in self.watts_of.items()}
        self._joules["busy"] = self._added(busy)

    def _added(self, watts: Vector) -> Vector:
        return np.concatenate([[0.0], np.cumsum(watts * self.step_s)])

    def joules(self, at: Vector | float, part: str = "") -> Vector:
        """Return the energy up to some instants, J; of ``busy`` the seconds of CPU time."""
        return np.asarray(np.interp(at, self.at, self._joules[part]))

    def used(
        self, part: str = "", begin: Vector | None = None, end: Vector | None = None
    ) -> Vector:
        """Return the energy of every run, J, shape (n,), between its own ends unless told."""
        begin, end = (
            own if told is None else told for own, told in ((self.begin, begin), (self.end, end))
        )
        return self.joules(end, part) - self.joules(begin, part)

    @cached_property
    def window(self) -> tuple[Vector, Vector]:
        """Return when the meter really begins and ends, for it is late to start."""
        n = self.begin.size
        return (
            self.begin + self.rng.uniform(0, self.world.late_s, n),
            self.end + self.rng.uniform(0, self.world.ends_late_s, n),
        )

    @cached_property
    def counted(self) -> Vector:
        """Return what a sound meter counts of every run, J, shape (n,)."""
        begin, end = (_renewed(each, self.world.renewed_s, self.rng) for each in self.window)
        return self.used("", begin, end)

    def sampled(self, every_s: float, looks_s: float, lost: float = 0.0) -> Vector:
        """Return the energy of a meter that takes samples of power for the time between them, J.

        Parameters
        ----------
        every_s, looks_s : time between samples, and for how long each looks.
        lost : share of the samples that are lost, and counted as nothing.
        """
        found = np.empty(self.begin.size)
        for i, (begin, end) in enumerate(zip(*self.window, strict=True)):
            at = np.arange(begin + every_s * self.rng.random(), end, every_s)
            power = (self.joules(at + looks_s) - self.joules(at)) / looks_s
            kept = self.rng.random(at.size) >= lost
            share = (end - begin) / max(at.size, 1)
            found[i] = float(power[kept].sum()) * share
        return found

    def readings(self, every_s: float) -> Iterator[Vector]:
        """Yield the instants at which a meter reads in every run: its ends, and between them."""
        for begin, end in zip(*self.window, strict=True):
            inside = np.arange(begin + every_s * self.rng.random(), end, every_s)
            yield np.concatenate([[begin], inside[inside > begin], [end]])

    def deviations(self) -> Vector:
        """Return ln of how far the meter's gain is off in every run, shape (n,)."""
        world, rng, n = self.world, self.rng, self.begin.size
        skewed = rng.exponential(1.0, len(self.names)) - 1.0
        effect = world.effect * skewed * rng.choice((-1, 1))
        own = rng.standard_t(world.tails, n) if world.tails else rng.normal(0, 1, n)
        if world.tails:
            own *= ((world.tails - 2) / world.tails) ** 0.5
        for i in range(1, n):
            own[i] = world.memory * own[i - 1] + (1 - world.memory**2) ** 0.5 * own[i]
        return np.asarray(effect[self.code] + world.scatter * own)


def _course(course: str, t: Vector, length: float, rng: np.random.Generator) -> Vector:
    """Return the course of a load over time, 0 to 1."""
    if course == "square":
        return np.where(t % 0.8 < 0.4, 1.0, 0.03)
    if course == "ramp":
        return np.asarray(0.05 + 0.95 * t / length)
    if course == "steps":
        return np.asarray(np.ceil(4 * np.maximum(t, 1e-9) / length) / 4)
    if course == "bursts":
        return np.where((t + rng.uniform(0, 2)) % 2.0 < 0.25, 1.0, 0.02)
    if course == "waves":
        slow = np.interp(
            t, np.arange(0, length + 2, 0.7), rng.uniform(0.5, 1.0, int((length + 2) / 0.7) + 1)
        )
        return np.asarray(slow)
    return np.ones(t.size)


def _renewed(at: Vector, period_s: float, rng: np.random.Generator) -> Vector:
    """Return the last renewals before some instants."""
    phase = rng.uniform(0, period_s)
    return np.asarray(np.floor((at - phase) / period_s) * period_s + phase)


def _stepped(joules: Vector, step_j: float, rng: np.random.Generator) -> Vector:
    """Return differences of a counter with a step; steps are where they happen to be."""
    return np.asarray(np.floor(joules / step_j + rng.random(joules.size)) * step_j)


#: How often the reference is read, s, and how long before a window's ends its power is looked at.
_EVERY_S, _EDGE_S = 0.1, 0.3


def measured(
    trace: Trace,
    reported_j: Vector,
    wraps_at_j: float = 0.0,
    step: float = 1.0,
    *,
    scattered: bool = False,
) -> Runs:
    """Return the runs of a meter as a campaign's comparison gives them to the diagnosis.

    Parameters
    ----------
    trace : the machine.
    reported_j : what the meter would say without step, scatter and effects, J, shape (n,).
    wraps_at_j : range of the counter as the campaign knows it.
    step : unit of the meter's step: 1e-3 where it reports a thousandth.
    scattered : whether scatter and effects are in `reported_j`.
    """
    world, rng = trace.world, trace.rng
    u_ref = float(rng.choice((0.0, 0.005, 0.01))) if world.u_ref is None else world.u_ref
    reference_step_j = world.reference_step_j or float(rng.choice((15.3e-6, 61e-6, 1e-3, 0.1)))
    gain = float(np.exp(rng.normal(0, u_ref)))
    late = rng.uniform(0, world.reference_late_s)
    probe_j = reported_j if scattered else reported_j * np.exp(trace.deviations())
    step_j = world.step_j * step
    if step_j:
        probe_j = np.sign(probe_j) * _stepped(np.abs(probe_j), step_j, rng)
    read = {part: gain * _interpolated(trace, part, late) for part in ("", "dram", "package-0")}
    reference_j = _stepped(read[""], reference_step_j, rng)
    edges = [
        gain * (trace.joules(at - late) - trace.joules(at - late - _EDGE_S)) / _EDGE_S
        for at in (trace.begin, trace.end)
    ]
    idle = [
        joules / seconds
        for joules, seconds, name in zip(reference_j, trace.seconds, trace.labels, strict=True)
        if name == "idle"
    ]
    # Where between two readings of the reference the load went on and off is not known.
    gap_j = _EVERY_S * np.abs(edges[1] - edges[0]) / np.sqrt(18)
    busy = trace.used("busy") / trace.seconds
    # What a release that is older than this program does not know is left out.
    known = {each.name for each in fields(Runs)}
    more = {"busy": busy} if "busy" in known else {}
    return Runs(
        **more,
        probe_j=probe_j,
        reference_j=reference_j,
        seconds=trace.seconds,
        workload=trace.labels,
        resolution_j=step_j,
        reference_resolution_j=reference_step_j,
        u_probe_j=np.full(probe_j.size, u_of_step(step_j)),
        u_reference_j=np.hypot(u_of_step(reference_step_j), gap_j),
        u_ref=u_ref,
        idle_w=float(np.median(idle)) if idle else None,
        wraps_at_j=wraps_at_j or world.wraps_at_j,
        parts_j={part: each for part, each in read.items() if part},
        edges_w=[(float(a), float(b)) for a, b in zip(*edges, strict=True)],
    )


def _interpolated(trace: Trace, part: str, late: float) -> Vector:
    """Return what a counter that is read now and then gives between the ends of every run, J."""
    at = np.arange(trace.at[0], trace.at[-1], _EVERY_S)
    total = trace.joules(at - late, part)
    return np.asarray(np.interp(trace.end, at, total) - np.interp(trace.begin, at, total))


#: What a meter reports of a trace, J, shape (n,); where its step is not in J, and where its range
#: is known, `measured` is told by a meter of its own.
Meter = Callable[[Trace], "Runs | Vector"]


@dataclass(frozen=True)
class Case:
    """A meter, and what a verdict on it has to say.

    Parameters
    ----------
    name, plan, world : see above.
    meter : what it reports.
    keys : of the faults, sets that act together, each right; empty for a sound meter.
    titles : beginnings of names that are right as well.
    factor : the exact factor that has to be found.
    sound : whether the meter is.
    short : whether its runs are too short for its step, and the verdict has to say how long they
        must be.
    kinds : cases that take turns under this name.
    """

    name: str
    plan: Plan
    meter: Meter
    keys: tuple[tuple[str, ...], ...] = ()
    titles: tuple[str, ...] = ()
    world: World = field(default_factory=World)
    factor: float | None = None
    sound: bool = False
    short: bool = False
    kinds: tuple[Case, ...] = ()


def leaping(trace: Trace) -> Vector:
    """Return a counter that leaps in one run."""
    found = trace.counted.copy()
    found[trace.rng.integers(found.size)] += trace.full_w * trace.rng.uniform(50, 500)
    return found


def load_model(exponent: float, floor: float) -> Meter:
    """Return a meter that takes a rated power times utilisation, looked at once a second."""

    def meter(trace: Trace) -> Vector:
        rated_w = trace.full_w * trace.rng.uniform(0.6, 1.3)
        found = np.empty(trace.begin.size)
        for i, at in enumerate(trace.readings(1.0)):
            seconds = np.diff(at)
            busy = np.diff(trace.joules(at, "busy")) / np.maximum(seconds, 1e-9)
            found[i] = float((rated_w * (floor + (1 - floor) * busy**exponent) * seconds).sum())
        return found

    return meter


def late(seconds: float) -> Meter:
    """Return a meter whose power follows the load late."""
    return lambda trace: trace.used("", *(each - seconds for each in trace.window))


def slow(seconds: float) -> Meter:
    """Return a meter whose power follows the load as a low-pass of the first order."""

    def meter(trace: Trace) -> Vector:
        from scipy.signal import lfilter

        keep = float(np.exp(-trace.step_s / seconds))
        start = [keep * trace.watts[0]]
        shown, _ = lfilter([1 - keep], [1, -keep], trace.watts, zi=start)
        total = np.concatenate([[0.0], np.cumsum(shown * trace.step_s)])
        begin, end = trace.window
        return np.asarray(np.interp(end, trace.at, total) - np.interp(begin, trace.at, total))

    return meter


def _range_j(trace: Trace, runs: float) -> float:
    """Return a range of a counter that the median run holds so many times."""
    return float(np.median(trace.counted)) / runs


def _wrapped(trace: Trace) -> tuple[Vector, float]:
    """Return the difference that a counter shows over every run, and its range, J.

    At least one run wraps; the range is known, and larger than any run.
    """
    range_j = 1.5 * float(trace.counted.max())
    counted = trace.counted * np.exp(trace.deviations())
    start = trace.rng.uniform(0, range_j, counted.size)
    one = int(np.argmax(start + counted))
    start[one] = range_j - trace.rng.uniform(0.1, 0.9) * counted[one]
    return (start + counted) % range_j - start, range_j


def abs_at_wrap(trace: Trace) -> Runs:
    """Return a meter that takes the amount of a difference that is negative after a wrap."""
    shown, range_j = _wrapped(trace)
    return measured(trace, np.abs(shown), range_j, scattered=True)


def lost_wrap(trace: Trace) -> Runs:
    """Return a meter that does not add the range of its counter at a wrap."""
    return measured(trace, *_wrapped(trace), scattered=True)


def wraps_dropped(trace: Trace) -> Runs:
    """Return a meter that throws away the reading at which its counter has wrapped."""
    range_j = _range_j(trace, 8.0)
    found = np.empty(trace.begin.size)
    for i, at in enumerate(trace.readings(1.0)):
        counter = trace.joules(at) % range_j
        step = np.diff(counter)
        found[i] = float(step[step >= 0].sum())
    return measured(trace, found, range_j)


def wrapping(trace: Trace) -> Runs:
    """Return a sound meter whose counter wraps often."""
    return measured(trace, trace.counted, _range_j(trace, 4.0))


def founding(trace: Trace) -> Runs:
    """Return CodeCarbon 1.2: kW for W, 10 ms in a second, by a nominal window that overruns."""
    busy = np.diff(trace.joules(np.stack([trace.begin, trace.end]), "busy"), axis=0)[0]
    share = busy / trace.seconds
    overrun = 1 + trace.rng.gamma(2.0, 0.04, share.size) * (0.3 + share)
    return measured(trace, 1e-3 * trace.sampled(1.0, 0.01) * overrun, step=1e-3)


def _counted(trace: Trace) -> Vector:
    return trace.counted


def scaled(factor: float, other: Callable[[Trace], Vector] = _counted) -> Meter:
    """Return a meter that is off by an exact factor, its step with it, and by something else."""
    return lambda trace: measured(trace, factor * other(trace), step=factor)


def stale(period_s: float) -> Meter:
    """Return a meter whose counter is renewed only now and then."""
    return lambda trace: trace.used("", *(_renewed(e, period_s, trace.rng) for e in trace.window))


def gain_and_idle(trace: Trace) -> Vector:
    """Return a meter with a gain that adds power whatever the load."""
    return 0.7 * trace.counted + 0.6 * trace.rest_w * trace.seconds


def without_dram(trace: Trace) -> Vector:
    return trace.counted - trace.used("dram")


def idle_added(share: float) -> Callable[[Trace], Vector]:
    return lambda trace: trace.counted + share * trace.rest_w * trace.seconds


def stuck(trace: Trace) -> Vector:
    """Return a counter that stands still from somewhere in the first half on."""
    found = trace.counted.copy()
    found[trace.rng.integers(1, max(2, found.size // 3)) :] = 0.0
    return found


PLANS = {"quick": QUICK, "default": DEFAULT, "thorough": THOROUGH, "long": LONG}
EVERY = ("quick", "default", "thorough")


def sound(name: str, *plans: str, short: bool = False, **world: Any) -> list[Case]:
    """Return the cases of a sound meter in some plans."""
    mine = World(**world)
    return [
        Case(f"{name}, {plan}", PLANS[plan], _counted, world=mine, sound=True, short=short)
        for plan in plans
    ]


def faulty(
    name: str, meter: Meter, *keys: tuple[str, ...], plans: tuple[str, ...], **more: Any
) -> list[Case]:
    """Return the cases of a faulty meter in some plans."""
    return [Case(f"{name}, {plan}", PLANS[plan], meter, keys, **more) for plan in plans]


def slips(name: str, group: str, *plans: str) -> list[Case]:
    """Return the cases of exact factors, each in its turn."""
    found = []
    for plan in plans:
        kinds = tuple(
            Case(each.key, PLANS[plan], scaled(each.ratio), ((each.key,),), factor=each.ratio)
            for each in FAULTS
            if each.group == group and each.title
        )
        found.append(Case(f"{name}, {plan}", PLANS[plan], kinds[0].meter, kinds=kinds))
    return found


SOUND = (
    *sound("plain", *EVERY),
    *sound("step 15 uJ, truth", "quick", step_j=15.3e-6, u_ref=0.0, reference_step_j=15.3e-6),
    *sound("step 3.6 J", "quick", step_j=3.6),
    *sound("step 36 J", "default", "thorough", step_j=36.0),
    *sound("step 3600 J, 160 W", "long", step_j=3600.0, full_w=160.0),
    *sound("step 3600 J, 60 W", "long", step_j=3600.0, full_w=60.0),
    *sound("below a step", "quick", step_j=3600.0, short=True),
    *sound("below a step, 60 W", "thorough", step_j=3600.0, full_w=60.0, short=True),
    *sound("reference's step 3600 J", "long", reference_step_j=3600.0, full_w=160.0, u_ref=0.01),
    *sound("reference's step 36 J", "default", reference_step_j=36.0),
    *sound("reference of 1 %", "quick", u_ref=0.01),
    *sound("reference of 3 %", "default", u_ref=0.03),
    *sound("reference 0.1 s late", "default", reference_late_s=0.1),
    *sound("starts 0.2 s late", *EVERY, late_s=0.2, ends_late_s=0.02),
    *sound("starts and ends 0.2 s late", "quick", "default", late_s=0.2, ends_late_s=0.2),
    *sound("renewed every 0.1 s", "quick", "thorough", renewed_s=0.1),
    *sound("t3 of 2 %", *EVERY, scatter=0.02, tails=3),
    *sound("t3, scale of 2 %", "default", scatter=0.02 * 3**0.5, tails=3),
    *sound("memory 0.8 of 1.5 %", *EVERY, scatter=0.015, memory=0.8),
    *sound("memory 0.9, t3 of 2 %", "default", scatter=0.02, memory=0.9, tails=3),
    *sound("skewed effects of 1.5 %", *EVERY, effect=0.015),
    *sound("busy machine", "default", scatter=0.02, tails=3, effect=0.015, late_s=0.05),
    Case("wraps, handled, thorough", THOROUGH, wrapping, sound=True),
)
_BUSY = World(scatter=0.02, tails=3, effect=0.02, late_s=0.05)
_DEFAULT, _THOROUGH, _LONGER = ("default",), ("thorough",), ("default", "thorough")
_LATE = (("lag",), ("slow-response",))
_HALF = ("only package-0", "ratio 1/2", "missing package-0")
_PUE = ("pue-1.58", "dram-missing")
FAULTY = (
    *slips("unit slips", "unit", "quick", "thorough"),
    *slips("wrong counts", "count", "quick", "default"),
    *faulty("founding 1e-3, busy", founding, ("scale-1e-3",), factor=1e-3, world=_BUSY,
            plans=("quick", "default")),
    *faulty("PUE", scaled(1.58), ("pue-1.58",), factor=1.58, plans=_DEFAULT),
    *faulty("PUE and missing dram", scaled(1.58, without_dram), _PUE, plans=_LONGER),
    *faulty("load model, linear", load_model(1.0, 0.0), ("load-model",), plans=_LONGER),
    *faulty("load model, with a floor", load_model(1.0, 0.3), ("load-model",), plans=_LONGER),
    *faulty("load model, cubic", load_model(3.0, 0.1), ("load-model",), plans=_LONGER),
    *faulty("lag 0.5 s", late(0.5), *_LATE, plans=_LONGER),
    *faulty("lag 1.5 s", late(1.5), *_LATE, plans=_LONGER),
    *faulty("response 2 s", slow(2.0), *_LATE, plans=_LONGER),
    *faulty("response 12 s", slow(12.0), *_LATE, plans=_LONGER),
    *faulty("15 % of samples lost", lambda t: t.sampled(1.0, 0.9, 0.15), ("samples-lost",),
            plans=_THOROUGH),
    *faulty("part-time", lambda t: t.sampled(1.0, 0.02), ("part-time",), plans=_THOROUGH),
    *faulty("stale counter 1 s", stale(1.0), ("stale",), plans=_LONGER),
    *faulty("abs() at a wrap", abs_at_wrap, ("wrap-abs",), plans=_LONGER),
    *faulty("lost wraparound", lost_wrap, ("wrap",), plans=_LONGER),
    *faulty("wrap readings dropped", wraps_dropped, ("wrap-dropped",), plans=_THOROUGH),
    *faulty("idle offset", idle_added(0.6), ("idle-offset",), plans=_DEFAULT),
    *faulty("idle removed", idle_added(-0.9), ("idle-removed",), ("idle-offset",),
            plans=_DEFAULT),
    *faulty("fixed energy", lambda t: t.counted + 3.0 * t.full_w, ("fixed-energy",),
            plans=_DEFAULT),
    *faulty("window deficit", lambda t: t.used("", t.begin + 0.8), ("window-deficit",),
            plans=_DEFAULT),
    *faulty("start counted in", lambda t: t.counted * (1 + 1.0 / t.seconds),
            ("window-deficit",), plans=_DEFAULT),
    *faulty("constant power", lambda t: 0.6 * t.full_w * t.seconds, ("constant-power",),
            plans=_DEFAULT),
    *faulty("missing dram", without_dram, ("dram-missing",), plans=_DEFAULT),
    *faulty("only package-0", lambda t: t.used("package-0"), ("package-0-only",), titles=_HALF,
            plans=_DEFAULT),
    *faulty("dram twice", lambda t: t.counted + t.used("dram"), ("dram-twice",),
            plans=_DEFAULT),
    *faulty("gain 0.87", lambda t: 0.87 * t.counted, ("constant-gain",), plans=_DEFAULT),
    *faulty("gain 1.22", lambda t: 1.22 * t.counted, ("constant-gain",), plans=_DEFAULT),
    *faulty("gain and idle", gain_and_idle, ("constant-gain", "idle-offset"), plans=_DEFAULT),
    *faulty("1e-3 and idle", scaled(1e-3, idle_added(0.6)), ("idle-offset", "scale-1e-3"),
            factor=1e-3, plans=_DEFAULT),
    *faulty("1e-3 and missing dram", scaled(1e-3, without_dram),
            ("scale-1e-3", "dram-missing"), factor=1e-3, plans=_DEFAULT),
    *faulty("stray run", leaping, plans=_DEFAULT, titles=("stray run",)),
    *faulty("stuck counter", stuck, ("zero",), plans=_DEFAULT),
)  # fmt: skip
CASES = SOUND + FAULTY
RIGHT, OTHERS, OPEN, WRONG = "right", "others", "open", "wrong"


def judged(found: Diagnosis, case: Case) -> str:
    """Return what a verdict on a case is worth."""
    named = found.name not in (NO_FAULT, UNEXPLAINED)
    if case.short:
        return RIGHT if getattr(found, "least_s", None) else WRONG if named else OPEN
    if case.sound:
        return WRONG if named else RIGHT if found.name != UNEXPLAINED else OPEN
    deciding = getattr(found, "deciding", None)
    if not named:
        if deciding and _among(case, deciding.keys):
            return OTHERS
        return WRONG if found.name == NO_FAULT else OPEN
    names = found.alternatives or (found.name,)
    mine = _among(case, found.keys)
    mine |= any(name.startswith(title) for name in names for title in case.titles)
    factor = case.factor is None or (
        found.factor is not None and abs(found.factor / case.factor - 1) < 1e-9
    )
    if not mine:
        return WRONG
    return RIGHT if len(names) == 1 and factor else OTHERS


def _among(case: Case, keys: Iterable[tuple[str, ...]]) -> bool:
    """Return whether a case's fault is among those that a diagnosis gives the keys of."""
    given = {tuple(sorted(each)) for each in keys}
    return any(tuple(sorted(each)) in given for each in case.keys)


def verdict(case: Case, number: int, seed: int) -> tuple[Diagnosis, str, float]:
    """Return the verdict on one campaign of a case, what it is worth, and the seconds it took."""
    rng = np.random.default_rng([seed, *case.name.encode(), number])
    case = case.kinds[number % len(case.kinds)] if case.kinds else case
    trace = Trace(case.plan, case.world, rng)
    made = case.meter(trace)
    runs = made if isinstance(made, Runs) else measured(trace, made)
    began = time.perf_counter()
    found = diagnose(runs)
    return found, judged(found, case), time.perf_counter() - began


def interval(hits: int, n: int) -> str:
    """Return the 95 % interval of a share by Clopper and Pearson (Biometrika 1934;26:404), in %."""
    low = beta.ppf(0.025, hits, n - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, n - hits) if hits < n else 1.0
    return f"{100 * low:5.1f} to {100 * high:5.1f}"


def line(name: str, counts: Counter[str], of: tuple[str, ...], more: str = "") -> str:
    """Return a line of the table."""
    n = sum(counts.values())
    shares = " ".join(f"{100 * counts[each] / n:6.1f}" for each in (RIGHT, OTHERS, OPEN, WRONG))
    return f"{name:36s} {n:5d} {shares}  {interval(sum(counts[each] for each in of), n)}  {more}"


def table(cases: Sequence[Case], campaigns: int, seed: int) -> None:
    """Print a line for each case, and one for all sound and all faulty meters."""
    print(f"{'':36s} {'n':>5s} {RIGHT:>6s} {OTHERS:>6s} {OPEN:>6s} {WRONG:>6s}  95 % interval")
    spent = total = 0.0
    for kind, of in ((True, (WRONG,)), (False, (RIGHT, OTHERS))):
        mine, every = [case for case in cases if case.sound == kind], Counter[str]()
        for case in mine:
            counts, names = Counter[str](), Counter[str]()
            for number in range(campaigns):
                found, kept, seconds = verdict(case, number, seed)
                spent, total = spent + seconds, total + 1
                counts[kept] += 1
                if kept != RIGHT:
                    names[_short(found)] += 1
            every += counts
            said = ", ".join(f"{name} {n}" for name, n in names.most_common(3))
            print(line(case.name, counts, of, said), flush=True)
        if mine:
            print(line("ALL SOUND" if kind else "ALL FAULTY", every, of), flush=True)
    print(f"{1e3 * spent / total:.0f} ms for a diagnosis")


def _short(found: Diagnosis) -> str:
    """Return the name of a verdict in few letters."""
    name = found.name if found.name != UNEXPLAINED else f"unexplained; {found.leading}"
    return re.sub(r" \([^)]*\)", "", name)[:70]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--campaigns", type=int, default=40, help="of each case (40)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--case", action="append", default=[], help="beginning of its name, or sound or faulty"
    )
    given = parser.parse_args()
    wanted = tuple(given.case)
    cases = [
        case
        for case in CASES
        if not wanted
        or case.name.startswith(wanted)
        or ("sound" if case.sound else "faulty") in wanted
    ]
    table(cases, given.campaigns, given.seed)


if __name__ == "__main__":
    main()
