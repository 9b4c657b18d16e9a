"""JSON objects of a file, however they are strung together: an array, closed or not, or lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calibrate.errors import BadFile
from calibrate.ingest import opened
from calibrate.ingest.feed import Options

_BLOCK = 1 << 20
#: What the decoder trips over nearer to a block's end than this may be whole with the next block.
_NEAR = 1 << 16
#: An object that has not ended after so many characters never will.
_MOST_CHARACTERS = 8 << 20


def each(path: Path, options: Options) -> Iterator[dict[str, Any]]:
    """Yield the outermost objects, block by block.

    Where one is damaged, the search goes on inside it; what is found there lacks what an importer
    needs of a document, and is rejected by it.
    """
    decoder, text = json.JSONDecoder(), ""
    with opened.characters(path, options.seen) as stream:
        while block := stream.read(_BLOCK):
            text += block
            place = 0
            while (begin := text.find("{", place)) >= 0:
                try:
                    found, place = decoder.raw_decode(text, begin)
                except (ValueError, RecursionError) as error:
                    if getattr(error, "pos", begin) > len(text) - _NEAR:
                        break
                    options.reject(text[begin : begin + 200], f"no JSON ({error})")
                    place = begin + 1
                else:
                    yield found
            text = text[begin:] if begin >= 0 else ""
            if len(text) > _MOST_CHARACTERS:
                why = f"it has an object of more than {_MOST_CHARACTERS >> 20} MiB"
                raise BadFile(path, f"{why}, or one that does not end")
        yield from _rest(decoder, text, options)


def _rest(decoder: json.JSONDecoder, text: str, options: Options) -> Iterator[dict[str, Any]]:
    """Yield what can still be read after the last block."""
    place = 0
    while (begin := text.find("{", place)) >= 0:
        try:
            found, place = decoder.raw_decode(text, begin)
            yield found
        except (ValueError, RecursionError) as error:
            options.reject(text[begin : begin + 200], f"no JSON ({error})")
            place = begin + 1
