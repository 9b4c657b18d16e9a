"""Serve the files of a simulated machine through FUSE, as a process of its own.

    python -m calibrate.bench.server SETUP MOUNTPOINT

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

from calibrate.bench import setup
from calibrate.bench.activity import online_cpus
from calibrate.bench.demand import Demand
from calibrate.bench.files import Device, File, Folder, Link, Node, always
from calibrate.bench.fuse import load_mfusepy
from calibrate.bench.host import Host
from calibrate.bench.setup import Setup
from calibrate.bench.snapshot import Snapshots
from calibrate.bench.tree import build
from calibrate.errors import CrosswattError
from calibrate.linux.processes import die_with_parent

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

    def __init__(self, nodes: dict[str, Node]) -> None:
        self._nodes = nodes
        self._attributes = {path: _attributes(node) for path, node in nodes.items()}
        # Folders that come and go with the files in them; links stay, and lead nowhere then.
        self._fleeting = {p.rpartition("/")[0] for p, n in nodes.items() if _may_go(n)}
        # What is left of a file read in pieces, by path and reading thread.
        self._rest: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def init_with_config(self, conn_info: Any, config_3: Any) -> None:
        """Let the kernel keep links, which saves one question in every path that has one."""
        if conn_info is not None:
            conn_info.want |= conn_info.capable & _FUSE_CAP_CACHE_SYMLINKS

    def _node(self, path: str) -> Node:
        node = self._nodes.get(path)
        if node is None or not self._present(path, node):
            raise OSError(errno.ENOENT, path)
        return node

    def _present(self, path: str, node: Node) -> bool:
        """Tell whether a path is there now; a folder is, if anything in it is."""
        if isinstance(node, File):
            return node.present()
        if isinstance(node, Folder) and node.names and path in self._fleeting:
            return any(self._present(f"{path}/{n}", self._nodes[f"{path}/{n}"]) for n in node.names)
        return True

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        """Return the attributes of a path."""
        node = self._node(path)
        if isinstance(node, File) and not node.permitted():
            return {**self._attributes[path], "st_mode": stat.S_IFREG}
        return self._attributes[path]

    def readdir(self, path: str, fh: int) -> list[str]:
        """Return the names in a folder."""
        node = self._node(path)
        if not isinstance(node, Folder):
            raise OSError(errno.ENOTDIR, path)
        below = path.rstrip("/")
        names = [
            n for n in node.names if self._present(f"{below}/{n}", self._nodes[f"{below}/{n}"])
        ]
        return [".", "..", *names]

    def readlink(self, path: str) -> str:
        """Return where a link points."""
        node = self._node(path)
        if not isinstance(node, Link):
            raise OSError(errno.EINVAL, path)
        return node.target

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        """Return a fresh value at offset 0, and the rest of that same value further on.

        Most readers take a file in one piece. A shell takes it byte by byte: it must not get the
        first digits of one value and the last ones of the next.
        """
        node = self._nodes.get(path)
        if isinstance(node, Device):
            return node.register(offset, size)
        if offset:
            return self._rest.get((path, _reader()), b"")[offset : offset + size]
        if not isinstance(node, File):
            raise OSError(errno.EISDIR if node else errno.ENOENT, path)
        data = self._content(node, fh)
        if len(data) > size:
            self._remember((path, _reader()), data)
        return data[:size]

    def _content(self, node: File, fh: int) -> bytes:
        """Return a file's content; `Handles` knows more than one."""
        del fh
        return node.content()

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        """Write a file that takes something."""
        import mfusepy

        node = self._node(path)
        if not isinstance(node, File) or node.write is None or offset:
            raise OSError(errno.EACCES, path)
        _uid, _gid, pid = mfusepy.fuse_get_context()
        node.write(data, int(pid))
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        """Do nothing, as for any file in /sys: a shell empties what it is about to write."""

    def _remember(self, key: tuple[str, int], data: bytes) -> None:
        self._rest[key] = data
        self._rest.move_to_end(key)
        while len(self._rest) > _UNFINISHED:
            self._rest.popitem(last=False)


class Handles(Files):
    """Files of which one may be replaced while somebody has it open.

    It costs two more questions a read, so it is used only when that fault was asked for.
    """

    def open(self, path: str, flags: int) -> int:
        """Return a number that tells whether the file was opened after it was replaced."""
        node = self._node(path)
        return int(isinstance(node, File) and node.former is not None and node.former() is not None)

    def _content(self, node: File, fh: int) -> bytes:
        if node.former is not None and not fh:
            old = node.former()
            if old is not None:
                return old
        return node.content()


def _may_go(node: Node) -> bool:
    return isinstance(node, File) and node.present is not always


def _reader() -> int:
    import mfusepy

    _uid, _gid, thread = mfusepy.fuse_get_context()
    return int(thread)


def _interrupted() -> bool:
    """Tell whether the one who asks right now has been interrupted, for example killed."""
    import mfusepy

    return bool(mfusepy._libfuse.fuse_interrupted())


def _attributes(node: Node) -> dict[str, int]:
    if isinstance(node, Folder):
        return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
    if isinstance(node, Link):
        return {"st_mode": stat.S_IFLNK | 0o777, "st_nlink": 1, "st_size": len(node.target)}
    if isinstance(node, Device):
        return {"st_mode": stat.S_IFREG | node.mode, "st_nlink": 1, "st_size": 0}
    return {"st_mode": stat.S_IFREG | node.mode, "st_nlink": 1, "st_size": _SYSFS_SIZE}


def serve(wanted: Setup, mountpoint: str) -> None:
    """Mount the files of a machine and serve them until unmounted or killed."""
    mfusepy = load_mfusepy()

    keeper = os.getppid()
    model, faults = wanted.check()
    machine, origin = wanted.machine(model, keeper)
    snapshots = Snapshots(model, machine, faults, armed=wanted.armed)
    snapshots.interrupted = _interrupted
    demand = Demand(machine, len(model.gpus))
    nodes = build(model, snapshots, demand, online_cpus(), origin, wanted.faults)
    names = {fault.name for fault in faults}
    changing = any(fault.group == "reading" for fault in faults)
    options: dict[str, Any] = {
        "fsname": "crosswatt",
        "foreground": True,
        "nothreads": not names & {"slow", "hang"},  # one waiting reader must not stop the others
        "direct_io": True,  # every read asks anew; without it the kernel would keep pages
        "allow_other": True,  # a command that changes its user still sees the machine
        "default_permissions": True,
        "entry_timeout": 0 if changing else _CACHE_S,
        "attr_timeout": 0 if changing else _CACHE_S,
    }
    Host(snapshots, demand, keeper).start()
    files = Handles(nodes) if "replaced" in names else Files(nodes)
    mfusepy.FUSE(files, mountpoint, **options)


def main() -> int:
    """Run as a process; the arguments are a `Setup` as text and a mount point."""
    # Blocked, not ignored: mfusepy sets SIGINT back to its default before it mounts.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    die_with_parent(os.getppid())
    wanted, mountpoint = sys.argv[1:]
    try:
        serve(setup.read(wanted), mountpoint)
    except (CrosswattError, RuntimeError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
