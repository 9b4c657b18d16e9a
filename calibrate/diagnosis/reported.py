"""Faults of released energy meters that users reported; the list is reported.toml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from pydantic import field_validator

from calibrate import store
from calibrate.diagnosis.faults import fault
from calibrate.errors import UnknownName
from calibrate.store import Document, Library

LIST = Path(__file__).resolve().parent / "reported.toml"


class UserReport(Document):
    """One report: of which library, of which releases, and where it was made.

    ``faults`` are keys of `calibrate.diagnosis.faults`, several where they act together; ``since``
    is the first release that has them, ``fixed`` the first that has not; empty where that is open.
    """

    library: str
    faults: tuple[str, ...]
    since: str = ""
    fixed: str = ""
    reference: str

    @field_validator("faults")
    @classmethod
    def _known(cls, faults: tuple[str, ...]) -> tuple[str, ...]:
        try:
            for key in faults:
                fault(key)
        except UnknownName as unknown:
            raise ValueError(str(unknown)) from None
        return faults

    def covers(self, library: Library) -> bool:
        """Tell whether a release of a library is affected; an unknown one counts as affected."""
        version = _version(library.version)
        early = self.since and version < _version(self.since)
        late = self.fixed and version >= _version(self.fixed)
        return library.is_called(self.library) and not (version and (early or late))


class _List(Document):
    report: tuple[UserReport, ...]


@cache
def load_reports() -> tuple[UserReport, ...]:
    """Return all reports."""
    return store.read_toml(LIST, _List, "This file is part of crosswatt.").report


def find_report(
    reports: Sequence[UserReport], alternatives: Iterable[tuple[str, ...]], library: Library
) -> UserReport | None:
    """Return the first report of a fault of a library; None where there is none.

    Parameters
    ----------
    reports : see `load_reports`.
    alternatives : what the fault may be: keys of faults, those that act together in a tuple.
    library : the probe's, with its release.
    """
    wanted = set(alternatives)
    fitting = (each for each in reports if each.faults in wanted and each.covers(library))
    return next(fitting, None)


def _version(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", release)[:3])
