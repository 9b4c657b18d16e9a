"""What to type for a package that is missing, in the version that this program asks for."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import PackageNotFoundError, requires


def pip_install(*packages: str) -> str:
    """Return the command that installs packages, each as an extra of crosswatt requires it.

    The packages themselves are named, and not the extra: that works wherever crosswatt is from.
    """
    known = _required()
    wanted = [known.get(_plain(each), each) for each in packages]
    return f"pip install {shlex.join(wanted)}"


def _required() -> dict[str, str]:
    """Return name -> requirement, of all extras; empty where crosswatt is not installed itself."""
    try:
        stated = requires("crosswatt") or []
    except PackageNotFoundError:
        return {}
    found: dict[str, str] = {}
    for each in stated:
        requirement = each.partition(";")[0].strip()
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        if name is not None:
            found.setdefault(_plain(name[0]), requirement)
    return found


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
