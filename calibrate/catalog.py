"""Find the drop-in files: adapters, workloads and report formats.

The three folders hold files, not packages: in a checkout they stand beside `calibrate/`, in a
wheel inside it. Another package ships files of its own by an entry point: its name is the file's
name here, its value the module.

    [project.entry-points."crosswatt.probes"]
    my-meter = "my_package.meter"            # or "my_package.meters:MyMeter"

The groups are ``crosswatt.probes``, ``crosswatt.workloads`` and ``crosswatt.reports``. A user's own
folder wins over both. No package is imported to find a file: recorders load adapters by path.

This module imports the standard library only: recorders under other interpreters use it.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from calibrate.errors import BadFile, CrosswattError, UnknownName

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_HERE = Path(__file__).resolve().parent
#: Kind -> its group of entry points, and what one of them is called.
_KINDS = {
    "adapters": ("crosswatt.probes", "probe"),
    "workloads": ("crosswatt.workloads", "workload"),
    "reports": ("crosswatt.reports", "report format"),
}


def folder(kind: str) -> Path:
    """Return where the shipped files of a kind live: inside the package, else beside it."""
    shipped = _HERE / kind
    return shipped if shipped.is_dir() else _HERE.parent / kind


def files(kind: str, extra: Iterable[Path] = ()) -> dict[str, Path]:
    """Map names to files.

    The name is the file's, less a trailing underscore: ``workloads/copy_.py`` is ``copy``, since
    a script called ``copy.py`` would hide the standard library's module of that name. A package's
    file may be followed by an object in it: ``meters.py:MyMeter``; see `load`.

    Parameters
    ----------
    kind : ``adapters``, ``workloads`` or ``reports``.
    extra : folders of the user's own. On equal names the last of these wins.

    Raises
    ------
    CrosswattError : a folder is not there, two packages ship a file of one name, or a package
        names a module that it does not have.
    """
    users = {name: path for place in extra for name, path in _listed(_there(place, kind)).items()}
    shipped = _listed(folder(kind))
    installed = _installed(kind, tuple(sys.path))
    for name in shipped.keys() & installed.keys() - users.keys():
        raise _twice(kind, name, "crosswatt", installed[name][0])
    packaged = {name: path for name, (_, path) in installed.items()}
    return shipped | packaged | users


def find(kind: str, name: str, extra: Iterable[Path] = ()) -> Path:
    """Return the file of a name.

    Parameters
    ----------
    kind : ``adapters``, ``workloads`` or ``reports``.
    name : what the user typed.
    extra : folders of the user's own.

    Raises
    ------
    UnknownName : there is none; the message has the nearest names.
    CrosswattError : see `files`.
    """
    known = files(kind, extra)
    if name not in known:
        raise UnknownName(_KINDS[kind][1], name, known)
    return known[name]


def load(path: Path) -> Any:
    """Import a drop-in file by its path, under a name nobody else uses.

    Parameters
    ----------
    path : the file; ``meters.py:MyMeter`` gives the object of that name in it.

    Raises
    ------
    BadFile : it is not there, is not Python, raises when it is imported, or lacks the object. The
        message has the line.
    """
    file, name = _split(path)
    spec = importlib.util.spec_from_file_location(f"calibrate._loaded.{file.stem}", file)
    if not file.is_file():
        raise BadFile(file, "there is no such file")
    if spec is None or spec.loader is None:
        raise BadFile(file, "it is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks its annotations up there
    try:
        _execute(file, spec, module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    if name and not hasattr(module, name):
        raise BadFile(file, f"there is no {name} in it")
    return getattr(module, name) if name else module


def load_report(name: str) -> Any:
    """Import a report format.

    Parameters
    ----------
    name : what the user typed.

    Returns
    -------
    What has `render`, of an `Analysis`, and perhaps ``SUFFIX``, that of its files.

    Raises
    ------
    UnknownName, BadFile : there is no such format, or it has no `render`.
    """
    path = find("reports", name)
    form = load(path)
    if not callable(getattr(form, "render", None)):
        raise BadFile(
            path, "a report format has a function render(analysis), and this one has none"
        )
    return form


def _execute(file: Path, spec: ModuleSpec, module: ModuleType) -> None:
    """Run a module's code; whatever is wrong with it is a sentence about the file."""
    try:
        spec.loader.exec_module(module)  # type: ignore[union-attr]
    except SyntaxError as error:
        where = error.filename or str(file)
        raise BadFile(where, f"it is not valid Python ({error.msg})", error.lineno) from error
    except (Exception, SystemExit) as error:
        raise _raised(file, error) from error


def _raised(file: Path, error: BaseException) -> BadFile:
    """Return the refusal of a file whose code raised, with the line that did."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(file)
    ]  # fmt: skip
    late = isinstance(error, ImportError)
    return BadFile(
        file,
        f"it cannot be imported ({type(error).__name__}: {error})",
        lines[-1] if lines else None,
        "Import libraries where they are used, so that listing files needs none." if late else "",
    )


def _split(path: Path) -> tuple[Path, str]:
    """Return a file and the name of an object in it, which may be empty."""
    file, colon, name = str(path).rpartition(":")
    return (Path(file), name) if colon and file.endswith(".py") else (path, "")


def _there(place: Path, kind: str) -> Path:
    """Return a user's folder, which has to be there."""
    if not place.is_dir():
        why = "it is not a folder" if place.exists() else "there is no such folder"
        raise CrosswattError(f"{place}: {why}. Give a folder that holds {kind}, one a file.")
    return place


def _listed(place: Path) -> dict[str, Path]:
    """Return the files of a folder by name."""
    return {path.stem.rstrip("_"): path for path in sorted(place.glob("[!_]*.py"))}


@lru_cache(maxsize=8)
def _installed(kind: str, path: tuple[str, ...]) -> Mapping[str, tuple[str, Path]]:
    """Return what other packages ship: name -> package, file; `path` is what it depends on."""
    del path
    from importlib.metadata import entry_points

    found: dict[str, tuple[str, Path]] = {}
    for point in entry_points(group=_KINDS[kind][0]):
        package = point.dist.name if point.dist else "a package"
        here = package, _file(kind, point, package)
        if found.setdefault(point.name, here) != here:
            raise _twice(kind, point.name, found[point.name][0], package)
    return found


def _file(kind: str, point: EntryPoint, package: str) -> Path:
    """Return the file that an entry point names, without importing the package it is in."""
    top, *rest = point.module.split(".")
    spec = importlib.util.find_spec(top)
    for depth, _ in enumerate(rest, start=2):
        places = spec.submodule_search_locations if spec else None
        name = ".".join([top, *rest][:depth])
        spec = PathFinder.find_spec(name, list(places)) if places else None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        raise CrosswattError(
            f"The package {package} ships the {_KINDS[kind][1]} {point.name!r} as {point.value!r}, "
            f"and has no such module. Install it again, or type: pip uninstall {package}"
        )
    return Path(f"{spec.origin}:{point.attr}" if point.attr else spec.origin)


def _twice(kind: str, name: str, first: str, second: str) -> CrosswattError:
    """Return the refusal of a name that two packages ship."""
    return CrosswattError(
        f"Both {first} and {second} ship a {_KINDS[kind][1]} named {name!r}: uninstall one of "
        "them, or put the file that you mean into a folder of yours and name that folder."
    )
