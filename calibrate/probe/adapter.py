"""Load the probe that an adapter file defines."""

from __future__ import annotations

import inspect
from pathlib import Path

from calibrate.catalog import load
from calibrate.errors import BadFile
from calibrate.probe.contract import Probe


def load_probe(path: Path) -> type[Probe]:
    """Return the one `Probe` subclass that an adapter file defines.

    Parameters
    ----------
    path : the file, or ``meters.py:MyMeter`` for one of several in a file.

    Raises
    ------
    BadFile : it cannot be imported, does not define exactly one probe, or the probe lacks its name
        or a method.
    """
    loaded = load(path)
    every = _probes(loaded) if inspect.ismodule(loaded) else [loaded]
    # A base class that cannot be used by itself is not counted beside one that can.
    whole = [each for each in every if not inspect.isabstract(each)]
    chosen = whole or every
    if len(chosen) != 1:
        raise BadFile(path, f"an adapter defines exactly one Probe, this one {len(chosen)}")
    probe = chosen[0]
    if not (inspect.isclass(probe) and issubclass(probe, Probe)):
        raise BadFile(path, "it names something that is not a Probe")
    if not isinstance(getattr(probe, "name", None), str):
        raise BadFile(path, f"{probe.__name__} has no name; write name = {path.stem!r} in it")
    if inspect.isabstract(probe):
        lacks = " and ".join(sorted(probe.__abstractmethods__))
        raise BadFile(path, f"{probe.__name__} lacks {lacks}")
    return probe


def _probes(module: object) -> list[type[Probe]]:
    """Return the subclasses of `Probe` that a module defines itself."""
    return [
        each
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Probe) and each.__module__ == module.__name__  # type: ignore[attr-defined]
    ]
