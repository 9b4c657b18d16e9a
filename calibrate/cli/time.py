"""Commands about time: have probes changed between campaigns, and what else has."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from calibrate.cli.options import AsJson, Reference, out, signed
from calibrate.quantity import interval
from calibrate.simulated import before_figures

if TYPE_CHECKING:
    from calibrate.stats.estimate import Estimate
    from calibrate.studies import Course


def align(
    folder: Annotated[Path, typer.Argument(help="A campaign's folder.")],
    reference: Reference = None,
    target: Annotated[
        Path | None, typer.Option("--out", help="Write the campaign with every lag taken out here.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how late each probe's clock is against the reference's, and take that out."""
    from calibrate import store
    from calibrate.studies import clock_offsets, clocks_document, write_aligned

    campaign = store.load_campaign(folder)
    found = clock_offsets(campaign, reference)
    if as_json:
        sys.stdout.write(json.dumps(clocks_document(found), indent=1) + "\n")
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
        out.print(f"Written: {target}")


def _interval(found: Estimate) -> str:
    return interval(found.value, found.low, found.high)


def diff(
    first: Annotated[Path, typer.Argument(help="A campaign's folder.")],
    second: Annotated[Path, typer.Argument(help="A later one, of the same machine.")],
    tolerance: Annotated[
        str, typer.Option("--tolerance", help="A change up to this is none: 1% ...")
    ] = "1%",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Compare two machines all the same.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Say whether probes have changed between two campaigns: 0 same, 1 changed, 2 inconclusive."""
    from calibrate import studies
    from calibrate.comparison import parse_goal
    from calibrate.studies import EXIT

    found = studies.diff(first, second, parse_goal(tolerance), anyway=anyway)
    if as_json:
        sys.stdout.write(found.model_dump_json(indent=1) + "\n")
        return EXIT[found.state]
    label = before_figures(simulated=found.simulated)
    table = Table(
        title=f"{label}Change of probe / reference from {first.name} to {second.name}",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for name in ("probe", "column", "change", "90 % interval", "En", "verdict"):
        table.add_column(name, overflow="fold")
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


def drift(
    folder: Annotated[Path, typer.Argument(help="A folder with campaigns of one machine.")],
    as_json: AsJson = False,
) -> int:
    """Chart every probe over the campaigns in a folder: 0 same, 1 changed, 2 inconclusive."""
    from calibrate.studies import EXIT, detect_drift

    found = detect_drift(folder)
    if as_json:
        sys.stdout.write(found.model_dump_json(indent=1) + "\n")
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
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("campaign", "when", "probe / reference", "EWMA", "limits", ""):
        table.add_column(name, overflow="fold")
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


def _length(seconds: float | None, workload: str) -> str:
    """Return how long runs must be, and for which workload; below 0.1 s none is too short."""
    return f"{seconds:.2g} s ({workload})" if seconds and seconds >= 0.1 else "any length"
