"""The ends of a window, as a person writes them."""

from __future__ import annotations

import re

from calibrate.errors import CrosswattError
from calibrate.ingest import instant_ns

_OFFSET = re.compile(r"\+\s*(\d{1,12}(?:\.\d{1,9})?)\s*(ms|s|min|h|)", re.ASCII)
_SECONDS = {"ms": 1e-3, "s": 1.0, "": 1.0, "min": 60.0, "h": 3600.0}
#: No log is longer, s.
_MOST_S = 10 * 366 * 86_400.0
_FORMS = (
    "write ISO 8601 with a zone (2026-12-01T12:00:00+01:00), seconds since 1970, or an offset from "
    "the beginning of the log (+10s, +2.5min)"
)


def is_offset(text: str) -> bool:
    """Tell whether an end is written as an offset from the beginning of the log."""
    return text.strip().startswith("+")


def end_ns(text: str, zone: str | None, first_ns: int) -> int:
    """Return an end of a window, ns since 1970.

    Parameters
    ----------
    text : ISO 8601, seconds since 1970, or an offset from the first reading.
    zone : the zone of a time without one; None where none was named.
    first_ns : the first reading of the log.

    Raises
    ------
    CrosswattError : it is none of these, or has no zone.
    """
    bare = text.strip()
    if is_offset(bare):
        found = _OFFSET.fullmatch(bare)
        if not found:
            raise CrosswattError(f"{text[:60]!r} is no offset; {_FORMS}.")
        seconds = float(found[1]) * _SECONDS[found[2]]
        if seconds > _MOST_S:
            raise CrosswattError(f"{text[:60]!r} is longer than ten years; {_FORMS}.")
        return first_ns + round(seconds * 1e9)
    try:
        return instant_ns(bare, zone)
    except (ValueError, OverflowError):
        raise CrosswattError(f"{text[:60]!r} is no time; {_FORMS}.") from None
