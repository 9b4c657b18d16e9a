"""Which fault explains the gap between a probe and a reference, if any in the catalogue does.

    Runs -> flags (hard rules, a run at a time) -> candidates (posterior of every model) -> verdict

A verdict is `no fault found`, the name of a fault, or `unexplained`. A name is given only when its
posterior probability among the models that explain is at least 0.95, it passes two predictive
checks, and the design could have shown otherwise: three usable runs, two workloads for `no fault
found` and `constant power`. A unit slip may be named from one workload, since no workload moves a
meter by a factor of 1000; that its residual gain elsewhere is unknown is then among the reasons.

The models and their priors are in `calibrate.stats.models`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calibrate import outliers
from calibrate.diagnosis import UNEXPLAINED, Candidate, Diagnosis, Flag, Runs
from calibrate.outliers import (
    FALSE_WRAP,
    LOST_WRAP,
    MISFIT_BELOW,
    NO_ENERGY,
    PART_TIME,
    STRAY,
    places,
)
from calibrate.stats import irregular, structures
from calibrate.stats.agreement import mean_ratio
from calibrate.stats.estimate import MAX_LOG, Estimate, encode
from calibrate.stats.evidence import Posterior, log_sum
from calibrate.stats.irregular import IrregularModel
from calibrate.stats.models import CONSTANT_POWER, NO_FAULT, LevelModel, Table, catalogue
from calibrate.stats.structures import StructureModel

__all__ = [
    "CONSTANT_POWER",
    "FALSE_WRAP",
    "LOST_WRAP",
    "NO_ENERGY",
    "NO_FAULT",
    "PART_TIME",
    "STRAY",
    "UNEXPLAINED",
    "Candidate",
    "Diagnosis",
    "Flag",
    "Runs",
    "diagnose",
]

Model = LevelModel | StructureModel | IrregularModel
#: Models that say how large their fault is.
_SIZED = (StructureModel, IrregularModel)
Fitted = tuple[Model, Posterior]

#: Posterior probability from which a model is named.
NAMED_FROM = 0.95
#: Posterior probability of "nothing in the catalogue" up to which the name is left to the others:
#: what has no pattern can look a little like anything.
UNNAMED_TO = 0.2
#: Faults that may share a name; more than these tell a reader nothing.
MOST_ALIASES = 4
#: A factor that no workload, offset or window makes: it may be named from one workload.
DECADES = 100.0
#: Relative standard uncertainty of a reference above which it cannot clear a meter.
WEAK_REFERENCE = 0.05
#: Largest ln(ratio) of a run that would not matter, whatever made it.
IMMATERIAL = 0.02
#: Beyond these, J and s, nothing is a measurement, and what is computed of it no number.
_ENERGIES, _DURATIONS = (1e-30, 1e30), (1e-3, 1e10)
#: Kinds of flag of which a sound meter has none.
_NO_ENERGY = ("not finite", "negative", "zero")
#: Smallest ratio of reference powers for which "the same power whatever the load" means something.
LOAD_SPAN = 1.3


def diagnose(runs: Runs) -> Diagnosis:
    """Find the fault that explains how the probe differs from the reference.

    Parameters
    ----------
    runs : at least one run of one probe domain and a reference of the same scope.

    Returns
    -------
    Diagnosis : always; runs that cannot be used are flagged, and too few of them give
        `unexplained` with the reason.
    """
    found = _diagnose(runs)
    if found.name != UNEXPLAINED and not outliers.wild(found):
        return found
    return outliers.explain(runs, found, _diagnose) or found


def _diagnose(runs: Runs) -> Diagnosis:
    """Return the diagnosis of the energies as they stand."""
    usable, flags = _hard_rules(runs)
    if 2 * int(usable.sum()) <= usable.size:
        return _unusable(usable, flags)
    table, labels = _table(runs, usable)
    flags += _same_power(runs, usable, table)
    models: list[Model] = [*catalogue(runs.u_ref, float(np.median(table.power_w)))]
    models += [*structures.catalogue(table), *irregular.catalogue(table)]
    fits = [model.fit(table) for model in models]
    scores = np.array(
        [f.log_evidence + math.log(m.prior) for m, f in zip(models, fits, strict=True)]
    )
    shares = np.exp(scores - log_sum(scores))
    order = [int(i) for i in np.argsort(-shares, kind="stable")]
    candidates = tuple(_candidate(models[i], fits[i], float(shares[i])) for i in order)
    case = _Case(runs, usable, flags, table, labels, candidates)
    return _verdict(case, [(models[i], fits[i]) for i in order])


@dataclass(frozen=True, eq=False)
class _Case:
    """Everything known of the runs when the verdict is due."""

    runs: Runs
    usable: NDArray[np.bool_]
    flags: tuple[Flag, ...]
    table: Table
    labels: tuple[str, ...]
    candidates: tuple[Candidate, ...]

    @property
    def load_span(self) -> float:
        """Return the largest reference power over the smallest."""
        return float(self.table.power_w.max() / self.table.power_w.min())

    @property
    def only_idle(self) -> bool:
        """Return whether no run had a load."""
        idle_w = self.runs.idle_w
        return all(
            label == "idle" or (idle_w is not None and power <= 1.1 * idle_w)
            for label, power in zip(self.labels, self.table.power_w, strict=True)
        )


def _verdict(case: _Case, fitted: list[Fitted], *, settled: bool = False) -> Diagnosis:
    """Name the leading model, or those that the runs cannot tell apart, or say why none.

    `settled` : the first is the verdict, whatever speaks against it.
    """
    (best, fit), table = fitted[0], case.table
    scatter_p, held_p = best.checks(table, fit)
    group = _group(case, fitted)
    thin = _thin(case, best)
    open_ = best.explains and not settled
    misfits = _misfits(best, (scatter_p, held_p))
    # A slip of decades stays one, whatever else is wrong beside it.
    slip = abs(best.shift) >= math.log(DECADES) and len({model.shift for model, _ in group}) == 1
    against = _against(case, group) + ([] if slip else misfits) if open_ else []
    named = best.explains and not thin and not against
    sound = named and best.name == NO_FAULT
    if not (settled or sound) and _immaterial(case, fitted):
        return _within(case, fitted)
    shown = best if named and len(group) == 1 else None
    factors = {model.factor for model, _ in group}
    factor = factors.pop() if named and len(factors) == 1 else None
    shift = math.log(factor or 1.0)
    power = math.exp(fit.level) if shown and best.name == CONSTANT_POWER else None
    gain = None if power is not None else _gain(case, shift)
    left = np.exp(table.y - shift)
    unnamed = sum(c.probability for c in case.candidates if not c.explains)
    share = sum(c.probability for c in case.candidates[: len(group)])
    return Diagnosis(
        name=" or ".join(model.name for model, _ in group) if named else UNEXPLAINED,
        probability=share if named else unnamed,
        conclusive=named or not (thin or best.explains),
        sentence=_sentence(case, group, named, bool(thin), power),
        reasons=tuple(thin + against + (_notes(case, group) + misfits if named else [])),
        cause=shown.cause if shown else "",
        aliases=shown.aliases if shown else (),
        alternatives=tuple(model.name for model, _ in group) if named and not shown else (),
        key=shown.key if shown else "",
        factor=factor,
        residual_gain=gain,
        residual_min=None if gain is None else float(left.min()),
        residual_max=None if gain is None else float(left.max()),
        ratio_min=float(np.exp(table.y.min())),
        ratio_max=float(np.exp(table.y.max())),
        constant_w=power,
        workload_sd=fit.tau,
        run_sd=fit.s,
        predictive_p=scatter_p,
        held_out_p=held_p,
        leading=best.name,
        candidates=case.candidates,
        flags=case.flags,
        n_runs=case.usable.size,
        n_usable=int(case.usable.sum()),
        n_workloads=len(set(case.labels)),
    )


def _immaterial(case: _Case, fitted: list[Fitted]) -> bool:
    """Tell whether every run agrees so well that no fault would matter in runs like these."""
    failed = any(flag.kind in _NO_ENERGY for flag in case.flags)
    near = float(np.abs(case.table.y).max()) <= IMMATERIAL
    sound = next(model for model, _ in fitted if model.name == NO_FAULT)
    return near and not failed and not _thin(case, fitted[0][0]) and not _thin(case, sound)


def _within(case: _Case, fitted: list[Fitted]) -> Diagnosis:
    """Return the verdict on a meter that shows no fault that matters: at most a trace of one."""
    place = next(i for i, (model, _) in enumerate(fitted) if model.name == NO_FAULT)
    sound, others = case.candidates[place], case.candidates[:place] + case.candidates[place + 1 :]
    # A fault of this size is none: what the others have of the probability goes to the sound meter.
    certain = replace(sound, probability=1.0)
    rest = tuple(replace(each, probability=0.0) for each in others)
    order = [fitted[place], *fitted[:place], *fitted[place + 1 :]]
    found = _verdict(replace(case, candidates=(certain, *rest)), order, settled=True)
    text = f"Every run is within {IMMATERIAL:.0%} of the reference"
    if place:
        text += f"; the likeliest trace is {_sized(*fitted[0])}"
    return replace(
        found,
        name=NO_FAULT,
        probability=min(sum(each.probability for each in case.candidates if each.explains), 1.0),
        conclusive=True,
        candidates=case.candidates,
        leading=NO_FAULT,
        reasons=(*found.reasons, f"{text}."),
    )


def _group(case: _Case, fitted: list[Fitted]) -> list[Fitted]:
    """Return the leading model, and with it those that it takes to reach a name's probability.

    Faults that the design cannot tell apart share their probability; they are named together. A
    sound meter is never an alias of a fault, and what explains nothing is none either.
    """
    share = 0.0
    for size, each in enumerate(case.candidates[:MOST_ALIASES], start=1):
        model = fitted[size - 1][0]
        if not model.explains or (model.name == NO_FAULT and size > 1):
            break
        share += each.probability
        if share >= _needed(case):
            return fitted[:size]
        if model.name == NO_FAULT:
            break
    return fitted[:1]


def _needed(case: _Case) -> float:
    """Return the probability that a name needs beside what has none."""
    unnamed = sum(each.probability for each in case.candidates if not each.explains)
    return NAMED_FROM * (1 - unnamed) if unnamed <= UNNAMED_TO else NAMED_FROM


def _candidate(model: Model, fit: Posterior, probability: float) -> Candidate:
    """Return the model with its share and its parameters."""
    level = math.exp(fit.level)
    named = {"constant_w": level} if model.base == "time" else {"residual_gain": level}
    named |= {"u_relative": fit.level_sd, "workload_sd": fit.tau, "run_sd": fit.s}
    named |= dict(model.parameters(fit))
    return Candidate(model.name, probability, fit.log_evidence, model.explains, named)


def _gain(case: _Case, shift: float) -> Estimate:
    """Return the mean ratio that is left after the catalogue's factor."""
    return mean_ratio(case.table.y - shift, case.labels).ratio


