"""Interpreters of their own for probes: past releases, or libraries that clash.

``crosswatt probes add codecarbon==1.2.0`` makes a virtual environment with that release, and from
then on there is a probe ``codecarbon-1.2.0``. They live under ``CROSSWATT_HOME``, by default
``~/.local/share/crosswatt``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from calibrate import catalog, store
from calibrate.errors import CrosswattError, UnknownName
from calibrate.probe.available import DESCRIPTION, environment_sources, environments_home
from calibrate.store import Document
from calibrate.tokens import masked


@dataclass(frozen=True)
class Meter:
    """A distribution that may be added; its name is that of its adapter.

    Parameters
    ----------
    module : what it is imported as.
    more : requirements that old releases leave open, and that a release of today breaks.
    hashes : release -> SHA-256 of its wheel, for those that the documents name.
    """

    module: str
    more: tuple[str, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)


#: What `add_environment` installs, and nothing else: an index gives any name to anybody.
METERS = {
    "carbontracker": Meter(
        "carbontracker",
        hashes={"2.4.7": "b83395096344f6466d526e4f20c12d38bafbfc0a56fd793085b1ac7df8a0aa0f"},
    ),
    "codecarbon": Meter(
        "codecarbon",
        ("setuptools<81",),
        {"1.2.0": "270137da70bdf6ecec9cda9bdd0920590f7d4434f31c28bd2d31fa3c7a10a9ed"},
    ),
    "eco2ai": Meter(
        "eco2ai",
        ("pandas<3", "setuptools<81"),
        {"0.3.12": "c0db6d1b12ff44a92031444cb6360ed79e8f50d97f54afd3fc207cc624418145"},
    ),
    "perun": Meter(
        "perun",
        hashes={"1.0.0": "bb563804711486609a7f6b5382f92674e4a94462a2301f1874e4c1b334579665"},
    ),
    "pyjoules": Meter(
        "pyJoules",
        hashes={"0.5.1": "558505e13b7e24ff2aceb5eab6e497f7cee101ed2605343238f25ff4750909cb"},
    ),
    "pyrapl": Meter(
        "pyRAPL",
        hashes={"0.2.3.1": "508c832f7f80fd32e9fdd1194630483c68fdde40bf540537b47502d37295ec76"},
    ),
    "zeus": Meter(
        "zeus",
        hashes={"0.16.0": "82f3a97a39c68040587a8d897cbd6c623aee5ad7e92c50ba9105a3e043a8df7c"},
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Release:
    """An exact release of a meter.

    ``known`` is the SHA-256 of its wheel; empty where the documents do not name it.
    """

    library: str
    version: str
    known: str

    @property
    def words(self) -> str:
        """What is installed, for a person."""
        known = f"SHA-256 {self.known[:12]}..." if self.known else "its checksum is not known here"
        return f"{self.library} {self.version} ({known})"


class Environment(Document):
    """A probe with an interpreter of its own."""

    name: str
    adapter: str
    requirement: str
    repairs: tuple[str, ...] = ()


def parse_release(requirement: str) -> Release:
    """Return an exact release from what a user writes, such as ``codecarbon==1.2.0``.

    Raises
    ------
    CrosswattError : it is not an exact release, or not one of a meter of `METERS`.
    """
    match = re.fullmatch(r"([A-Za-z][\w.-]*)==([\w.]+)", requirement)
    if not match:
        raise CrosswattError(
            f"{requirement!r} is not an exact release; write it like codecarbon==1.2.0."
        )
    library = match[1].lower()
    if library not in METERS:
        raise UnknownName("meter to be added", library, METERS)
    return Release(library, match[2], METERS[library].hashes.get(match[2], ""))


def pip_sources() -> tuple[str, ...]:
    """Return where pip takes distributions from here, without passwords."""
    step = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(step, capture_output=True, text=True, check=False)
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        found[key.rpartition(".")[2]] = value.strip("'\"")
    places = [found.get("index-url", "pip's own index")]
    places += (found.get("extra-index-url", "") + " " + found.get("find-links", "")).split()
    return masked(places)


def add_environment(requirement: str, index: str | None = None) -> Environment:
    """Make the environment of a release such as ``codecarbon==1.2.0``.

    The wheel of a release whose checksum is known is refused if it is another; what it depends on
    is what the index has. A half-made environment is removed again.

    Parameters
    ----------
    requirement : see `parse_release`.
    index : the only index to take it from; None: as pip is configured, see `pip_sources`.

    Raises
    ------
    CrosswattError : the requirement is not an exact release of a meter of `METERS`, it cannot be
        installed, is not what it was, or does not even import.
    """
    release = parse_release(requirement)
    adapter = catalog.find("adapters", release.library).stem
    place = environments_home() / f"{release.library}-{release.version}"
    if (place / DESCRIPTION).exists():
        return store.read(place / DESCRIPTION, Environment)
    shutil.rmtree(place, ignore_errors=True)
    try:
        _install(place, release, index)
        repairs = _repair(place, release.library)
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


def _install(place: Path, release: Release, index: str | None) -> None:
    """Make a virtual environment and install into it: the meter itself, then what it needs."""
    place.parent.mkdir(parents=True, exist_ok=True)
    _do(place, [sys.executable, "-m", "venv", str(place)])
    pip = [str(place / "bin" / "pip"), "install", "--quiet"]
    environment = dict(os.environ)
    if index is not None:
        pip += ["--index-url", index]
        others = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS")
        environment = {key: each for key, each in environment.items() if key not in others}
        environment["PIP_CONFIG_FILE"] = os.devnull
    exact = f"{release.library}=={release.version}"
    if release.known:
        wanted = place / "requirements.txt"
        store.write(wanted, f"{exact} --hash=sha256:{release.known}\n")
        only = ["--no-deps", "--only-binary=:all:", "--require-hashes", "-r", str(wanted)]
        _do(place, [*pip, *only], environment)
    _do(place, [*pip, exact, *METERS[release.library].more], environment)


def _do(place: Path, step: list[str], environment: Mapping[str, str] | None = None) -> None:
    """Do one step of making an environment."""
    done = subprocess.run(step, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        lines = (done.stderr or done.stdout or "no reason given").strip().splitlines()
        why = next((line for line in lines if line.startswith("ERROR")), lines[-1])
        if "DO NOT MATCH THE HASHES" in done.stderr:
            why = "it is not the file that crosswatt knows by its checksum"
        shown = " ".join(masked(step))
        raise CrosswattError(f"{place.name} could not be made ({shown}): {' '.join(masked([why]))}")


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
        [str(place / "bin" / "python"), "-c", f"import {METERS[library].module}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=place,
    )
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""
