"""Which fault explains the gap between a probe and a reference, if any in the catalogue does.

    Runs -> flags (hard rules, a run at a time) -> candidates (posterior of every model) -> verdict

A verdict is `no fault found`, the name of a fault, or `unexplained`. A name is given only when its
posterior probability among the models that explain is at least 0.95, it passes two predictive
checks, and the design could have shown otherwise: three usable runs, two workloads for `no fault
found` and `constant power`. A unit slip may be named from one workload, since no workload moves a
meter by a factor of 1000; that its residual gain elsewhere is unknown is then among the reasons.

The models and their priors are in `calibrate.diagnosis.models`.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calibrate.diagnosis import irregular, late, losses, structures
from calibrate.diagnosis.case import (
    DECADES,
    LOAD_SPAN,
    MOST_ALIASES,
    NAMED_FROM,
    Fitted,
    Model,
    _Case,
    _gain,
    _needed,
)
from calibrate.diagnosis.deciding import decide, open_group
from calibrate.diagnosis.evidence import Posterior, log_sum
from calibrate.diagnosis.faults import FAULTS, Keys
from calibrate.diagnosis.load_model import modelled
from calibrate.diagnosis.material import hidden_by_steps, immaterial
from calibrate.diagnosis.models import CONSTANT_POWER, NO_FAULT, Table, catalogue
from calibrate.diagnosis.part_time import PART_TIME, scattered
from calibrate.diagnosis.resolution import diagnose_above_step
from calibrate.diagnosis.result import UNEXPLAINED, Candidate, Diagnosis, Flag, Runs
from calibrate.diagnosis.single_runs import (
    FALSE_WRAP,
    LOST_WRAP,
    NO_ENERGY,
    STRAY,
    explain,
    odd_run,
    places,
    wild,
)
from calibrate.diagnosis.words import _against, _digits, _misfits, _notes, _sentence, _sized, _thin
from calibrate.diagnosis.wraps import due, folded, polled
from calibrate.quantity import u_of_step
from calibrate.stats import MAX_LOG, Vector, encode, t_quantile

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
#: Beyond these, J and s, nothing is a measurement, and what is computed of it no number.
_ENERGIES, _DURATIONS = (1e-30, 1e30), (1e-3, 1e10)

#: Largest ln(ratio) of a run to a slip of decades by which nothing else explains the level.
_SLIP_SPREAD = math.log(1.6)
#: Faults of chance explain single runs that are far off, too.
_BY_CHANCE = {each.key for each in FAULTS if each.group == "chance"}
#: Slope of ln(reported power) in ln(reference power) from which a power is no constant.
_FOLLOWS = 0.2


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
    return diagnose_above_step(runs, _single_runs)


def _single_runs(runs: Runs) -> Diagnosis:
    """Return the diagnosis of runs that are long enough, single ones of which may be wrong."""
    found = _diagnose(runs)
    chance = found.key in _BY_CHANCE
    if found.name != UNEXPLAINED and not wild(found) and not chance:
        return found
    turned = folded(runs, _diagnose) or polled(runs, _diagnose)
    if chance and not wild(found):
        return turned or odd_run(runs, _diagnose) or found
    single = turned or explain(runs, found, _diagnose) or scattered(runs, _diagnose)
    return due(runs, single or modelled(runs, found) or found)


def _diagnose(runs: Runs) -> Diagnosis:
    """Return the diagnosis of the energies as they stand."""
    usable, flags = _hard_rules(runs)
    if 2 * int(usable.sum()) <= usable.size:
        return _unusable(usable, flags)
    table, labels = _table(runs, usable)
    flags += _same_power(runs, usable, table)
    models = _models(table)
    fits = [model.fit(table) for model in models]
    follows = _follows(table)
    scores = np.array(
        [f.log_evidence + math.log(m.prior) for m, f in zip(models, fits, strict=True)]
    )
    if follows:
        scores[[model.name == CONSTANT_POWER for model in models]] = -np.inf
    shares = np.exp(scores - log_sum(scores))
    order = [int(i) for i in np.argsort(-shares, kind="stable")]
    candidates = tuple(_candidate(models[i], fits[i], float(shares[i])) for i in order)
    case = _Case(runs, usable, flags, table, labels, candidates)
    return _verdict(case, [(models[i], fits[i]) for i in order])


def _verdict(case: _Case, fitted: list[Fitted], *, settled: bool = False) -> Diagnosis:
    """Name the leading model, or those that the runs cannot tell apart, or say why none.

    `settled` : the first is the verdict, whatever speaks against it.
    """
    (best, fit), table = fitted[0], case.table
    scatter_p, held_p = best.checks(table, fit)
    group = _group(case, fitted)
    thin = _thin(case, best)
    open_ = best.explains and not settled
    misfits = _misfits(best, fit, (scatter_p, held_p))
    # A slip of decades stays one, whatever else is wrong beside it.
    slip = abs(best.shift) >= math.log(DECADES) and len({model.shift for model, _ in group}) == 1
    slipped = _slipped(case, fitted)
    unsure = [] if slipped >= NAMED_FROM else _against(case, group)
    against = unsure + ([] if slip else misfits) if open_ else []
    named = best.explains and not thin and not against
    sound = named and best.name == NO_FAULT
    if not (settled or sound) and (why := _immaterial(case, fitted)):
        return _within(case, fitted, why)
    names = tuple(dict.fromkeys(model.name for model, _ in group))
    shown = best if named and len(names) == 1 else None
    factors = {model.factor for model, _ in group}
    factor = factors.pop() if named and len(factors) == 1 else None
    shift = math.log(factor or 1.0)
    power = math.exp(fit.level) if shown and best.name == CONSTANT_POWER else None
    gain = None if power is not None else _gain(case, shift)
    left = np.exp(table.y - shift)
    unnamed = sum(c.probability for c in case.candidates if not c.explains)
    share = max(sum(c.probability for c in case.candidates[: len(group)]), slipped)
    known = named and len(names) == 1
    deciding = (
        None if known or settled else decide(case, group if named else open_group(case, fitted))
    )
    telling = [deciding.sentence] if deciding else []
    return Diagnosis(
        name=" or ".join(names) if named else UNEXPLAINED,
        probability=share if named else unnamed,
        conclusive=named or not (thin or best.explains),
        sentence=_sentence(case, group, named, bool(thin), power),
        reasons=tuple(thin + against + telling + (_notes(case, best) + misfits if named else [])),
        cause=shown.cause if shown else "",
        aliases=shown.aliases if shown else (),
        alternatives=names if named and not shown else (),
        key=shown.faults[0].key if shown and len(shown.faults) == 1 else "",
        keys=tuple(_keys(model) for model, _ in group if model.faults) if named else (),
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
        deciding=deciding,
        leading=best.name,
        candidates=case.candidates,
        flags=case.flags,
        n_runs=case.usable.size,
        n_usable=int(case.usable.sum()),
        n_workloads=len(set(case.labels)),
    )


def _models(table: Table) -> list[Model]:
    """Return what these runs could show, each with its prior."""
    level = catalogue(table.u_ref, float(np.median(table.power_w)))
    return [
        *level,
        *structures.catalogue(table),
        *irregular.catalogue(),
        *late.catalogue(table),
        *losses.catalogue(table),
    ]


def _follows(table: Table) -> bool:
    """Tell whether the reported power follows the load, however little is known of each run.

    ln of the reported power is a line in that of the reference's; at the lower 95 % limit its slope
    is that of a constant, 0, or it is more.
    """
    x = np.log(table.power_w)
    slope, sd = _slope(x - x.mean(), table.y + x)
    return slope - sd > _FOLLOWS


def _slope(x: Vector, y: Vector) -> tuple[float, float]:
    """Return the slope of a line by least squares, and how far below it the true one may be."""
    left = x.size - 2
    if left < 1 or not x.any():
        return 0.0, math.inf
    slope = float(x @ y) / float(x @ x)
    rest = y - y.mean() - slope * x
    return slope, t_quantile(0.95, left) * math.sqrt(float(rest @ rest) / left / float(x @ x))


def _keys(model: Model) -> Keys:
    """Return the keys of the faults that a model stands for."""
    return tuple(each.key for each in model.faults)


def _immaterial(case: _Case, fitted: list[Fitted]) -> str:
    """Return why no fault would matter in runs like these; nothing where one would."""
    sound = next(model for model, _ in fitted if model.name == NO_FAULT)
    thin = _thin(case, fitted[0][0]) or _thin(case, sound)
    return "" if thin else immaterial(case, fitted)


def _within(case: _Case, fitted: list[Fitted], why: str) -> Diagnosis:
    """Return the verdict on a meter that shows no fault that matters: at most a trace of one."""
    place = next(i for i, (model, _) in enumerate(fitted) if model.name == NO_FAULT)
    sound, others = case.candidates[place], case.candidates[:place] + case.candidates[place + 1 :]
    # A fault of this size is none: what the others have of the probability goes to the sound meter.
    certain = replace(sound, probability=1.0)
    rest = tuple(replace(each, probability=0.0) for each in others)
    order = [fitted[place], *fitted[:place], *fitted[place + 1 :]]
    found = _verdict(replace(case, candidates=(certain, *rest)), order, settled=True)
    if place:
        why += f"; the likeliest trace is {_sized(*fitted[0])}"
    return replace(
        found,
        name=NO_FAULT,
        probability=min(sum(each.probability for each in case.candidates if each.explains), 1.0),
        conclusive=True,
        candidates=case.candidates,
        leading=NO_FAULT,
        reasons=(*found.reasons, f"{why}.", *hidden_by_steps(case)),
    )


def _group(case: _Case, fitted: list[Fitted]) -> list[Fitted]:
    """Return the leading model, and with it those that it takes to reach a name's probability.

    Faults that the design cannot tell apart share their probability; they are named together. A
    sound meter is never an alias of a fault, and what explains nothing is none either.
    """
    if _slipped(case, fitted) >= NAMED_FROM:
        return _behind(case, fitted)
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


def _behind(case: _Case, fitted: list[Fitted]) -> list[Fitted]:
    """Return the leading slip, and the same slip with what may be behind it."""
    factor = fitted[0][0].factor
    return [
        each
        for each, candidate in zip(fitted, case.candidates, strict=True)
        if each[0].factor == factor and candidate.probability >= 1 - NAMED_FROM
    ][:MOST_ALIASES] or fitted[:1]


def _slipped(case: _Case, fitted: list[Fitted]) -> float:
    """Return the probability that the slip of decades that leads is one, with all beside it.

    Whatever else is wrong, the figures are repaired by its factor. Where no run is far from that
    factor, what needs a gain of its own for the level counts for it too.
    """
    lead = fitted[0][0]
    if not lead.faults or lead.faults[0].group != "unit" or abs(lead.shift) < math.log(DECADES):
        return 0.0
    near = float(np.abs(case.table.y - lead.shift).max()) <= _SLIP_SPREAD
    return sum(
        candidate.probability
        for (model, _), candidate in zip(fitted, case.candidates, strict=True)
        if model.factor == lead.factor or (near and model.factor is None)
    )


def _candidate(model: Model, fit: Posterior, probability: float) -> Candidate:
    """Return the model with its share and its parameters."""
    level = math.exp(fit.level)
    named = {"constant_w": level} if model.base == "time" else {"residual_gain": level}
    named |= {"u_relative": fit.level_sd, "workload_sd": fit.tau, "run_sd": fit.s}
    named |= dict(model.parameters(fit))
    return Candidate(model.name, probability, fit.log_evidence, model.explains, named)


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
    step = u_of_step(runs.resolution_j) / float(np.median(probe_j))
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
        np.full(probe.size, u_of_step(step_j)) if u_j is None else np.asarray(u_j)[usable]
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
    busy = None if runs.busy is None else np.asarray(runs.busy, dtype=np.float64)[usable]
    known = busy is not None and np.isfinite(busy).all() and (busy >= 0).all()
    taken = seconds, runs.idle_w, sound, edges, runs.wraps_at_j, busy if known else None
    return Table(y, power_w, code, floor, runs.u_ref, *taken), labels


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
