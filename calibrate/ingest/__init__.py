"""Other people's measurements, made a campaign: one importer a format.

feed       what an importer hands over
opened     files, packed or not
sheet      rows of delimited text
tools      what meters write
published  folders that were published with a paper
mapping    any CSV by a short mapping file
folder     the campaign that comes of it
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from calibrate.errors import UnknownName
from calibrate.ingest.feed import Found, Options

Importer = Callable[[Sequence[Path], Options], Found]


def formats() -> dict[str, Importer]:
    """Return the importers by format."""
    from calibrate.ingest import mapping, published, tools

    return {
        "csv": mapping.table,
        **tools.FORMATS,
        "ccgrid2023": published.ccgrid2023,
        "icpe2024": published.icpe2024,
        "codecarbon-load": published.codecarbon_load,
    }


def find(name: str) -> Importer:
    """Return an importer, or raise `UnknownName` with the nearest ones."""
    known = formats()
    if name not in known:
        raise UnknownName("format", name, known)
    return known[name]
