"""BSON as ``mongodump`` writes it: one document after the other, no more types than reports have.

Source: bsonspec.org, version 1.1.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, Any

#: Type -> its form in `struct`, for those of one fixed size.
_FIXED = {0x01: "<d", 0x07: "12s", 0x08: "<?", 0x09: "<q", 0x0A: "", 0x10: "<i", 0x11: "<Q",
          0x12: "<q", 0x13: "16s"}  # fmt: skip
_STRING, _DOCUMENT, _ARRAY = 0x02, 0x03, 0x04
#: A document of MongoDB's has 16 MiB at most; a report of PowerAPI's has a few KiB.
_MOST_BYTES = 1 << 20
_MOST_DEEP = 20


def documents(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the documents; dates are integers, milliseconds since 1970.

    Raises
    ------
    ValueError : it is no BSON, or cut short; what came before was yielded.
    """
    while head := stream.read(4):
        size = int.from_bytes(head, "little")
        if not 5 <= size <= _MOST_BYTES:
            raise ValueError(f"a document of {size} bytes")
        body = stream.read(size - 4)
        if len(body) != size - 4 or body[-1]:
            raise ValueError("a document that is cut short")
        try:
            yield _elements(body, 0, len(body) - 1)
        except (IndexError, KeyError, struct.error) as error:
            raise ValueError(f"an element of no known form ({error})") from None


def _elements(body: bytes, place: int, last: int, depth: int = 0) -> dict[str, Any]:
    """Return the elements of a document that lie from one place to another."""
    found: dict[str, Any] = {}
    while place < last:
        kind, end = body[place], body.index(0, place + 1)
        name, place = body[place + 1 : end].decode(), end + 1
        if kind in _FIXED:
            form = _FIXED[kind]
            found[name] = struct.unpack_from(form, body, place)[0] if form else None
            place += struct.calcsize(form)
            continue
        size = int.from_bytes(body[place : place + 4], "little")
        if kind == _STRING:
            found[name] = body[place + 4 : place + 3 + size].decode()
            place += 4 + size
        elif kind in (_DOCUMENT, _ARRAY) and 5 <= size <= last - place and depth < _MOST_DEEP:
            found[name] = _elements(body, place + 4, place + size - 1, depth + 1)
            place += size
        else:
            raise KeyError(f"type {kind:#04x}, or nested too deep")
    return found
