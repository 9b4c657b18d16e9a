"""One probe, one process, one file a run.

    python -m calibrate.probe.recorder ADAPTER [KEY=VALUE ...]

The file of a run holds JSON lines, one document each:

    {"doc": "probe", ...}     once, after open: name, domains, period, facts
    {"doc": "reading", ...}   values with the instants before and after they were taken
    {"doc": "begin", ...}     the instants around `Probe.begin`; the same for "end"
    {"doc": "stop", ...}      once, at the end: how it ended, how many readings, CPU time used

The parent writes orders on standard input, one a line, and gets a word back when one is done:

    open {"out": FILE, "pid": PID}   open the probe, for a workload or null    -> ready
    record                           read once per period from now on
    begin                            call `Probe.begin`                        -> begun
    end                              call `Probe.end`                          -> ended
    stop                             read once more, close the probe and FILE  -> closed

A file that has grown to 64 MiB ends with {"doc": "continued", "part": 2} and goes on in FILE.2,
and so on, so that a run of days is no single file.

After ``closed`` the next ``open`` may come, for another run, or ``stop``, which ends the process.
Until then the probe is closed and this process does nothing but wait for its input. A recorder
ends after ``stop`` without a word where its probe does not say that it `reopens`, where it failed,
and where it left a thread running: the parent starts a new one for the next run.

A closed input means that the parent is gone: stop. All instants are CLOCK_MONOTONIC nanoseconds.

This module imports the standard library only: a probe may live under an interpreter of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import select
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from calibrate.linux.processes import die_with_parent
from calibrate.probe.adapter import load_probe
from calibrate.probe.checked import BadReturn, CheckedProbe
from calibrate.probe.contract import Domain, Probe, Target, Unavailable
from calibrate.probe.secret import revealed

SCHEMA = 1
#: Bytes from which on a run goes on in a further file.
PART_BYTES = 64 << 20
#: How long the threads of a closed probe may take to end.
_THREADS_END_S = 1.0


class Stated(NamedTuple):
    """What the user states of a meter: its step, J, and the standard uncertainty of its gain."""

    step_j: float | None = None
    u_relative: float | None = None

    def of(self, domain: Domain) -> Domain:
        """Return a domain with what is stated; a power has no step in joules."""
        step_j = self.step_j if domain.kind != "power" else None
        return replace(
            domain,
            resolution_j=domain.resolution_j if step_j is None else step_j,
            u_relative=domain.u_relative if self.u_relative is None else self.u_relative,
        )


class Journal:
    """The probe's file, and those that continue it; every document is a line, written at once.

    Parameters
    ----------
    path : of the first file.
    part_bytes : from so many bytes on a further file is begun.
    """

    def __init__(self, path: Path, part_bytes: int = PART_BYTES) -> None:
        self._path, self._part_bytes, self._part, self._size = path, part_bytes, 1, 0
        self._file = path.open("w", buffering=1, encoding="utf-8")

    def put(self, doc: str, **fields: object) -> None:
        """Append one document."""
        line = json.dumps({"doc": doc, **fields}) + "\n"
        if self._size + len(line) > self._part_bytes and self._size:
            self._continue()
        self._file.write(line)
        self._size += len(line)

    def _continue(self) -> None:
        """Go on in a further file, which is there before the last line of this one names it."""
        self._part += 1
        path = self._path.with_name(f"{self._path.name}.{self._part}")
        further = path.open("w", buffering=1, encoding="utf-8")
        self._file.write(json.dumps({"doc": "continued", "part": self._part}) + "\n")
        self._file.close()
        self._file, self._size = further, 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(frozen=True)
class Order:
    """A word from the parent, and what belongs to it."""

    word: str
    out: str = ""
    pid: int | None = None

    @classmethod
    def parse(cls, line: str) -> Order:
        """Return the order that a line is."""
        word, _, details = line.partition(" ")
        return cls(word, **json.loads(details or "{}"))


class Orders:
    """Orders from the parent, one a line; ``stop`` when the parent is gone."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pending = b""

    def next(self, until_ns: int | None) -> Order | None:
        """Return the next order, or None when the instant comes first; wait for ever on None."""
        while b"\n" not in self._pending:
            wait = None if until_ns is None else max(0.0, (until_ns - time.monotonic_ns()) / 1e9)
            if not select.select([self._descriptor], [], [], wait)[0]:
                return None
            chunk = os.read(self._descriptor, 4096)
            if not chunk:
                return Order("stop")
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return Order.parse(line.decode().strip())


