"""Which probes there are: adapter files, and releases with an interpreter of their own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from calibrate import catalog
from calibrate.errors import BadFile

#: The file that describes an environment.
DESCRIPTION = "probe.json"


@dataclass(frozen=True)
class Source:
    """A probe to be recorded.

    Parameters
    ----------
    name : the name its file gets.
    adapter : the adapter's file.
    python : the interpreter it runs under.
    options : settings handed to `Probe.open`.
    """

    name: str
    adapter: Path
    python: Path = Path(sys.executable)
    options: Mapping[str, str] = field(default_factory=dict)


def data_home() -> Path:
    """Return the folder of what belongs to this user: ``CROSSWATT_HOME``, or XDG's."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(os.environ.get("CROSSWATT_HOME") or Path(data) / "crosswatt")


def environments_home() -> Path:
    """Return the folder of the environments."""
    return data_home() / "environments"


def environment_sources() -> dict[str, Source]:
    """Return every environment as a source, by name.

    Raises
    ------
    BadFile : the description of an environment is damaged.
    UnknownName : its adapter no longer exists.
    """
    sources = (
        _environment_source(path) for path in sorted(environments_home().glob(f"*/{DESCRIPTION}"))
    )
    return {source.name: source for source in sources}


def _environment_source(description: Path) -> Source:
    try:
        document = json.loads(description.read_text(encoding="utf-8"))
        name, adapter = str(document["name"]), str(document["adapter"])
    except (OSError, ValueError, KeyError, TypeError):
        raise BadFile(
            description,
            "it does not describe a probe",
            fix=f"Delete the folder {description.parent}, then add the probe again.",
        ) from None
    return Source(name, catalog.find("adapters", adapter), description.parent / "bin" / "python")


def known_probes(extra: Iterable[Path] = ()) -> dict[str, Source]:
    """Return every probe that there is, by name: adapters, then environments."""
    adapters = catalog.files("adapters", extra)
    return {name: Source(name, path) for name, path in adapters.items()} | environment_sources()
