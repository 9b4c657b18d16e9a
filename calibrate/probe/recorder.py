"""One probe, one process, one file.

    python -m calibrate.probe.recorder ADAPTER OUT [KEY=VALUE ...]

The file holds JSON lines, one document each:

    {"doc": "probe", ...}     once, after open: name, domains, period, facts
    {"doc": "reading", ...}   values with the instants before and after they were taken
    {"doc": "begin", ...}     the instants around `Probe.begin`; the same for "end"
    {"doc": "stop", ...}      once, at the end: how it ended, how many readings, CPU time used

The parent writes words on standard input and gets a word back when each is done: ``record``
(start reading), ``begin`` -> ``begun``, ``end`` -> ``ended``, ``stop``. A closed input means that
the parent is gone: stop. All instants are CLOCK_MONOTONIC nanoseconds.

This module imports the standard library only: a probe may live under an interpreter of its own.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import select
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from calibrate.linux.processes import die_with_parent
from calibrate.probe.adapter import load_probe
from calibrate.probe.contract import Domain, Probe, Target, Unavailable

SCHEMA = 1


class Journal:
    """The probe's file; every document is a line, written at once."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", buffering=1, encoding="utf-8")

    def put(self, doc: str, **fields: object) -> None:
        """Append one document."""
        self._file.write(json.dumps({"doc": doc, **fields}) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Orders:
    """Words from the parent, one a line; ``stop`` when the parent is gone."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pending = b""

    def next(self, until_ns: int | None) -> str | None:
        """Return the next word, or None when the instant comes first; wait for ever on None."""
        while b"\n" not in self._pending:
            wait = None if until_ns is None else max(0.0, (until_ns - time.monotonic_ns()) / 1e9)
            if not select.select([self._descriptor], [], [], wait)[0]:
                return None
            chunk = os.read(self._descriptor, 4096)
            if not chunk:
                return "stop"
            self._pending += chunk
        word, _, self._pending = self._pending.partition(b"\n")
        return word.decode().strip()


class Recorder:
    """Read one opened probe until told to stop.

    Parameters
    ----------
    probe : an opened probe.
    journal : where documents go.
    answer : tells the parent a word.
    period_s : seconds between two readings; the probe's own unless given.
    """

    def __init__(
        self,
        probe: Probe,
        journal: Journal,
        answer: Callable[[str], None],
        period_s: float | None = None,
    ) -> None:
        self._probe = probe
        self._journal = journal
        self._answer = answer
        self._period_s = period_s or probe.period_s
        self._domains = probe.domains()
        self._names = {domain.name for domain in self._domains}
        self._due_ns: int | None = None
        self.readings = 0
        self.missed = 0
        self.rejected = 0

    def describe(self) -> None:
        """Write the description; everything that stays the same is said once, here."""
        facts = dict(self._probe.facts())
        name = self._probe.library or self._probe.name
        self._journal.put(
            "probe",
            schema=SCHEMA,
            name=self._probe.name,
            period_s=self._period_s,
            domains=[asdict(domain) for domain in self._domains],
            facts=facts,
            library={"name": name, "version": facts.get("release", "")},
            python=platform.python_version(),
            pid=os.getpid(),
        )

    def follow(self, orders: Orders) -> None:
        """Obey words and read on time until ``stop``."""
        period_ns = int(self._period_s * 1e9)
        while True:
            word = orders.next(self._due_ns)
            if word == "stop":
                if self._due_ns is not None:
                    self.read()
                return
            if word is None and self._due_ns is not None:
                self.read()
                late = max(0, time.monotonic_ns() - self._due_ns) // period_ns
                self.missed += late
                self._due_ns += (late + 1) * period_ns
            elif word == "record":
                self._due_ns = time.monotonic_ns()
            elif word == "begin":
                self._mark("begin", self._probe.begin)
                self._answer("begun")
            elif word == "end":
                self._mark("end", self._probe.end)
                self._answer("ended")

    def _mark(self, name: str, call: Callable[[], None]) -> None:
        before = time.monotonic_ns()
        call()
        after = time.monotonic_ns()
        self._journal.put(name, before_ns=before, after_ns=after)
        self.read()
        if (
            self._due_ns is not None
        ):  # what fell due meanwhile was not missed for being slow to read
            period_ns = int(self._period_s * 1e9)
            self._due_ns += -(-max(0, after - self._due_ns) // period_ns) * period_ns

    def read(self) -> None:
        """Take one reading and write it."""
        before = time.monotonic_ns()
        values = self._probe.read()
        after = time.monotonic_ns()
        self._keep(before, after, values)
        for at_ns, dated in self._probe.drain():
            self._keep(at_ns, at_ns, dated)

    def _keep(self, before_ns: int, after_ns: int, values: Mapping[str, float]) -> None:
        if kept := self._checked(values):
            self._journal.put("reading", before_ns=before_ns, after_ns=after_ns, values=kept)
            self.readings += 1

    def _checked(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the values that are numbers; anything but a mapping of numbers is a failure."""
        if not isinstance(values, Mapping):
            raise TypeError(f"read() returned {values!r:.80}, not joules or watts by domain")
        kept = {}
        for name, value in values.items():
            if name not in self._names:
                raise ValueError(f"read() returned a domain that was not described: {name!r:.80}")
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"read() returned {value!r:.80} for {name}, not a number")
            if math.isfinite(value):
                kept[name] = float(value)
            else:
                self.rejected += 1
        return kept


