"""The commands of the simulated machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibrate.cli import complete
from calibrate.cli.console import out, plain_table
from calibrate.cli.help import Commands, examples
from calibrate.cli.options import DEFAULT_MODEL, REFUSED, Faults

commands = Commands()
group = Commands()
commands.add_typer(group, name="bench")


@group.callback(
    invoke_without_command=True,
    epilog=examples("crosswatt bench models", "crosswatt bench exec -- perf stat -a true"),
)
def bench(context: typer.Context) -> None:
    """Run a command on a simulated machine; list its models and faults.

    What it shows is labelled as a simulated machine wherever it is used.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(REFUSED)


@group.command(
    "exec",
    epilog=examples(
        "crosswatt bench exec -- cat /sys/class/powercap/intel-rapl:0/energy_uj",
        "crosswatt bench exec --model server --fault stuck,at_s=20 -- my-meter",
        "crosswatt bench exec --replay first --speed 10 -- my-meter",
    ),
)
def bench_exec(
    command: Annotated[list[str], typer.Argument(metavar="CMD", help="What to run, after --.")],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="A model by name, or a TOML file.",
            autocompletion=complete.bench_models,
        ),
    ] = DEFAULT_MODEL,
    fault: Faults = None,
    replay: Annotated[
        Path | None,
        typer.Option(
            "--replay",
            metavar="PATH",
            help="Take the power from this CSV file or campaign, not from this machine's activity.",
        ),
    ] = None,
    speed: Annotated[
        float,
        typer.Option(
            "--speed", metavar="FACTOR", help="Seconds of the replay that pass in one second."
        ),
    ] = 1.0,
    load: Annotated[
        str | None,
        typer.Option(
            "--load",
            metavar="SHARExSECONDS",
            help="Take the CPU use from this list, again and again: 0.9x1.5,0.2x0.5",
        ),
    ] = None,
) -> int:
    """Run any command on a simulated machine."""
    from calibrate import bench as benches
    from calibrate.energy import power_trace

    with power_trace(replay) as path:
        wanted = benches.Setup(model, tuple(fault or ()), path, speed, load)
        return benches.execute(wanted, command)


@group.command("models", epilog=examples("crosswatt bench models"))
def bench_models() -> None:
    """List the models of machines."""
    from calibrate import bench as benches

    table = plain_table("model", "machine")
    for name in benches.names():
        table.add_row(name, benches.load(name).title)
    out.print(table)


@group.command("faults", epilog=examples("crosswatt bench faults"))
def bench_faults() -> None:
    """List the faults that a simulated machine can have."""
    from calibrate.bench import KINDS

    table = plain_table("fault", "where", "what it does to those it strikes")
    for name, kind in KINDS.items():
        shown = name if kind.value is None else f"{name}={kind.value:g}"
        table.add_row(shown, kind.group, kind.summary)
    out.print(table)
