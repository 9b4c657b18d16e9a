"""Commands about time: have probes changed between campaigns, and what else has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from calibrate.cli.console import err, out, plain_table, print_json
from calibrate.cli.help import Commands, examples
from calibrate.cli.options import AsJson, Folder, Reference, ReportFile
from calibrate.quantity import interval
from calibrate.simulated import before_figures

if TYPE_CHECKING:
    from calibrate.stats import Estimate
    from calibrate.studies import Course, Diff

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
        "crosswatt diff march april --reference wall --report changes.html",
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
    report: ReportFile = None,
    as_json: AsJson = False,
) -> int:
    """Compare probes between two campaigns: 0 same, 1 changed, 2 inconclusive.

    Every column is compared. If the reference covers more than a column (a wall meter for RAPL),
    the power that it shows beyond what follows the column is compared, in W.
    """
    from calibrate import store, studies
    from calibrate.comparison import parse_goal
    from calibrate.reporting import ACROSS_NOTE, diff_page, diff_sentence
    from calibrate.studies import EXIT

    found = studies.diff(first, second, parse_goal(tolerance), reference=reference, anyway=anyway)
    if report is not None:
        store.write(report, diff_page(found))
    if as_json:
        print_json(found.model_dump_json(indent=1))
        return EXIT[found.state]
    label = before_figures(simulated=found.simulated)
    title = f"{label}Change of probe / reference from {first.name} to {second.name}"
    out.print(diff_sentence(found), style="bold", markup=False)
    out.print(_changes(found, title))
    if any(each.across and each.change_w is not None for each in found.differences):
        out.print(ACROSS_NOTE, style="dim")
    _coincides(found.conditions, "Differs between them (what coincides, not what caused it):")
    return EXIT[found.state]


def _changes(found: Diff, title: str) -> Table:
    """Return changes between two campaigns as a table, a line a column."""
    from calibrate.reporting import CHANGES_HEAD, change_cells

    table = plain_table(*CHANGES_HEAD, title=title)
    for each in found.differences:
        style = "yellow" if each.state == "changed" else None
        table.add_row(*change_cells(each), style=style)
    return table


@commands.command(
    epilog=examples("crosswatt drift campaigns", "crosswatt drift campaigns --reference wall")
)
def drift(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A folder with campaigns of one machine.")
    ],
    tolerance: _Tolerance = "1%",
    reference: Reference = None,
    report: ReportFile = None,
    as_json: AsJson = False,
) -> int:
    """Chart probes over the campaigns in a folder: 0 same, 1 changed, 2 inconclusive.

    A probe that has not changed is called changed in at most 1 % of folders. Below five campaigns
    there is no chart, and each is compared with the first, within the tolerance.
    """
    from calibrate import store
    from calibrate.comparison import parse_goal
    from calibrate.reporting import drift_page, drift_sentence
    from calibrate.studies import EXIT, detect_drift

    found = detect_drift(folder, tolerance=parse_goal(tolerance), reference=reference)
    if report is not None:
        store.write(report, drift_page(found))
    if as_json:
        print_json(found.model_dump_json(indent=1))
        return EXIT[found.state]
    label = before_figures(simulated=found.simulated)
    out.print(drift_sentence(found), style="bold", markup=False)
    for course in found.courses:
        out.print(_chart(course, label))
        _say_change(course)
    for name, reason in found.left.items():
        out.print(f"Left out: {name}: {reason}", markup=False)
    return EXIT[found.state]


def _say_change(course: Course) -> None:
    """Print by how much a column has changed, and with what."""
    from calibrate.reporting import change_in_watts, change_of_level_text, relative_change

    if course.change:
        size, p = change_of_level_text(course), course.change.p_value
        first = course.sessions[course.change.first]
        _coincides(first.coincides, f"The step is {size}, p = {p:.2g}. With it changed:")
    elif course.differences and course.state == "changed":
        names = [each.folder for each in course.sessions[1:]]
        for name, each, session in zip(names, course.differences, course.sessions[1:], strict=True):
            if each.state == "changed":
                size = change_in_watts(each) if each.across else relative_change(each)
                title = f"{name} beside the first: {size}, 95 %. Changed before it:"
                _coincides(session.coincides, title)


def _chart(course: Course, label: str) -> Table:
    """Return the control chart of one probe as a table, a line a campaign."""
    from calibrate.reporting import course_rows

    reason = f" ({course.reason})" if course.reason else ""
    title = f"{label}{course.probe} {course.column}: {course.state}{reason}"
    value = "probe / reference"
    if course.slope is not None:
        value = f"reference - {course.slope:.3g} x probe"
    table = plain_table("campaign", "when", value, "EWMA", "limits", "", title=title)
    for cells in course_rows(course):
        table.add_row(*cells)
    return table


def _coincides(changed: Mapping[str, tuple[str, str]], title: str) -> None:
    """Print what differs, from what to what."""
    if not changed:
        out.print(f"{title} nothing that is recorded.")
        return
    out.print(title)
    for name, (before, after) in changed.items():
        out.print(f"  {name}: {before} -> {after}", markup=False)
