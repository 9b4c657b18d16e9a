"""Commands about time: have probes changed between campaigns, and what else has."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from calibrate.cli.console import err, out, plain_table, print_json, signed
from calibrate.cli.help import Commands, examples
from calibrate.cli.options import AsJson, Folder, Reference
from calibrate.quantity import interval
from calibrate.simulated import before_figures

if TYPE_CHECKING:
    from calibrate.stats import Estimate
    from calibrate.studies import Course, Difference

commands = Commands()


@commands.command(
    epilog=examples(
        "crosswatt align both --reference wall",
        "crosswatt align both --reference wall --out aligned",
    )
)
def align(
    folder: Folder,
    reference: Reference = None,
    target: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Write the campaign without the lags here."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how late the clock of each probe is, and correct for it."""
    from calibrate import store
    from calibrate.studies import clock_offsets, clocks_document, write_aligned

    campaign = store.load_campaign(folder)
    found = clock_offsets(campaign, reference)
    if as_json:
        print_json(json.dumps(clocks_document(found), indent=1))
    else:
        table = Table("probe", "by", "lag", "drift", "runs", box=None, header_style="bold")
        for clock in found:
            lag = clock.reason
            if clock.lag_s:
                lag = f"{_interval(clock.lag_s)} s"
            drift = f"{_interval(clock.drift_ppm)} ppm" if clock.drift_ppm else "none found"
            table.add_row(clock.probe, clock.column, lag, drift, str(clock.runs))
        out.print(table)
    if target:
        write_aligned(campaign, found, target)
        (err if as_json else out).print(f"Written: {target}", markup=False)


def _interval(found: Estimate) -> str:
    return interval(found.value, found.low, found.high)


_Tolerance = Annotated[
    str,
    typer.Option(
        "--tolerance", metavar="PERCENT", help="Changes up to this size count as no change."
    ),
]


