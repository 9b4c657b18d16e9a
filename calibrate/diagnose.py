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
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrate.stats.agreement import mean_ratio
from calibrate.stats.estimate import MAX_LOG, Estimate, Vector, encode
from calibrate.stats.evidence import Posterior, log_sum
from calibrate.stats.models import CONSTANT_POWER, NO_FAULT, LevelModel, Table, catalogue

__all__ = [
    "CONSTANT_POWER",
    "NO_FAULT",
    "UNEXPLAINED",
    "Candidate",
    "Diagnosis",
    "Flag",
    "Runs",
    "diagnose",
]

UNEXPLAINED = "unexplained"

#: Posterior probability from which a model is named.
NAMED_FROM = 0.95
#: Predictive p-value below which a model does not fit, however much better than the others it is.
MISFIT_BELOW = 0.001
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
    parts_j : energy of parts of the machine by the reference, J, for example ``dram``; for models
        that need them, which none of the present ones does.
    """

    probe_j: Sequence[float] | Vector
    reference_j: Sequence[float] | Vector
    seconds: Sequence[float] | Vector
    workload: Sequence[str]
    resolution_j: float = 0.0
    reference_resolution_j: float = 0.0
    u_ref: float = 0.0
    idle_w: float | None = None
    parts_j: Mapping[str, Sequence[float] | Vector] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.workload)
        if n == 0:
            raise ValueError("There are no runs to diagnose.")
        lists = {"probe_j": self.probe_j, "reference_j": self.reference_j, "seconds": self.seconds}
        for name, values in (lists | dict(self.parts_j)).items():
            if np.shape(values) != (n,):
                raise ValueError(f"{name} has shape {np.shape(values)} for {n} workload labels.")
        for name in ("resolution_j", "reference_resolution_j", "u_ref"):
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
    usable, flags = _hard_rules(runs)
    if 2 * int(usable.sum()) <= usable.size:
        return _unusable(usable, flags)
    table, labels = _table(runs, usable)
    flags += _same_power(usable, table)
    models = catalogue(runs.u_ref, float(np.median(table.power_w)))
    fits = [model.fit(table) for model in models]
    scores = np.array(
        [f.log_evidence + math.log(m.prior) for m, f in zip(models, fits, strict=True)]
    )
    shares = np.exp(scores - log_sum(scores))
    order = [int(i) for i in np.argsort(-shares, kind="stable")]
    candidates = tuple(_candidate(models[i], fits[i], float(shares[i])) for i in order)
    return _verdict(
        _Case(runs, usable, flags, table, labels, candidates), models[order[0]], fits[order[0]]
    )


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


def _verdict(case: _Case, best: LevelModel, fit: Posterior) -> Diagnosis:
    """Name the leading model, or say why it gets no name."""
    table, lead = case.table, case.candidates[0]
    scatter_p, held_p = best.checks(table, fit)
    thin = _thin(case, best)
    against = _against(case, lead, (scatter_p, held_p)) if best.explains else []
    named = best.explains and not thin and not against
    shown = best if named else None
    shift = best.shift if named else 0.0
    gain = None if named and best.name == CONSTANT_POWER else _gain(case, shift)
    left = np.exp(table.y - shift)
    power = math.exp(fit.level) if named and best.name == CONSTANT_POWER else None
    unnamed = sum(c.probability for c in case.candidates if not c.explains)
    return Diagnosis(
        name=best.name if named else UNEXPLAINED,
        probability=lead.probability if named else unnamed,
        conclusive=named or not (thin or best.explains),
        sentence=_sentence(case, best, named, bool(thin), power),
        reasons=tuple(thin + against + (_notes(case, best) if named else [])),
        cause=shown.cause if shown else "",
        aliases=shown.aliases if shown else (),
        factor=shown.factor if shown else None,
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


def _candidate(model: LevelModel, fit: Posterior, probability: float) -> Candidate:
    """Return the model with its share and its parameters."""
    level = math.exp(fit.level)
    named = {"constant_w": level} if model.base == "time" else {"residual_gain": level}
    named |= {"u_relative": fit.level_sd, "workload_sd": fit.tau, "run_sd": fit.s}
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
    return Table(y, power_w, code, floor, runs.u_ref), labels


# ---- what limits the verdict ----


def _thin(case: _Case, best: LevelModel) -> list[str]:
    """Return why the design is too thin for a name, if it is."""
    found = []
    n = len(case.labels)
    if case.only_idle:
        found.append("Only idle runs: how the probe follows a load was not seen.")
    if n < 3:
        found.append(f"Too few runs ({n} usable): a name needs at least 3, of 2 workloads.")
    if len(set(case.labels)) < 2 and best.factor is None:
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


def _against(case: _Case, lead: Candidate, checks: tuple[float, float | None]) -> list[str]:
    """Return what speaks against naming the leading model, beside the design."""
    found = []
    if lead.probability < NAMED_FROM:
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


def _notes(case: _Case, best: LevelModel) -> list[str]:
    """Return what a reader of a name should know."""
    found = []
    if len(set(case.labels)) < 2:
        found.append("One workload only: the residual gain of other workloads is unknown.")
    elif best.name != CONSTANT_POWER and case.load_span < LOAD_SPAN:
        found.append("All loads had nearly the same power: faults that change with it stay hidden.")
    return found + [flag.text for flag in case.flags if flag.kind != "identical power"]


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


def _sentence(case: _Case, best: LevelModel, named: bool, thin: bool, power: float | None) -> str:
    """Return the verdict for people."""
    if power is not None:
        low, high = case.table.power_w.min(), case.table.power_w.max()
        return (
            f"Reports {_digits(power)} W whatever the load, while the reference goes from "
            f"{_digits(low)} to {_digits(high)} W: {CONSTANT_POWER}."
        )
    ratio = _gain(case, 0.0).value
    reports = f"Reports {_share(ratio)}"
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
        return f"{spread}: {NO_FAULT}."
    if thin:
        return f"{spread}. {_hint(best, case.candidates[0].probability)}"
    if not best.explains:
        return f"{spread}, {best.cause}; no fault in the catalogue explains it."
    failed = [flag.text for flag in case.flags if flag.kind in _NO_ENERGY]
    if best.name == NO_FAULT and failed:
        return f"{spread}, but {' '.join(failed)}"
    return f"{spread}; {_called(best)} comes nearest but does not explain it well enough."


def _hint(best: LevelModel, probability: float) -> str:
    """Return what a design that is too thin for a name still hints at."""
    if not best.explains:
        return "The runs cannot tell why."
    strength = "Strong" if probability >= NAMED_FROM else "Some"
    return (
        f"{strength} hint of {_called(best)} (probability {probability:.2f}), but the "
        "runs cannot settle it."
    )


def _called(model: LevelModel) -> str:
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
