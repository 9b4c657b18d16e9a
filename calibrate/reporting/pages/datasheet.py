"""A probe's datasheet as a page."""

from __future__ import annotations

from collections.abc import Iterator

from calibrate.analysis import Analysis
from calibrate.quantity import MISSING
from calibrate.reporting.chapters.table import Row, Table
from calibrate.reporting.charts.power import power_charts
from calibrate.reporting.page import Page, Part
from calibrate.reporting.rendering import render_page
from calibrate.studies import Datasheet, Sheet

SHEET_HEAD = ("quantity", "value", "interval", "how, or why not")
#: What a reader asks first, with what is said of it.
_FIRST = {
    "update period": "updates every",
    "averaging window": "averages over",
    "gain": "has a gain of",
    "idle offset": "is off at rest by",
}


def datasheet_page(found: Datasheet, analysis: Analysis | None) -> str:
    """Return the page of a datasheet.

    Parameters
    ----------
    found : the datasheet.
    analysis : of the same campaign, whose power is drawn; None draws none.
    """
    charts = tuple(power_charts(analysis)) if analysis is not None else ()
    response = Part(
        "response",
        "How it follows the load",
        charts=charts,
        caption="As reported, nothing multiplied; time 0 is the start of the load.",
    )
    facts = {"Machine": found.machine, "Beside": found.reference or "no reference"}
    parts = [*map(_part, found.sheets), *([response] if charts else [])]
    return render_page(
        Page(
            kicker=f"datasheet of {found.probe}",
            title=f"Datasheet of {found.probe}",
            sentence=_sentence(found),
            facts=facts | {name: value for name, value in found.facts.items() if value},
            parts=tuple(parts),
            simulated=found.simulated,
        )
    )


def _sentence(found: Datasheet) -> str:
    """Return the first domain's answers to what a reader asks first."""
    for sheet in found.sheets:
        said = [
            f"{_FIRST[entry.quantity]} {_value(entry.estimate.value, entry.unit)}"
            for entry in sheet.entries
            if entry.quantity in _FIRST and entry.estimate is not None
        ]
        if said:
            *most, last = said
            listed = f"{', '.join(most)} and {last}" if most else last
            return f"{found.probe} ({sheet.domain}) {listed}."
    return f"Of {found.probe} nothing could be measured here; each line says why."


def _part(sheet: Sheet) -> Part:
    rows = tuple(Row(cells) for cells, _ in sheet_rows(sheet))
    return Part(
        f"domain-{sheet.domain}",
        f"{sheet.domain} ({sheet.kind})",
        tables=(("", Table(SHEET_HEAD, rows, frozenset({1, 2})), ""),),
    )


def sheet_rows(sheet: Sheet) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Yield a line for every quantity, and whether it has a value."""
    for entry in sheet.entries:
        if entry.estimate is None:
            yield (entry.quantity, MISSING, MISSING, entry.reason), False
            continue
        found = entry.estimate
        unit = "" if entry.unit == "1" else f" {entry.unit}"
        span = MISSING
        if found.low is not None and found.high is not None:
            span = f"{found.low:.4g} to {found.high:.4g}{unit}"
        yield (entry.quantity, _value(found.value, entry.unit), span, found.method), True
    stated = {"resolution": sheet.stated_resolution_j, "wrap": sheet.stated_wrap_j}
    for name, value in stated.items():
        if value:
            cells = (f"{name}, as it says", f"{value:.4g} J", MISSING, "stated by the probe")
            yield cells, True


def _value(value: float, unit: str) -> str:
    return f"{value:.4g}" if unit == "1" else f"{value:.4g} {unit}"
