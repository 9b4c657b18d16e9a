"""The command that judges a campaign, for continuous integration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibrate.cli.console import out
from calibrate.cli.help import Commands, examples
from calibrate.errors import CrosswattError

commands = Commands()


@commands.command(
    epilog=examples(
        "crosswatt gate --init first --out gate.toml",
        "crosswatt gate second --policy gate.toml",
    )
)
def gate(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="The folder of the campaign to judge.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="The rules, TOML.")
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            "--init", metavar="FOLDER", help="Write a policy from the campaign in this folder."
        ),
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="With --init: the policy to write."),
    ] = None,
) -> int:
    """Judge a campaign by a policy: 0 pass, 1 fail, 2 inconclusive.

    The numbers are exit codes; 64 means that the campaign or the policy was refused.
    """
    from calibrate import analysis, store
    from calibrate import gate as gates

    if init:
        if target is None or folder or policy:
            raise CrosswattError("Write it as: crosswatt gate --init FOLDER --out gate.toml")
        if target.exists():
            raise CrosswattError(f"{target} exists; choose another --out.")
        store.write(target, gates.propose(analysis.analyze(init)))
        out.print(f"Policy: {target}", markup=False)
        return 0
    if folder is None or policy is None:
        raise CrosswattError("Write it as: crosswatt gate FOLDER --policy gate.toml")
    rules = gates.load(policy)
    rulings = gates.judge(analysis.analyze(folder, rules.reference), rules)
    for each in rulings:
        out.print(f"{each.state}: {each.probe} {each.column}: {each.sentence}", markup=False)
    state = gates.overall(rulings)
    out.print(state, markup=False)
    return gates.EXIT[state]
