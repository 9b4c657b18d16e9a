"""The commands that list probes, and that add and remove releases of meters."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from calibrate.cli import complete
from calibrate.cli.console import out, plain_table
from calibrate.cli.help import Commands, examples
from calibrate.probe.adapter import load_probe
from calibrate.probe.available import known_probes
from calibrate.tokens import masked

#: What the list has in every terminal, and what else in one of so many columns.
_ALWAYS = ("probe", "scope", "basis", "unit", "tested")
_WHERE_THERE_IS_ROOM = ("granularity", "read", "platforms")
_WIDE = 120

commands = Commands()
group = Commands()
commands.add_typer(group, name="probes")


@group.callback(
    invoke_without_command=True,
    epilog=examples("crosswatt probes", "crosswatt probes add codecarbon==1.2.0"),
)
def probes(context: typer.Context) -> None:
    """List the probes; add or remove a release of a meter.

    The list opens no probe; 'crosswatt doctor' does, and says what works here.
    """
    if context.invoked_subcommand is None:
        _list_probes()


def _list_probes() -> None:
    """Print every probe with its line, without opening any."""
    narrow = out.width < _WIDE
    columns = _ALWAYS if narrow else (*_ALWAYS, *_WHERE_THERE_IS_ROOM)
    table = plain_table(*columns)
    table.columns[0].no_wrap = True
    apart = []
    for name, source in known_probes().items():
        probe = load_probe(source.adapter)
        about = {} if probe.about is None else asdict(probe.about)
        about |= {"probe": name, "read": f"{probe.period_s:g} s"}
        table.add_row(*(about.get(column, "-") for column in columns))
        if source.python != Path(sys.executable):
            apart.append(f"{name} has an interpreter of its own: {source.python}")
    out.print(table)
    if narrow:
        out.print(f"At {_WIDE} columns also: {', '.join(_WHERE_THERE_IS_ROOM)}.", style="dim")
    for line in apart:
        out.print(line, markup=False, style="dim")


@group.command(
    epilog=examples(
        "crosswatt probes add codecarbon==1.2.0",
        "crosswatt probes add zeus==0.16.0 --index https://index.example/simple",
    )
)
def add(
    requirement: Annotated[
        str, typer.Argument(metavar="RELEASE", help="An exact release: codecarbon==1.2.0")
    ],
    index: Annotated[
        str | None,
        typer.Option(
            "--index", metavar="URL", help="The only index to use; by default as pip is configured."
        ),
    ] = None,
) -> None:
    """Add a release of a meter as a probe, with an interpreter of its own.

    Only meters that crosswatt knows are installed. Those that its documents name are known by
    their checksum.
    """
    from calibrate.campaign import (
        add_environment,
        environments_home,
        parse_release,
        pip_sources,
    )

    release = parse_release(requirement)
    places = masked([index]) if index else pip_sources()
    out.print(f"Installing {release.words} and what it needs from {', '.join(places)}.")
    made = add_environment(requirement, index)
    out.print(f"Added probe {made.name} ({environments_home() / made.name}).", markup=False)
    for repair in made.repairs:
        out.print(f"  patched so that it imports: {repair}", markup=False)


@group.command(epilog=examples("crosswatt probes remove codecarbon-1.2.0"))
def remove(
    name: Annotated[
        str,
        typer.Argument(
            metavar="PROBE",
            help="For example codecarbon-1.2.0",
            autocompletion=complete.environment_names,
        ),
    ],
) -> None:
    """Delete such a probe and its interpreter."""
    from calibrate.campaign import remove_environment

    remove_environment(name)
