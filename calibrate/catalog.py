"""Find the drop-in files: adapters, workloads and report formats.

The three folders hold files, not packages: in a checkout they stand beside `calibrate/`, in a
wheel inside it. A user's own folder may be added; on equal names the user's file wins.

This module imports the standard library only: recorders under other interpreters use it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from calibrate.errors import BadFile, UnknownName

_HERE = Path(__file__).resolve().parent


def folder(kind: str) -> Path:
    """Return where the shipped files of a kind live: inside the package, else beside it."""
    shipped = _HERE / kind
    return shipped if shipped.is_dir() else _HERE.parent / kind


def files(kind: str, extra: Iterable[Path] = ()) -> dict[str, Path]:
    """Map names to files for ``adapters``, ``workloads`` or ``reports``.

    The name is the file's, less a trailing underscore: ``workloads/copy_.py`` is ``copy``, since
    a script called ``copy.py`` would hide the standard library's module of that name.
    """
    return {
        path.stem.rstrip("_"): path
        for place in (folder(kind), *extra)
        for path in sorted(place.glob("[!_]*.py"))
    }


def find(kind: str, name: str, extra: Iterable[Path] = ()) -> Path:
    """Return the file of that name, or raise `UnknownName` with the nearest ones."""
    known = files(kind, extra)
    if name not in known:
        raise UnknownName(kind.removesuffix("s"), name, known)
    return known[name]


def load(path: Path) -> ModuleType:
    """Import a drop-in file by its path, under a name nobody else uses."""
    spec = importlib.util.spec_from_file_location(f"calibrate._loaded.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise BadFile(path, "it is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