# ---- single runs ----


def _hard_rules(runs: Runs) -> tuple[NDArray[np.bool_], tuple[Flag, ...]]:
    """Return which runs have a ratio, shape (n,), and what is wrong with the others."""
    probe = np.asarray(runs.probe_j, dtype=np.float64)
    reference = np.asarray(runs.reference_j, dtype=np.float64)
    seconds = np.asarray(runs.seconds, dtype=np.float64)
    sound = _possible(reference, _ENERGIES) & _possible(seconds, _DURATIONS)
    finite = np.isfinite(probe)
    near = finite & (probe > 0) & (probe < 10 * runs.resolution_j)
    far = np.zeros(probe.size, dtype=np.bool_)
    both = sound & finite & (probe > 0)
    far[both] = np.abs(np.log(probe[both]) - np.log(reference[both])) > MAX_LOG
    far |= both & ~_possible(probe, _ENERGIES)
    rules = (
        ("not finite", ~finite | far, "no finite energy, or one beyond any unit"),
        ("negative", finite & (probe < 0), "a negative energy, as of a counter that wrapped round"),
        ("zero", probe == 0, "no energy at all, as of a meter that did not read in time"),
        ("reference not usable", ~sound, "no usable reference or duration"),
        ("near resolution", near, "less than ten steps of the probe's resolution"),
    )
    flags = tuple(
        Flag(kind, places(mask), f"{int(mask.sum())} of {probe.size} runs have {what}.")
        for kind, mask, what in rules
        if mask.any()
    )
    return both & ~far, flags


