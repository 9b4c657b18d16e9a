"""Damage folders of campaigns at random, and let commands read them.

    python tests/faults/mutations.py --count 1000 --seed 1

Each mutation damages one file of a small campaign (its bytes, one value of its JSON, or what the
name leads to) and runs one command on it in a process of its own. Counted are internal errors,
changes outside of the folder, and commands that take over 5 s of CPU time or 256 MiB more memory.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibrate import cli

if TYPE_CHECKING:
    from tests.helpers.campaigns import Fake, build, domain, truth
else:  # some distributions install a package "tests", which hides that of this project
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from helpers.campaigns import Fake, build, domain, truth

#: What a command may take.
CPU_S, MEMORY_BYTES = 5, 256 << 20
#: CPU seconds after which a command is ended.
_KILLED_S = 20
#: Values that a damaged or hostile document may have.
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 3, 0.0, -0.5, 1e-320, 1e300, -1e300, 2**31, 2**63, -(2**63), 10**30,
    "", ".", "..", "../../victim/notes", "/etc/passwd", "a/b", "a\\b", "nan", "x" * 5000, "\x00",
    "\x1b]52;c;aGk=\x07", "\u202eabc", "<script>alert(1)</script>", "=1+1", "[a](http://b)",
    "\n# x", "\ud800", "2026-01-01", "0000-00-00", "truth", "package-0", "idle",
    "999999-12-31T00:00:00",
    [], [[]], {}, {"": ""}, {"a": {"b": 1}}, [None] * 1000, ["x"] * 3,
)  # fmt: skip
#: Texts of JSON that no value gives.
TEXTS = ("NaN", "Infinity", "1e999", "9" * 5000, "[" * 20000, '{"a":' * 20000, "0x10", "01", "'a'")
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("analyze", "{folder}"),
    ("report", "{folder}", "--format", "json", "--out", "{out}/report.json"),
    ("report", "{folder}", "--format", "markdown", "--out", "{out}/report.md"),
    ("report", "{folder}", "--format", "html", "--out", "{out}/report.html"),
    ("gate", "{folder}", "--policy", "{sound}/policy.toml"),
    ("diff", "{sound}/campaign", "{folder}"),
    ("align", "{folder}", "--out", "{out}/aligned"),
    ("merge", "{sound}/campaign", "{folder}", "--out", "{out}/merged"),
    ("plan", "{folder}"),
    ("run", "--resume", "{folder}"),
    ("correct", "{sound}/table.csv", "--calibration", "{folder}/calibration.json"),
)


@dataclass(frozen=True)
class Outcome:
    """What a command made of a damaged folder.

    ``error`` is the last line of an internal error; empty where there was none.
    """

    what: str
    command: str
    exit_code: int
    error: str
    cpu_s: float
    memory_bytes: int
    outside: bool

    @property
    def faults(self) -> Iterator[str]:
        """Yield what is wrong with it."""
        if self.error:
            yield self.error
        if self.outside:
            yield "changed something outside of the folder"
        if self.cpu_s > CPU_S:
            yield f"took more than {CPU_S} s"
        if self.memory_bytes > MEMORY_BYTES:
            yield f"took more than {MEMORY_BYTES >> 20} MiB"


def make_sound(place: Path) -> None:
    """Write what mutations start from: two campaigns, a policy, and a table to correct."""
    half = Fake(lambda watts, seconds: 0.5 * watts * seconds, domain("package-0"))
    shifted = Fake(lambda watts, seconds: (watts + 5) * seconds, domain("package-0", "wall"))
    loads = {"idle": 20.0, "gemm": 60.0, "square": 40.0}
    build(place / "campaign", {"truth": truth(), "half": half}, loads, (2.0, 3.0))
    build(place / "other", {"truth": truth(), "shifted": shifted, "half": half}, loads, (2.0, 3.0))
    _mark_phases(place / "other")
    (place / "table.csv").write_text("energy,seconds\n1.0,10\n2.0,20\n")
    for name in ("campaign", "other"):
        run(["analyze", str(place / name)])
    run(["gate", "--init", str(place / "campaign"), "--out", str(place / "policy.toml")])


def _mark_phases(folder: Path) -> None:
    """Give every run two phases, and results of its own."""
    for path in folder.glob("*/run.json"):
        record = json.loads(path.read_text())
        middle = (record["begin_ns"] + record["end_ns"]) // 2
        record["phases"] = [
            {"name": "train", "begin_ns": record["begin_ns"], "end_ns": middle, "work": 3.0,
             "unit": "epoch", "values": {"accuracy": 0.5}},
            {"name": "infer", "begin_ns": middle, "end_ns": record["end_ns"], "work": 100.0,
             "unit": "sample"},
        ]  # fmt: skip
        record["result"] = {"data": "wine", "accuracy": 0.7, "note": "text"}
        path.write_text(json.dumps(record))


def run(arguments: list[str]) -> tuple[int, str]:
    """Run a command of crosswatt; return its exit code, and the last line of an internal error."""
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            code = cli.main(arguments)
        except BaseException:
            return 70, _last(traceback.format_exc())
    return code, _last(said.getvalue()) if "Traceback" in said.getvalue() else ""


def _last(text: str) -> str:
    """Return where an error was raised, and the error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    places = [line for line in lines if line.startswith("File ") and "/calibrate/" in line]
    place = places[-1].split("/calibrate/")[-1] if places else ""
    errors = [
        line for line in lines if line.split(":")[0].endswith(("Error", "Exception", "Warning"))
    ]
    return f"{place[:80]}: {(errors or lines)[-1][:150]}"


# ---- mutations ----


