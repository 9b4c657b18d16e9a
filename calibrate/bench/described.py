"""What a running machine says of itself, for programs on it."""

from __future__ import annotations

import json
from pathlib import Path


def counter_ranges_j(folder: Path) -> dict[str, float]:
    """Return at how many joules every counter of a machine wraps, by scope.

    Parameters
    ----------
    folder : of the bench, as `calibrate.simulated.bench_folder` returns it.
    """
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return {
        scope: counter["max_energy_range_uj"] / 1e6 for scope, counter in model["counters"].items()
    }