def _possible(values: NDArray[np.float64], ends: tuple[float, float]) -> NDArray[np.bool_]:
    """Return which values lie between two ends; NaN does not."""
    return np.asarray((values >= ends[0]) & (values <= ends[1]))


def _same_power(runs: Runs, usable: NDArray[np.bool_], table: Table) -> tuple[Flag, ...]:
    """Flag a probe whose power is the same whatever the load, but for its resolution."""
    reported = table.y + np.log(table.power_w)
    span = float(np.ptp(np.log(table.power_w)))
    probe_j = np.asarray(runs.probe_j, dtype=np.float64)[usable]
    step = runs.resolution_j / math.sqrt(6) / float(np.median(probe_j))
    alike = float(np.ptp(reported)) <= max(2e-3, 3 * step)
    if not alike or span < math.log(LOAD_SPAN):
        return ()
    text = (
        f"The reported power is {_digits(math.exp(float(np.median(reported))))} W in every run "
        f"while the reference's changes by a factor of {_digits(math.exp(span))}."
    )
    return (Flag("identical power", places(usable), text),)


def _table(runs: Runs, usable: NDArray[np.bool_]) -> tuple[Table, tuple[str, ...]]:
    """Reduce the usable runs; also return their labels."""
    probe = np.asarray(runs.probe_j, dtype=np.float64)[usable]
    reference = np.asarray(runs.reference_j, dtype=np.float64)[usable]
    seconds = np.asarray(runs.seconds, dtype=np.float64)[usable]
    labels = tuple(str(w) for w, good in zip(runs.workload, usable, strict=True) if good)
    _, code = encode(labels, len(labels))
    u_probe_j, u_reference_j = (
        # A difference of two readings, each rounded to a step q, has the sd q/sqrt(6).
        np.full(probe.size, step_j / math.sqrt(6)) if u_j is None else np.asarray(u_j)[usable]
        for step_j, u_j in (
            (runs.resolution_j, runs.u_probe_j),
            (runs.reference_resolution_j, runs.u_reference_j),
        )
    )
    floor = np.minimum(np.hypot(u_probe_j / probe, u_reference_j / reference), 1.0)
    y = np.log(probe) - np.log(reference)
    power_w = np.clip(reference / seconds, 1e-100, 1e100)
    parts = {
        name: np.asarray(values, dtype=np.float64)[usable] for name, values in runs.parts_j.items()
    }
    sound = {n: v for n, v in parts.items() if np.isfinite(v).all() and (v > 0).all()}
    edges = None if runs.edges_w is None else np.asarray(runs.edges_w, dtype=np.float64)[usable].T
    taken = seconds, runs.idle_w, sound, edges, runs.wraps_at_j
    return Table(y, power_w, code, floor, runs.u_ref, *taken), labels