class Recorder:
    """Read one opened probe, for one run, until told to stop.

    Parameters
    ----------
    probe : an opened probe.
    journal : where documents go.
    answer : tells the parent a word.
    period_s : seconds between two readings; the probe's own unless given.
    stated : what the user states of the meter.
    now_ns : the clock, CLOCK_MONOTONIC.
    """

    def __init__(
        self,
        probe: Probe,
        journal: Journal,
        answer: Callable[[str], None],
        period_s: float | None = None,
        stated: Stated = Stated(),  # noqa: B008 - it never changes
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._now_ns = now_ns
        self._probe = probe
        self._stated = stated
        self._checked = CheckedProbe(probe)
        self._journal = journal
        self._answer = answer
        self._period_s = period_s or self._checked.period_s
        self._due_ns: int | None = None
        self.readings = 0
        self.missed = 0

    @property
    def rejected(self) -> int:
        """Values that were no number, and were left out."""
        return self._checked.rejected

    def describe(self) -> None:
        """Write the description: everything that stays the same in this run."""
        facts = self._checked.facts()
        self._journal.put(
            "probe",
            schema=SCHEMA,
            name=self._checked.name,
            period_s=self._period_s,
            domains=[asdict(self._stated.of(domain)) for domain in self._checked.domains],
            facts=facts,
            library={"name": self._checked.library, "version": facts.get("release", "")},
            python=platform.python_version(),
            pid=os.getpid(),
        )

    def try_read(self) -> None:
        """Read once and keep nothing, so that what a probe returns wrongly shows before the run."""
        self._checked.read()

    def follow(self, orders: Orders) -> None:
        """Obey orders and read on time until ``stop``."""
        period_ns = int(self._period_s * 1e9)
        while True:
            order = orders.next(self._due_ns)
            word = order.word if order else ""
            if word == "stop":
                if self._due_ns is not None:
                    self.read()
                return
            if order is None and self._due_ns is not None:
                self.read()
                late = max(0, self._now_ns() - self._due_ns) // period_ns
                self.missed += late
                self._due_ns += (late + 1) * period_ns
            elif word == "record":
                self._due_ns = self._now_ns()
            elif word == "begin":
                self._mark("begin", self._probe.begin)
                self._answer("begun")
            elif word == "end":
                self._mark("end", self._probe.end)
                self._answer("ended")

    def _mark(self, name: str, call: Callable[[], None]) -> None:
        before = self._now_ns()
        call()
        after = self._now_ns()
        self._journal.put(name, before_ns=before, after_ns=after)
        self.read()
        # What fell due meanwhile was not missed for being slow to read.
        if self._due_ns is not None:
            period_ns = int(self._period_s * 1e9)
            self._due_ns += -(-max(0, after - self._due_ns) // period_ns) * period_ns

    def read(self) -> None:
        """Take one reading and write it."""
        before = self._now_ns()
        values = self._checked.read()
        after = self._now_ns()
        self._keep(before, after, values)
        for at_ns, dated in self._checked.drain():
            self._keep(at_ns, at_ns, dated)

    def _keep(self, before_ns: int, after_ns: int, values: Mapping[str, float]) -> None:
        if values:
            self._journal.put("reading", before_ns=before_ns, after_ns=after_ns, values=values)
            self.readings += 1


class ProbeRecorder:
    """A probe of one adapter, recorded run after run in this process.

    Parameters
    ----------
    adapter : the adapter's file.
    options : ``KEY=VALUE`` each, for the probe; ``rate_hz``, ``step_j`` and ``u_relative`` are the
        recorder's own.
    answer : tells the parent a word.
    """

    def __init__(self, adapter: Path, options: tuple[str, ...], answer: Callable[[str], None]):
        self._adapter = adapter
        self._settings = dict(option.split("=", 1) for option in options)
        rate_hz = float(self._settings.pop("rate_hz", 0))
        self._period_s = 1 / rate_hz if rate_hz else None
        own = (self._settings.pop(name, None) for name in Stated._fields)
        self._stated = Stated(*(None if text is None else float(text) for text in own))
        self._answer = answer
        self._probe: Probe | None = None

    def record(self, order: Order, orders: Orders) -> bool:
        """Record one run into its file; return whether the probe may be opened once more."""
        journal = Journal(Path(order.out))
        cpu_before = time.process_time_ns()
        recorder: Recorder | None = None
        stop = _stop("ok")
        try:
            if self._probe is None:
                self._probe = load_probe(self._adapter)()
            self._probe.open(Target(order.pid, revealed(self._settings)))
            recorder = Recorder(self._probe, journal, self._answer, self._period_s, self._stated)
            recorder.describe()
            recorder.try_read()
            self._answer("ready")
            cpu_before = time.process_time_ns()
            recorder.follow(orders)
            self._probe.close()
        except Exception as error:  # the probe failed: that is a finding, not a crash
            stop = self._failure(error)
        counts = {
            name: getattr(recorder, name) if recorder else 0
            for name in ("readings", "missed", "rejected")
        }
        cpu_s = (time.process_time_ns() - cpu_before) / 1e9
        journal.put("stop", **stop, **counts, cpu_s=cpu_s, at_ns=time.monotonic_ns())
        journal.close()
        return stop["status"] == "ok" and self._rests()

    def _failure(self, error: Exception) -> dict[str, str]:
        """Return how a run ends with an error; what nobody foresaw is told in full on stderr."""
        if isinstance(error, Unavailable):
            return _stop("unavailable", str(error.why), str(error.fix))
        if isinstance(error, BadReturn):
            return _stop("failed", str(error), f"correct {error.method} in {self._adapter}")
        sys.stderr.write("".join(traceback.format_exception(error)))
        return _stop("failed", f"{type(error).__name__}: {error}"[:500])

    def _rests(self) -> bool:
        """Tell whether the closed probe costs nothing: it says so, and leaves no thread behind."""
        if self._probe is None or not self._probe.reopens:
            return False
        until_s = time.monotonic() + _THREADS_END_S
        for thread in threading.enumerate():
            if thread is not threading.current_thread():  # it may be about to end
                thread.join(max(0.0, until_s - time.monotonic()))
        return threading.active_count() == 1


def _stop(status: str, reason: str = "", fix: str = "") -> dict[str, str]:
    return {"status": status, "reason": reason, "fix": fix}


def main(adapter: str, *options: str) -> int:
    """Record run after run, as the parent orders, until it says stop or the probe cannot go on."""
    _die_with_parent()
    answer = _own_stdout()
    orders = Orders(0)
    probe = ProbeRecorder(Path(adapter), options, answer)
    while (order := orders.next(None)) and order.word != "stop":
        if not probe.record(order, orders):
            break
        answer("closed")
    return 0


def _own_stdout() -> Callable[[str], None]:
    """Keep standard output for the parent, and send what libraries print to standard error."""
    private = os.dup(1)
    os.dup2(2, 1)

    def answer(word: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # the parent is gone, and orders end, too
            os.write(private, word.encode() + b"\n")

    return answer


def _die_with_parent() -> None:
    """Ask the kernel to end this process with its parent, should it hang just then."""
    # Without it, it still stops when its input closes.
    with contextlib.suppress(ImportError, OSError, AttributeError):
        die_with_parent()


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # a library's threads must not keep a finished recorder alive
