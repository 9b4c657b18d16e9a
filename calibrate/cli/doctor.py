"""The command that says what can be measured here, and what to type where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from calibrate.cli.console import out, plain_table
from calibrate.cli.help import Commands, examples
from calibrate.cli.options import Adapters
from calibrate.errors import Unsupported

if TYPE_CHECKING:
    from calibrate.campaign import Source

commands = Commands()


@commands.command(epilog=examples("crosswatt doctor", "crosswatt doctor --adapters my-probes"))
def doctor(adapters: Adapters = None) -> None:
    """Show what can be measured here, and how to enable the rest.

    Opens every probe: what each measures and in which mode, or why not and what to type.
    """
    from calibrate import campaign
    from calibrate.campaign import describe_machine

    here = describe_machine()
    out.print(f"Machine: {here.label}, {here.cpus} CPUs, kernel {here.kernel}", markup=False)
    for line in conditions():
        out.print(line, markup=False)
    print_probes(out, campaign.sources(extra=tuple(adapters or ())))


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
