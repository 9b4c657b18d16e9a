"""The command that adds the log of another meter to a campaign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibrate.cli.console import out
from calibrate.cli.help import Commands, examples
from calibrate.cli.options import Folder
from calibrate.quantity import counted

commands = Commands()


@commands.command(epilog=examples("crosswatt merge first plug --out both"))
def merge(
    folder: Folder,
    other: Annotated[
        Path,
        typer.Argument(metavar="OTHER", help="The folder of an imported one, of the same time."),
    ],
    target: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FOLDER", help="The folder to write, new or empty."),
    ],
) -> None:
    """Add the log of another meter to a campaign, as its reference."""
    from calibrate import store
    from calibrate.ingest import merge_log

    made = merge_log(store.load_campaign(folder), store.load_campaign(other), target)
    for note in made.notes:
        out.print(note)
    out.print(f"More probes in {counted(len(made.runs), 'run')}: {', '.join(made.runs)}")
    out.print(f"Now: crosswatt align {target} --reference NAME, if the clocks may differ")
