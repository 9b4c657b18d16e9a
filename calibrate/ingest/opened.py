"""Files as they are, or packed: gz, xz, bz2, zip and zst are read directly."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from calibrate.errors import BadFile

_PACKED = {".gz", ".xz", ".bz2", ".zip", ".zst"}
_BLOCK = 1 << 20


def is_packed(path: Path) -> bool:
    """Tell whether a file is packed."""
    return path.suffix in _PACKED


def bare(path: Path) -> str:
    """Return a file's name without the endings of packers and of the format."""
    name = path.name
    for ending in (*_PACKED, ".csv", ".json", ".txt", ".log"):
        name = name.removesuffix(ending)
    return name


@contextmanager
def binary(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked.

    Raises
    ------
    BadFile : it is not there, is damaged, or a zip with more than one file in it.
    """
    try:
        with _raw(path) as stream:
            yield stream
    except FileNotFoundError:
        raise BadFile(path, "there is no such file") from None
    except (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile, zlib.error) as error:
        raise BadFile(path, f"it cannot be read ({error})") from None


def _raw(path: Path) -> Any:
    """Return what opens a file, as its ending says it is packed."""
    match path.suffix:
        case ".gz":
            return gzip.open(path)
        case ".xz":
            return lzma.open(path)
        case ".bz2":
            return bz2.open(path)
        case ".zip":
            return _zipped(path)
        case ".zst":
            import pyarrow

            return pyarrow.CompressedInputStream(str(path), "zstd")
        case _:
            return path.open("rb")


@contextmanager
def _zipped(path: Path) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) != 1:
            raise BadFile(path, f"it holds {len(names)} files; unpack it and name one")
        with archive.open(names[0]) as stream:
            yield stream


@contextmanager
def text(path: Path) -> Iterator[IO[str]]:
    """Open a file for reading as text; bytes that are none are replaced."""
    with binary(path) as stream:
        yield io.TextIOWrapper(stream, "utf-8-sig", "replace", "")


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file as it lies there."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()
