"""What measuring does to what is measured: each probe alone, all together, and none.

The runs are ABBA-ordered (`calibrate.campaign.plan.jobs_alone`): within a repeat every condition
comes once on the way there and once on the way back, so that a steady drift cancels. An effect is
the difference of ln(value) between a condition and the one it is compared with, one value a
repeat; the interval is t on repeats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from calibrate import store
from calibrate.comparison import compare
from calibrate.energy import headline_column, native_columns, window_energy
from calibrate.errors import CrosswattError
from calibrate.stats import Vector, holm, t_estimate, t_quantile, t_tail
from calibrate.store import Campaign, Document, Run

NONE, ALL = "none", "all together"
POWER, SPEED = "power", "speed"

#: (workload, what is affected) -> condition -> repeat -> ln(value) of its runs.
Values = dict[tuple[str, str], dict[str, dict[int, list[float]]]]


class Effect(Document):
    """What a condition does to something, relative (0.01 is 1 % more), with a 95 % interval.

    ``affected`` is ``power`` (of the machine, by the reference), ``speed`` (of the workload) or
    the name of a probe (its ratio to the reference). Power and speed are compared with no probe at
    all, a probe's ratio with that of the probe alone. ``watts`` is the change of power. ``clear``:
    it differs from zero at 5 % though so many were looked at (Holm).
    """

    workload: str
    affected: str
    condition: str
    change: float
    low: float | None
    high: float | None
    watts: float | None = None
    repeats: int
    clear: bool = False


class Observation(Document):
    """The interference matrix of a campaign."""

    simulated: bool
    machine: str
    reference: str
    probes: tuple[str, ...]
    effects: tuple[Effect, ...]


def observe(folder: Path) -> Observation:
    """Return what the probes of a campaign do to the machine and to each other.

    Raises
    ------
    CrosswattError : the campaign was not made for it, or a condition was never measured.
    """
    campaign = store.load_campaign(folder)
    jobs = campaign.record.jobs
    if not jobs or any(job.probes is None for job in jobs):
        raise CrosswattError(
            f"In {folder} all probes ran together always; what each does alone is not in it. "
            "Measure with 'crosswatt observe'."
        )
    reference = (jobs[0].probes or ("",))[0]
    probes = tuple(s.name for s in campaign.record.sources if s.name != reference)
    values = _values(campaign, reference)
    effects = [
        effect
        for (workload, affected), conditions in values.items()
        for effect in _effects(workload, affected, conditions)
    ]
    if not effects:
        raise CrosswattError(
            f"{folder} has no finished run without probes to compare with; continue it with "
            "'crosswatt run --resume'."
        )
    return Observation(
        simulated=campaign.record.machine.simulated,
        machine=campaign.record.machine.label,
        reference=reference,
        probes=probes,
        effects=tuple(_marked(effects)),
    )


def _condition(run: Run, crews: Mapping[str, tuple[str, ...]]) -> str:
    """Return the name of a run's condition."""
    others = crews[run.folder.name][1:]
    return NONE if not others else others[0] if len(others) == 1 else ALL


def _values(campaign: Campaign, reference: str) -> Values:
    """Return ln(power), ln(speed) and ln(ratio) of all runs."""
    crews = {job.folder: job.probes or () for job in campaign.record.jobs}
    good = [run for run in campaign.runs if run.record.exit_code == 0]
    where = {run.folder.name: run for run in good}
    values: Values = {}

    def add(run: Run, affected: str, value: float | None) -> None:
        if value is not None and value > 0:
            record = run.record
            found = values.setdefault((record.workload, affected), {})
            repeats = found.setdefault(_condition(run, crews), {})
            repeats.setdefault(record.repeat, []).append(math.log(value))

    for run in good:
        add(run, POWER, _watts(run, reference))
        add(run, SPEED, _speed(run))
    for pair in compare(campaign, reference).pairs if good else ():
        if pair.headline:
            for row in pair.rows:
                add(where[row.run], pair.probe, row.ratio)
    return values


def _watts(run: Run, reference: str) -> float | None:
    """Return the mean power of a run by the reference's widest column."""
    log = run.logs.get(reference)
    if log is None or not log.domains:
        return None
    column = headline_column(native_columns(log.domains.values()))
    window = run.record.begin_ns, run.record.end_ns
    found = None if column is None else window_energy(log, column, window)
    return None if found is None else found.joules / found.seconds


def _speed(run: Run) -> float | None:
    """Return the work of a run per second, None for a workload that counts none."""
    phases = [p for p in run.record.phases if p.work]
    seconds = sum(p.end_ns - p.begin_ns for p in phases) / 1e9
    return sum(p.work or 0.0 for p in phases) / seconds if seconds > 0 else None


def _effects(
    workload: str, affected: str, conditions: Mapping[str, Mapping[int, list[float]]]
) -> Iterable[Effect]:
    """Yield the effect of each condition on one thing."""
    base = NONE if affected in (POWER, SPEED) else affected
    without = conditions.get(base, {})
    for condition, repeats in conditions.items():
        both = sorted(repeats.keys() & without.keys())
        if condition == base or not both:
            continue
        steps = np.array([np.mean(repeats[r]) - np.mean(without[r]) for r in both])
        yield _effect(workload, affected, condition, steps, _level(without, both))


def _level(without: Mapping[int, list[float]], repeats: list[int]) -> float:
    """Return the mean value without a condition."""
    return math.exp(float(np.mean([np.mean(without[r]) for r in repeats])))


def _effect(workload: str, affected: str, condition: str, steps: Vector, level: float) -> Effect:
    """Return one effect with its interval; one repeat has none."""
    n, value = steps.size, float(steps.mean())
    low = high = None
    if n > 1:
        u = float(steps.std(ddof=1)) / math.sqrt(n)
        found = t_estimate(
            value, u, n - 1, level=0.95, method="t on repeats", n_runs=2 * n, n_clusters=n
        )
        low, high = found.low, found.high
    return Effect(
        workload=workload,
        affected=affected,
        condition=condition,
        change=math.expm1(value),
        low=None if low is None else math.expm1(low),
        high=None if high is None else math.expm1(high),
        watts=level * math.expm1(value) if affected == POWER else None,
        repeats=n,
    )


def _marked(effects: list[Effect]) -> list[Effect]:
    """Return the effects, those marked that are not chance."""
    p = {str(i): chance for i, e in enumerate(effects) if (chance := _p_value(e)) is not None}
    corrected = holm(p)
    return [
        e.model_copy(update={"clear": corrected.get(str(i), 1.0) < 0.05})
        for i, e in enumerate(effects)
    ]


def _p_value(effect: Effect) -> float | None:
    """Return the probability of an effect as far from zero by chance, from its interval."""
    if effect.low is None or effect.high is None:
        return None
    half = (math.log1p(effect.high) - math.log1p(effect.low)) / 2
    if half == 0.0:
        return 1.0 if effect.change == 0.0 else 0.0
    df = effect.repeats - 1
    return min(1.0, 2 * t_tail(abs(math.log1p(effect.change)) / half * t_quantile(0.975, df), df))
