"""The command for people who have a table of runs and no campaign."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calibrate.cli.console import out, plain_table, print_json
from calibrate.cli.help import Commands, examples
from calibrate.cli.options import AsJson, ReportFile
from calibrate.errors import CrosswattError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from calibrate.agreement import Agreement
    from calibrate.reporting import AgreementSection

commands = Commands()

#: Columns that are numbers.
_NUMERIC = ("value", "p")


@commands.command(
    epilog=examples(
        "crosswatt agree runs.csv -r wall_j --test codecarbon_j --group workload",
        "crosswatt agree runs.csv -r wall_j --test rapl_j --report runs.html",
        "crosswatt agree runs.csv --test wall_j --test rapl_j --test codecarbon_j",
    )
)
def agree(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE", help="A CSV file: one row a run, energies in J, missing cells empty."
        ),
    ],
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            "-r",
            metavar="COLUMN",
            help="The column that the others are compared with; without it, three --test.",
        ),
    ] = None,
    test: Annotated[
        list[str] | None,
        typer.Option("--test", metavar="COLUMN", help="A column to compare; may be repeated."),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group", metavar="COLUMN", help="The column that says which workload a run is of."
        ),
    ] = None,
    uncertainty: Annotated[
        list[str] | None,
        typer.Option(
            "--uncertainty",
            metavar="COLUMN=UCOLUMN",
            help="The column of a column's standard uncertainties, J; may be repeated.",
        ),
    ] = None,
    margin: Annotated[
        str,
        typer.Option(
            "--margin", metavar="SHARE", help="How far the mean ratio may be from 1, as 5% or 0.05."
        ),
    ] = "5%",
    level: Annotated[
        str,
        typer.Option(
            "--level", metavar="SHARE", help="Coverage probability of intervals, as 95% or 0.95."
        ),
    ] = "95%",
    report: ReportFile = None,
    as_json: AsJson = False,
) -> int:
    """Compare meters whose energies stand in a table, without a campaign.

    Mean ratio, limits of agreement, lines with errors in both meters, concordance, equivalence,
    linearity, a mixed model with --group, and without --reference the errors of three meters. What
    the columns do not allow says why.
    """
    from calibrate import agreement, store
    from calibrate.reporting import agreement_page

    found = agreement.agree(
        agreement.read_table(table),
        reference=reference,
        test=test or [],
        group=group,
        u=_pairs(uncertainty or []),
        margin=_share("--margin", margin),
        level=_share("--level", level),
    )
    if report is not None:
        store.write(report, agreement_page(found, table.name))
    if as_json:
        print_json(json.dumps(found.to_json(), indent=1, allow_nan=False))
    else:
        show(found, out)
    return 0


def _pairs(given: Sequence[str]) -> dict[str, str]:
    """Return column -> column of its uncertainties."""
    found = {}
    for text in given:
        column, equals, of = text.rpartition("=")
        if not (column and equals and of):
            raise CrosswattError(
                f"--uncertainty {text!r} is not COLUMN=UCOLUMN; write for example "
                "--uncertainty wall_j=wall_u_j."
            )
        found[column] = of
    return found


def _share(option: str, text: str) -> float:
    """Return a share from "5%" or "0.05"."""
    bare = text.strip()
    try:
        number = float(bare.removesuffix("%"))
    except ValueError:
        raise CrosswattError(f"{option} {text!r} is not a share; write 5% or 0.05.") from None
    return number / 100 if bare.endswith("%") else number


def show(found: Agreement, console: Console) -> None:
    """Print what is said of each meter, and of all together."""
    from calibrate.reporting import P_MEANS, agreement_sections

    for section in agreement_sections(found):
        beside = f" beside {found.reference}" if section.meter else ""
        facts = f": {section.facts}" if section.facts else ""
        console.print(f"{section.name}{beside}{facts}", style="bold", markup=False)
        for words in section.words:
            console.print(words, markup=False)
        if section.rows:
            console.print(_table(section, found.level))
        for note in section.notes:
            console.print(f"Note. {note}", style="dim", markup=False)
        for method, why in section.missing:
            console.print(f"Not available: {method}. {why}", style="dim", markup=False)
        console.print()
    console.print(P_MEANS, style="dim", markup=False)


def _table(section: AgreementSection, level: float) -> Table:
    """Return the numbers of a section; a method is named once."""
    from rich.text import Text

    from calibrate.reporting import column_names

    table = plain_table(*column_names(level))
    for column in table.columns:
        column.justify = "right" if column.header in _NUMERIC else "left"
    before = ""
    for method, *cells in section.rows:
        table.add_row("" if method == before else method, *map(Text, cells))
        before = method
    return table
