"""The commands that make the results of a campaign again: its documents, and its report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from calibrate import catalog
from calibrate.cli import complete
from calibrate.cli.console import out
from calibrate.cli.help import Commands, examples
from calibrate.cli.options import Across, Carbon, Folder, Need, Reference, asked_need
from calibrate.simulated import before_figures

if TYPE_CHECKING:
    from calibrate.analysis import Analysis

commands = Commands()
#: The longest name of a probe that a narrow table keeps in one line, characters.
_NAME_WIDTH = 20


@commands.command(
    epilog=examples(
        "crosswatt report first",
        "crosswatt report first --format markdown --carbon FRA",
        "crosswatt report first --format json --out - | jq .comparison",
        "crosswatt report first --reference wall --across --out wall.html",
    )
)
def report(
    folder: Folder,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="html, markdown, json, or a format of another package.",
            autocompletion=complete.report_formats,
        ),
    ] = "html",
    target: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The file to write, by default 'report' in the folder; - prints it.",
        ),
    ] = None,
    reference: Reference = None,
    across: Across = False,
    need: Need = None,
    carbon: Carbon = None,
) -> None:
    """Write the report of a campaign into its folder.

    It is computed anew from what was recorded, on any machine. Of an import in which nothing is the
    reference, it has the energies, dates and gaps, and what could serve as one.
    """
    from calibrate import analysis, store
    from calibrate.cli.inventory import report_inventory
    from calibrate.comparison import NoReference

    suffix = getattr(catalog.load_report(form), "SUFFIX", form)
    try:
        found = analysis.analyze(
            folder, reference, carbon=carbon, across=across, need=asked_need(need)
        )
    except NoReference:
        if not store.read(folder / store.CAMPAIGN, store.CampaignRecord).is_import:
            raise
        report_inventory(folder, form, target)
        return
    path = target or folder / f"report.{suffix}"
    if path == Path("-"):
        render(found, form, None)
    else:
        say_sentence(found)
        out.print(f"Report: {render(found, form, path)}", markup=False)


@commands.command(
    epilog=examples(
        "crosswatt analyze first",
        "crosswatt analyze first --reference wall --across",
    )
)
def analyze(
    folder: Folder,
    reference: Reference = None,
    across: Across = False,
    need: Need = None,
) -> None:
    """Compute the comparison, the diagnosis and the calibration of a campaign again.

    Writes comparison.json, diagnosis.json and calibration.json into the folder, and prints one
    line for each probe.
    """
    from calibrate import analysis

    found = analysis.analyze(folder, reference, across=across, need=asked_need(need))
    found.write()
    say_verdicts(found)
    say_program(found)


def say_sentence(found: Analysis) -> None:
    """Print the verdict on all meters, in a sentence."""
    from calibrate.reporting import first_sentence

    label = before_figures(simulated=found.comparison.simulated)
    # A terminal wraps between words; a log keeps the sentence in one line.
    wrap = not out.is_terminal
    out.print(f"{label}{first_sentence(found)}", markup=False, soft_wrap=wrap)


def say_program(found: Analysis) -> None:
    """Print the energy of the user's own program, in a sentence and a table; of others nothing."""
    from calibrate.cli.console import plain_table
    from calibrate.reporting import program_rows, program_sentences

    if not found.program:
        return
    label = before_figures(simulated=found.comparison.simulated)
    for words in program_sentences(found):
        out.print(f"{label}{words}", markup=False, soft_wrap=not out.is_terminal)
    intensity = found.footprint.intensity if found.footprint else None
    head, rows = program_rows(found.program, intensity)
    table = plain_table(*head)
    for cells in rows:
        table.add_row(*cells)
    out.print(table)
    own = {each.workload for each in found.program}
    phases = [
        each
        for each in found.shown_phases
        if each.workload in own and each.probe == found.comparison.reference
    ]
    for phase in phases:
        times = f", mean of {phase.stretches}" if phase.stretches > 1 else ""
        out.print(
            f"  {phase.phase}: {phase.joules:.4g} J, {phase.joules / phase.seconds:.4g} W over "
            f"{phase.seconds:.3g} s{times}",
            markup=False,
        )


def say_verdicts(found: Analysis) -> None:
    """Print the verdict in a sentence, one row per probe, and what dropped out."""
    from calibrate.reporting import lost_runs, uncovered, verdicts

    comparison = found.comparison
    say_sentence(found)
    for run in found.campaign.damaged:
        text = f"Left out, since it is damaged: run {run.folder.name}. {run.reason}"
        out.print(text, style="yellow", markup=False)
    table = Table(
        title=f"Energy beside {comparison.reference}, {comparison.runs} runs",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    said = verdicts(found)
    longest = max((len(each.finding.probe) for each in said), default=0)
    table.add_column("probe", overflow="fold", min_width=min(longest, _NAME_WIDTH))
    for name in ("column", "probe / reference", "diagnosis", "correction"):
        table.add_column(name, overflow="fold")
    for verdict in said:
        table.add_row(
            verdict.finding.probe,
            verdict.columns,
            verdict.ratio,
            verdict.named,
            verdict.correct,
            style=None if verdict.good else "yellow",
        )
    out.print(table)
    for each in (verdict.probe for verdict in said):
        for line in (*lost_runs(each), *uncovered(each, comparison.reference)):
            out.print(f"{each.probe}: {line[:1].lower()}{line[1:]}", markup=False)
    for name, why in comparison.alone().items():
        if comparison.probes[name].status != "unavailable":
            out.print(f"{name} is not in this table: {why}.", style="yellow", markup=False)
    for verdict in said:
        pair = verdict.finding.pair
        if pair.correlated and pair.serial:
            out.print(f"{pair.probe}: {pair.serial.sentence}", style="yellow", markup=False)


def render(found: Analysis, form: str, target: Path | None) -> Path | None:
    """Write a report, or print it where no file is named."""
    text = found.report(form, target)
    if target is None:
        sys.stdout.write(text)
    return target
