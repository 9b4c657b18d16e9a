"""What shows that a machine is simulated: the label of its figures, and the folder of its bench.

This module imports the standard library only: recorders and workloads use it.
"""

from __future__ import annotations

import os

#: The label of whatever comes from the bench.
SIMULATED = "simulated machine"
#: The environment variable with the folder of the bench, there for every process on it.
VARIABLE = "CROSSWATT_BENCH"


def bench_folder() -> str | None:
    """Return the folder of the bench that this process runs on, or None on a real machine."""
    return os.environ.get(VARIABLE) or None


def before_figures(*, simulated: bool) -> str:
    """Return what stands before figures in a terminal: nothing on a real machine."""
    return f"{SIMULATED.upper()}. " if simulated else ""
