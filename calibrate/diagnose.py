"""Which fault explains the gap between a probe and a reference, if any in the catalogue does.

    Runs -> flags (hard rules, a run at a time) -> candidates (posterior of every model) -> verdict

A verdict is `no fault found`, the name of a fault, or `unexplained`. A name is given only when its
posterior probability is at least 0.95, it passes two predictive checks, and the design could have
shown otherwise: three usable runs, two workloads for `no fault found` and `constant power`. A unit
slip may be named from one workload, since no workload moves a meter by a factor of 1000; that its
residual gain elsewhere is unknown is then among the reasons.

The models and their priors are in `calibrate.stats.models`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.stats import structures
from calibrate.stats.agreement import mean_ratio
from calibrate.stats.estimate import MAX_LOG, Estimate, Vector, encode
from calibrate.stats.evidence import Posterior, log_sum
from calibrate.stats.models import CONSTANT_POWER, NO_FAULT, LevelModel, Table, catalogue
from calibrate.stats.quantile import chi2_tail
from calibrate.stats.structures import StructureModel

__all__ = [
    "CONSTANT_POWER",
    "LOST_WRAP",
    "NO_FAULT",
    "UNEXPLAINED",
    "Candidate",
    "Diagnosis",
    "Flag",
    "Runs",
    "diagnose",
]

UNEXPLAINED = "unexplained"

LOST_WRAP = "lost wraparound"
#: Ranges of energy counters: 2^32 steps of 61.04 or 15.26 µJ, 2^32 µJ (J).
WRAPS_J = (2.0**18, 262143.328850, 2.0**16, 65532.610987, 4294.967296)
#: More wraps than this in a run fit any energy.
MOST_WRAPS = 20
#: How likely chance may be where wraps are named, and how likely another fault is negative.
CHANCE, NEGATIVE = 0.01, 0.05

Model = LevelModel | StructureModel
Fitted = tuple[Model, Posterior]

#: Posterior probability from which a model is named.
NAMED_FROM = 0.95
#: Faults that may share a name; more than these tell a reader nothing.
MOST_ALIASES = 4
#: Predictive p-value below which a model does not fit, however much better than the others it is.
MISFIT_BELOW = 0.001
#: A factor that no workload, offset or window makes: it may be named from one workload.
DECADES = 100.0
#: Relative standard uncertainty of a reference above which it cannot clear a meter.
WEAK_REFERENCE = 0.05
#: Kinds of flag of which a sound meter has none.
_NO_ENERGY = ("not finite", "negative", "zero")
#: Smallest ratio of reference powers for which "the same power whatever the load" means something.
LOAD_SPAN = 1.3


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of one probe domain beside one reference.

    Parameters
    ----------
    probe_j, reference_j : energy of each run, J, shape (n,). The probe's may be anything a probe
        can say, including zero, negative and NaN.
    seconds : duration of each run, s, shape (n,).
    workload : label of each run; `idle` is the idle load.
    resolution_j : smallest step of the probe, J; 0 where unknown.
    reference_resolution_j : the same for the reference.
    u_ref : relative standard uncertainty of the reference's gain (0.01 is 1 %), common to all runs.
    idle_w : power of the idle machine by the reference, W, where idle runs gave it.
    wraps_at_j : range of the counter that the probe reads, J; 0 where unknown.
    parts_j : energy of parts of the machine by the reference, J, for example ``dram``, from which
        a missing, doubled or lone part is recognised.
    """

    probe_j: Sequence[float] | Vector
    reference_j: Sequence[float] | Vector
    seconds: Sequence[float] | Vector
    workload: Sequence[str]
    resolution_j: float = 0.0
    reference_resolution_j: float = 0.0
    u_ref: float = 0.0
    idle_w: float | None = None
    wraps_at_j: float = 0.0
    parts_j: Mapping[str, Sequence[float] | Vector] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.workload)
        if n == 0:
            raise ValueError("There are no runs to diagnose.")
        lists = {"probe_j": self.probe_j, "reference_j": self.reference_j, "seconds": self.seconds}
        for name, values in (lists | dict(self.parts_j)).items():
            if np.shape(values) != (n,):
                raise ValueError(f"{name} has shape {np.shape(values)} for {n} workload labels.")
        for name in ("resolution_j", "reference_resolution_j", "u_ref", "wraps_at_j"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value}; it must be a finite number, zero or more.")


