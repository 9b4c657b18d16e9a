"""Two campaigns beside each other, as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calibrate.quantity import MISSING, counted, signed
from calibrate.reporting.chapters.table import Row as TableRow
from calibrate.reporting.chapters.table import Table
from calibrate.reporting.charts.chart import (
    EQUAL,
    INK,
    STEP,
    TONES,
    Chart,
    Row,
    band,
    nominal,
    rule,
    scaled,
    whisker,
)
from calibrate.reporting.page import Page, Part
from calibrate.reporting.rendering import render_page
from calibrate.studies import Diff, Difference

CHANGES_HEAD = ("probe", "column", "change, 95 %", "at the same load, 95 %", "En", "verdict")
ACROSS_NOTE = "* what the reference shows beyond what follows the probe"
#: State -> its colour and shape.
_LOOKS = {
    "changed": (TONES["fault"], "cross"),
    "inconclusive": (TONES["open"], "diamond"),
    "same": (TONES["good"], "circle"),
}


def diff_page(found: Diff) -> str:
    """Return the page of two campaigns beside each other."""
    return render_page(
        Page(
            kicker="what has changed between two campaigns",
            title=f"{found.first} and {found.second}",
            sentence=diff_sentence(found),
            facts={
                "First": found.first,
                "Second": found.second,
                "Tolerance": f"{100 * found.tolerance:g} %",
            },
            parts=(
                Part(
                    "changes",
                    "Changes",
                    charts=tuple(_charts(found)),
                    caption="Change of each column with its 95 % interval, the changed ones first; "
                    "shaded: the tolerance; dotted: no change.",
                    tables=(("", _table(found.differences), _note(found.differences)),),
                    open=True,
                ),
                conditions_part(found.conditions),
            ),
            simulated=found.simulated,
        )
    )


def diff_sentence(found: Diff) -> str:
    """Return which columns have changed, or how many are the same."""
    changed = [each for each in found.differences if each.state == "changed"]
    if changed:
        first = changed[0]
        size = change_in_watts(first) if first.across else relative_change(first)
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        return (
            f"{counted(len(changed), 'column')} of {len(found.differences)} changed: "
            f"{first.probe} {first.column} by {size}{more}."
        )
    if found.state == "same":
        return (
            f"No column changed by more than {100 * found.tolerance:g} %: "
            f"{counted(len(found.differences), 'column')} compared."
        )
    unsettled = sum(each.state == "inconclusive" for each in found.differences)
    return (
        f"No column is seen to change; of {len(found.differences)} compared, {unsettled} scatter "
        "too much to be called the same."
    )


def conditions_part(conditions: Mapping[str, tuple[str, str]]) -> Part:
    """Return what else differs between two campaigns."""
    rows = tuple(TableRow((name, *both)) for name, both in conditions.items())
    return Part(
        "conditions",
        "What else differs",
        () if rows else ("Nothing that is recorded.",),
        tables=(
            (
                "",
                Table(("condition", "before", "after"), rows),
                "What coincides, not what caused it.",
            ),
        ),
        open=True,
    )


def _note(differences: Sequence[Difference]) -> str:
    return ACROSS_NOTE if any(each.across for each in differences) else ""


def _table(differences: Sequence[Difference]) -> Table:
    rows = tuple(TableRow(change_cells(each)) for each in differences)
    return Table(CHANGES_HEAD, rows, frozenset({2, 3, 4}))


def change_cells(each: Difference) -> tuple[str, ...]:
    """Return a column as a line of a table."""
    return (
        each.probe,
        each.column,
        relative_change(each),
        change_in_watts(each),
        MISSING if each.en is None else f"{each.en:.2g}",
        f"{each.state} ({each.reason})" if each.reason else each.state,
    )


def relative_change(each: Difference) -> str:
    """Return the change of a ratio with its interval."""
    if each.change is None or each.low is None:
        return signed(each.change)
    return f"{signed(each.change)} ({signed(each.low)} to {signed(each.high)})"


def change_in_watts(each: Difference) -> str:
    """Return the change at the same load with its interval."""
    if each.change_w is None:
        return MISSING
    whose = " *" if each.across else ""
    if each.low_w is None or each.high_w is None:
        return f"{each.change_w:+.3g} W{whose}"
    return f"{each.change_w:+.3g} W ({each.low_w:+.3g} to {each.high_w:+.3g}){whose}"


def _charts(found: Diff) -> list[Chart]:
    """Return a chart of the relative changes, and one of those in W that have no ratio."""
    order = sorted(found.differences, key=lambda each: list(_LOOKS).index(each.state))
    relative = [row for each in order if not each.across and (row := _relative_row(each))]
    watts = [row for each in order if each.across and (row := _watts_row(each))]
    tolerance = 100 * found.tolerance
    charts = []
    if relative:
        charts.append(_chart("relative", relative, "change / %", tolerance, found.simulated))
    if watts:
        charts.append(_chart("watts", watts, "change / W", None, found.simulated))
    return charts


def _relative_row(each: Difference) -> Row | None:
    if each.change is None:
        return None
    low = each.change if each.low is None else each.low
    high = each.change if each.high is None else each.high
    return _row(each, 100 * each.change, 100 * low, 100 * high)


def _watts_row(each: Difference) -> Row | None:
    if each.change_w is None:
        return None
    low = each.change_w if each.low_w is None else each.low_w
    high = each.change_w if each.high_w is None else each.high_w
    return _row(each, each.change_w, low, high)


def _row(each: Difference, change: float, low: float, high: float) -> Row:
    name = f"{each.probe}: {each.column}"
    return {"column": name, "change": change, "low": low, "high": high, "state": each.state}


def _chart(
    name: str, rows: list[Row], heading: str, tolerance: float | None, simulated: bool
) -> Chart:
    x, y = scaled("change", heading), nominal("column")
    known = {state for state in _LOOKS if any(row["state"] == state for row in rows)}
    states = [state for state in _LOOKS if state in known]
    state = nominal("state")
    colour = {**state, "scale": {"domain": states, "range": [_LOOKS[each][0] for each in states]}}
    shape = {**state, "scale": {"domain": states, "range": [_LOOKS[each][1] for each in states]}}
    tips: list[dict[str, Any]] = [
        {"field": "column"},
        {"field": "change", "title": heading, "format": ".4g"},
        {"field": "low", "format": ".4g"},
        {"field": "high", "format": ".4g"},
        {"field": "state"},
    ]
    said = "; ".join(f"{row['column']} {float(row['change'] or 0.0):+.3g}" for row in rows[:8])
    return Chart(
        name=f"changes-{name}",
        title=heading,
        alt=f"Change of {counted(len(rows), 'column')} with its interval (95 %): {said}"
        f"{f'; and {len(rows) - 8} more' if len(rows) > 8 else ''}.",
        rows=rows,
        fields={
            "column": "column",
            "change": heading,
            "low": "low (95 %)",
            "high": "high (95 %)",
            "state": "verdict",
        },
        layers=[
            *([] if tolerance is None else [band(-tolerance, tolerance, "x", x)]),
            rule(0.0, "x", x, INK, EQUAL),
            whisker("x", x, "low", "high", y=y, color=colour),
            {
                "mark": {"type": "point", "filled": True, "size": 80},
                "encoding": {"x": x, "y": y, "color": colour, "shape": shape, "tooltip": tips},
            },
        ],
        height=STEP * max(len(rows), 2),
        simulated=simulated,
    )
