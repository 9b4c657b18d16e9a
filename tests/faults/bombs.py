"""Give hostile files to every command that reads a file of the user's.

    python tests/faults/bombs.py --only digits

A bomb is a file that is small or cheap to make, and takes all memory, all time, or waits for ever
where a reader has no bounds. Each must end with a sentence and a documented exit code, within 5 s
of CPU time and 256 MiB, and leave nothing.
"""

from __future__ import annotations

import argparse
import bz2
import functools
import gzip
import io
import json
import lzma
import os
import re
import sys
import tempfile
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.faults.apart import Taken, apart, digest, measured, run
    from tests.helpers.samples import SAMPLES
else:  # some distributions install a package "tests", which hides that of this project
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from faults.apart import Taken, apart, digest, measured, run
    from helpers.samples import SAMPLES

MIB = 1 << 20
#: Seconds that a command may take, on a busy machine, before its process is ended.
_KILLED_S = 120
#: Exit codes that docs/cli.md names for such a file: read, or refused.
CODES = frozenset({0, 1, 2, 3, 64, 69})
MAPPING = """
[time]
column = "when"
unit = "iso"
zone = "UTC"

[[value]]
column = "wall_w"
unit = "W"
kind = "power"
scope = "node"
probe = "wall"
family = "wall"
"""


@dataclass(frozen=True)
class Target:
    """A command that reads a file.

    Parameters
    ----------
    name : what it is.
    command : its words; ``{file}`` is the file, ``{out}`` a folder to write into.
    file : the name of the file.
    data : a file as it should be.
    """

    name: str
    command: tuple[str, ...]
    file: str
    data: bytes


def targets() -> Iterator[Target]:
    """Yield every command that reads a file of the user's; each format of `import` once."""
    samples = {sample.form: key for key, sample in reversed(SAMPLES.items())}
    for key in samples.values():
        sample = SAMPLES[key]
        words = ("import", sample.form, "{file}", "--out", "{out}/made", *sample.flags)
        zone = () if "--zone" in words or not sample.local else ("--zone", "UTC")
        yield Target(f"import {key}", words + zone, sample.name, sample.data)
    rows = "".join(f"2024-05-01T10:00:{n:02d}Z,{50 + n}\n" for n in range(30))
    table = ("when,wall_w\n" + rows).encode()
    csv = ("import", "csv", "{file}", "--mapping", "{sound}/map.toml", "--out", "{out}/made")
    yield Target("import csv", csv, "mine.csv", table)
    mapped = ("import", "csv", "{sound}/mine.csv", "--mapping", "{file}", "--out", "{out}/made")
    yield Target("mapping", mapped, "map.toml", MAPPING.encode())
    runs = "wall_j,rapl_j,load\n" + "".join(f"{n * 10},{n * 9},x\n" for n in range(1, 20))
    agree = ("agree", "{file}", "-r", "wall_j", "--test", "rapl_j", "--report", "{out}/a.html")
    yield Target("agree", agree, "runs.csv", runs.encode())
    energies = b"energy,seconds\n1.0,10\n2.0,20\n"
    correct = ("correct", "{file}", "--calibration", "{sound}/campaign/calibration.json")
    ours = ("--energy", "energy=package-0", "-p", "half", "--out", "{out}/corrected.csv")
    yield Target("correct", (*correct, *ours), "table.csv", energies)
    yield Target("plan", ("plan", "{file}"), "plan.toml", _PLAN)
    gate = ("gate", "{sound}/campaign", "--policy", "{file}")
    yield Target("policy", gate, "policy.toml", _POLICY)
    model = ("bench", "exec", "--model", "{file}", "--", "true")
    yield Target("model", model, "model.toml", b'title = "x"\n')
    replay = ("bench", "exec", "--replay", "{file}", "--", "true")
    yield Target("replay", replay, "power.csv", b"time_s,package-0\n0,10\n1,x\n")
    certificate = ("conformance", "rapl", "--from", "{file}", "--out", "{out}/c.json")
    yield Target("certificate", certificate, "c.json", b'{"schema": 2, "meters": [{}]}')
    calibration = ("correct", "{sound}/table.csv", "--calibration", "{file}")
    yield Target("calibration", calibration, "calibration.json", b'{"schema": 2}')