@dataclass(frozen=True)
class Flag:
    """A finding about single runs that needs no statistics.

    Parameters
    ----------
    kind : ``not finite``, ``negative``, ``zero``, ``reference not usable``, ``near resolution`` or
        ``identical power``.
    runs : the runs, counted from 0.
    text : a sentence.
    """

    kind: str
    runs: tuple[int, ...]
    text: str


@dataclass(frozen=True)
class Candidate:
    """A model and what the data say of it.

    Parameters
    ----------
    name : of the model.
    probability : posterior within the catalogue.
    log_evidence : ln of the marginal likelihood.
    explains : whether the model is a diagnosis; the others only describe what is unexplained.
    parameters : level and spreads, by name with unit.
    """

    name: str
    probability: float
    log_evidence: float
    explains: bool
    parameters: Mapping[str, float]


@dataclass(frozen=True)
class Diagnosis:
    """The verdict on a probe domain, with the numbers behind it. Every number is finite or None.

    Parameters
    ----------
    name : `no fault found`, a fault of the catalogue, or `unexplained`.
    probability : posterior of `name`; for `unexplained`, of all models without a name together,
        which is small where the design or a check, and not the evidence, withheld a name. None
        where no run could be used.
    conclusive : False where the runs are too few or too alike to tell.
    sentence : the verdict for people.
    reasons : what limits the verdict, a sentence each.
    cause : what usually makes this fault; empty where there is no name.
    aliases : other slips with the same signature; the data cannot tell them from the name.
    alternatives : the faults that the runs cannot tell apart, where `name` joins several.
    key : what the list of reported faults calls it; empty where it has no name there.
    reported : where users of this release reported it; empty where that is not known.
    factor : the catalogue's exact probe/reference ratio; None for anything but a scale fault.
    residual_gain : what is left after `factor` (probe = factor * residual_gain * reference), also
        for `no fault found`; for `unexplained` the mean ratio itself; None for constant power.
    residual_min, residual_max : the same of single runs.
    ratio_min, ratio_max : probe/reference of single runs.
    constant_w : the power reported whatever the load, W; constant power only.
    workload_sd, run_sd : spread of ln(ratio) between workloads and from run to run.
    predictive_p, held_out_p : p-values of the checks of the leading model; None where not made.
    leading : the most probable model, whether or not it was named.
    candidates : all models, the most probable first.
    flags : findings about single runs.
    n_runs, n_usable, n_workloads : all runs, those with a ratio, and the workloads of the latter.
    """

    name: str
    probability: float | None
    conclusive: bool
    sentence: str
    reasons: tuple[str, ...] = ()
    cause: str = ""
    aliases: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    key: str = ""
    reported: str = ""
    factor: float | None = None
    residual_gain: Estimate | None = None
    residual_min: float | None = None
    residual_max: float | None = None
    ratio_min: float | None = None
    ratio_max: float | None = None
    constant_w: float | None = None
    workload_sd: float | None = None
    run_sd: float | None = None
    predictive_p: float | None = None
    held_out_p: float | None = None
    leading: str | None = None
    candidates: tuple[Candidate, ...] = ()
    flags: tuple[Flag, ...] = ()
    n_runs: int = 0
    n_usable: int = 0
    n_workloads: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def _plain(value: Any) -> Any:
    """Return the value with lists for tuples."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


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
    if found.name != UNEXPLAINED:
        return found
    return _mended(runs) or found


def _mended(runs: Runs) -> Diagnosis | None:
    """Return the diagnosis of a counter whose wraps were lost, or None where that is not it."""
    probe = np.asarray(runs.probe_j, dtype=np.float64)
    reference = np.asarray(runs.reference_j, dtype=np.float64)
    for range_j in (runs.wraps_at_j,) if runs.wraps_at_j else WRAPS_J:
        with np.errstate(invalid="ignore"):
            lost = np.round((reference - probe) / range_j)
        # A range that is small beside the energy could mend anything.
        plain = bool(np.isfinite(lost).all()) and float(reference.max()) < MOST_WRAPS * range_j
        if not plain or lost.min() < 0 or lost.max() < 1:
            continue
        mended = probe + lost * range_j
        if _by_chance((reference - mended) / range_j, lost > 0, probe < 0) > CHANCE:
            continue
        whole = _diagnose(replace(runs, probe_j=mended))
        if _sound(whole):
            count = int((lost > 0).sum())
            text = f"{count} of {lost.size} runs are low by multiples of {_digits(range_j)} J."
            flag = Flag("wrap", _places(lost > 0), text)
            return replace(
                whole,
                name=LOST_WRAP,
                probability=whole.candidates[0].probability,
                conclusive=True,
                key="wrap",
                sentence=f"{text} The counter's wraps are lost; apart from them: {whole.sentence}",
                cause="the counter starts again at zero and the meter does not add its range",
                flags=(flag, *whole.flags),
            )
    return None


def _by_chance(rest: Vector, mended: NDArray[np.bool_], negative: NDArray[np.bool_]) -> float:
    """Return how likely runs come so near to whole ranges, and below zero, without a wrap.

    Without one, what rounding leaves is anywhere between half a range too much and too little, and
    the runs' shares of that are combined by Fisher's method (Statistical Methods, 1932, 21.1). No
    less than a hundredth of a range counts, as references are no better.
    """
    near = np.clip(2 * np.abs(rest[mended]), 0.02, 1.0)
    chance = chi2_tail(-2 * float(np.log(near).sum()), 2 * near.size)
    return chance * NEGATIVE ** int(negative[mended].sum())


def _sound(found: Diagnosis) -> bool:
    """Tell whether a sound meter is the likeliest and passes its checks."""
    checks = [p for p in (found.predictive_p, found.held_out_p) if p is not None]
    likely = found.leading == NO_FAULT and found.candidates[0].probability > 0.5
    return likely and min(checks) >= MISFIT_BELOW


def _diagnose(runs: Runs) -> Diagnosis:
    """Return the diagnosis of the energies as they stand."""
    usable, flags = _hard_rules(runs)
    if 2 * int(usable.sum()) <= usable.size:
        return _unusable(usable, flags)
    table, labels = _table(runs, usable)
    flags += _same_power(usable, table)
    models: list[Model] = [*catalogue(runs.u_ref, float(np.median(table.power_w)))]
    models += structures.catalogue(table)
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


def _verdict(case: _Case, fitted: list[Fitted]) -> Diagnosis:
    """Name the leading model, or those that the runs cannot tell apart, or say why none."""
    (best, fit), table = fitted[0], case.table
    scatter_p, held_p = best.checks(table, fit)
    group = _group(case, fitted)
    thin = _thin(case, best)
    against = _against(case, group, (scatter_p, held_p)) if best.explains else []
    named = best.explains and not thin and not against
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
        reasons=tuple(thin + against + (_notes(case, group) if named else [])),
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
        if share >= NAMED_FROM:
            return fitted[:size]
        if model.name == NO_FAULT:
            break
    return fitted[:1]


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
    sound = np.isfinite(reference) & (reference > 0) & np.isfinite(seconds) & (seconds > 0)
    finite = np.isfinite(probe)
    near = finite & (probe > 0) & (probe < 10 * runs.resolution_j)
    far = np.zeros(probe.size, dtype=np.bool_)
    both = sound & finite & (probe > 0)
    far[both] = np.abs(np.log(probe[both]) - np.log(reference[both])) > MAX_LOG
    rules = (
        ("not finite", ~finite | far, "no finite energy, or one beyond any unit"),
        ("negative", finite & (probe < 0), "a negative energy, as of a counter that wrapped round"),
        ("zero", probe == 0, "no energy at all, as of a meter that did not read in time"),
        ("reference not usable", ~sound, "no usable reference or duration"),
        ("near resolution", near, "less than ten steps of the probe's resolution"),
    )
    flags = tuple(
        Flag(kind, _places(mask), f"{int(mask.sum())} of {probe.size} runs have {what}.")
        for kind, mask, what in rules
        if mask.any()
    )
    return both & ~far, flags


def _places(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the indices of the true ones."""
    return tuple(int(i) for i in np.flatnonzero(mask))


