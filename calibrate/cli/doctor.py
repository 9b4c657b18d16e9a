"""What can be measured here, and what to type where it cannot."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from calibrate import bench
from calibrate.campaign import Source, describe_probes, known_probes, rapl_readable, why_no_rapl
from calibrate.energy import native_columns
from calibrate.errors import Unsupported
from calibrate.probe.adapter import load_probe


def conditions() -> list[str]:
    """Return a sentence each on RAPL and on the bench."""
    rapl = "RAPL: readable" if rapl_readable() else f"RAPL: no. {why_no_rapl()}"
    try:
        bench.check()
    except Unsupported as error:
        return [rapl, f"Bench: no. {error}"]
    return [rapl, f"Bench: yes, models {', '.join(bench.names())} (simulated machines)"]


def table(console: Console, sources: Sequence[Source]) -> None:
    """Open every probe; print what each can measure, then why the others cannot and the fix."""
    shown = Table(box=None, pad_edge=False)
    for title in ("probe", "mode", "measures"):
        shown.add_column(title, overflow="fold")
    missing = []
    for name, (state, log) in describe_probes(sources).items():
        if state.status != "ok":
            fix = f" To mend it: {state.fix}" if state.fix else ""
            missing.append(f"{name}: {state.status}: {state.reason}.{fix}")
            continue
        measures = ", ".join(f"{c.name} ({c.basis})" for c in native_columns(log.domains.values()))
        mode = " ".join(log.facts.get(key, "") for key in ("release", "mode")).strip()
        shown.add_row(name, mode, measures)
    if shown.rows:
        console.print(shown)
    for line in missing:
        console.print(line, style="yellow", markup=False)


def catalogue(console: Console) -> None:
    """Print every probe with its line, without opening any."""
    shown = Table(box=None, pad_edge=False)
    titles = ("probe", "scope", "basis", "unit", "renewed", "read", "platforms", "tested")
    for title in titles:
        shown.add_column(title, overflow="fold")
    homes = []
    for name, source in known_probes().items():
        probe = load_probe(source.adapter)
        told = probe.about
        known = (
            ("-",) * 6
            if told is None
            else (told.scope, told.basis, told.unit, told.granularity, told.platforms, told.tested)
        )
        every = f"{probe.period_s:g} s"
        shown.add_row(name, *known[:4], every, *known[4:])
        if source.python != Path(sys.executable):
            homes.append(f"{name} has an interpreter of its own: {source.python}")
    console.print(shown)
    for line in homes:
        console.print(line, markup=False, style="dim")
