"""Measure on until every factor is known well enough; and say beforehand how long that takes.

A repeat of a campaign holds every workload once, so the mean of ln(probe/reference) over its
workloads is one value, for each column that was compared: the verdict on a probe is that of its
worst column, and measuring goes on until that is known. The interval on their mean is a confidence
sequence: it may be looked at after every repeat, which an ordinary interval may not, and it reckons
with repeats that correlate (`calibrate.stats.repeated_mean`). Single repeats that stray are left
out and listed. No repeat helps where a meter drifts: it is said, and measuring on ends. What is
known so holds for the workloads that are measured; how far they differ no repeat makes smaller.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from calibrate.comparison.pairs import Pair, compare
from calibrate.errors import CrosswattError
from calibrate.quantity import u_of_step
from calibrate.stats import (
    LEAST_LOOK,
    Estimate,
    chi2_quantile,
    repeated_mean,
    repeats_until,
    runs_needed,
    serial_correlation,
)
from calibrate.store import Campaign, KnownFactor, Run

#: Repeats after which a probe whose ratio never moves is taken for known to its step.
LEAST = LEAST_LOOK
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
    target : wanted half-width of the factor of every column, relative (0.01 is 1 %).
    """

    target: float
    _values: dict[tuple[str, str], dict[int, dict[str, float]]] = field(default_factory=dict)
    _steps: dict[tuple[str, str], float] = field(default_factory=dict)

    def add(self, campaign: Campaign, runs: Sequence[Run]) -> None:
        """Take in the runs of a finished repeat, or of several."""
        done = [run for run in runs if run.record.exit_code == 0]
        if not done:
            return
        found = compare(Campaign(campaign.folder, campaign.record, campaign.probes, tuple(done)))
        self.take(found.pairs)

    def take(self, pairs: Iterable[Pair]) -> None:
        """Take in what was compared."""
        for pair in pairs:
            key = (pair.probe, pair.column)
            for repeat, found in ratios_of_repeats(pair).items():
                self._values.setdefault(key, {}).setdefault(repeat, {}).update(found)
            self._steps[key] = max(self._steps.get(key, 0.0), relative_step(pair))

    def factors(self) -> tuple[KnownFactor, ...]:
        """Return what is known of each column that ever had a ratio, in the order of appearance."""
        return tuple(self._known(*key) for key in self._values)

    def _known(self, probe: str, column: str) -> KnownFactor:
        repeats = numbered_repeats(self._values[probe, column])
        if not repeats:
            return KnownFactor(
                probe=probe, column=column, repeats=0, factor=None, half_width=None, reached=False
            )
        step = self._steps[probe, column]
        found = repeated_mean(list(repeats.values()), n_opt=PLANNED, step=step)
        width = relative(found.mean)
        kept = len(repeats) - len(found.strays)
        if width is None and kept >= LEAST and found.mean.u == 0.0:
            width = step
        change = None if found.change is None else math.expm1(found.change.value)
        drifts = found.drifts and change is not None and abs(change) > self.target
        numbers = list(repeats)
        return KnownFactor(
            probe=probe,
            column=column,
            repeats=len(repeats),
            factor=math.exp(-found.mean.value),
            half_width=width,
            reached=width is not None and width <= self.target and not drifts,
            effective=found.n_effective,
            strays=tuple(numbers[place] for place in found.strays),
            change=change,
            drifts=drifts,
        )

    @property
    def reached(self) -> bool:
        """Whether every factor that can be had is known well enough."""
        known = self.factors()
        return bool(known) and all(each.reached for each in known)

    @property
    def settled(self) -> bool:
        """Whether no repeat is needed, or helps: every factor is known or drifts."""
        known = self.factors()
        return bool(known) and all(each.reached or each.drifts for each in known)


def least_known(factors: Iterable[KnownFactor]) -> tuple[KnownFactor, ...]:
    """Return the column of each probe that is known least, in the order of the probes.

    One that drifts comes before one that has no interval yet, and that before the widest interval.
    """
    worst: dict[str, KnownFactor] = {}
    for each in factors:
        if each.probe not in worst or _openness(each) > _openness(worst[each.probe]):
            worst[each.probe] = each
    return tuple(worst.values())


def _openness(known: KnownFactor) -> tuple[bool, float]:
    """Return how much is left open of a factor: drift, then its half-width."""
    return known.drifts, math.inf if known.half_width is None else known.half_width


def ratios_of_repeats(pair: Pair) -> dict[int, dict[str, float]]:
    """Return ln(ratio) of the workloads of every repeat."""
    repeats: dict[int, dict[str, float]] = {}
    for row in pair.rows:
        if row.ratio is not None:
            repeats.setdefault(row.repeat, {})[row.workload] = math.log(row.ratio)
    return repeats


