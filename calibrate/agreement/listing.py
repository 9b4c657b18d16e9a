"""The results as a list of numbers: for a data frame, a terminal, a page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import singledispatch
from typing import TYPE_CHECKING

from calibrate.agreement.result import Agreement, NotAvailable, Power
from calibrate.stats import (
    Concordance,
    ConstantTruthLimits,
    Equivalence,
    Estimate,
    Hats,
    LackOfFit,
    LevelDependent,
    LimitsOfAgreement,
    Line,
    MeanRatio,
    Mixed,
    OriginLine,
    YorkLine,
)

if TYPE_CHECKING:
    import pandas as pd

#: Field of `MeterAgreement` -> what the method is called.
METHODS = {
    "ratio": "mean ratio",
    "limits": "limits of agreement",
    "next_run": "next run",
    "constant_truth": "limits, constant energy in a group",
    "by_level": "dependence on the level",
    "equivalence": "equivalence",
    "concordance": "Lin's concordance",
    "origin": "line through the origin",
    "deming_origin": "Deming through the origin",
    "deming": "Deming",
    "weighted_deming": "weighted Deming",
    "york": "York",
    "passing_bablok": "Passing-Bablok",
    "passing_bablok_1983": "Passing-Bablok 1983",
    "power": "power law",
    "lack_of_fit": "linearity, lack of fit",
    "cusum": "linearity, CUSUM",
    "one_factor": "one factor for all groups",
}


@dataclass(frozen=True)
class Entry:
    """One number of one method, or the reason why the method has none.

    Parameters
    ----------
    meter : the column, or "all meters".
    method, quantity : what it is; `quantity` is empty for a method without a result.
    unit : "1" for a pure number, "%", "J".
    value, u, low, high : as in `Estimate`.
    p_value : probability of a value as far from what is tested, by chance.
    state : the answer of a test for equivalence.
    n_runs : runs used.
    how : the method in words.
    why : why there is no number.
    checks : what to know before relying on it.
    """

    meter: str = ""
    method: str = ""
    quantity: str = ""
    unit: str = "1"
    value: float | None = None
    u: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    state: str | None = None
    n_runs: int | None = None
    how: str = ""
    why: str = ""
    checks: tuple[str, ...] = ()


def entries(found: Agreement) -> list[Entry]:
    """Return every number and every reason, meter by meter."""
    out = [
        entry
        for meter in found.meters
        for name, method in METHODS.items()
        for entry in _entries(meter.test, method, getattr(meter, name))
    ]
    out += _entries("all meters", "mixed model", found.mixed)
    return [*out, *_entries("all meters", "three-cornered hat", found.hat)]


def frame(found: Agreement) -> pd.DataFrame:
    """Return the entries as a table; what is not known is NaN, or None in columns of words."""
    import pandas as pd

    return pd.DataFrame(entries(found), columns=[field.name for field in fields(Entry)])


def _entries(meter: str, method: str, result: object) -> list[Entry]:
    """Return the numbers of a result, or the reason why there are none."""
    if isinstance(result, NotAvailable):
        return [Entry(meter, method, why=result.why)]
    return [replace(entry, meter=meter, method=method) for entry in _numbers_of(result)]


@singledispatch
def _numbers_of(result: object) -> list[Entry]:
    """Return the numbers of a result, without meter and method."""
    raise TypeError(f"{type(result).__name__} is not a result of a method.")


@_numbers_of.register
def _(found: Estimate) -> list[Entry]:
    return [_of("meter/reference", found)]


@_numbers_of.register
def _(found: MeanRatio) -> list[Entry]:
    sds = {"within groups": found.within_sd, "between groups": found.between_sd}
    return [_of("meter/reference", found.ratio), *_sds(sds)]


@_numbers_of.register
def _(found: LimitsOfAgreement) -> list[Entry]:
    ends = {"lower limit": found.lower, "upper limit": found.upper}
    return [_of(name, end) for name, end in ends.items() if end is not None]


@_numbers_of.register
def _(found: ConstantTruthLimits) -> list[Entry]:
    return [_ratio_of("lower limit", found.lower), _ratio_of("upper limit", found.upper)]


@_numbers_of.register
def _(found: LevelDependent) -> list[Entry]:
    return [
        _of("slope of the ratio", found.bias.slope, found.p_bias),
        _of("slope of its spread", found.spread.slope, found.p_spread),
    ]


@_numbers_of.register
def _(found: Equivalence) -> list[Entry]:
    return [replace(_ratio_of("meter/reference", found.estimate, found.p_pass), state=found.state)]


@_numbers_of.register
def _(found: Concordance) -> list[Entry]:
    return [_of("coefficient", found.coefficient)]


@_numbers_of.register
def _(found: Line) -> list[Entry]:
    return [_of("slope", found.slope), replace(_of("intercept", found.intercept), unit="J")]


@_numbers_of.register
def _(found: OriginLine) -> list[Entry]:
    return [_of("slope", found.slope)]


@_numbers_of.register
def _(found: YorkLine) -> list[Entry]:
    misfit = Entry(quantity="chi-square/df", value=found.chi2 / found.df, p_value=found.p_value)
    return [*_numbers_of(found.line), misfit]


@_numbers_of.register
def _(found: Power) -> list[Entry]:
    return [_of("exponent", found.power, found.p_value)]


@_numbers_of.register
def _(found: LackOfFit) -> list[Entry]:
    name = "F" if found.df else "largest sum"
    return [Entry(quantity=name, value=found.statistic, p_value=found.p_value, how=found.method)]


@_numbers_of.register
def _(found: Mixed) -> list[Entry]:
    means = [_ratio_of(f"{name}/reference", effect) for name, effect in found.fixed.items()]
    return [*means, *_sds(found.sd)]


@_numbers_of.register
def _(found: Hats) -> list[Entry]:
    every = found.intervals or [None] * len(found.names)
    out = []
    for name, variance, ends in zip(found.names, found.variances, every, strict=True):
        low, high = (None, None) if ends is None else (_percent(ends[0]), _percent(ends[1]))
        out.append(
            Entry(
                quantity=f"sd of the error of {name}",
                unit="%",
                value=None if variance is None else _percent(variance),
                low=low,
                high=high,
                n_runs=found.n_runs,
                how="three-cornered hat, jackknife",
                checks=found.checks,
            )
        )
    return out


def _percent(variance: float) -> float:
    """Return the standard deviation of ln(energy) in percent."""
    return 100 * math.sqrt(variance)


def _sds(sds: Mapping[str, float | None]) -> list[Entry]:
    """Return standard deviations of ln(ratio) in percent."""
    known = {name: sd for name, sd in sds.items() if sd is not None}
    return [Entry(quantity=f"sd, {name}", unit="%", value=100 * sd) for name, sd in known.items()]


def _of(quantity: str, found: Estimate, p_value: float | None = None) -> Entry:
    """Return the entry of an estimate."""
    return Entry(
        quantity=quantity,
        value=found.value,
        u=found.u,
        low=found.low,
        high=found.high,
        p_value=p_value,
        n_runs=found.n_runs,
        how=found.method,
        checks=found.checks,
    )


def _ratio_of(quantity: str, found: Estimate, p_value: float | None = None) -> Entry:
    """Return the entry of a ratio whose logarithm was estimated."""
    value = math.exp(found.value)
    low, high = (None if end is None else math.exp(end) for end in (found.low, found.high))
    u = None if found.u is None else value * found.u
    return replace(_of(quantity, found, p_value), value=value, u=u, low=low, high=high)