# ---- what limits the verdict ----


def _thin(case: _Case, best: Model) -> list[str]:
    """Return why the design is too thin for a name, if it is."""
    found = []
    n = len(case.labels)
    if case.only_idle:
        found.append(
            "No run used over 10 % more than rest: how the probe follows a load was not seen."
        )
    if n < 3:
        found.append(f"Too few runs ({n} usable): a name needs at least 3, of 2 workloads.")
    if len(set(case.labels)) < 2 and abs(best.shift) < math.log(DECADES):
        found.append("One workload only: a gain, an offset and a constant power look the same.")
    if best.name == NO_FAULT and case.runs.u_ref > WEAK_REFERENCE:
        found.append(
            f"The reference is uncertain by {100 * case.runs.u_ref:.0f} %: a meter as far from the "
            "truth as that would look sound."
        )
    if best.name == CONSTANT_POWER and case.load_span < LOAD_SPAN:
        found.append(
            f"The reference power changes by a factor of {_digits(case.load_span)} only, too "
            f"little to call the probe's constant; at least {LOAD_SPAN:g} is needed."
        )
    return found


def _misfits(best: Model, checks: tuple[float, float | None]) -> list[str]:
    """Return which predictive checks the leading model fails."""
    found = []
    if checks[0] < MISFIT_BELOW:
        found.append(f"The runs scatter more than {best.name} allows (p = {checks[0]:.1g}).")
    if checks[1] is not None and checks[1] < MISFIT_BELOW:
        found.append(
            f"A workload is not where the others put it under {best.name} (p = {checks[1]:.1g})."
        )
    return found


