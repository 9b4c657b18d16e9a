"""What the commands share: the two consoles, the options, the codes on leaving."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    pass

FAILED, REFUSED, IMPOSSIBLE, INTERRUPTED = 1, 64, 69, 130
DEFAULT_MODEL = "desktop"

#: Where nobody has a terminal, a table is as wide as it likes: a log is searched, not looked at.
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 140)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Folder = Annotated[Path, typer.Argument(help="A campaign's folder.")]
Bench = Annotated[
    str | None,
    typer.Option("--bench", help="Run on this simulated machine: a model, or a TOML file."),
]
NoBench = Annotated[
    bool, typer.Option("--no-bench", help="Measure this machine even without RAPL.")
]
Rates = Annotated[
    list[str] | None,
    typer.Option("--rate", help="Readings a second of a probe, NAME=HZ; may be repeated."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="A setting of a probe, PROBE.KEY=VALUE; may be repeated."),
]
Adapters = Annotated[
    list[Path] | None, typer.Option("--adapters", help="A folder with adapters of your own.")
]
Workloads = Annotated[
    list[Path] | None, typer.Option("--workloads", help="A folder with workloads of your own.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Across = Annotated[
    bool,
    typer.Option("--across", help="Compare different scopes too, on purpose: RAPL with the wall."),
]
Reference = Annotated[
    str | None, typer.Option("--reference", help="The probe that the others are compared with.")
]


def signed(share: float | None) -> str:
    """Return a relative change in percent."""
    if share is None:
        return "-"
    return f"{100 * share:+.{2 if abs(share) < 0.1 else 3}g} %"