def relative_step(pair: Pair) -> float:
    """Return the mean over the runs of the step of the probe's counter over its energy."""
    shares = [pair.resolution_j / row.probe_j for row in pair.usable]
    return float(np.mean(shares)) if shares else 0.0


def numbered_repeats(repeats: Mapping[int, Mapping[str, float]]) -> dict[int, float]:
    """Return the mean of ln(ratio) of every repeat that has all workloads, in their order.

    A workload that most repeats lack (the probe cannot do it) is left out of all of them; a mean
    over other workloads than the rest would pass for a change.
    """
    counts = Counter(workload for found in repeats.values() for workload in found)
    wanted = {workload for workload, count in counts.items() if 2 * count > len(repeats)}
    return {
        number: float(np.mean([found[w] for w in sorted(wanted)]))
        for number, found in sorted(repeats.items())
        if wanted and wanted <= found.keys()
    }


def whole_repeats(repeats: Mapping[int, Mapping[str, float]]) -> list[float]:
    """Return the values of `numbered_repeats`."""
    return list(numbered_repeats(repeats).values())


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
    lag1 : correlation of neighbouring repeats; 0 where the pilot shows none beyond doubt.
    repeats : repeats that a fixed number takes (95 %, t), if they are independent.
    sequence : repeats after which `run --until` is expected to stop.
    seconds : shortest run in which the step of the counter is small; None without a step.
    workload : the one that needs it: that with the least power.
    campaign_s : how long `sequence` repeats take, each as long as the pilot's.
    reason : why nothing can be foreseen, where it cannot.
    """

    probe: str
    column: str
    sd: float | None
    sd_upper: float | None
    lag1: float
    repeats: int | None
    sequence: int | None
    seconds: float | None
    workload: str
    campaign_s: float | None
    reason: str = ""


def forecast(pairs: Iterable[Pair], target: float, repeat_s: float) -> list[Forecast]:
    """Return what it takes to know the factor of every column of a pilot campaign.

    Parameters
    ----------
    pairs : of the pilot's comparison.
    target : wanted half-width, relative.
    repeat_s : how long a repeat took, with its pauses, in seconds.
    """
    return [_forecast(pair, target, repeat_s) for pair in pairs if pair.headline or pair.usable]


def seconds_of_repeat(campaign: Campaign) -> float:
    """Return how long a repeat took, from the first recording to the end of the last."""
    spans: dict[int, float] = {}
    for run in campaign.runs:
        record = run.record
        spans.setdefault(record.repeat, 0.0)
        spans[record.repeat] += (record.stopped_ns - record.recording_ns) / 1e9
    return float(np.median(list(spans.values()))) if spans else 0.0


def _forecast(pair: Pair, target: float, repeat_s: float) -> Forecast:
    d = whole_repeats(ratios_of_repeats(pair))
    seconds, workload = _longest(pair, target)

    def unknown(reason: str) -> Forecast:
        return Forecast(
            pair.probe, pair.column, None, None, 0.0, None, None, seconds, workload, None, reason
        )

    if len(d) < 2:
        return unknown(f"{len(d)} whole repeat(s) in the pilot: no spread to plan with")
    found = repeated_mean(d, n_opt=PLANNED, step=relative_step(pair))
    if found.drifts and found.change and abs(math.expm1(found.change.value)) > target:
        change = 100 * math.expm1(found.change.value)
        return unknown(f"it drifts, by {change:+.2g} % in the pilot: repeats do not help")
    kept = [value for place, value in enumerate(d) if place not in found.strays]
    sd, lag1 = _noise(kept)
    upper = sd * math.sqrt((len(kept) - 1) / chi2_quantile(0.2, len(kept) - 1))
    half = math.log1p(target)
    try:
        fixed = runs_needed(upper, half) if upper > 0 else 2
        sequence = repeats_until(upper, half, lag1, n_opt=PLANNED) if upper > 0 else LEAST
    except ValueError as error:  # beyond all reason
        return unknown(str(error))
    return Forecast(
        pair.probe,
        pair.column,
        sd,
        upper,
        lag1,
        fixed,
        sequence,
        seconds,
        workload,
        sequence * repeat_s,
    )


def _noise(d: Sequence[float]) -> tuple[float, float]:
    """Return the sd of repeats, and the correlation of neighbours where it is beyond doubt."""
    try:
        found = serial_correlation(d)
    except ValueError:  # too few, or all the same
        return float(np.std(d, ddof=1)), 0.0
    return (found.sd, found.lag1) if found.significant else (float(np.std(d, ddof=1)), 0.0)


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
