"""Imports of small files, as the command makes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate import store
from calibrate.cli import main
from calibrate.energy import probe_columns, window_energy


def imported(out: Path, form: str, *words: Path | str, rc: int = 0) -> list[store.Run]:
    """Import files and return the runs; none where the import is expected to be refused."""
    assert main(["import", form, *map(str, words), "--out", str(out)]) == rc
    return [] if rc else list(store.load_campaign(out).runs)


def joules(run: store.Run, probe: str, column: str) -> float:
    """Return the energy of a column in a run."""
    window = run.record.begin_ns, run.record.end_ns
    [found] = [c for c in probe_columns(run.logs[probe].domains.values()) if c.name == column]
    energy = window_energy(run.logs[probe], found, window)
    if energy is None:
        pytest.fail(f"{probe} does not cover the run")
    return energy.joules