def _same_power(usable: NDArray[np.bool_], table: Table) -> tuple[Flag, ...]:
    """Flag a probe whose power is the same whatever the load."""
    reported = table.y + np.log(table.power_w)
    span = float(np.ptp(np.log(table.power_w)))
    alike = float(np.ptp(reported)) <= max(2e-3, 3 * float(np.median(table.floor)))
    if not alike or span < math.log(LOAD_SPAN):
        return ()
    text = (
        f"The reported power is {_digits(math.exp(float(np.median(reported))))} W in every run "
        f"while the reference's changes by a factor of {_digits(math.exp(span))}."
    )
    return (Flag("identical power", _places(usable), text),)


def _table(runs: Runs, usable: NDArray[np.bool_]) -> tuple[Table, tuple[str, ...]]:
    """Reduce the usable runs; also return their labels."""
    probe = np.asarray(runs.probe_j, dtype=np.float64)[usable]
    reference = np.asarray(runs.reference_j, dtype=np.float64)[usable]
    seconds = np.asarray(runs.seconds, dtype=np.float64)[usable]
    labels = tuple(str(w) for w, good in zip(runs.workload, usable, strict=True) if good)
    _, code = encode(labels, len(labels))
    # A difference of two readings, each rounded to a step q, has the sd q/sqrt(6).
    floor = np.hypot(runs.resolution_j / probe, runs.reference_resolution_j / reference)
    floor = np.minimum(floor / math.sqrt(6), 1.0)
    y = np.log(probe) - np.log(reference)
    power_w = np.clip(reference / seconds, 1e-100, 1e100)
    parts = {
        name: np.asarray(values, dtype=np.float64)[usable] for name, values in runs.parts_j.items()
    }
    sound = {n: v for n, v in parts.items() if np.isfinite(v).all() and (v > 0).all()}
    taken = seconds, runs.idle_w, sound
    return Table(y, power_w, code, floor, runs.u_ref, *taken), labels


