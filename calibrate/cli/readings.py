"""The command that prints packed readings as lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from calibrate.cli.help import Commands, examples

commands = Commands()


@commands.command(epilog=examples("crosswatt readings campaign/001-gemm/rapl.jsonl"))
def readings(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A probe's file in a run: PROBE.jsonl.")
    ],
) -> None:
    """Print a probe's file with one reading per line, also where its readings are packed.

    What is printed are the lines as they were recorded, to the bit. Readings of imports lie in
    columns beside the file, and are not printed.
    """
    from calibrate import store
    from calibrate.errors import CrosswattError

    try:
        for line in store.unpacked_lines(file):
            plain = line if line.isascii() else json.dumps(store.parse_json(line)) + "\n"
            typer.echo(plain, nl=False)
    except FileNotFoundError:
        raise CrosswattError(f"{file}: there is no such file.") from None
