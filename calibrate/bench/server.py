"""Serve the files of a simulated machine through FUSE, as a process of its own.

    python -m calibrate.bench.server MODEL MOUNTPOINT

Nothing ticks: a counter is computed when it is read. Only reading and looking up are implemented
in Python; opening and closing stay inside libfuse, which halves the cost of a read. The process
dies with the one that started it and does not hear Ctrl-C, which is meant for the command.
"""

from __future__ import annotations

import errno
import os
import signal
import stat
import sys
from collections import OrderedDict
from typing import Any

from calibrate.bench import activity, tree
from calibrate.bench.model import load
from calibrate.bench.process import die_with_parent
from calibrate.bench.snapshot import Snapshots
from calibrate.errors import CrosswattError

_SYSFS_SIZE = 4096  # sysfs says one page for every file, whatever is in it
_CACHE_S = 60  # names and attributes never change while the server lives
_UNFINISHED = 64
_FUSE_CAP_CACHE_SYMLINKS = 1 << 23


class Files:
    """The operations FUSE asks for; see `calibrate.bench.tree` for what there is.

    Parameters
    ----------
    nodes : every path with its file, link or folder.
    """

    use_ns = True  # mfusepy: times are whole nanoseconds

    def __init__(self, nodes: dict[str, tree.Node]) -> None:
        self._nodes = nodes
        self._attributes = {path: _attributes(node) for path, node in nodes.items()}
        # What is left of a file read in pieces, by path and reading thread.
        self._rest: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def init_with_config(self, conn_info: Any, config_3: Any) -> None:
        """Let the kernel keep links, which saves one question in every path that has one."""
        if conn_info is not None:
            conn_info.want |= conn_info.capable & _FUSE_CAP_CACHE_SYMLINKS

    def _node(self, path: str) -> tree.Node:
        try:
            return self._nodes[path]
        except KeyError:
            raise OSError(errno.ENOENT, path) from None

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        """Return the attributes of a path."""
        self._node(path)
        return self._attributes[path]

    def readdir(self, path: str, fh: int) -> list[str]:
        """Return the names in a folder."""
        node = self._node(path)
        if not isinstance(node, tree.Folder):
            raise OSError(errno.ENOTDIR, path)
        return [".", "..", *node.names]

    def readlink(self, path: str) -> str:
        """Return where a link points."""
        node = self._node(path)
        if not isinstance(node, tree.Link):
            raise OSError(errno.EINVAL, path)
        return node.target

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        """Return a fresh value at offset 0, and the rest of that same value further on.

        Most readers take a file in one piece. A shell takes it byte by byte: it must not get the
        first digits of one value and the last ones of the next.
        """
        if offset:
            return self._rest.get((path, _reader()), b"")[offset : offset + size]
        node = self._node(path)
        if not isinstance(node, tree.File):
            raise OSError(errno.EISDIR, path)
        data = node.content()
        if len(data) > size:
            self._remember((path, _reader()), data)
        return data[:size]

    def _remember(self, key: tuple[str, int], data: bytes) -> None:
        self._rest[key] = data
        self._rest.move_to_end(key)
        while len(self._rest) > _UNFINISHED:
            self._rest.popitem(last=False)


def _reader() -> int:
    import mfusepy

    _uid, _gid, thread = mfusepy.fuse_get_context()
    return int(thread)


def _attributes(node: tree.Node) -> dict[str, int]:
    if isinstance(node, tree.Folder):
        return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
    if isinstance(node, tree.Link):
        return {"st_mode": stat.S_IFLNK | 0o777, "st_nlink": 1, "st_size": len(node.target)}
    return {"st_mode": stat.S_IFREG | node.mode, "st_nlink": 1, "st_size": _SYSFS_SIZE}


def serve(model: str, mountpoint: str) -> None:
    """Mount the files of a model and serve them until unmounted or killed."""
    import mfusepy

    machine = load(model)
    source = activity.best(os.getppid())
    nodes = tree.build(machine, source, Snapshots(machine, source))
    options: dict[str, Any] = {
        "fsname": "crosswatt",
        "foreground": True,
        "nothreads": True,
        "direct_io": True,  # every read asks anew; without it the kernel would keep pages
        "allow_other": True,  # a command that changes its user still sees the machine
        "default_permissions": True,
        "entry_timeout": _CACHE_S,
        "attr_timeout": _CACHE_S,
        "ro": True,
    }
    mfusepy.FUSE(Files(nodes), mountpoint, **options)


def main() -> int:
    """Run as a process; the arguments are a model and a mount point."""
    # Blocked, not ignored: mfusepy sets SIGINT back to its default before it mounts.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    die_with_parent(os.getppid())
    model, mountpoint = sys.argv[1:]
    try:
        serve(model, mountpoint)
    except (CrosswattError, RuntimeError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