# ---- what limits the verdict ----


def _thin(case: _Case, best: Model) -> list[str]:
    """Return why the design is too thin for a name, if it is."""
    found = []
    n = len(case.labels)
    if case.only_idle:
        found.append("Only idle runs: how the probe follows a load was not seen.")
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


def _against(case: _Case, group: list[Fitted], checks: tuple[float, float | None]) -> list[str]:
    """Return what speaks against naming the leading models, beside the design."""
    found = []
    lead = case.candidates[0]
    if sum(c.probability for c in case.candidates[: len(group)]) < NAMED_FROM:
        found.append(
            f"The likeliest explanation, {lead.name}, has the probability "
            f"{lead.probability:.2f}; a name needs {NAMED_FROM:g}."
        )
    if checks[0] < MISFIT_BELOW:
        found.append(f"The runs scatter more than {lead.name} allows (p = {checks[0]:.1g}).")
    if checks[1] is not None and checks[1] < MISFIT_BELOW:
        found.append(
            f"A workload is not where the others put it under {lead.name} (p = {checks[1]:.1g})."
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
    trial = Table(blank, grid[:, 0], blank.astype(np.intp), blank, 0.0, grid[:, 1],
                  case.table.idle_w)  # fmt: skip
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
    if named and (len(group) > 1 or isinstance(best, StructureModel)):
        parts = (f"{m.name} ({m.said(f)})" if isinstance(m, StructureModel) else m.name
                 for m, f in group)  # fmt: skip
        return f"{reports}: {' or '.join(parts)}."
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
