"""Commands about time: have probes changed between campaigns, and what else has."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
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
    from calibrate.studies import Course

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


@commands.command(
    epilog=examples(
        "crosswatt diff monday friday",
        "crosswatt diff monday friday --tolerance 2% --json",
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
    tolerance: Annotated[
        str,
        typer.Option(
            "--tolerance", metavar="PERCENT", help="Changes up to this size count as no change."
        ),
    ] = "1%",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Compare although the machines differ.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Compare probes between two campaigns: 0 same, 1 changed, 2 inconclusive."""
    from calibrate import studies
    from calibrate.comparison import parse_goal
    from calibrate.studies import EXIT

    found = studies.diff(first, second, parse_goal(tolerance), anyway=anyway)
    if as_json:
        print_json(found.model_dump_json(indent=1))
        return EXIT[found.state]
    label = before_figures(simulated=found.simulated)
    title = f"{label}Change of probe / reference from {first.name} to {second.name}"
    columns = ("probe", "column", "change", "90 % interval", "En", "verdict")
    table = plain_table(*columns, title=title)
    for each in found.differences:
        table.add_row(
            each.probe,
            each.column,
            signed(each.change),
            "-" if each.low is None else f"{signed(each.low)} to {signed(each.high)}",
            "-" if each.en is None else f"{each.en:.2g}",
            f"{each.state} ({each.reason})" if each.reason else each.state,
            style="yellow" if each.state == "changed" else None,
        )
    out.print(table)
    _coincides(found.conditions, "Differs between them (what coincides, not what caused it):")
    return EXIT[found.state]


@commands.command(epilog=examples("crosswatt drift campaigns"))
def drift(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A folder with campaigns of one machine.")
    ],
    as_json: AsJson = False,
) -> int:
    """Chart probes over the campaigns in a folder: 0 same, 1 changed, 2 inconclusive."""
    from calibrate.studies import EXIT, detect_drift

    found = detect_drift(folder)
    if as_json:
        print_json(found.model_dump_json(indent=1))
        return EXIT[found.state]
    label = before_figures(simulated=found.simulated)
    for course in found.courses:
        out.print(_chart(course, label))
        if course.change:
            step, p = course.change.step.value, course.change.p_value
            first = course.sessions[course.change.first]
            title = f"The step is {signed(math.expm1(step))}, p = {p:.2g}. With it changed:"
            _coincides(first.coincides, title)
    return EXIT[found.state]


def _chart(course: Course, label: str) -> Table:
    """Return the control chart of one probe as a table, a line a campaign."""
    reason = f" ({course.reason})" if course.reason else ""
    title = f"{label}{course.probe} {course.column}: {course.state}{reason}"
    columns = ("campaign", "when", "probe / reference", "EWMA", "limits", "")
    table = plain_table(*columns, title=title)
    first = course.change.first if course.change else None
    for i, session in enumerate(course.sessions):
        smooth = limits = "-"
        if course.chart:
            low, middle, high = (
                f"{math.exp(line[i]):.4f}"
                for line in (course.chart.low, course.chart.smoothed, course.chart.high)
            )
            smooth, limits = middle, f"{low} to {high}"
        outside = "outside" if session.folder in course.out else ""
        table.add_row(
            session.folder,
            session.at.replace("T", " ").removesuffix("+00:00"),
            f"{session.ratio:.4f}",
            smooth,
            limits,
            "changed here" if i == first else outside,
        )
    return table


def _coincides(changed: Mapping[str, tuple[str, str]], title: str) -> None:
    """Print what differs, from what to what."""
    if not changed:
        out.print(f"{title} nothing that is recorded.")
        return
    out.print(title)
    for name, (before, after) in changed.items():
        out.print(f"  {name}: {before} -> {after}", markup=False)
