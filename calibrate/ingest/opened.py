"""Files as they are, or packed: gz, xz, bz2, zip and zst are read directly."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from calibrate.errors import BadFile, CrosswattError

#: Called with the number of bytes that were read from a disk.
Seen = Callable[[int], None]
_PACKED = {".gz", ".xz", ".bz2", ".zip", ".zst"}
_BLOCK = 1 << 20


def bare(path: Path) -> str:
    """Return a file's name without the endings of packers and of the format."""
    name = path.name
    for ending in (*_PACKED, ".csv", ".json", ".txt", ".log"):
        name = name.removesuffix(ending)
    return name


def _unseen(size: int) -> None:
    """Nobody looks."""


class _Counted(io.RawIOBase):
    """A file that tells how much of it has been read, packed as it lies there."""

    def __init__(self, path: Path, seen: Seen) -> None:
        self._file = path.open("rb", buffering=0)
        self._seen = seen

    def readinto(self, buffer: Any) -> int:
        """Read some, and tell."""
        count: int = self._file.readinto(buffer) or 0
        self._seen(count)
        return count

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that places can be chosen, which a zip needs."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


@contextmanager
def binary(path: Path, seen: Seen = _unseen) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked; `seen` hears of every byte read from the disk.

    Raises
    ------
    BadFile : it is not there, is damaged, or a zip with more than one file in it.
    """
    try:
        raw: Any = io.BufferedReader(_Counted(path, seen), _BLOCK)
        with raw, _unpacked(path, raw) as stream:
            yield stream
    except FileNotFoundError:
        raise BadFile(path, "there is no such file") from None
    except (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile, zlib.error) as error:
        raise BadFile(path, f"it cannot be read ({error})") from None


def _unpacked(path: Path, raw: IO[bytes]) -> Any:
    """Return what reads a file, as its ending says it is packed."""
    match path.suffix:
        case ".gz":
            return gzip.open(raw)
        case ".xz":
            return lzma.open(raw)
        case ".bz2":
            return bz2.open(raw)
        case ".zip":
            return _zipped(path, raw)
        case ".zst":
            try:
                import pyarrow
            except ImportError:
                raise CrosswattError(
                    f"{path} is packed with zstd, which needs pyarrow: pip install "
                    "'crosswatt[import]', or unpack it with zstd -d."
                ) from None
            return pyarrow.CompressedInputStream(raw, "zstd")
        case _:
            return raw


@contextmanager
def _zipped(path: Path, raw: IO[bytes]) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(raw) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) != 1:
            raise BadFile(path, f"it holds {len(names)} files; unpack it and name one")
        with archive.open(names[0]) as stream:
            yield stream


@contextmanager
def text(path: Path, seen: Seen = _unseen) -> Iterator[IO[str]]:
    """Open a file for reading as text; bytes that are none are replaced."""
    with binary(path, seen) as stream:
        yield io.TextIOWrapper(stream, "utf-8-sig", "replace", "")


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file as it lies there."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()
