"""Take the power from a machine in the middle of a campaign, and see what its disk still has.

    python tests/faults/power_loss.py --count 20 --seed 1

The campaign lies on a file system of this script (FUSE) that knows what a disk keeps: the bytes of
a file as of its last fsync, the names in a folder as of its last fsync. At a random moment the
power fails: the campaign is killed, and a new folder gets what the disk has. How much more than
that a real one has is left to chance, since no file system promises it: names without the bytes
(files of 0 bytes, as ext4 leaves them), or single files that were written back in time.

Then ``run --resume`` has to complete the campaign, and every run that was said to be finished has
to be there as it was, but the one that was just ending. It needs root, or fusermount3.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PLAN = """
title = "power"
repeats = 4
idle_before_s = 0.1
idle_after_s = 0.1
strays = 0
[[workload]]
name = "idle"
seconds = [0.5]
"""
RUNS = 4
PATIENCE_S = 240.0
#: What a campaign of this host ends with once its runs are done: it has no reference meter.
NO_REFERENCE = "can serve as the reference"
#: What the disk has beyond what was synced: nothing, all names, or each file with some chance.
EXTRA = ("nothing", "names", "some files")


class Disk:
    """The operations of a file system that remembers what was synced.

    Parameters
    ----------
    live : folder with what programs see.
    kept : folder into which a loss of power writes what the disk has.
    extra : one of `EXTRA`.
    seed : decides what is there by chance.
    """

    use_ns = True

    def __init__(self, live: Path, kept: Path, extra: str, seed: int) -> None:
        self._live, self._kept, self._extra = live, kept, extra
        self._random = random.Random(seed)  # noqa: S311
        #: By inode: the bytes of files, and the names in folders with their inodes.
        self._bytes: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._folders = {self._live.stat().st_ino}
        #: Keeps each inode, so that no other file gets its number.
        self._held: list[int] = []
        self._lost = False

    def _at(self, path: str) -> str:
        return f"{self._live}{path}"

    # What programs see is what lies in the folder.

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        """Return what stat returns."""
        seen = os.lstat(self._at(path))
        names = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_ino")
        times = {f"st_{each}time": getattr(seen, f"st_{each}time_ns") for each in "amc"}
        return {name: getattr(seen, name) for name in names} | times

    def readdir(self, path: str, fh: int) -> list[str]:
        """Return the names in a folder."""
        return [".", "..", *os.listdir(self._at(path))]  # noqa: PTH208 - names only

    def mkdir(self, path: str, mode: int) -> None:
        """Make a folder."""
        Path(self._at(path)).mkdir(mode)
        self._folders.add(os.lstat(self._at(path)).st_ino)
        self._held.append(os.open(self._at(path), os.O_PATH))

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        """Make a file."""
        handle = os.open(self._at(path), os.O_CREAT | os.O_RDWR | os.O_EXCL, mode)
        self._held.append(os.dup(handle))
        return handle

    def open(self, path: str, flags: int) -> int:
        """Open a file; a FUSE writes at the place that it says, so never at the end."""
        return os.open(self._at(path), flags & ~os.O_APPEND & ~os.O_EXCL)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        """Read from a file."""
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        """Write into a file."""
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        """Cut a file."""
        os.truncate(self._at(path), length)

    def release(self, path: str, fh: int) -> None:
        """Close a file."""
        os.close(fh)

    def rename(self, old: str, new: str, *_: object) -> None:
        """Give a file another name."""
        Path(self._at(old)).replace(self._at(new))

    def unlink(self, path: str) -> None:
        """Remove a file."""
        Path(self._at(path)).unlink()

    def rmdir(self, path: str) -> None:
        """Remove a folder."""
        Path(self._at(path)).rmdir()

    def symlink(self, target: str, source: str) -> None:
        """Make a link."""
        Path(self._at(target)).symlink_to(source)

    def readlink(self, path: str) -> str:
        """Return where a link leads."""
        return str(Path(self._at(path)).readlink())

    def chmod(self, path: str, mode: int) -> None:
        """Change permissions."""
        Path(self._at(path)).chmod(mode)

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
        """Change times."""
        os.utime(self._at(path), ns=times or (time.time_ns(),) * 2)

    def statfs(self, path: str) -> dict[str, int]:
        """Return how much room there is."""
        seen = os.statvfs(self._live)
        names = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree")
        return {name: getattr(seen, name) for name in names}

    # What the disk keeps.

    def fsync(self, path: str, datasync: int, fh: int) -> None:
        """Keep the bytes of a file."""
        size = os.fstat(fh).st_size
        self._bytes[os.fstat(fh).st_ino] = os.pread(fh, size, 0) if size else b""

    def fsyncdir(self, path: str, datasync: int, fh: int) -> None:
        """Keep the names in a folder."""
        place = Path(self._at(path))
        self._names[place.stat().st_ino] = {
            each.name: each.lstat().st_ino for each in place.iterdir()
        }

    def setxattr(self, path: str, name: str, value: bytes, *_: object) -> None:
        """Take the power away, once; of all other attributes there are none."""
        if name != "user.power":
            raise OSError(errno.ENOTSUP, "no attributes")
        if not self._lost:
            self._lost = True
            self._kept.mkdir()
            self._restore(self._live, self._live.stat().st_ino, self._kept)

    def _restore(self, live: Path, folder: int, kept: Path) -> None:
        """Write what the disk has of a folder."""
        names = dict(self._names.get(folder, {}))
        if self._extra != "nothing" and live.is_dir():
            for path in live.iterdir():
                if self._extra == "names" or self._random.random() < 0.5:
                    names.setdefault(path.name, path.lstat().st_ino)
        for name, inode in names.items():
            there = live / name
            if inode in self._folders:
                (kept / name).mkdir()
                self._restore(there, inode, kept / name)
                continue
            data = self._bytes.get(inode, b"")
            same = there.is_file() and there.stat().st_ino == inode
            if self._extra == "some files" and same and self._random.random() < 0.5:
                data = there.read_bytes()
            (kept / name).write_bytes(data)


def serve(live: str, kept: str, mount: str, extra: str, seed: str) -> None:
    """Be the file system."""
    import mfusepy

    disk = Disk(Path(live), Path(kept), extra, int(seed))
    mfusepy.FUSE(disk, mount, foreground=True, nothreads=True, attr_timeout=0, entry_timeout=0)


@dataclass
class Loss:
    """A campaign that loses power."""

    seed: int
    extra: str = ""
    after_s: float = 0.0
    said: int = 0
    kept: int = 0
    wrong: list[str] = field(default_factory=list)


def finished(folder: Path) -> dict[str, bytes]:
    """Return ``run.json`` of every finished run."""
    return {path.parent.name: path.read_bytes() for path in folder.glob("*-idle/run.json")}


def crosswatt(place: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start the program; its output goes to a file."""
    environment = {**os.environ, "CROSSWATT_HOME": str(place / "home"), "PYTHONUNBUFFERED": "1"}
    with (place / "out.txt").open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "calibrate", *arguments],
            env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip


