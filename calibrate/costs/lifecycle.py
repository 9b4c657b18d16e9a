"""When use outweighs training: energy of preparing, training and using a model, extrapolated.

A model that few people use is dominated by its training, one that millions use by its use; the
number of uses at which both are equal is the energy of preparation and training over that of one
use. An error of a meter that is the same for both (a wrong unit, a gain) cancels in it.

A plan says which phases are which (`Stages`); without that, every workload whose own phases have
such names is a model of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibrate.campaign import Stages, workload_of
from calibrate.energy import Joules, MeasuredPhase, phase_kind, pooled, together
from calibrate.store import Campaign

#: Names of phases that say by themselves what they are.
PREPARE, TRAIN, INFER = ("prepare",), ("init", "train", "eval", "fit"), ("infer", "predict")


@dataclass(frozen=True)
class Bill:
    """What one model costs, by one probe.

    Parameters
    ----------
    name : of the model: the plan's title, or the workload.
    probe, scope : who says so, and of what.
    once : preparation and one training.
    use : one use.
    unit, size : what one use is: `size` of `unit`.
    stages : what was asked.
    """

    name: str
    probe: str
    scope: str
    once: Joules
    use: Joules
    unit: str
    size: float
    stages: Stages

    @property
    def uses(self) -> tuple[float, float]:
        """Return after how many uses both are equal, and the standard uncertainty of that."""
        count = self.once.joules / self.use.joules
        relative = math.hypot(self.once.u_j / self.once.joules, self.use.u_j / self.use.joules)
        return count, count * relative

    def after(self, uses_per_day: float, days: float) -> Joules:
        """Return everything that is used by then."""
        return self.once + self.use.times(uses_per_day * days)


def bills(campaign: Campaign, found: Sequence[MeasuredPhase]) -> list[Bill]:
    """Return what models cost, by every probe that has measured both training and use.

    Parameters
    ----------
    campaign : whose plan may name the stages.
    found : its phases; see `calibrate.energy.measured_phases`.
    """
    made = []
    for name, stages in _stages(campaign, found):
        for probe in dict.fromkeys(each.probe for each in found):
            mine = [each for each in found if each.probe == probe]
            bill = _bill(name, stages, mine)
            if bill is not None:
                made.append(bill)
    return made


def asked_stages(campaign: Campaign) -> Stages | None:
    """Return the stages that the plan names, if any."""
    told: Mapping[str, Any] | None = campaign.record.plan.get("lifecycle")
    return Stages.model_validate(told) if told else None


def _stages(campaign: Campaign, found: Sequence[MeasuredPhase]) -> Iterator[tuple[str, Stages]]:
    """Yield (name, stages): what the plan says, or each workload that has all phases itself."""
    told = asked_stages(campaign)
    if told:
        yield str(campaign.record.plan.get("title", "plan")), told
        return
    kinds: dict[str, set[str]] = {}
    for each in found:
        kinds.setdefault(each.run.record.workload, set()).add(phase_kind(each.phase.name))
    for workload, names in kinds.items():
        parts = {
            stage: tuple(f"{workload}:{name}" for name in known if name in names)
            for stage, known in (("prepare", PREPARE), ("train", TRAIN), ("infer", INFER))
        }
        if parts["train"] and parts["infer"]:
            yield workload, Stages.model_validate(parts)


def _bill(name: str, stages: Stages, found: Sequence[MeasuredPhase]) -> Bill | None:
    once = _once((*stages.prepare, *stages.train), found)
    used = _per_unit(stages.infer, found)
    if once is None or used is None or once.joules <= 0 or used[0].joules <= 0:
        return None
    first = found[0]
    amount, unit = used
    return Bill(
        name, first.probe, first.column.scope, once, amount.times(stages.use), unit, stages.use,
        stages,
    )  # fmt: skip


def _chosen(selector: str, found: Iterable[MeasuredPhase]) -> dict[str, list[MeasuredPhase]]:
    """Return what ``WORKLOAD:PHASE`` or ``WORKLOAD`` names, by run."""
    workload, _, kind = selector.partition(":")
    runs: dict[str, list[MeasuredPhase]] = {}
    for each in found:
        same = each.run.record.workload == workload
        if same and kind in {"", phase_kind(each.phase.name)}:
            runs.setdefault(each.run.folder.name, []).append(each)
    return runs


def _once(selectors: Sequence[str], found: Sequence[MeasuredPhase]) -> Joules | None:
    """Return the energy of doing once all that is named; None where a part was not measured."""
    chosen = [(workload_of(selector), _chosen(selector, found)) for selector in selectors]
    if not all(runs for _, runs in chosen):
        return None
    total = Joules(0.0, 0.0)
    for own in dict.fromkeys(name for name, _ in chosen):
        parts = [runs for name, runs in chosen if name == own]
        whole = [run for run in parts[0] if all(run in part for part in parts)]
        if whole:
            total += pooled([_in_run([part[run] for part in parts]) for run in whole])
        else:  # no run has them all
            for part in parts:
                total += pooled([_in_run([each]) for each in part.values()])
    return total


def _in_run(parts: Sequence[Sequence[MeasuredPhase]]) -> Joules:
    """Return the energy of all parts in a run, once each also where it was repeated."""
    total = together(each for part in parts if not _repeats(part) for each in part)
    for part in parts:
        if repeats := _repeats(part):
            total += together(part).times(1 / repeats)
    return total


def _repeats(part: Sequence[MeasuredPhase]) -> float:
    """Return how often phases did what they are: a work of fits of a fit; 0 where it is not so."""
    itself = all(each.phase.unit == phase_kind(each.phase.name) for each in part)
    return sum(each.phase.work or 0.0 for each in part) if itself else 0.0


def _per_unit(
    selectors: Sequence[str], found: Sequence[MeasuredPhase]
) -> tuple[Joules, str] | None:
    """Return the energy of a unit of work, and the unit."""
    ratios, units = [], set()
    for selector in selectors:
        for each in _chosen(selector, found).values():
            work = sum(m.phase.work or 0.0 for m in each)
            units |= {m.phase.unit or "" for m in each}
            if work > 0:
                ratios.append(together(each).times(1 / work))
    return (pooled(ratios), units.pop()) if ratios and len(units) == 1 else None
