"""The table of commands, and the group that imports a command when it is used.

`crosswatt --help` and completion print from the table alone. A module of a command imports typer
and rich at its top, and what measures or computes inside its functions, so that its own help is
fast too. To add a command: write it in a module below `calibrate.cli` with
``commands = Commands()`` and ``@commands.command(epilog=examples(...))``, then add its name,
module and first paragraph of help here.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from typer.core import TyperCommand
from typer.main import get_group

from calibrate.cli.help import PlainGroup

#: By heading: each command's module and the first paragraph of its help.
COMMANDS: dict[str, dict[str, tuple[str, str]]] = {
    "Measure": {
        "doctor": ("doctor", "Show what can be measured here, and how to enable the rest."),
        "run": (
            "measure",
            "Run workloads while several probes measure, then compare, explain, correct, report.",
        ),
        "plan": ("plan", "Show what a plan runs, how long it takes and which faults it can find."),
        "probes": ("probes", "List the probes; add or remove a release of a meter."),
        "check": (
            "check",
            "Say what energy a log has in a window, with U, and what it does not allow to say.",
        ),
        "bench": ("bench", "Run a command on a simulated machine; list its models and faults."),
    },
    "Use a campaign": {
        "report": ("report", "Write the report of a campaign into its folder."),
        "analyze": (
            "report",
            "Compute the comparison, the diagnosis and the calibration of a campaign again.",
        ),
        "gate": ("gate", "Judge a campaign by a policy: pass, fail or inconclusive."),
        "correct": ("correct", "Apply a calibration to a table of readings."),
        "import": ("ingest", "Make a campaign from measurements that were taken elsewhere."),
        "merge": ("merge", "Add the log of another meter to a campaign, as its reference."),
        "readings": (
            "readings",
            "Print a probe's file with one reading per line, also where its readings are packed.",
        ),
    },
    "Study probes": {
        "conformance": ("conformance", "Test a meter on simulated machines with faults."),
        "characterize": ("studies", "Measure how a probe responds, and write its datasheet."),
        "observe": ("studies", "Measure what probes do to the machine and to each other."),
        "agree": (
            "agree",
            "Compare meters whose energies stand in a table, without a campaign.",
        ),
        "align": ("time", "Measure how late the clock of each probe is, and correct for it."),
        "diff": (
            "time",
            "Compare probes between two campaigns: 0 same, 1 changed, 2 inconclusive.",
        ),
        "drift": (
            "time",
            "Chart probes over the campaigns in a folder: 0 same, 1 changed, 2 inconclusive.",
        ),
    },
}
#: Those that compute nothing.
_LIGHT = frozenset(("doctor", "probes", "bench", "readings"))
_COMMANDS = {name: entry for section in COMMANDS.values() for name, entry in section.items()}


def load_command(name: str) -> Any:
    """Import a command of the table."""
    module, _ = _COMMANDS[name]
    return get_group(import_module(f"calibrate.cli.{module}").commands).commands[name]


class LazyGroup(PlainGroup):
    """The commands of the table; each is a name and a line of help until it is used."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, (_, summary) in _COMMANDS.items():
            self.add_command(TyperCommand(name, short_help=summary), name)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands as the table has them, not by the alphabet."""
        return list(_COMMANDS)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that is used."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in _COMMANDS and name not in _LIGHT:
            from calibrate.cli.memory import require_address_space

            require_address_space()
        return name, load_command(name) if name in _COMMANDS else command, rest

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the listing under its headings."""
        width = max(map(len, _COMMANDS))
        for heading, entries in COMMANDS.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [(name.ljust(width), text) for name, (_, text) in entries.items()]
                )