def mutate(folder: Path, victim: Path, chance: random.Random) -> str:
    """Damage one thing in a folder; return what."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = chance.choice(files)
    kind = chance.choices((_value, _bytes, _place), weights=(7, 2, 1))[0]
    return f"{path.relative_to(folder)}: {kind(path, victim, chance)}"


def _bytes(path: Path, victim: Path, chance: random.Random) -> str:
    """Damage the bytes of a file."""
    data = bytearray(path.read_bytes())
    at = chance.randrange(len(data) + 1)
    end = min(len(data), at + chance.randrange(1, 200))
    kind = chance.choice(("flip", "cut", "truncate", "insert", "twice", "empty", "long line"))
    if kind == "flip" and at < len(data):
        data[at] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del data[at:end]
    elif kind == "truncate":
        del data[at:]
    elif kind == "insert":
        data[at:at] = chance.choice((b"\x00", b"\xff\xfe", b"\n", b'"', b"{", b"]", b"\x1b[31m"))
    elif kind == "twice":
        data[at:at] = data[at:end]
    elif kind == "empty":
        data.clear()
    elif kind == "long line":
        data[at:at] = b" " * (3 << 20)
    path.write_bytes(data)
    return f"{kind} at {at}"


def _value(path: Path, victim: Path, chance: random.Random) -> str:
    """Replace, remove or add one value of a JSON document, or of one line of a log."""
    lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    number = chance.randrange(len(lines))
    try:
        document = json.loads(lines[number])
    except ValueError:
        return _bytes(path, victim, chance)
    holders = list(_holders(document))
    holder, key = chance.choice(holders)
    kind = chance.choice(("set", "set", "set", "text", "remove", "add"))
    value = chance.choice(VALUES)
    if kind == "text":
        holder[key] = "@@"
        lines[number] = json.dumps(document).replace('"@@"', chance.choice(TEXTS), 1)
    else:
        if kind == "remove":
            del holder[key]
        elif kind == "add" and isinstance(holder, dict):
            holder[str(value)[:50]] = chance.choice(VALUES)
        elif kind == "add":
            holder.insert(0, value)
        else:
            holder[key] = value
        lines[number] = json.dumps(document)
    path.write_text("\n".join(lines) + "\n")
    return f"{kind} {key!r} {value!r:.60} (line {number + 1})"


def _holders(document: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (container, key) of a document."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(items) if isinstance(document, dict | list) else ():
        yield document, key
        if isinstance(value, dict | list):
            yield from _holders(value)


def _place(path: Path, victim: Path, chance: random.Random) -> str:
    """Put something else where a file or the folder of a run was."""
    if chance.random() < 0.3 and path.parent.parent.name == "damaged":
        shutil.move(path.parent, victim / "run")
        path.parent.symlink_to(victim / "run")
        return "the folder is a link"
    path.unlink()
    kind = chance.choice(("gone", "link", "folder", "pipe", "device"))
    if kind == "link":
        path.symlink_to(victim / "notes")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    return kind


# ---- one trial ----


def trial(sound: Path, seed: int) -> Outcome:
    """Damage a copy of a sound folder and run one command on it, in a process of its own."""
    chance = random.Random(seed)  # noqa: S311
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        folder, victim, out = place / "damaged", place / "victim", place / "out"
        shutil.copytree(sound / chance.choice(("campaign", "other")), folder)
        victim.mkdir()
        out.mkdir()
        (victim / "notes").write_text("precious\n")
        what = mutate(folder, victim, chance)
        words = {"folder": str(folder), "sound": str(sound), "out": str(out)}
        command = [word.format(**words) for word in chance.choice(COMMANDS)]
        before = _digest(victim), _digest(sound)
        code, error, cpu_s, memory = _apart(lambda: run(command))
        outside = before != (_digest(victim), _digest(sound))
        return Outcome(f"seed {seed}: {what}", command[0], code, error, cpu_s, memory, outside)


def _apart(work: Callable[[], tuple[int, str]]) -> tuple[int, str, float, int]:
    """Do something in a process of its own; return its result, CPU seconds and memory."""
    read, write = os.pipe()
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
        child = os.fork()
    if child == 0:
        os.close(read)
        resource.setrlimit(resource.RLIMIT_CPU, (_KILLED_S, _KILLED_S))
        try:
            code, error = work()
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            os.write(write, json.dumps([code, error, peak]).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    _, status, usage = os.wait4(child, 0)
    cpu_s = usage.ru_utime + usage.ru_stime
    if not data:
        return 70, f"ended by signal {os.WTERMSIG(status)}", cpu_s, 0
    code, error, peak = json.loads(data)
    return code, error, cpu_s, max(0, peak - base) * 1024


def _digest(folder: Path) -> str:
    """Return a checksum of all files in a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        total.update(str(path).encode())
        if path.is_file() and not path.is_symlink():
            total.update(path.read_bytes())
    return total.hexdigest()


def main() -> int:
    """Print what a number of mutations came to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    codes: Counter[int] = Counter()
    faults: Counter[str] = Counter()
    examples: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        sound = Path(name)
        make_sound(sound)
        for seed in range(asked.seed, asked.seed + asked.count):
            found = trial(sound, seed)
            codes[found.exit_code] += 1
            for fault in found.faults:
                faults[fault] += 1
                examples.setdefault(fault, f"{found.command}, {found.what}")
    codes_text = ", ".join(f"{code}: {count}" for code, count in sorted(codes.items()))
    sys.stdout.write(f"{asked.count} mutations; exit codes {codes_text}\n")
    for fault, count in faults.most_common():
        sys.stdout.write(f"{count:5}  {fault}\n         {examples[fault]}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
