"""Files as they are, or packed: gz, xz, bz2, zip and zst are read directly, within bounds.

A file may be anybody's. Pipes and devices are refused, a file is read up to the size that it had
when it was opened, and an archive or a line that grows without end is refused.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from calibrate.errors import BadFile, CrosswattError
from calibrate.textfile import open_regular

#: Called with the number of bytes that were read from a disk.
Seen = Callable[[int], None]
_PACKED = {".gz", ".xz", ".bz2", ".zip", ".zst"}
_BLOCK = 1 << 20
#: The longest line: many tools write a document on one, but none of a megabyte.
LINE_BYTES = 1 << 20
#: The largest file that is parsed as one document, unpacked.
WHOLE_BYTES = 32 << 20
_WHOLE_VALUES = 2_000_000
#: An archive gives so many bytes, and beyond them so many for each byte that was read of it. Logs
#: of meters shrink to a tenth, and to a hundredth where a machine idles.
_FREE_BYTES, _MOST_SHRUNK = 2 << 20, 200
#: Bytes of an archive that are read ahead of what is unpacked.
_AHEAD = 1 << 13
_DIVIDE = "Divide it; several files can be named."


def bare(path: Path) -> str:
    """Return a file's name without the endings of packers and of the format."""
    name = path.name
    for ending in (*_PACKED, ".csv", ".json", ".txt", ".log"):
        name = name.removesuffix(ending)
    return name


def _unseen(size: int) -> None:
    """Nobody looks."""


class _Counted(io.RawIOBase):
    """A file that tells how much of it has been read, packed as it lies there.

    What is written to it meanwhile is left out.
    """

    def __init__(self, path: Path, seen: Seen) -> None:
        self._most = _AHEAD if path.suffix in _PACKED else _BLOCK
        self._file = open_regular(path)
        self._size = os.fstat(self._file.fileno()).st_size
        self._seen = seen
        self.count = 0

    def readinto(self, buffer: Any) -> int:
        """Read some, and tell."""
        left = max(0, self._size - self._file.tell())
        data = self._file.read(min(len(buffer), left, self._most))
        buffer[: len(data)] = data
        self.count += len(data)
        self._seen(len(data))
        return len(data)

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


class _Bounded(io.RawIOBase):
    """What comes out of an archive or a file, within bounds.

    Parameters
    ----------
    path : the file, for messages.
    stream : what is read.
    packed : the file as it lies there.
    line_bytes : the longest line; none where there are no lines.
    """

    def __init__(
        self, path: Path, stream: Any, packed: _Counted, line_bytes: int | None = None
    ) -> None:
        self._path, self._stream, self._packed = path, stream, packed
        self._line_bytes = line_bytes
        self._count = self._line = self._since = 0

    def readinto(self, buffer: Any) -> int:
        """Read some.

        Raises
        ------
        BadFile : an archive gives too much, or a line is too long.
        """
        data = self._stream.read(min(len(buffer), _BLOCK))
        buffer[: len(data)] = data
        self._count += len(data)
        if self._count > _FREE_BYTES + _MOST_SHRUNK * self._packed.count:
            why = f"it unpacks to more than {_MOST_SHRUNK} times its size"
            raise BadFile(self._path, why, fix="Unpack it first, if it is what it should be.")
        if self._line_bytes is not None:
            self._measure(data, self._line_bytes)
        return len(data)

    def _measure(self, data: bytes, line_bytes: int) -> None:
        """Refuse a line that is too long; no block is longer than one."""
        first = data.find(b"\n")
        if self._since + (first if first >= 0 else len(data)) > line_bytes:
            why = f"the line is longer than {line_bytes >> 20} MiB"
            raise BadFile(self._path, why, self._line + 1)
        self._line += data.count(b"\n")
        self._since = len(data) - data.rfind(b"\n") - 1 + (self._since if first < 0 else 0)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True


@contextmanager
def binary(path: Path, seen: Seen = _unseen, line_bytes: int | None = None) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked; `seen` hears of every byte read from the disk.

    Raises
    ------
    BadFile : it is not there, is damaged, no file, an archive that grows without end, or a zip with
        more than one file in it; or a line is longer than `line_bytes`.
    """
    try:
        packed = _Counted(path, seen)
        raw: Any = io.BufferedReader(packed, _AHEAD if path.suffix in _PACKED else _BLOCK)
        with raw, _unpacked(path, raw) as stream:
            yield io.BufferedReader(_Bounded(path, stream, packed, line_bytes), _BLOCK)
    except FileNotFoundError:
        raise BadFile(path, "there is no such file") from None
    except (
        OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile, zlib.error,
        RuntimeError,  # a zip with a password, or of a method that Python lacks
    ) as error:  # fmt: skip
        raise BadFile(path, f"it cannot be read ({error})") from None


def _unpacked(path: Path, raw: io.BufferedReader) -> Any:
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
            return pyarrow.CompressedInputStream(raw.raw, "zstd")
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
    """Open a file for reading as lines of text; bytes that are none are replaced."""
    with binary(path, seen, LINE_BYTES) as stream:
        yield io.TextIOWrapper(stream, "utf-8-sig", "replace", "")


@contextmanager
def characters(path: Path, seen: Seen = _unseen) -> Iterator[IO[str]]:
    """Open a file for reading as text that needs no lines; bytes that are none are replaced."""
    with binary(path, seen) as stream:
        yield io.TextIOWrapper(stream, "utf-8-sig", "replace", "")


def whole(path: Path, seen: Seen = _unseen) -> str:
    """Return the text of a file that is one document.

    Raises
    ------
    BadFile : it cannot be read, or is larger than `WHOLE_BYTES`.
    """
    with characters(path, seen) as stream:
        found = stream.read(WHOLE_BYTES + 1)
    if len(found) > WHOLE_BYTES:
        raise BadFile(path, f"it is larger than {WHOLE_BYTES >> 20} MiB", fix=_DIVIDE)
    if sum(map(found.count, ",[{")) > _WHOLE_VALUES:
        raise BadFile(path, f"it holds more than {_WHOLE_VALUES:,} values", fix=_DIVIDE)
    return found


def whole_json(path: Path) -> Any:
    """Return what a file of JSON says.

    Raises
    ------
    BadFile : it cannot be read, is too large, or is no JSON.
    """
    try:
        return json.loads(whole(path))
    except (ValueError, RecursionError) as error:
        raise BadFile(path, f"it is not JSON ({error})") from None


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file as it lies there.

    Raises
    ------
    BadFile : it is no file, or cannot be read.
    """
    found = hashlib.sha256()
    try:
        with open_regular(path) as file:
            left = os.fstat(file.fileno()).st_size
            while left > 0 and (block := file.read(min(_BLOCK, left))):
                found.update(block)
                left -= len(block)
    except FileNotFoundError:
        raise BadFile(path, "there is no such file") from None
    except OSError as error:
        raise BadFile(path, f"it cannot be read ({error.strerror})") from None
    return found.hexdigest()