@commands.command(
    epilog=examples(
        "crosswatt diff monday friday",
        "crosswatt diff monday friday --tolerance 2% --json",
        "crosswatt diff march april --reference wall",
    )
)
def diff(
    first: Annotated[
        Path, typer.Argument(metavar="FIRST", help="The folder of the earlier campaign.")
    ],
    second: Annotated[
        Path,
        typer.Argument(metavar="SECOND", help="The folder of a later one, of the same machine."),
    ],
    tolerance: _Tolerance = "1%",
    reference: Reference = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Compare although the machines differ.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Compare probes between two campaigns: 0 same, 1 changed, 2 inconclusive.

    Every column is compared. If the reference covers more than a column (a wall meter for RAPL),
    the power that it shows beyond what follows the column is compared, in W.
    """
    from calibrate import studies
    from calibrate.comparison import parse_goal
    from calibrate.studies import EXIT

    found = studies.diff(first, second, parse_goal(tolerance), reference=reference, anyway=anyway)
    if as_json:
        print_json(found.model_dump_json(indent=1))
        return EXIT[found.state]
    label = before_figures(simulated=found.simulated)
    title = f"{label}Change of probe / reference from {first.name} to {second.name}"
    out.print(_changes(found.differences, title))
    _explain_changes(found.differences)
    _coincides(found.conditions, "Differs between them (what coincides, not what caused it):")
    return EXIT[found.state]


def _changes(differences: Sequence[Difference], title: str) -> Table:
    """Return changes between two campaigns as a table, a line a column."""
    columns = ("probe", "column", "change, 95 %", "at the same load, 95 %", "En", "verdict")
    table = plain_table(*columns, title=title)
    for each in differences:
        table.add_row(
            each.probe,
            each.column,
            _relative(each),
            _in_watts(each),
            "-" if each.en is None else f"{each.en:.2g}",
            f"{each.state} ({each.reason})" if each.reason else each.state,
            style="yellow" if each.state == "changed" else None,
        )
    return table


def _relative(each: Difference) -> str:
    """Return the change of a ratio with its interval."""
    if each.change is None or each.low is None:
        return signed(each.change)
    return f"{signed(each.change)} ({signed(each.low)} to {signed(each.high)})"


def _in_watts(each: Difference) -> str:
    """Return the change at the same load with its interval."""
    if each.change_w is None:
        return "-"
    whose = " *" if each.across else ""
    if each.low_w is None or each.high_w is None:
        return f"{each.change_w:+.3g} W{whose}"
    return f"{each.change_w:+.3g} W ({each.low_w:+.3g} to {each.high_w:+.3g}){whose}"


def _explain_changes(differences: Sequence[Difference]) -> None:
    """Print what the starred figures are."""
    if any(each.across and each.change_w is not None for each in differences):
        out.print("* what the reference shows beyond what follows the probe", style="dim")


@commands.command(
    epilog=examples("crosswatt drift campaigns", "crosswatt drift campaigns --reference wall")
)
def drift(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A folder with campaigns of one machine.")
    ],
    tolerance: _Tolerance = "1%",
    reference: Reference = None,
    as_json: AsJson = False,
) -> int:
    """Chart probes over the campaigns in a folder: 0 same, 1 changed, 2 inconclusive.

    A probe that has not changed is called changed in at most 1 % of folders. Below five campaigns
    there is no chart, and each is compared with the first, within the tolerance.
    """
    from calibrate.comparison import parse_goal
    from calibrate.studies import EXIT, detect_drift

    found = detect_drift(folder, tolerance=parse_goal(tolerance), reference=reference)
    if as_json:
        print_json(found.model_dump_json(indent=1))
        return EXIT[found.state]
    label = before_figures(simulated=found.simulated)
    for course in found.courses:
        out.print(_chart(course, label))
        _say_change(course)
    for name, reason in found.left.items():
        out.print(f"Left out: {name}: {reason}", markup=False)
    return EXIT[found.state]


def _say_change(course: Course) -> None:
    """Print by how much a column has changed, and with what."""
    if course.change:
        step, p = course.change.step.value, course.change.p_value
        size = signed(math.expm1(step)) if course.slope is None else f"{step:+.3g} W"
        first = course.sessions[course.change.first]
        _coincides(first.coincides, f"The step is {size}, p = {p:.2g}. With it changed:")
    elif course.differences and course.state == "changed":
        names = [each.folder for each in course.sessions[1:]]
        for name, each, session in zip(names, course.differences, course.sessions[1:], strict=True):
            if each.state == "changed":
                size = _in_watts(each) if each.across else _relative(each)
                title = f"{name} beside the first: {size}, 95 %. Changed before it:"
                _coincides(session.coincides, title)


def _chart(course: Course, label: str) -> Table:
    """Return the control chart of one probe as a table, a line a campaign."""
    reason = f" ({course.reason})" if course.reason else ""
    title = f"{label}{course.probe} {course.column}: {course.state}{reason}"
    value = "probe / reference"
    if course.slope is not None:
        value = f"reference - {course.slope:.3g} x probe"
    table = plain_table("campaign", "when", value, "EWMA", "limits", "", title=title)
    first = course.change.first if course.change else None
    for i, session in enumerate(course.sessions):
        smooth = limits = "-"
        if course.chart:
            low, middle, high = (
                _charted(course, line[i])
                for line in (course.chart.low, course.chart.smoothed, course.chart.high)
            )
            smooth, limits = middle, f"{low} to {high}"
        seen = math.log(session.ratio) if session.beyond_w is None else session.beyond_w
        mark = "outside" if course.chart else "changed"
        table.add_row(
            session.folder,
            session.at.replace("T", " ").removesuffix("+00:00"),
            _charted(course, seen),
            smooth,
            limits,
            "changed here" if i == first else mark if session.folder in course.out else "",
        )
    return table


def _charted(course: Course, value: float) -> str:
    """Return a value of a chart: a ratio from its logarithm, or W."""
    return f"{math.exp(value):.4f}" if course.slope is None else f"{value:.1f} W"


def _coincides(changed: Mapping[str, tuple[str, str]], title: str) -> None:
    """Print what differs, from what to what."""
    if not changed:
        out.print(f"{title} nothing that is recorded.")
        return
    out.print(title)
    for name, (before, after) in changed.items():
        out.print(f"  {name}: {before} -> {after}", markup=False)
