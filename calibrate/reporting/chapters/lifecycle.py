"""Lifecycle: after how many uses a model has cost more in use than in training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calibrate.analysis import Analysis
from calibrate.costs import Bill, Intensity, asked_stages
from calibrate.energy import Joules, phase_kind
from calibrate.quantity import J_PER_KWH, figure, prefixed
from calibrate.reporting.chapters.chapter import Chapter
from calibrate.reporting.chapters.table import Row, Table
from calibrate.reporting.charts.lifecycle import lifecycle_charts

_NOTE = (
    "As reported by each probe, nothing multiplied; ±: standard uncertainty from the readings and "
    "from the scatter of runs. An error of a probe that is the same for "
    "training and use cancels in the number of uses, and stays in the energies. Extrapolated: that "
    "every further use costs what it cost here, on this machine, is not measured."
)
_CAPTION = (
    "Where use and training have cost the same: below a line training has cost more, above it use "
    "has. Dashed: one year."
)
_YEAR_DAYS = 365.0
#: More models than these have a row each, by the reference, and no charts.
_FEW = 4


def lifecycle_chapter(analysis: Analysis) -> Chapter | None:
    """Return the chapter where a campaign has both training and use."""
    found = analysis.bills
    if not found:
        return _missing(analysis)
    intensity = analysis.footprint.intensity if analysis.footprint else None
    first = _first(found, analysis.comparison.reference)
    few = len(first) <= _FEW
    return Chapter(
        "Lifecycle",
        tuple(_sentence(bill) for bill in first) if few else (),
        _table(found if few else first, first, intensity),
        _NOTE,
        (lambda: lifecycle_charts(analysis, found)) if few else tuple,
        _CAPTION if few else "",
    )


def _missing(analysis: Analysis) -> Chapter | None:
    """Return why there is nothing to say where the plan asked for it."""
    told = asked_stages(analysis.campaign)
    if told is None:
        return None
    marked = dict.fromkeys(
        f"{run.record.workload}:{phase_kind(phase.name)}"
        for run in analysis.campaign.runs
        for phase in run.record.phases
    )
    return Chapter(
        "Lifecycle",
        (
            f"The plan names {', '.join(told.selectors)}; no probe has an "
            "energy of all of them, and work to count uses by. Marked were: "
            f"{', '.join(marked) or 'none'}.",
        ),
    )


def _first(found: Sequence[Bill], reference: str) -> list[Bill]:
    """Return for every model the bill of the reference, or of the probe that has one."""
    chosen: dict[str, Bill] = {}
    for bill in found:
        if bill.name not in chosen or bill.probe == reference:
            chosen[bill.name] = bill
    return list(chosen.values())


def _sentence(bill: Bill) -> str:
    uses, u = bill.uses
    days = "; ".join(
        f"{figure(per_day)} uses a day reach that in {_days(uses / per_day)}"
        for per_day in bill.stages.uses_per_day
    )
    one = f"{figure(bill.size)} {bill.unit}" if bill.unit else "one"
    return (
        f"{bill.name}: by {bill.probe} ({bill.scope}), use has cost as much as preparation and "
        f"training after {_count(uses, u)} uses of {one}: {days}."
    )


def _count(uses: float, u: float) -> str:
    """Return a number of uses with its standard uncertainty."""
    if u >= uses:
        return f"about {figure(uses)} (known to no better than itself)"
    places = int(np.floor(np.log10(u))) - 1 if u > 0 else 0
    step = 10.0 ** max(places, 0)
    return f"{round(uses / step) * step:,.0f} ± {round(u / step) * step:,.0f}"


def _days(days: float) -> str:
    if days < 2:
        return f"{figure(days * 24)} hours" if days * 24 >= 1 else f"{figure(days * 1440)} minutes"
    return f"{days:.0f} days" if days < 2 * _YEAR_DAYS else f"{figure(days / _YEAR_DAYS)} years"


def _table(found: Sequence[Bill], first: Sequence[Bill], intensity: Intensity | None) -> Table:
    per_day = found[0].stages.uses_per_day
    days = found[0].stages.days
    spans = (f"after {figure(days)} days of {figure(each)} uses a day" for each in per_day)
    head = ("model", "by", "preparation and training", "one use", "uses until equal", *spans)
    rows = []
    for bill in found:
        after = [_energy(bill.after(each, bill.stages.days), intensity) for each in per_day]
        cells = (
            bill.name,
            f"{bill.probe} ({bill.scope})",
            _energy(bill.once, intensity),
            prefixed(bill.use.joules, bill.use.u_j, "J"),
            _count(*bill.uses),
            *after,
        )
        rows.append(Row(cells, bill in first))
    return Table(head, tuple(rows), frozenset(range(2, len(head))))


def _energy(amount: Joules, intensity: Intensity | None) -> str:
    """Return an energy in watt-hours, and in CO2e where an intensity was asked for."""
    kwh, u = amount.joules / J_PER_KWH, amount.u_j / J_PER_KWH
    said = prefixed(1000 * kwh, 1000 * u, "Wh")
    if intensity is None:
        return said
    grams = kwh * intensity.g_per_kwh
    if intensity.u_relative is None:
        return f"{said}, {figure(grams)} g CO2e ± not known"
    u_g = grams * float(np.hypot(u / kwh if kwh else 0.0, intensity.u_relative))
    return f"{said}, {prefixed(grams, u_g, 'g CO2e')}"
