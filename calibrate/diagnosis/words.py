"""The sentences of a diagnosis: the verdict, what limits it, and the run that would tell more."""

from __future__ import annotations

import math

import numpy as np

from calibrate.diagnosis.case import (
    _NO_ENERGY,
    _SIZED,
    DECADES,
    LOAD_SPAN,
    NAMED_FROM,
    WEAK_REFERENCE,
    Fitted,
    Model,
    _Case,
    _gain,
    _needed,
)
from calibrate.diagnosis.evidence import Posterior
from calibrate.diagnosis.models import CONSTANT_POWER, NO_FAULT
from calibrate.diagnosis.single_runs import (
    MISFIT_BELOW,
)

#: p-value of a workload held out below which a fault does not describe the runs.
HELD_OUT_BELOW = 0.002
#: How many times its prior a scatter may be where a fault is named.
_TOO_WIDE = 2.0
#: Scatter that meters have whatever their fault, relative.
_USUAL = 0.03


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


def _misfits(best: Model, fit: Posterior, checks: tuple[float, float | None]) -> list[str]:
    """Return which predictive checks the leading model fails, and where it leaves too much."""
    found = []
    if checks[0] < MISFIT_BELOW:
        found.append(f"The runs scatter more than {best.name} allows (p = {checks[0]:.1g}).")
    for what, sd, usual in (
        ("runs", fit.s, best.spread.run),
        ("workloads", fit.tau, best.spread.workload),
    ):
        if best.explains and best.name != NO_FAULT and sd > _TOO_WIDE * max(usual, _USUAL):
            found.append(
                f"{best.name} leaves the {what} scattered by {100 * sd:.0f} %, more than a meter "
                "with that fault alone would."
            )
    least = MISFIT_BELOW if best.name == NO_FAULT else HELD_OUT_BELOW
    if checks[1] is not None and checks[1] < least:
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


def _notes(case: _Case, best: Model) -> list[str]:
    """Return what a reader of a name should know."""
    found = []
    if len(set(case.labels)) < 2:
        found.append("One workload only: the residual gain of other workloads is unknown.")
    elif best.name != CONSTANT_POWER and case.load_span < LOAD_SPAN:
        found.append("All loads had nearly the same power: faults that change with it stay hidden.")
    return found + [flag.text for flag in case.flags if flag.kind != "identical power"]


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
