"""Faults of released energy meters that users reported; the list is known.toml."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from calibrate import store
from calibrate.store import Document

LIST = Path(__file__).resolve().parent / "reported.toml"


class UserReport(Document):
    """One fault: in which releases of which library, and where it was reported.

    ``key`` is the name that `calibrate.conformance.naming` gives it; ``since`` is the first release
    that has it, ``fixed`` the first that has not; empty where that is open.
    """

    library: str
    key: str
    since: str = ""
    fixed: str = ""
    reference: str

    def covers(self, library: str, release: str) -> bool:
        """Tell whether a release of a library is concerned; one that is not known is."""
        ours = _version(release)
        early = self.since and ours < _version(self.since)
        late = self.fixed and ours >= _version(self.fixed)
        return library == self.library and not (ours and (early or late))


class _List(Document):
    fault: tuple[UserReport, ...]


def load_reports() -> tuple[UserReport, ...]:
    """Return all reports."""
    return store.read_toml(LIST, _List, "This file is part of crosswatt.").fault


def find_report(
    reports: Sequence[UserReport], key: str, library: str, release: str
) -> UserReport | None:
    """Return the report of a fault, or None; a key may hold several, joined by "or"."""
    keys = key.split(" or ")
    found = (each for each in reports if each.key in keys and each.covers(library, release))
    return next(found, None)


def report_reference(reports: Sequence[UserReport], key: str, library: str, release: str) -> str:
    """Return where a fault was reported, or nothing."""
    found = find_report(reports, key, library, release)
    return found.reference if found else ""


def _version(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", release)[:3])
