"""Interpreters of their own for probes: past releases, or libraries that clash.

``crosswatt probes add codecarbon==1.2.0`` makes a virtual environment with that release, and from
then on there is a probe ``codecarbon-1.2.0``. They live under ``CROSSWATT_HOME``, by default
``~/.local/share/crosswatt``.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from calibrate import catalog, store
from calibrate.errors import CrosswattError
from calibrate.probe.available import DESCRIPTION, environment_sources, environments_home
from calibrate.store import Document

#: Modules whose name is not the library's in lower case.
MODULES = {"pyjoules": "pyJoules", "pyrapl": "pyRAPL"}
#: Old releases leave these open, and a release of today breaks them.
EXTRA = {"codecarbon": ["setuptools<81"], "eco2ai": ["pandas<3", "setuptools<81"]}


class Environment(Document):
    """A probe with an interpreter of its own."""

    name: str
    adapter: str
    requirement: str
    repairs: tuple[str, ...] = ()


def add_environment(requirement: str) -> Environment:
    """Make the environment of a release such as ``codecarbon==1.2.0``.

    A half-made environment is removed again.

    Raises
    ------
    CrosswattError : the requirement is not an exact release of a library that has an adapter, it
        cannot be installed, or it does not even import.
    """
    match = re.fullmatch(r"([A-Za-z][\w.-]*)==([\w.]+)", requirement)
    if not match:
        raise CrosswattError(
            f"{requirement!r} is not an exact release; write it like codecarbon==1.2.0."
        )
    library, release = match[1].lower(), match[2]
    adapter = catalog.find("adapters", library).stem
    place = environments_home() / f"{library}-{release}"
    if (place / DESCRIPTION).exists():
        return store.read(place / DESCRIPTION, Environment)
    shutil.rmtree(place, ignore_errors=True)
    try:
        _install(place, [requirement, *EXTRA.get(library, [])])
        repairs = _repair(place, library)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    made = Environment(name=place.name, adapter=adapter, requirement=requirement, repairs=repairs)
    store.save(place / DESCRIPTION, made)
    return made


def remove_environment(name: str) -> None:
    """Delete an environment."""
    if name not in environment_sources():
        raise CrosswattError(f"There is no environment {name!r} under {environments_home()}.")
    shutil.rmtree(environments_home() / name)


def _install(place: Path, requirements: list[str]) -> None:
    """Make a virtual environment and install into it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    steps = (
        [sys.executable, "-m", "venv", str(place)],
        [str(place / "bin" / "pip"), "install", "--quiet", *requirements],
    )
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            why = (done.stderr or done.stdout or "no reason given").strip().splitlines()[-1]
            raise CrosswattError(f"{place.name} could not be made ({' '.join(step)}): {why}")


def _repair(place: Path, library: str) -> tuple[str, ...]:
    """Make a release import under this Python, without touching its arithmetic."""
    trouble = _import_error(place, library)
    if trouble and library == "codecarbon" and "mutable default" in trouble:
        # Releases before 2.1.5 hold a dataclass as the default of another; Python 3.11 wants it
        # hashable. The decorator's argument changes no figure (codecarbon pull request 390).
        [units] = place.glob("lib/python*/site-packages/codecarbon/core/units.py")
        text = units.read_text(encoding="utf-8")
        units.write_text(
            re.sub(
                r"^@dataclass(?:\((order=True)\))?$",
                lambda found: (
                    f"@dataclass({found[1] or ''}{', ' if found[1] else ''}unsafe_hash=True)"
                ),
                text,
                flags=re.MULTILINE,
            ),
            encoding="utf-8",
        )
        trouble = _import_error(place, library)
        if not trouble:
            return ("core/units.py: @dataclass(unsafe_hash=True), for Python 3.11 and later",)
    if trouble:
        raise CrosswattError(f"{place.name} installs but does not import here: {trouble}")
    return ()


def _import_error(place: Path, library: str) -> str:
    """Return the last line of a failing import, or nothing."""
    done = subprocess.run(
        [str(place / "bin" / "python"), "-c", f"import {MODULES.get(library, library)}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=place,
    )
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""