def _against(case: _Case, group: list[Fitted]) -> list[str]:
    """Return what speaks against naming the leading models, beside the design and misfits."""
    found = []
    lead = case.candidates[0]
    if sum(c.probability for c in case.candidates[: len(group)]) < _needed(case):
        found.append(
            f"The likeliest explanation, {lead.name}, has the probability "
            f"{lead.probability:.2f}; a name needs {NAMED_FROM:g}."
        )
    if lead.name == NO_FAULT:
        found += [flag.text for flag in case.flags if flag.kind in _NO_ENERGY]
    return found


def _notes(case: _Case, group: list[Fitted]) -> list[str]:
    """Return what a reader of a name should know."""
    best = group[0][0]
    found = [_telling(case, group)] if len(group) > 1 else []
    if len(set(case.labels)) < 2:
        found.append("One workload only: the residual gain of other workloads is unknown.")
    elif best.name != CONSTANT_POWER and case.load_span < LOAD_SPAN:
        found.append("All loads had nearly the same power: faults that change with it stay hidden.")
    return found + [flag.text for flag in case.flags if flag.kind != "identical power"]


def _telling(case: _Case, group: list[Fitted]) -> str:
    """Return the run that would tell the two likeliest of these faults apart."""
    (one, its), (other, others) = group[:2]
    pair = ((one, its), (other, others))
    power, seconds = case.table.power_w, case.table.seconds
    watts = (float(power.min()), float(power.max()), 2 * float(power.max()))
    long = (float(seconds.min()) / 4, float(seconds.max()), 10 * float(seconds.max()))
    grid = np.array([(w, s) for w in watts for s in long])
    blank = np.zeros(len(grid))
    if any(isinstance(m, StructureModel) and m.structure.needs_parts for m, _ in pair):
        return (
            f"{one.name} and {other.name} cannot be told apart here; a run that uses that part "
            "much more, or not at all, would."
        )
    trial = Table(
        blank, grid[:, 0], blank.astype(np.intp), blank, 0.0, grid[:, 1], case.table.idle_w,
        wraps_at_j=case.table.wraps_at_j,
    )  # fmt: skip
    expected = [np.exp(m.predicted(trial, f)) for m, f in pair]
    best = int(np.argmax(np.abs(np.log(expected[0] / expected[1]))))
    if abs(math.log(expected[0][best] / expected[1][best])) < 0.02:
        return (
            f"No run would tell {one.name} from {other.name}: look at what the probe says of its "
            "units, its sockets and its parts."
        )
    ratios = [_part(float(each[best]), float(each[best])) for each in expected]
    return (
        f"{one.name} and {other.name} cannot be told apart here; a run of "
        f"{_digits(grid[best, 1])} s at {_digits(grid[best, 0])} W would: it gives a ratio of "
        f"{ratios[0]} by the one and {ratios[1]} by the other."
    )


