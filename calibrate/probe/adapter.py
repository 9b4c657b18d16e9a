"""TODO."""

from __future__ import annotations

import inspect
from pathlib import Path

from calibrate.catalog import load
from calibrate.errors import BadFile
from calibrate.probe.contract import Probe


def load_probe(path: Path) -> type[Probe]:
    """Return the one `Probe` subclass that an adapter file defines."""
    module = load(path)
    found = [
        each
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Probe) and each.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise BadFile(path, f"an adapter defines exactly one Probe, this one {len(found)}")
    probe: type[Probe] = found[0]
    return probe