def main(adapter: str, out: str, *options: str) -> int:
    """Open the probe, say so, follow the parent's words, say how it ended."""
    _die_with_parent()
    answer = _own_stdout()
    journal = Journal(Path(out))
    settings = dict(option.split("=", 1) for option in options)
    rate_hz = float(settings.pop("rate_hz", 0))
    pid = int(settings.pop("pid", 0)) or None
    cpu_before = time.process_time_ns()
    recorder: Recorder | None = None
    stop: dict[str, object] = {"status": "ok", "reason": "", "fix": ""}
    try:
        probe = load_probe(Path(adapter))()
        probe.open(Target(pid, settings))
        recorder = Recorder(probe, journal, answer, 1 / rate_hz if rate_hz else None)
        recorder.describe()
        answer("ready")
        cpu_before = time.process_time_ns()
        recorder.follow(Orders(0))
        probe.close()
    except Unavailable as missing:
        stop = {"status": "unavailable", "reason": missing.why, "fix": missing.fix}
    except Exception as error:  # the probe failed: that is a finding, not a crash
        sys.stderr.write(traceback.format_exc())
        reason = f"{type(error).__name__}: {error}"[:500]
        stop = {"status": "failed", "reason": reason, "fix": ""}
    counts = {
        name: getattr(recorder, name) if recorder else 0
        for name in ("readings", "missed", "rejected")
    }
    cpu_s = (time.process_time_ns() - cpu_before) / 1e9
    journal.put("stop", **stop, **counts, cpu_s=cpu_s, at_ns=time.monotonic_ns())
    journal.close()
    return 0


def _own_stdout() -> Callable[[str], None]:
    """Keep standard output for the parent, and send what libraries print to standard error."""
    private = os.dup(1)
    os.dup2(2, 1)

    def answer(word: str) -> None:
        os.write(private, word.encode() + b"\n")

    return answer


def _die_with_parent() -> None:
    """Ask the kernel to end this process with its parent, should it hang just then."""
    # Without it, it still stops when its input closes.
    with contextlib.suppress(ImportError, OSError, AttributeError):
        die_with_parent()


__all__ = ["SCHEMA", "Domain", "Journal", "Orders", "Recorder", "main"]

if __name__ == "__main__":
    code = main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # a library's threads must not keep a finished recorder alive
