"""Every method, applied to a table with one row a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from calibrate.agreement.lines import Lines
from calibrate.agreement.result import Agreement, MeterAgreement, NotAvailable, Runs
from calibrate.agreement.table import labels, numbers, row_name
from calibrate.errors import CrosswattError, UnknownName
from calibrate.stats import (
    Hats,
    LimitsOfAgreement,
    Mixed,
    Vector,
    concordance,
    constant_truth,
    equivalent_ratio,
    lack_of_fit,
    limits_of_agreement,
    mean_ratio,
    one_factor,
    prediction,
    probe_effects,
    three_cornered_hat,
)

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


def agree(
    table: pd.DataFrame,
    *,
    reference: str | None,
    test: Sequence[str],
    group: str | None = None,
    u: Mapping[str, str] | None = None,
    margin: float = 0.05,
    level: float = 0.95,
) -> Agreement:
    """Apply every method to a table with one row a run.

    Parameters
    ----------
    table : energies in columns, J (or all in one other unit; read that for J).
    reference : the column to compare with. None takes three test columns or more, of which the
        three-cornered hat finds the errors.
    test : the columns of the other meters.
    group : the column that says which workload a run is of. Runs of one workload share its error,
        so that a workload counts once.
    u : column of energies -> column of their standard uncertainties, J, for York's line.
    margin : of the test for equivalence, 0.05 is 5 %.
    level : coverage probability of the intervals.

    Returns
    -------
    Agreement : results, and reasons where the columns do not allow a method.

    Raises
    ------
    UnknownName : a column that the table does not have.
    CrosswattError : a cell that is not a number, a column named twice, no reference and fewer than
        three columns, a margin or level out of range.
    """
    uncertainties = dict(u or {})
    _check_numbers(margin, level)
    _check(table, reference, test, group, uncertainties)
    groups = None if group is None else labels(table, group)
    meters: tuple[MeterAgreement, ...] = ()
    if reference is not None:
        names = (reference, *test)
        values = {name: numbers(table, name) for name in names}
        known = {n: numbers(table, uncertainties[n]) for n in names if n in uncertainties}
        meters = tuple(
            _beside(_runs(table, values, known, pair, groups), pair, margin, level)
            for pair in ((reference, name) for name in test)
        )
    return Agreement(
        reference=reference,
        test=tuple(test),
        group=group,
        rows=len(table),
        margin=margin,
        level=level,
        meters=meters,
        mixed=_mixed(meters, level),
        hat=_hat(table, reference, test, level),
    )


def _check(
    table: pd.DataFrame,
    reference: str | None,
    test: Sequence[str],
    group: str | None,
    u: Mapping[str, str],
) -> None:
    """Refuse columns that are not there, named twice, or too few."""
    energies = [name for name in (reference, *test) if name is not None]
    for name in (*energies, *([] if group is None else [group]), *u.values()):
        if name not in table.columns:
            raise UnknownName("column", name, [str(column) for column in table.columns])
    for name in energies:
        if energies.count(name) > 1 or name == group:
            raise CrosswattError(f"Column {name} is named twice; each column has one part to play.")
    for name in u:
        if name not in energies:
            raise CrosswattError(
                f"An uncertainty is given for {name}, which is neither the reference nor a test "
                f"column. Give it for one of {', '.join(energies)}."
            )
    if not test:
        raise CrosswattError("There is no meter to test; name at least one column.")
    if reference is None and len(test) < 3:
        raise CrosswattError(
            f"Without a reference it takes three meters or more, not {len(test)}. Name the "
            "reference, or more test columns."
        )


def _check_numbers(margin: float, level: float) -> None:
    """Refuse a margin or a level that means nothing."""
    if not 0 < margin < math.inf:
        raise CrosswattError(f"The margin is {margin:g}; it is a share above zero, 0.05 for 5 %.")
    if not 0.5 < level < 1:
        raise CrosswattError(f"The level is {level:g}; choose one above 0.5 and below 1, as 0.95.")


def _runs(
    table: pd.DataFrame,
    values: Mapping[str, Vector],
    known: Mapping[str, Vector],
    pair: tuple[str, str],
    groups: list[str | None] | None,
) -> Runs:
    """Return the runs of which both meters have a value."""
    x, y = (values[name] for name in pair)
    keep = ~(np.isnan(x) | np.isnan(y))
    if groups is not None:
        keep &= np.array([label is not None for label in groups], dtype=bool)
    places = np.flatnonzero(keep)
    u = [known[name][keep] if name in known else None for name in pair]
    return Runs(
        x[keep],
        y[keep],
        u[0],
        u[1],
        None if groups is None else tuple(str(groups[place]) for place in places),
        tuple(row_name(table, int(place)) for place in places),
        len(table) - places.size,
    )


def _tried(method: Callable[[], T], reason: NotAvailable | None = None) -> T | NotAvailable:
    """Return the result of a method, or the reason why there is none."""
    if reason is not None:
        return reason
    try:
        return method()
    except ValueError as error:
        return NotAvailable(str(error))


def _no_ratio(energies: Mapping[str, Vector], rows: Sequence[str]) -> NotAvailable | None:
    """Return why there are no ratios of these columns, or None."""
    for name, values in energies.items():
        bad = np.flatnonzero(values <= 0)
        if bad.size:
            return NotAvailable(
                f"{name} is {values[bad[0]]:g} in {rows[bad[0]]}; a ratio needs energies above "
                "zero. Leave that run out and report it."
            )
    return None


def _beside(runs: Runs, names: tuple[str, str], margin: float, level: float) -> MeterAgreement:
    """Return what is said of the second of two columns beside the first."""
    x, y, cluster = runs.reference_j, runs.test_j, runs.cluster
    none = None if runs.n else NotAvailable("No run has a value of both meters.")
    positive = none or _no_ratio(dict(zip(names, (x, y), strict=True)), runs.row)
    grouped = _grouped(runs)
    ratio = _tried(lambda: mean_ratio(runs.d, cluster, level), positive)
    fit = Lines(runs, ratio, level)
    bablok = _tried(fit.passing_bablok, none)
    return MeterAgreement(
        test=names[1],
        runs=runs,
        ratio=ratio,
        limits=_tried(lambda: _limits(runs, level), positive),
        next_run=_tried(lambda: prediction(runs.d, cluster, level), positive),
        constant_truth=_tried(
            lambda: constant_truth(np.log(y), cluster, np.log(x), cluster, level),
            positive or grouped,
        ),
        by_level=_tried(fit.by_level, positive),
        equivalence=_tried(lambda: equivalent_ratio(runs.d, cluster, margin, 1 - level), positive),
        concordance=_tried(lambda: concordance(x, y, level), none),
        origin=_tried(fit.origin, none),
        deming_origin=_tried(fit.deming_origin, none),
        deming=_tried(fit.deming, none),
        weighted_deming=_tried(fit.weighted_deming, none),
        york=_tried(fit.york, none),
        passing_bablok=bablok,
        passing_bablok_1983=_tried(fit.passing_bablok_1983, none),
        power=_tried(fit.power, positive),
        lack_of_fit=_tried(lambda: lack_of_fit(x, y, cluster), none or grouped),
        cusum=bablok if isinstance(bablok, NotAvailable) else _tried(lambda: fit.cusum(bablok)),
        one_factor=_tried(lambda: one_factor(runs.d, cluster), positive or grouped),
    )


def _limits(runs: Runs, level: float) -> LimitsOfAgreement:
    """Return the limits of agreement, or refuse one run."""
    found = limits_of_agreement(runs.d, runs.cluster, level)
    if found.lower is None:
        raise ValueError("One run has no spread to make limits from.")
    return found


def _grouped(runs: Runs) -> NotAvailable | None:
    """Return why there are no groups, or None."""
    if runs.group is None:
        return NotAvailable("It takes a column of groups, which says which workload a run is of.")
    return None


def _mixed(meters: Sequence[MeterAgreement], level: float) -> Mixed | NotAvailable:
    """Return the mixed model of all meters, workloads as a random factor."""
    if not meters:
        return NotAvailable("It takes a reference and a column of groups.")
    for meter in meters:
        if reason := _grouped(meter.runs):
            return reason
        if isinstance(meter.ratio, NotAvailable):
            return NotAvailable(f"{meter.test}: {meter.ratio.why}")
    d = np.concatenate([meter.runs.d for meter in meters])
    names = [meter.test for meter in meters for _ in range(meter.runs.n)]
    workload = [label for meter in meters for label in meter.runs.cluster]
    return _tried(lambda: probe_effects(d, names, workload, level=level))


def _hat(
    table: pd.DataFrame, reference: str | None, test: Sequence[str], level: float
) -> Hats | NotAvailable:
    """Return the error variances of the meters where there is no reference."""
    if reference is not None:
        return NotAvailable("It is for three meters or more without a reference.")
    values = {name: numbers(table, name) for name in test}
    keep = ~np.isnan(np.stack(list(values.values()))).any(axis=0)
    kept = {name: column[keep] for name, column in values.items()}
    rows = [row_name(table, int(place)) for place in np.flatnonzero(keep)]
    if reason := _no_ratio(kept, rows):
        return reason
    logs = {name: np.log(column) for name, column in kept.items()}
    return _tried(lambda: three_cornered_hat(logs, level=level))
