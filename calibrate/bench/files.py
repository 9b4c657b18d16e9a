"""What a simulated file system consists of: files made when they are read, links, folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass


def always() -> bool:
    """Return True: most files are always there."""
    return True


@dataclass(frozen=True)
class File:
    """A file whose content is made when it is read.

    Parameters
    ----------
    content : makes the bytes.
    mode : permissions.
    write : takes what is written into it, with the number of the writing process.
    present : tells whether it is there now.
    permitted : tells whether its permissions hold now; otherwise nobody has any.
    former : once the file has been replaced by another of the same name, what the old one, still
        open somewhere, reads as; None before that.
    """

    content: Callable[[], bytes]
    mode: int = 0o444
    write: Callable[[bytes, int], None] | None = None
    present: Callable[[], bool] = always
    permitted: Callable[[], bool] = always
    former: Callable[[], bytes | None] | None = None


@dataclass(frozen=True)
class Device:
    """A file of registers, each of them read at its own address.

    Parameters
    ----------
    register : returns the bytes at an address, or raises OSError.
    mode : permissions.
    """

    register: Callable[[int, int], bytes]
    mode: int = 0o400


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True)
class Folder:
    """A folder with the names in it."""

    names: tuple[str, ...]


Leaf = File | Device | Link
Node = Leaf | Folder


def text(content: str, mode: int = 0o444) -> File:
    """Return a file that never changes."""
    data = content.encode()
    return File(lambda: data, mode)


def folders(leaves: Mapping[str, Leaf], empty: Iterable[str] = ()) -> dict[str, Node]:
    """Return the folders that the paths of the leaves imply, and those that are to be empty."""
    inside: dict[str, dict[str, None]] = {path: {} for path in empty}
    for leaf in [*leaves, *empty]:
        path = leaf
        while path != "/":
            folder, _, name = path.rpartition("/")
            inside.setdefault(folder or "/", {})[name] = None
            path = folder or "/"
    return {path: Folder(tuple(found)) for path, found in inside.items()}
