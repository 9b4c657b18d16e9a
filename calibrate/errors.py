"""What can go wrong, as sentences for the person who typed the command.

    CrosswattError      anything refused; the message gives the cause and the next step
    |- UnknownName      a probe, workload, model or format that does not exist; names the nearest
    |- BadFile          a file that cannot be read as what it should be; names file and line
    |- MachineLost      the simulated machine that something ran on has ended
    `- Unsupported      this machine cannot do it; says what would make it able

This module imports the standard library only: recorders under other interpreters use it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class CrosswattError(Exception):
    """A refusal whose message is meant to be read by the user."""


class UnknownName(CrosswattError):
    """Somebody asked for a name that does not exist.

    Parameters
    ----------
    kind : what sort of thing was asked for, for example ``"probe"``.
    name : the name that was not found.
    known : the names that exist.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}."
        super().__init__(f"There is no {kind} named {name!r}; {hint}")


class BadFile(CrosswattError):
    """A file is damaged, foreign or not what it should be.

    Parameters
    ----------
    path : the file.
    why : the cause, without a full stop.
    line : 1-based line number, where it is known.
    fix : the next step, as a sentence.
    """

    def __init__(self, path: Path | str, why: str, line: int | None = None, fix: str = "") -> None:
        self.path = Path(path)
        where = f"{path}, line {line}" if line else f"{path}"
        super().__init__(f"{where}: {why}." + (f" {fix}" if fix else ""))


class MachineLost(CrosswattError):
    """The simulated machine that something ran on has ended, and can be started again."""


class Unsupported(CrosswattError):
    """This machine lacks something; the message says what, and the command that gives it."""
