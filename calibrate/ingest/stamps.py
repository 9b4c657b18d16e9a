"""Lines beside the time at which they were written.

Many tools print figures without a time. A log of them has one where something has put it there:
``ts`` before each line, or ``date`` on a line of its own before a page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calibrate.errors import BadFile
from calibrate.ingest import opened
from calibrate.ingest.feed import Options, epoch_ns

_TIME = re.compile(
    r"\s*(?:#\s*)?(\d{9,11}(?:\.\d+)?|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?"
    r"(?:Z|[+-]\d\d(?::?\d\d)?)?)(?:\s(.*))?"
)
_HOW = "COMMAND | ts '%Y-%m-%dT%H:%M:%.S%z' writes one before each line"
MISSING = f"no time before it ({_HOW})"
#: A document that has not ended after so many characters never will.
_MOST_CHARACTERS = 1 << 20
#: Lines of a document that may be its last: each is tried.
_MOST_TRIES = 1000


def lines(path: Path, options: Options) -> Iterator[tuple[int | None, str]]:
    """Yield lines without their time, and the last time that was seen; None before the first."""
    at_ns = None
    with opened.text(path, options.seen) as stream:
        for line in stream:
            bare = line.rstrip().replace("\0", "")
            found = _TIME.fullmatch(bare)
            if found is None:
                yield at_ns, bare
                continue
            try:
                at_ns = epoch_ns(found[1], options)
            except (ValueError, OverflowError) as error:
                options.reject(line, f"no time ({error})")
                continue
            if found[2]:
                yield at_ns, found[2]


def documents(path: Path, options: Options) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """Yield JSON objects, on one line or several, with the time that stands before each."""
    begun_ns, text, tries = None, "", 0
    for at_ns, line in lines(path, options):
        if not line.strip():
            continue
        if line.startswith("{") and text:
            options.reject(text[:80], "a document that does not end")
            text = ""
        begun_ns, tries = (begun_ns, tries) if text else (at_ns, 0)
        text += line + "\n"
        if line.rstrip().endswith("}"):
            tries += 1
            try:
                found = json.loads(text)
            except (ValueError, RecursionError):
                found = None
            if isinstance(found, dict):
                yield begun_ns, found
                text = ""
        if len(text) > _MOST_CHARACTERS or tries > _MOST_TRIES:
            options.reject(text[:80], "a document that does not end")
            text = ""
    if text:
        options.reject(text[:80], "no document, or one that does not end")


def empty(path: Path, what: str) -> BadFile:
    """Return the refusal of a file in which nothing was found beside a time."""
    return BadFile(path, f"it has no {what} beside a time", fix=f"{_HOW}.")
