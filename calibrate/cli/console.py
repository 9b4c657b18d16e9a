"""Where the commands print, and how they write tables, shares and durations for a person."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from calibrate.quantity import printable


class SafeConsole(Console):
    """A console to which text is text: what stands in a file gives a terminal no orders."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return text without control characters and without markup of its own."""
        lines = "\n".join(map(printable, text.expandtabs().split("\n")))
        return super().render_str(lines, **{**options, "markup": False, "emoji": False})


#: Where nobody has a terminal, a table is as wide as it likes: a log is searched, not looked at.
out = SafeConsole(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 140)
err = SafeConsole(stderr=True, highlight=False, soft_wrap=True)


def plain_table(*columns: str, title: str | None = None) -> Table:
    """Return a table without lines, whose cells wrap."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def print_json(document: str) -> None:
    """Print a JSON document as it is, without wrapping or colours."""
    sys.stdout.write(document + "\n")


@contextmanager
def stdout_for_json(as_json: bool) -> Iterator[None]:
    """With ``--json``, send what is printed meanwhile to standard error, by programs started too.

    Standard output then holds one JSON document and nothing else.
    """
    if not as_json:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def elapsed(since: float) -> str:
    """Return the time since an instant of `time.monotonic`, for a person."""
    return span(time.monotonic() - since)


def span(seconds: float) -> str:
    """Return a duration for a person."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