_PLAN = b'title = "x"\nrepeats = 1\n[[workload]]\nname = "idle"\nseconds = [1.0]\n'
_POLICY = (
    b'schema = 2\nreference = "truth"\nneed = 0.05\nmin_runs = 1\n[[probe]]\nname = "half"\n'
    b'column = "package-0"\n'
)


# ---- bombs: what is put into a file ----


def _columns(data: bytes) -> bytes:
    """Return a file whose lines have a hundred thousand more cells."""
    first, _, rest = data.partition(b"\n")
    mark = max(b",;\t", key=first.count).to_bytes()
    more = b"".join(b"%sc%d" % (mark, n) for n in range(100_000))
    line = rest.partition(b"\n")[0]
    return first + more + b"\n" + (line + mark + mark.join([b"1"] * 100_000) + b"\n") * 5


def _sockets(data: bytes) -> bytes:
    """Return a file whose lines are each of another part, in as far as they name one."""
    line = data.rstrip().rpartition(b"\n")[2]
    return data + b"".join(_last_digits(line, n) + b"\n" for n in range(20_000))


def _last_digits(line: bytes, number: int) -> bytes:
    return re.sub(rb"\d+(?=\D*$)", str(number).encode(), line, count=1)


def _numbers(text: bytes) -> Callable[[bytes], bytes]:
    """Return what replaces the figures of a file, one after the other, by `text`."""
    return lambda data: re.sub(rb"(?<![\d\w.:-])\d+\.?\d*(?![\d\w.:-])", text, data, count=40)


def _first_number(text: bytes) -> Callable[[bytes], bytes]:
    return lambda data: re.sub(rb"\d+", text, data, count=1)


def _years(text: bytes) -> Callable[[bytes], bytes]:
    """Return what replaces every year, and seconds since 1970, by `text`."""
    return lambda data: re.sub(rb"\b(?:2024|17145\d{5,})", text, data)


