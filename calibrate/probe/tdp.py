"""Thermal design powers, as the ML CO2 Impact calculator has them: `tdp.csv`, dated and sourced."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from calibrate.linux.cpus import cpu_fields

_TABLE = Path(__file__).with_suffix(".csv")


@dataclass(frozen=True)
class Part:
    """A processor or an accelerator: name, ``cpu``, ``gpu`` or ``tpu``, watts, and who says so."""

    name: str
    kind: str
    tdp_w: float
    source: str


def parts() -> list[Part]:
    """Return the table."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return [Part(r["name"], r["type"], float(r["tdp_w"]), r["source"]) for r in rows]


def processor_name() -> str:
    """Return what the processor calls itself."""
    return cpu_fields().get("model name", "this processor")


def plain(name: str) -> str:
    """Return a name without its marks of trade."""
    for mark in ("(R)", "(TM)", " CPU"):
        name = name.replace(mark, "")
    return " ".join(name.split())
