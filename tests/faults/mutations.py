"""Damage folders of campaigns at random, and let commands read them.

    python tests/faults/mutations.py --count 1000 --seed 1

Each mutation damages one file of a small campaign (its bytes, one value of its JSON, or what the
name leads to) and runs one command on it, a batch of them in a process of its own. Counted are
internal errors, changes outside of the folder, and commands that take over 5 s of CPU time or
256 MiB more memory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.faults.apart import Taken, apart, digest, measured, run
    from tests.helpers.campaigns import Fake, build, domain, truth
else:  # some distributions install a package "tests", which hides that of this project
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from faults.apart import Taken, apart, digest, measured, run
    from helpers.campaigns import Fake, build, domain, truth

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
#: Folders that are damaged, in which share of mutations, and the command.
_MADE, _BOTH = ("campaign", "other"), ("both",)
COMMANDS: tuple[tuple[tuple[str, ...], float, tuple[str, ...]], ...] = (
    (_MADE, 10, ("analyze", "{folder}")),
    (_BOTH, 10, ("analyze", "{folder}", "--reference", "wall")),
    (_MADE, 10, ("report", "{folder}", "--format", "json", "--out", "{out}/report.json")),
    (_MADE, 1, ("report", "{folder}", "--format", "markdown", "--out", "{out}/report.md")),
    (_MADE, 1, ("report", "{folder}", "--format", "html", "--out", "{out}/report.html")),
    (_MADE, 10, ("gate", "{folder}", "--policy", "{sound}/policy.toml")),
    (_MADE, 5, ("gate", "--init", "{folder}", "--out", "{out}/p.toml", "--accept", "a test")),
    (_MADE, 10, ("diff", "{sound}/campaign", "{folder}")),
    (_MADE, 5, ("drift", "{place}")),
    (_BOTH, 10, ("align", "{folder}", "--reference", "wall", "--out", "{out}/aligned")),
    (("meter",), 10, ("merge", "{folder}", "{sound}/wall", "--out", "{out}/merged")),
    (("wall",), 10, ("merge", "{sound}/meter", "{folder}", "--out", "{out}/merged")),
    (_MADE, 10, ("plan", "{folder}")),
    (_MADE, 10, ("run", "--resume", "{folder}")),
    (_MADE, 2, ("observe", "{folder}")),
    (_MADE, 2, ("characterize", "half", "--folder", "{folder}")),
    (_MADE, 10, ("correct", "{sound}/table.csv", "--calibration", "{folder}/calibration.json",
                 "-p", "half", "--energy", "energy=package-0")),
)  # fmt: skip
#: Mutations that one process tries.
_BATCH = 25


@dataclass(frozen=True)
class Outcome:
    """What a command made of a damaged folder."""

    what: str
    command: str
    taken: Taken
    outside: bool

    @property
    def faults(self) -> Iterator[str]:
        """Yield what is wrong with it."""
        yield from self.taken.faults
        if self.outside:
            yield "changed something outside of the folder"


def make_sound(place: Path) -> None:
    """Write what mutations start from: campaigns, imports, a policy, and a table to correct."""
    half = Fake(lambda watts, seconds: 0.5 * watts * seconds, domain("package-0"))
    shifted = Fake(lambda watts, seconds: (watts + 5) * seconds, domain("package-0", "wall"))
    loads = {"idle": 20.0, "gemm": 60.0}
    build(place / "campaign", {"truth": truth(), "half": half}, loads, (2.0, 3.0))
    build(place / "other", {"truth": truth(), "shifted": shifted, "half": half}, loads, (2.0,))
    _mark_phases(place / "other")
    (place / "table.csv").write_text("energy,seconds\n200.0,10\n40.0,2\n")
    _import(place, "meter", "machine")
    _import(place, "wall", "node")
    for line in (
        "merge {place}/meter {place}/wall --out {place}/both",
        "analyze {place}/campaign",
        "analyze {place}/other",
        "analyze {place}/both --reference wall",
        "gate --init {place}/campaign --accept test --out {place}/policy.toml",
    ):
        code, error, words = run([word.format(place=place) for word in line.split()])
        if code or error:
            raise RuntimeError(f"{line}: {code} {error} {words}")


def _import(place: Path, name: str, scope: str) -> None:
    """Import a minute of power that rises and falls."""
    table, mapping = place / f"{name}.csv", place / f"{name}.toml"
    rows = (f"{1_750_000_000 + n},{50 + 100 * (n * n % 7 > 2)}\n" for n in range(61))
    table.write_text("time,figure\n" + "".join(rows))
    mapping.write_text(
        '[time]\ncolumn="time"\nunit="s"\n[[value]]\ncolumn="figure"\nunit="W"\nkind="power"\n'
        f'scope="{scope}"\nprobe="{name}"\n'
    )
    run(["import", "csv", str(table), "--mapping", str(mapping), "--out", str(place / name)])


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
    try:
        text = path.read_text()
        lines = text.splitlines() if path.suffix == ".jsonl" else [text]
        number = chance.randrange(len(lines))
        document = json.loads(lines[number])
    except ValueError:
        return _bytes(path, victim, chance)
    holders = list(_holders(document))
    if not holders:
        return _bytes(path, victim, chance)
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


# ---- trials ----


def trial(sound: Path, seed: int) -> Outcome:
    """Damage a copy of a sound folder and run one command on it, in this process."""
    chance = random.Random(seed)  # noqa: S311
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        folder, victim, out = place / "many" / "damaged", place / "victim", place / "out"
        weights = [weight for _, weight, _ in COMMANDS]
        kinds, _, words = chance.choices(COMMANDS, weights=weights)[0]
        shutil.copytree(sound / chance.choice(kinds), folder)
        if "{place}" in words:  # which reads several campaigns
            shutil.copytree(sound / "campaign", folder.parent / "sound")
        victim.mkdir()
        out.mkdir()
        (victim / "notes").write_text("precious\n")
        what = mutate(folder, victim, chance)
        places = {"folder": folder, "place": folder.parent, "sound": sound, "out": out}
        command = [word.format(**places) for word in words]
        before = digest(victim), digest(sound)
        taken = measured(lambda: run(command))
        outside = before != (digest(victim), digest(sound))
        return Outcome(f"seed {seed}: {what}", " ".join(words[:3]), taken, outside)


def trials(sound: Path, seeds: Sequence[int]) -> list[Outcome]:
    """Try a batch in a process of its own; where it ends early, each in one of its own."""
    found = apart(lambda: [_plain(trial(sound, seed)) for seed in seeds], _KILLED_S * len(seeds))
    if isinstance(found, list):
        return [_outcome(each) for each in found]
    if len(seeds) == 1:
        taken = Taken(70, f"ended by signal {found}", "", 0.0, 0)
        return [Outcome(f"seed {seeds[0]}", "not known", taken, False)]
    return [each for seed in seeds for each in trials(sound, [seed])]


#: Seconds that a trial may take, on a busy machine, before its process is ended.
_KILLED_S = 60


def _plain(found: Outcome) -> list[Any]:
    taken = found.taken
    figures = taken.code, taken.error, "", taken.cpu_s, taken.memory_bytes
    return [found.what, found.command, figures, found.outside]


def _outcome(plain: list[Any]) -> Outcome:
    what, command, figures, outside = plain
    return Outcome(what, command, Taken(*figures), outside)


def main() -> int:
    """Print what a number of mutations came to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so many")
    asked = parser.parse_args()
    ended: Counter[tuple[str, int]] = Counter()
    faults: Counter[str] = Counter()
    until_s = time.monotonic() + 60 * asked.minutes
    most_s, most_bytes = 0.0, 0
    with tempfile.TemporaryDirectory() as name:
        sound = Path(name)
        make_sound(sound)
        last = asked.seed + asked.count
        for first in range(asked.seed, last, _BATCH):
            if time.monotonic() > until_s:
                break
            for found in trials(sound, range(first, min(first + _BATCH, last))):
                ended[found.command, found.taken.code] += 1
                most_s = max(most_s, found.taken.cpu_s)
                most_bytes = max(most_bytes, found.taken.memory_bytes)
                for fault in found.faults:
                    faults[fault] += 1
                    if faults[fault] == 1:
                        sys.stdout.write(f"{fault}\n    {found.command}, {found.what}\n")
                        sys.stdout.flush()
    for (command, code), count in sorted(ended.items()):
        sys.stdout.write(f"{count:7}  {command}: exit code {code}\n")
    sys.stdout.write(
        f"{ended.total()} mutations, {faults.total()} faults; at most {most_s:.1f} s and "
        f"{most_bytes >> 20} MiB\n"
    )
    for fault, count in faults.most_common():
        sys.stdout.write(f"{count:7}  {fault}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