def _after(more: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data + more


def _instead(data: bytes) -> Callable[[bytes], bytes]:
    return lambda _: data


_KEYS = json.dumps({f"key{n}": n for n in range(1_000_000)}).encode()
_ENTITIES = (
    b'<?xml version="1.0"?><!DOCTYPE z [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (c + 1, b"&%c;" % c * 10) for c in range(97, 110))
    + b"]><z>&n;</z>"
)
CONTENTS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": _instead(b""),
    "a line without end": _after(b"a" * (40 * MIB)),
    "a first line without end": lambda data: b"a" * (40 * MIB) + data,
    "zeros": _instead(bytes(40 * MIB)),
    "line ends": _after(b"\n" * (4 * MIB)),
    "100,000 columns": _columns,
    "20,000 parts": _sockets,
    "nested lists": _after(b"[" * 100_000),
    "nested objects": _after(b'{"a":' * 100_000),
    "nested objects, closed": _instead(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "an object of a million keys": _instead(_KEYS),
    "ten million empty lists": _instead(b"[" + b"[]," * 10_000_000 + b"[]]"),
    "an object that ends line by line": _instead(b'{"a":[\n' + b",{}\n" * 300_000),
    "a million digits": _first_number(b"9" * 1_000_000),
    "5000 digits": _first_number(b"9" * 5000),
    "1e999": _numbers(b"1e999"),
    "NaN": _numbers(b"NaN"),
    "Infinity": _numbers(b"-Infinity"),
    "year 1e9": _years(b"1000000000"),
    "year 0": _years(b"0000"),
    "UTF-16": lambda data: data.decode(errors="replace").encode("utf-16"),
    "NUL bytes": lambda data: data.replace(b"\n", b"\0\n\0"),
    "no UTF-8": lambda data: data.replace(b"\n", b"\xff\xfe\xed\xa0\x80\n"),
    "spaces": _after(b"\n" + b" " * 900_000 + b"x\n"),
    "tabs and spaces": lambda data: b" \t" * 450_000 + b"x\n" + data,
    "letters": _after(b"\n" + b"a" * 900_000 + b"\n"),
    "braces": _after(b"\nx" + b"{} " * 300_000 + b"\n"),
    "labels": _after(b"\nx{" + b'a="' * 300_000 + b"} 1\n"),
    "quotes": _after(b'\n"' + b'"" ,"' * 150_000 + b"\n"),
    "points": _after(b"\n" + b"a." * 60_000 + b'a = 1\nb = "' + b"." * 90_000 + b'"\n'),
    "commas": _after(b"\n" + b"1," * 450_000 + b"\n"),
    "slashes": _after(b"\n" + b"/Chassis/" * 100_000 + b"\n"),
    "consumptions": _instead(
        b"Actual consumption" + b" " * 400_000 + b"\n" * 400_000 + b"w" * 400_000 + b" with device"
    ),
    "entities": _instead(_ENTITIES),
}


# ---- bombs: what a file is packed as ----


def _zipped(data: bytes, count: int = 1) -> bytes:
    """Return a zip of files that hold the same."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(count):
            archive.writestr(f"{number}.csv", data)
    return buffer.getvalue()


def _zip_of_lines() -> bytes:
    """Return a zip of half a gigabyte."""
    buffer = io.BytesIO()
    archive = zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED)
    with archive, archive.open("0.csv", "w") as file:
        for _ in range(512):
            file.write(b"\n" * MIB)
    return buffer.getvalue()


def _with_password(data: bytes) -> bytes:
    """Return a zip that says that it has a password."""
    packed = bytearray(_zipped(data))
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    return bytes(packed)


def _zst(data: bytes) -> bytes:
    import pyarrow

    return bytes(pyarrow.compress(data, codec="zstd", asbytes=True))


@functools.cache
def _lines(pack: str) -> bytes:
    """Return gigabytes of ends of lines in a small archive."""
    block = b"\n" * (16 * MIB)
    if pack == "zip":
        return _zip_of_lines()
    packers: dict[str, Callable[[bytes], bytes]] = {
        "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": _zst
    }  # fmt: skip
    return packers[pack](block) * 200


PACKED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gigabytes in gz": (".gz", lambda data: gzip.compress(data) + _lines("gz")),
    "gigabytes in bz2": (".bz2", lambda data: bz2.compress(data) + _lines("bz2")),
    "gigabytes in xz": (".xz", lambda data: lzma.compress(data) + _lines("xz")),
    "gigabytes in zst": (".zst", lambda data: _zst(data) + _lines("zst")),
    "gigabytes in zip": (".zip", lambda _: _lines("zip")),
    "gz in gz": (".gz", lambda _: gzip.compress(_lines("gz"))),
    "zip in zip": (".zip", lambda data: _zipped(_zipped(data))),
    "zip of 20,000": (".zip", lambda _: _zipped(b"", 20_000)),
    "zip with a password": (".zip", _with_password),
    "zip cut short": (".zip", lambda data: _zipped(data)[:-30]),
    "gz cut short": (".gz", lambda data: gzip.compress(data)[:-12]),
    "xz of a huge dictionary": (
        ".xz",
        lambda data: lzma.compress(data, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]),
    ),
    "no archive": (".gz", lambda data: data),
    "no zst": (".zst", lambda data: b"\x28\xb5\x2f\xfd" + data),
}


# ---- bombs: what stands where a file should ----


def _loop(path: Path) -> None:
    path.symlink_to(path)


PLACES: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a terminal": lambda path: path.symlink_to("/dev/tty"),
    "a folder": Path.mkdir,
    "a link to itself": _loop,
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a file of the kernel": lambda path: path.symlink_to("/proc/self/mem"),
    "a file of holes": lambda path: os.truncate(_touched(path), 1 << 40),
}


def _touched(path: Path) -> Path:
    path.touch()
    return path


@contextmanager
def _growing(path: Path, data: bytes) -> Iterator[None]:
    """Append to a file for as long as it is read, 6 MB/s."""
    path.write_bytes(data)
    last = data.rstrip(b"\n").rpartition(b"\n")[2] + b"\n"
    block = last * max(1, MIB // 16 // len(last))
    done = threading.Event()

    def write() -> None:
        with path.open("ab", buffering=0) as file:
            while not done.wait(0.01):
                file.write(block)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        done.set()
        writer.join()


# ---- one trial ----

BOMBS = (*CONTENTS, *PACKED, *PLACES, "a file that grows")


@dataclass(frozen=True)
class Exploded:
    """What a command made of a bomb."""

    code: int
    words: str
    cpu_s: float
    memory_bytes: int
    faults: list[str]


def trial(target: Target, bomb: str, sound: Path) -> Exploded:
    """Give one bomb to one command, in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        out = place / "out"
        out.mkdir()
        packed = PACKED[bomb][0] if bomb in PACKED else ""
        path = place / f"{target.file}{packed}"
        before = digest(sound)
        with _put(path, target, bomb):
            words = {"file": str(path), "out": str(out), "sound": str(sound)}
            command = [word.format(**words) for word in target.command]
            taken = _taken(command)
        faults = list(taken.faults)
        faults += [f"exit code {taken.code}"] if taken.code not in CODES else []
        faults += ["said nothing"] if not taken.words.strip() and taken.code else []
        faults += ["left something"] if taken.code >= 64 and any(out.iterdir()) else []
        faults += ["left a file beside"] if {*place.iterdir()} - {path, out} else []
        faults += ["changed something"] if before != digest(sound) else []
        return Exploded(taken.code, taken.words, taken.cpu_s, taken.memory_bytes, faults)


def _taken(command: list[str]) -> Taken:
    """Run a command in a process of its own."""

    def work() -> list[Any]:
        done = measured(lambda: run(command))
        return [done.code, done.error, done.words, done.cpu_s, done.memory_bytes]

    found = apart(work, _KILLED_S)
    return Taken(*found) if isinstance(found, list) else Taken(70, f"signal {found}", "", 0.0, 0)


@contextmanager
def _put(path: Path, target: Target, bomb: str) -> Iterator[None]:
    """Put a bomb where a command looks."""
    if bomb in PLACES:
        PLACES[bomb](path)
    elif bomb in PACKED:
        path.write_bytes(PACKED[bomb][1](target.data))
    elif bomb in CONTENTS:
        path.write_bytes(CONTENTS[bomb](target.data))
    else:
        with _growing(path, target.data):
            yield
        return
    yield


def make_sound(place: Path) -> None:
    """Write what commands read beside the bomb: a campaign, a mapping, two tables."""
    if TYPE_CHECKING:
        from tests.helpers.campaigns import Fake, build, domain, truth
    else:
        from helpers.campaigns import Fake, build, domain, truth
    half = Fake(lambda watts, seconds: 0.5 * watts * seconds, domain("package-0"))
    loads = {"idle": 20.0, "gemm": 60.0, "square": 40.0}
    build(place / "campaign", {"truth": truth(), "half": half}, loads, (2.0, 3.0))
    (place / "map.toml").write_text(MAPPING)
    rows = "".join(f"2024-05-01T10:00:{n:02d}Z,{50 + n}\n" for n in range(30))
    (place / "mine.csv").write_text("when,wall_w\n" + rows)
    (place / "table.csv").write_text("energy,seconds\n1.0,10\n2.0,20\n")
    run(["analyze", str(place / "campaign")])


def main() -> int:
    """Print what bombs came to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="bombs or targets whose name has this")
    parser.add_argument("--show", action="store_true", help="print what is said of each")
    asked = parser.parse_args()
    codes: Counter[int] = Counter()
    count = bad = 0
    most_s, most_bytes = (0.0, ""), (0, "")
    with tempfile.TemporaryDirectory() as name:
        sound = Path(name)
        make_sound(sound)
        for target in targets():
            for bomb in BOMBS:
                called = f"{target.name}, {bomb}"
                if asked.only not in called:
                    continue
                found = trial(target, bomb, sound)
                count, bad = count + 1, bad + bool(found.faults)
                codes[found.code] += 1
                most_s = max(most_s, (found.cpu_s, called))
                most_bytes = max(most_bytes, (found.memory_bytes, called))
                if found.faults or asked.show:
                    words = " ".join(found.words.split())[:300]
                    cost = f"{found.cpu_s:.1f} s, {found.memory_bytes >> 20} MiB"
                    sys.stdout.write(f"{called}: {found.faults} [{cost}] {words}\n")
                    sys.stdout.flush()
    codes_text = ", ".join(f"{code}: {number}" for code, number in sorted(codes.items()))
    sys.stdout.write(
        f"{count} bombs, {bad} with faults; exit codes {codes_text}; at most {most_s[0]:.1f} s "
        f"({most_s[1]}) and {most_bytes[0] >> 20} MiB ({most_bytes[1]})\n"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