def _unusable(usable: NDArray[np.bool_], flags: tuple[Flag, ...]) -> Diagnosis:
    """Return the diagnosis of a probe most of whose runs have no ratio."""
    texts = tuple(flag.text for flag in flags if flag.kind != "near resolution")
    good = int(usable.sum())
    return Diagnosis(
        name=UNEXPLAINED,
        probability=None,
        conclusive=False,
        sentence=f"Most runs cannot be compared: {' '.join(texts)}",
        reasons=texts,
        flags=flags,
        n_runs=usable.size,
        n_usable=good,
    )


# ---- words ----


def _sized(model: Model, fit: Posterior) -> str:
    """Return the name of a fault, with its size where it has one."""
    return f"{model.name} ({model.said(fit)})" if isinstance(model, _SIZED) else model.name


def _sentence(
    case: _Case, group: list[Fitted], named: bool, thin: bool, power: float | None
) -> str:
    """Return the verdict for people."""
    best, _ = group[0]
    if power is not None:
        low, high = case.table.power_w.min(), case.table.power_w.max()
        return (
            f"Reports {_digits(power)} W whatever the load, while the reference goes from "
            f"{_digits(low)} to {_digits(high)} W: {CONSTANT_POWER}."
        )
    ratio = _gain(case, 0.0).value
    reports = f"Reports {_share(ratio)}"
    if named and (len(group) > 1 or isinstance(best, _SIZED)):
        return f"{reports}: {' or '.join(_sized(model, fit) for model, fit in group)}."
    if named and best.factor is not None:
        left = np.exp(case.table.y - best.shift)
        return (
            f"{reports}: {best.name}, with a residual gain of {ratio / best.factor:.2f} "
            f"({left.min():.2f} to {left.max():.2f} from run to run)."
        )
    low, high = float(np.exp(case.table.y.min())), float(np.exp(case.table.y.max()))
    runs = f"{_part(low, ratio)} to {_part(high, ratio)} from run to run"
    spread = f"{reports} ({runs if len(case.labels) > 1 else 'one run'})"
    if named:
        return f"{spread}: {best.name}."
    if thin:
        return f"{spread}. {_hint(best, case.candidates[0].probability)}"
    if not best.explains:
        return f"{spread}, {best.cause}; no fault in the catalogue explains it."
    failed = [flag.text for flag in case.flags if flag.kind in _NO_ENERGY]
    if best.name == NO_FAULT and failed:
        return f"{spread}, but {' '.join(failed)}"
    return f"{spread}; {_called(best)} comes nearest but does not explain it well enough."


def _hint(best: Model, probability: float) -> str:
    """Return what a design that is too thin for a name still hints at."""
    if not best.explains:
        return "The runs cannot tell why."
    strength = "Strong" if probability >= NAMED_FROM else "Some"
    return (
        f"{strength} hint of {_called(best)} (probability {probability:.2f}), but the "
        "runs cannot settle it."
    )


def _called(model: Model) -> str:
    """Return the model's name inside a sentence."""
    return "a sound meter" if model.name == NO_FAULT else model.name


def _share(ratio: float) -> str:
    """Return a ratio to the reference in words."""
    if ratio >= 1.5:
        return f"{_digits(ratio)} times the reference"
    return f"{_part(ratio, ratio)} of the reference"


def _part(ratio: float, beside: float) -> str:
    """Return a ratio as a decimal, or as 1/x where the one it stands beside is small."""
    if beside < 0.2:
        return f"1/{_digits(1 / ratio)}"
    return f"{ratio:.3f}" if beside < 1.5 else _digits(ratio)


def _digits(value: float) -> str:
    """Return three significant digits, without an exponent where that is readable."""
    return f"{float(f'{value:.3g}'):g}"
