"""Measure on until every factor is known well enough; and say beforehand how long that takes.

A repeat of a campaign holds every workload once, so the mean of ln(probe/reference) over its
workloads is one independent value. The interval on their mean is a confidence sequence: it may be
looked at after every repeat, which an ordinary interval may not. What it says holds for the
workloads that are measured; how far they differ no repeat makes smaller.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from calibrate.comparison.pairs import Pair, compare
from calibrate.errors import CrosswattError
from calibrate.quantity import u_of_step
from calibrate.stats import (
    Estimate,
    chi2_quantile,
    confidence_sequence,
    repeats_expected,
    runs_needed,
)
from calibrate.store import Campaign, KnownFactor, Run

#: Repeats after which a probe whose ratio never moves is taken for known to its resolution.
LEAST = 8
#: Number of repeats near which the sequence is narrowest.
PLANNED = 20
#: Share of the wanted half-width that the step of the counter may take of a single run.
STEP_SHARE = 1 / 3


def parse_goal(text: str) -> float:
    """Read a wanted half-width such as ``1%`` or ``0.01``.

    Raises
    ------
    CrosswattError : it is not between 0.01 % and 50 %.
    """
    number, percent = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        value = float(number) / (100 if percent else 1)
    except ValueError:
        value = math.nan
    if not 1e-4 <= value <= 0.5:
        raise CrosswattError(f"{text!r} is no uncertainty from 0.01% to 50%; write 1% or 0.01.")
    return value


@dataclass
class Goal:
    """What is known so far of every probe's factor.

    Parameters
    ----------
    target : wanted half-width of every factor, relative (0.01 is 1 %).
    """

    target: float
    _values: dict[tuple[str, str], dict[int, dict[str, float]]] = field(default_factory=dict)

    def add(self, campaign: Campaign, runs: Sequence[Run]) -> None:
        """Take in the runs of a finished repeat, or of several."""
        done = [run for run in runs if run.record.exit_code == 0]
        if not done:
            return
        found = compare(Campaign(campaign.folder, campaign.record, campaign.probes, tuple(done)))
        for pair in found.pairs:
            if pair.headline:
                self._take(pair)

    def _take(self, pair: Pair) -> None:
        repeats = self._values.setdefault((pair.probe, pair.column), {})
        for row in pair.rows:
            if row.ratio is not None:
                repeats.setdefault(row.repeat, {})[row.workload] = math.log(row.ratio)

    def factors(self) -> tuple[KnownFactor, ...]:
        """Return what is known of each probe, in the order they were first seen."""
        return tuple(
            self._known(probe, column, whole_repeats(repeats))
            for (probe, column), repeats in self._values.items()
        )

    def _known(self, probe: str, column: str, d: list[float]) -> KnownFactor:
        width: float | None = None
        if d:
            found = confidence_sequence(d, n_opt=PLANNED)
            width = relative(found)
            if width is None and len(d) >= LEAST and found.u == 0.0:
                width = 0.0
        return KnownFactor(
            probe=probe,
            column=column,
            repeats=len(d),
            factor=math.exp(-float(np.mean(d))) if d else None,
            half_width=width,
            reached=width is not None and width <= self.target,
        )

    @property
    def reached(self) -> bool:
        """Whether every factor that can be had is known well enough."""
        known = self.factors()
        return bool(known) and all(each.reached for each in known)


def whole_repeats(repeats: dict[int, dict[str, float]]) -> list[float]:
    """Return the mean of ln(ratio) of every repeat that has all workloads.

    A workload that most repeats lack (the probe cannot do it) is left out of all of them; a mean
    over other workloads than the rest would pass for a change.
    """
    counts: dict[str, int] = {}
    for found in repeats.values():
        for workload in found:
            counts[workload] = counts.get(workload, 0) + 1
    wanted = {workload for workload, count in counts.items() if 2 * count > len(repeats)}
    return [
        float(np.mean([found[w] for w in sorted(wanted)]))
        for _, found in sorted(repeats.items())
        if wanted and wanted <= found.keys()
    ]


def relative(found: Estimate) -> float | None:
    """Return the half-width of an interval of ln(factor), relative to the factor."""
    if found.low is None or found.high is None:
        return None
    return math.expm1(min((found.high - found.low) / 2, 300.0))


@dataclass(frozen=True)
class Forecast:
    """What a campaign must be for one factor to be known well enough.

    Parameters
    ----------
    sd : of a repeat's ln(ratio), from the pilot; None where it has fewer than two repeats.
    sd_upper : its upper 80 % limit, which is planned with: a pilot of few runs may be lucky.
    repeats : repeats that a fixed number takes (95 %, t).
    sequence : repeats after which `run --until` is expected to stop.
    seconds : shortest run in which the step of the counter is small; None without a step.
    workload : the one that needs it: that with the least power.
    campaign_s : how long `sequence` repeats take, each as long as the pilot's.
    """

    probe: str
    column: str
    sd: float | None
    sd_upper: float | None
    repeats: int | None
    sequence: int | None
    seconds: float | None
    workload: str
    campaign_s: float | None
    reason: str = ""


def forecast(pairs: Iterable[Pair], target: float, repeat_s: float) -> list[Forecast]:
    """Return what it takes to know every headline factor of a pilot campaign.

    Parameters
    ----------
    pairs : of the pilot's comparison.
    target : wanted half-width, relative.
    repeat_s : how long a repeat took, with its pauses, in seconds.
    """
    return [_forecast(pair, target, repeat_s) for pair in pairs if pair.headline]


def seconds_of_repeat(campaign: Campaign) -> float:
    """Return how long a repeat took, from the first recording to the end of the last."""
    spans: dict[int, float] = {}
    for run in campaign.runs:
        record = run.record
        spans.setdefault(record.repeat, 0.0)
        spans[record.repeat] += (record.stopped_ns - record.recording_ns) / 1e9
    return float(np.median(list(spans.values()))) if spans else 0.0


def _forecast(pair: Pair, target: float, repeat_s: float) -> Forecast:
    repeats: dict[int, dict[str, float]] = {}
    for row in pair.rows:
        if row.ratio is not None:
            repeats.setdefault(row.repeat, {})[row.workload] = math.log(row.ratio)
    d = whole_repeats(repeats)
    seconds, workload = _longest(pair, target)
    if len(d) < 2:
        reason = f"{len(d)} whole repeat(s) in the pilot: no spread to plan with"
        return Forecast(
            pair.probe, pair.column, None, None, None, None, seconds, workload, None, reason
        )
    sd = float(np.std(d, ddof=1))
    upper = sd * math.sqrt((len(d) - 1) / chi2_quantile(0.2, len(d) - 1))
    half = math.log1p(target)
    fixed = runs_needed(upper, half) if upper > 0 else 2
    sequence = repeats_expected(upper, half, n_opt=PLANNED) if upper > 0 else LEAST
    return Forecast(
        pair.probe, pair.column, sd, upper, fixed, sequence, seconds, workload, sequence * repeat_s
    )


def _longest(pair: Pair, target: float) -> tuple[float | None, str]:
    """Return how long a run must be for the counter's step to be small, and for which workload.

    The difference of two readings of a counter with a step has u = step/sqrt(6); that shall be no
    more than a third of the wanted half-width.
    """
    powers: dict[str, list[float]] = {}
    for row in pair.rows:
        if row.reference_j > 0:
            powers.setdefault(row.workload, []).append(row.reference_j / row.seconds)
    if not powers or pair.resolution_j <= 0:
        return None, ""
    least = min(powers, key=lambda name: float(np.median(powers[name])))
    # The step is in the probe's own joules, which may be off by the ratio.
    ratio = pair.ratio.ratio.value if pair.ratio else 1.0
    watts = float(np.median(powers[least])) * ratio
    return u_of_step(pair.resolution_j) / (watts * target * STEP_SHARE), least
