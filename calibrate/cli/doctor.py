"""The command that says what can be measured here, and what to type where it cannot."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from calibrate.cli.console import out, plain_table, print_json
from calibrate.cli.help import Commands, examples
from calibrate.cli.options import FAILED, Adapters, AsJson
from calibrate.errors import CrosswattError, Unsupported

if TYPE_CHECKING:
    from calibrate.campaign import Source
    from calibrate.linux.privileges import Grant

commands = Commands()


@commands.command(
    epilog=examples(
        "crosswatt doctor",
        "crosswatt doctor --adapters my-probes",
        "crosswatt doctor --security   # who may read counters, and change what runs",
    )
)
def doctor(
    adapters: Adapters = None,
    security: Annotated[
        bool,
        typer.Option("--security", help="Show what is granted here, and what is too much."),
    ] = False,
    secret_files: Annotated[
        list[Path] | None,
        typer.Option(
            "--secret-file",
            metavar="FILE",
            help="With --security: look at this file of a secret, too; may be repeated.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what can be measured here, and how to enable the rest.

    Opens every probe: what each measures and in which mode, or why not and what to type. With
    --security it opens nothing, and shows which privileges are granted, to whom, and what to do
    where that is too much; the exit code is then 1.
    """
    if security:
        raise typer.Exit(show_grants(adapters or (), secret_files or (), as_json))
    if as_json or secret_files:
        raise CrosswattError("--json and --secret-file belong to --security: add it.")
    from calibrate import campaign
    from calibrate.campaign import describe_machine

    here = describe_machine()
    out.print(f"Machine: {here.label}, {here.cpus} CPUs, kernel {here.kernel}", markup=False)
    for line in conditions():
        out.print(line, markup=False)
    print_probes(out, campaign.sources(extra=tuple(adapters or ())))


def show_grants(adapters: Iterable[Path], secret_files: Iterable[Path], as_json: bool) -> int:
    """Print what is granted on this machine; return the exit code."""
    from calibrate import catalog
    from calibrate.linux.privileges import Surroundings, grants
    from calibrate.probe.available import data_home

    code = (catalog.folder("adapters"), catalog.folder("workloads"), *adapters)
    found = grants(Surroundings(data_home(), code, tuple(secret_files), user=os.geteuid()))
    if as_json:
        print_json(json.dumps({"grants": [asdict(each) for each in found]}, indent=2))
    else:
        print_grants(out, found)
    return FAILED if any(each.level == "excess" for each in found) else 0


def print_grants(console: Console, found: Sequence[Grant]) -> None:
    """Print what is too much first, then the rest; and where the rules for less are."""
    from calibrate.linux.privileges import RULES

    words = {"excess": "TOO MUCH", "granted": "granted", "none": "none"}
    order = list(words)
    for each in sorted(found, key=lambda one: order.index(one.level)):
        style = "yellow" if each.level == "excess" else None
        place = f" [{each.place}]" if each.place else ""
        console.print(f"{words[each.level]}: {each.check}: {each.what}{place}.", style=style)
        if each.fix:
            console.print(f"  Fix: {each.fix}.")
    console.print(f"Files of rules: {RULES}. How to install them: docs/privileges.md.")


def conditions() -> list[str]:
    """Return a sentence each on RAPL and on the bench."""
    from calibrate import bench
    from calibrate.campaign import rapl_readable, why_no_rapl

    rapl = "RAPL: readable" if rapl_readable() else f"RAPL: no. {why_no_rapl()}"
    try:
        bench.check()
    except Unsupported as error:
        return [rapl, f"Bench: no. {error}"]
    return [rapl, f"Bench: yes, models {', '.join(bench.names())} (simulated machines)"]


def print_probes(console: Console, sources: Sequence[Source]) -> None:
    """Open every probe; print what each can measure, then why the others cannot and the fix."""
    from calibrate.campaign import describe_probes
    from calibrate.energy import native_columns

    table = plain_table("probe", "mode", "measures")
    missing = []
    for name, (state, log) in describe_probes(sources).items():
        if state.status != "ok":
            fix = f"\n  Fix: {state.fix}" if state.fix else ""
            missing.append(f"{name}: {state.status}: {state.reason}.{fix}")
            continue
        measures = ", ".join(f"{c.name} ({c.basis})" for c in native_columns(log.domains.values()))
        mode = " ".join(log.facts.get(key, "") for key in ("release", "mode")).strip()
        table.add_row(name, mode, measures)
    if table.rows:
        console.print(table)
    for line in missing:
        console.print(line, style="yellow", markup=False)