def mounted(place: Path, loss: Loss) -> subprocess.Popen[bytes]:
    """Start the file system, and wait until it is there."""
    mount = place / "mount"
    server = subprocess.Popen(
        [
            sys.executable, __file__, "--serve", str(place / "live"), str(place / "kept"),
            str(mount), loss.extra, str(loss.seed),
        ]
    )  # fmt: skip
    until = time.monotonic() + PATIENCE_S
    while not mount.is_mount():
        if server.poll() is not None or time.monotonic() > until:
            raise RuntimeError("the file system did not start")
        time.sleep(0.02)
    return server


def lose_power(loss: Loss, place: Path) -> Path:
    """Run a campaign until the power fails; return what the disk has of it."""
    for name in ("live", "mount", "home"):
        (place / name).mkdir()
    (place / "plan.toml").write_text(PLAN)
    chance = random.Random(loss.seed)  # noqa: S311
    loss.extra = chance.choice(EXTRA)
    server = mounted(place, loss)
    folder = place / "mount" / "campaign"
    try:
        runner = crosswatt(
            place, "run", "--no-bench", "--probe", "one=synthetic", "--probe", "two=synthetic",
            "--plan", str(place / "plan.toml"), "--out", str(folder),
        )  # fmt: skip
        number = chance.randrange(RUNS + 1)  # of the run in which it fails; the last: after it
        wanted = folder / f"{number + 1:03d}-idle" if number < RUNS else None
        until = time.monotonic() + PATIENCE_S
        while runner.poll() is None and time.monotonic() < until:
            if wanted and wanted.exists():
                break
            time.sleep(0.01)
        loss.after_s = chance.uniform(0, 1.5)
        time.sleep(loss.after_s)
        text = (place / "out.txt").read_text()
        loss.said = sum(f"[{n}/{RUNS}] idle" in text for n in range(1, RUNS + 1))
        os.setxattr(place / "mount", "user.power", b"off")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(runner.pid, 9)
        runner.wait()
    finally:
        subprocess.run(["umount", "-l", str(place / "mount")], check=False)
        server.kill()
        server.wait()
    return place / "kept" / "campaign"


def perform(seed: int) -> Loss:
    """Take the power from one campaign, and go on with it."""
    loss = Loss(seed)
    with tempfile.TemporaryDirectory(prefix="power-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        folder = lose_power(loss, place)
        before = finished(place / "live" / "campaign")
        there = folder / "campaign.json"
        if not (there.exists() and there.stat().st_size):
            if loss.said:
                loss.wrong.append("campaign.json is lost")
            return loss
        code = crosswatt(place, "analyze", str(folder)).wait(PATIENCE_S)
        if code not in {0, 64}:
            loss.wrong.append(f"analyze ends with {code}")
        kept = {run: text for run, text in finished(folder).items() if before.get(run) == text}
        loss.kept = len(kept)
        if loss.kept < loss.said:
            loss.wrong.append(f"{loss.kept} of {loss.said} finished runs are left")
        code = crosswatt(place, "run", "--resume", str(folder)).wait(PATIENCE_S)
        said = (place / "out.txt").read_text(errors="replace")
        if code != 0 and not (code == 64 and NO_REFERENCE in said):
            loss.wrong.append(f"--resume ends with {code}")
        after = finished(folder)
        if len(after) != RUNS or not all(json.loads(text) for text in after.values()):
            loss.wrong.append(f"{len(after)} of {RUNS} runs after --resume")
        if changed := [run for run in kept if after.get(run) != kept[run]]:
            loss.wrong.append(f"{', '.join(changed)} was done again")
        if "Traceback" in said or "Internal error" in said:
            loss.wrong.append("a traceback")
        if loss.wrong:
            print(said, file=sys.stderr)
    return loss


def main() -> int:
    """Print a line for each loss of power."""
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
        return 0
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the first; others follow")
    given = parser.parse_args()
    wrong = 0
    print("seed  beyond what was synced  runs said to be finished, kept   wrong")
    for seed in range(given.seed, given.seed + given.count):
        loss = perform(seed)
        wrong += bool(loss.wrong)
        told = "; ".join(loss.wrong) or "-"
        print(f"{seed:4}  {loss.extra:22}  {loss.said:24} {loss.kept:6}   {told}", flush=True)
    print(f"{given.count - wrong} of {given.count} campaigns went on with all that was finished.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
