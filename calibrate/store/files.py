"""Files of a campaign folder: read within bounds, written whole, never through a link.

A folder may come from anybody. Nothing in it is followed (links), waited for (pipes), or read
without a limit; what is written is a new file that then takes the place of the old one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NoReturn

from pydantic import AfterValidator, Field

from calibrate.errors import BadFile, CrosswattError
from calibrate.scratch import ScratchFolder, new_file

#: Size beyond which a document is refused: a campaign of 10,000 runs has 4 MiB.
DOCUMENT_BYTES = 16 << 20
#: Size beyond which a line is refused: a reading of a hundred columns has 4 KiB.
LINE_BYTES = 1 << 20
#: Values beyond which a document is refused: one takes up to 100 bytes of memory.
_VALUES = 1_000_000
#: An escape that may be half of a character.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_NAME_BYTES = 200
#: Not all systems have these flags; where one is missing, it is 0.
_READ = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def _file_name(name: str) -> str:
    """Return a name that is one file or folder in the folder where it is used, or raise."""
    if (
        not name
        or name.startswith(".")
        or not name.isprintable()
        or {*name} & {"/", "\\", ":"}
        or len(name.encode()) > _NAME_BYTES
    ):
        raise ValueError(f"{name[:80]!r} cannot be the name of a file")
    return name


#: A name that a document gives and a file or folder bears: it leads to no other folder.
FileName = Annotated[str, AfterValidator(_file_name)]
#: An instant or a duration in ns.
Nanoseconds = Annotated[int, Field(ge=-(2**62), le=2**62)]
#: A count, an index, an exit code.
Count = Annotated[int, Field(ge=-(2**31), lt=2**31)]
#: A number that is one.
Finite = Annotated[float, Field(allow_inf_nan=False)]
#: A whole number that a double holds.
Whole = Annotated[int, Field(ge=-(2**63), lt=2**64)]


def open_file(path: Path) -> BinaryIO:
    """Open a regular file of a folder to read it.

    Raises
    ------
    FileNotFoundError : there is none.
    BadFile : it is a link, a pipe, a device or a folder, or cannot be read.
    """
    try:
        handle = os.open(path, _READ)
    except FileNotFoundError:
        raise
    except OSError as error:
        why = "it is a link" if path.is_symlink() else f"it cannot be read ({error.strerror})"
        raise BadFile(path, why, fix="Put the file itself there.") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise BadFile(path, "it is not a regular file", fix="Put a file there.")
    return os.fdopen(handle, "rb")


def read_text(path: Path, limit: int = DOCUMENT_BYTES) -> str:
    """Return the text of a file of a folder, which is UTF-8 and at most `limit` bytes.

    Raises
    ------
    FileNotFoundError : there is none.
    BadFile : it is no regular file, too large, or no text.
    """
    with open_file(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise BadFile(path, f"it is larger than {limit >> 20} MiB")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadFile(path, f"it is not text in UTF-8 ({error.reason})", line) from None


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number, line) of a file of a folder; a last line without its end is left out.

    Raises
    ------
    FileNotFoundError : there is no such file.
    BadFile : it is no regular file, a line is too long or no text.
    """
    with open_file(path) as file:
        number = 0
        while line := file.readline(LINE_BYTES):
            number += 1
            if not line.endswith(b"\n"):
                if len(line) == LINE_BYTES:
                    raise BadFile(path, f"the line is longer than {LINE_BYTES >> 20} MiB", number)
                return
            try:
                yield number, line.decode()
            except UnicodeDecodeError as error:
                raise BadFile(path, f"it is not text ({error.reason})", number) from None


def part_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number, line) of a probe's file and of those that continue it, in order.

    A line that says so leads to the next file; it is not yielded. Lines are counted through.

    Raises
    ------
    FileNotFoundError : there is no such file.
    BadFile : as `read_lines`; or a file that continues it is missing.
    """
    counted, part, here = 0, 1, path
    while True:
        further, last = False, 0
        for number, line in read_lines(here):
            further, last = _continues(line, part + 1), number
            if not further:
                yield counted + number, line
        if not further:
            return
        counted, part = counted + last, part + 1
        here = path.with_name(f"{path.name}.{part}")
        if not os.path.lexists(here):
            raise BadFile(here, "it is missing, though the file before it goes on there")


def part_files(path: Path) -> Iterator[Path]:
    """Yield a probe's file and those that are there to continue it."""
    part, here = 1, path
    while os.path.lexists(here):
        yield here
        part += 1
        here = path.with_name(f"{path.name}.{part}")


def _continues(line: str, part: int) -> bool:
    """Tell whether a line says that a file goes on in this part."""
    if not line.startswith('{"doc": "continued"'):
        return False
    try:
        return bool(parse_json(line) == {"doc": "continued", "part": part})
    except ValueError:
        return False


def parse_json(text: str) -> Any:
    """Return what JSON says.

    Raises
    ------
    ValueError : it is not JSON, has numbers that are none (NaN, Infinity) or of thousands of
        digits or halves of characters, is nested too deep, or holds more values than fit into
        memory.
    """
    if len(text) > _VALUES and sum(map(text.count, ",[{")) > _VALUES:
        raise ValueError(f"it holds more than {_VALUES:,} values")
    try:
        found = json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if _SURROGATE.search(text) and not _is_text(found):
        raise ValueError("a text in it has half of a character")
    return found


def _is_text(found: object) -> bool:
    """Tell whether all texts of a document can be written again."""
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def write(path: Path, text: str | Iterable[str]) -> None:
    """Write a file whole or not at all, and keep it through a loss of power.

    `text` is all of it, or its parts in order, which need not be in memory together.
    What stands at `path` is replaced, a link as well; the file that it leads to is not touched.
    """
    handle, temporary = new_file(path)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines([text] if isinstance(text, str) else text)
            file.flush()
            os.fchmod(file.fileno(), 0o666 & ~_umask())
            os.fsync(file.fileno())
            temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say which file
        raise
    sync_folder(path.parent)


def _umask() -> int:
    """Return the permissions that new files lack."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def sync_folder(folder: Path, files: bool = False) -> None:
    """Have the names in a folder kept through a loss of power; with `files`, its files, too."""
    for path in sorted(folder.iterdir()) if files else ():
        with suppress(FileNotFoundError, BadFile), open_file(path) as file:
            os.fsync(file.fileno())
    with suppress(OSError):  # not all systems sync folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_folder(path: Path) -> bool:
    """Tell whether this is a folder itself, not a link to one."""
    return path.is_dir() and not path.is_symlink()


def copy_folder(folder: Path, out: Path, leave_out: frozenset[str]) -> None:
    """Copy the regular files of a folder and of the folders in it.

    Raises
    ------
    BadFile : there is a link, a pipe or a device among them; nothing is copied through it.
    """
    out.mkdir()
    for path in sorted(folder.iterdir()):
        if path.name in leave_out or path.name.startswith("."):
            continue
        if is_folder(path):
            copy_folder(path, out / path.name, leave_out)
            continue
        with open_file(path) as source, (out / path.name).open("xb") as copy:
            shutil.copyfileobj(source, copy)


def make_working_folder(out: Path) -> ScratchFolder:
    """Return a new folder beside `out`; something in it is to become `out`.

    Raises
    ------
    CrosswattError : there is something at `out` already, or no folder to hold it.
    """
    if out.exists() or out.is_symlink():
        raise CrosswattError(f"{out} exists. Choose another --out.")
    try:
        return ScratchFolder(beside=out)
    except OSError as error:
        raise CrosswattError(
            f"{out.parent}: no folder can be made there ({error.strerror}). Choose another --out."
        ) from None
