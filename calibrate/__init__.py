"""Cross-validate software energy meters.

The public names are those an adapter, a workload, a training script or a test needs. Everything
heavy is imported where it is used, because recorders run this package under other people's
interpreters.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibrate.errors import BadFile, CrosswattError, UnknownName, Unsupported
from calibrate.marks import mark
from calibrate.probe import About, Domain, Probe, Target, Unavailable

if TYPE_CHECKING:
    from calibrate.correct import Corrections

__version__ = "0.1.0"

__all__ = [
    "About",
    "BadFile",
    "CrosswattError",
    "Domain",
    "Probe",
    "Target",
    "Unavailable",
    "UnknownName",
    "Unsupported",
    "__version__",
    "load",
    "load_ipython_extension",
    "mark",
]


def load(path: Path | str) -> Corrections:
    """Return the corrections of a ``calibration.json``; see `calibrate.correct.load`."""
    from calibrate import correct

    return correct.load(path)


def load_ipython_extension(shell: Any) -> None:
    """Give a notebook the cell magic ``%%crosswatt``; ``%load_ext calibrate`` calls this."""
    from calibrate.notebook import load_ipython_extension as register

    register(shell)
