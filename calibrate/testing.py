"""The contract test of a probe, for its author; pytest is not needed.

    import calibrate.testing
    from my_package.meter import MyMeter

    def test_my_meter():
        calibrate.testing.check_probe(MyMeter, address="127.0.0.1")

`check_probe` does with a probe what a recorder does, here and then in a process of its own, and
says what is not as `calibrate.Probe` promises. On a simulated machine a probe finds hardware:

    crosswatt bench exec -- pytest
"""

from __future__ import annotations

import ast
import inspect
import math
import os
import re
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from calibrate import catalog
from calibrate.probe import About, Domain, Probe, Target, Unavailable
from calibrate.probe.adapter import load_probe
from calibrate.probe.checked import BadReturn, CheckedProbe
from calibrate.scratch import scratch_folder

__all__ = ["ContractError", "ProbeReport", "check_probe"]

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
#: Readings of a window here, and the longest wait between two.
_READS, _WAIT_S = 4, 0.05
#: How long a recorder records it: two periods, within these limits.
_LEAST_S, _MOST_S = 0.3, 3.0
#: How long threads may take to end after `close`, as with a recorder.
_THREADS_END_S = 1.0


class ContractError(AssertionError):
    """A probe does not keep its contract.

    Parameters
    ----------
    name : the probe's.
    violations : what is wrong, a sentence each.
    """

    def __init__(self, name: str, violations: tuple[str, ...]) -> None:
        super().__init__(f"{name} breaks the contract of a probe:\n- " + "\n- ".join(violations))
        self.violations = violations


@dataclass(frozen=True)
class ProbeReport:
    """What a probe that keeps its contract is like here.

    Parameters
    ----------
    name : the probe's.
    available : whether it could be opened here.
    why, fix : why not, and what would help; empty if it could.
    domains : what it measures.
    silent : the names of domains that had no value in any reading.
    facts : versions, mode and settings.
    readings : how many a recorder took in a process of its own; None where it was not tried, since
        the probe cannot be opened, or is defined in no file.
    """

    name: str
    available: bool = False
    why: str = ""
    fix: str = ""
    domains: tuple[Domain, ...] = ()
    silent: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    readings: int | None = None


def check_probe(probe: type[Probe] | str | os.PathLike[str], /, **settings: object) -> ProbeReport:
    """Check that a probe keeps its contract; see `calibrate.Probe`.

    Its methods are called here in the order in which a recorder calls them, twice from `open` to
    `close`; then a recorder takes readings in a process of its own for a moment.

    Parameters
    ----------
    probe : a class, the path of an adapter file, or a name as in ``crosswatt probes``. A class in a
        file of that name is held to be an adapter: it may import no library at module level. A
        class of a notebook, or of the script that runs, is tried in this process only.
    settings : options for `Probe.open`, as ``--set`` gives them.

    Returns
    -------
    ProbeReport : what it is like. A probe that says why it is `Unavailable` here keeps its
        contract; see ``available``.

    Raises
    ------
    ContractError : it does not; the message has one sentence for each violation.
    UnknownName, BadFile : there is no such probe, or its file cannot be loaded.
    """
    kind, file, named = _resolved(probe)
    options = {key: str(value) for key, value in settings.items()}
    name = str(getattr(kind, "name", kind.__name__))
    violations = [*_class_violations(kind, file, named)]
    report = ProbeReport(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of a library are its own business
        if not violations:
            visit = _Visit(kind, options)
            report = visit.report(name)
            violations += visit.violations
    if not violations and report.available and file is not None:
        report, more = _recorded(report, file, kind, options)
        violations += more
    if violations:
        raise ContractError(name, tuple(dict.fromkeys(violations)))
    return report


def _resolved(
    probe: type[Probe] | str | os.PathLike[str],
) -> tuple[type[Probe], Path | None, str | None]:
    """Return a probe's class, its file, and the name that it has to have as an adapter.

    A class of a file that is no adapter is followed, in the path, by its name. The file of a script
    that runs is none: a recorder that loads it would run it again.
    """
    if inspect.isclass(probe):
        if not issubclass(probe, Probe):
            raise TypeError(f"{probe.__name__} is no subclass of calibrate.Probe.")
        with suppress(TypeError, OSError):
            file = Path(inspect.getfile(probe))
            there = "." not in probe.__qualname__ and probe.__module__ != "__main__"
            if file.is_file() and there:
                if file.stem == getattr(probe, "name", ""):
                    return probe, file, file.stem
                return probe, Path(f"{file}:{probe.__name__}"), None
        return probe, None, None
    text = os.fspath(probe)
    if os.sep in text or text.endswith(".py"):
        return load_probe(Path(text)), Path(text), Path(text).stem.rstrip("_")
    path = catalog.find("adapters", text)
    return load_probe(path), path, text


# ---- what can be seen before it is opened ----


def _class_violations(kind: type[Probe], file: Path | None, named: str | None) -> Iterator[str]:
    """Yield what is wrong with a class, and with an adapter file."""
    name = getattr(kind, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield f"name is {name!r}: it is letters, digits, dots and dashes, and names a file."
    if inspect.isabstract(kind):
        yield f"It lacks {' and '.join(sorted(kind.__abstractmethods__))}()."
    if kind.about is not None and not isinstance(kind.about, About):
        yield f"about is {kind.about!r}: it is an About, or None."
    if named is not None and named != name:
        yield f"name is {name!r}: a probe has the name of its file, or of its entry point: {named}."
    if named is not None and file is not None and file.suffix == ".py":
        for module in _libraries(file):
            yield f"Its file imports {module}: import it in open(), for listing is to need none."


def _libraries(file: Path) -> list[str]:
    """Return what a file imports at module level beyond calibrate and a package that it is in."""
    known = {*sys.stdlib_module_names, "calibrate"}
    for folder in file.resolve().parents:
        if not (folder / "__init__.py").exists():
            break
        known.add(folder.name)
    modules: list[str] = []
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules.append("." * node.level + (node.module or ""))
    return [each for each in modules if each.partition(".")[0] not in known]


# ---- one visit: open ... close ----


class _Visit:
    """Everything from `open` to `close` of one object, with what is wrong in it."""

    def __init__(self, kind: type[Probe], options: Mapping[str, str]) -> None:
        self._kind, self._target = kind, Target(os.getpid(), options)
        self.violations: list[str] = []
        self._domains: dict[str, Domain] = {}
        self._last: dict[str, float] = {}

    def report(self, name: str) -> ProbeReport:
        """Go through it; return what the probe is like."""
        probe, threads = self._kind(), {*threading.enumerate()}
        try:
            probe.open(self._target)
        except Unavailable as missing:
            self.violations += _unavailable_violations(missing)
            return ProbeReport(name, why=missing.why, fix=missing.fix)
        except Exception as error:
            self.violations.append(
                f"open() raised {_said(error)}: where the probe cannot work, raise Unavailable "
                "with the reason and the fix."
            )
            return ProbeReport(name)
        facts: Mapping[str, str] = {}
        try:
            with self._noted("domains"):
                checked = CheckedProbe(probe)
                self._check_domains(checked, probe)
                with self._noted("facts"):
                    facts = checked.facts()
                if not self.violations:
                    self._check_window(checked, probe)
        finally:
            with self._noted("close"):
                probe.close()
        if self._kind.reopens and not self.violations:
            self._check_rest(threads)
        self.violations += self._second_violations(probe)
        silent = tuple(each for each in self._domains if each not in self._last)
        return ProbeReport(name, True, "", "", tuple(self._domains.values()), silent, facts)

    @contextmanager
    def _noted(self, method: str) -> Iterator[None]:
        """Take what a method raises, or returns wrongly, for a violation."""
        try:
            yield
        except BadReturn as mistake:
            self.violations.append(f"{mistake}.")
        except Exception as error:
            self.violations.append(f"{method}() raised {_said(error)}.")

    def _check_domains(self, checked: CheckedProbe, probe: Probe) -> None:
        for domain in checked.domains:
            self.violations += _domain_violations(domain, self._kind)
        if list(probe.domains()) != checked.domains:
            self.violations.append("domains() changed: it is fixed once open() has returned.")
        self._domains = {domain.name: domain for domain in checked.domains}

    def _check_window(self, checked: CheckedProbe, probe: Probe) -> None:
        """Read before, in and after a window, as a recorder does, until something is wrong."""
        wait_s = min(_WAIT_S, self._kind.period_s)
        self._read(checked)
        with self._noted("begin"):
            probe.begin()
        self._last.clear()  # a counter of a tracker may start again with its window
        for _ in range(_READS):
            if not self.violations:
                self._read(checked)
                time.sleep(wait_s)
        with self._noted("end"):
            probe.end()
        if not self.violations:
            self._read(checked)

    def _read(self, checked: CheckedProbe) -> None:
        """Take a reading, and what the meter dates itself."""
        with self._noted("read"):
            self._check_values(checked.read(), "read")
        before_ns = 0
        with self._noted("drain"):
            for at_ns, values in checked.drain():
                if not before_ns <= at_ns <= time.monotonic_ns():
                    self.violations.append(
                        f"drain() dates a reading {at_ns}: it is an instant of the past, in "
                        "CLOCK_MONOTONIC ns, and not before the one before it."
                    )
                    return
                before_ns = at_ns
                self._check_values(values, "drain")
        if checked.rejected:
            self.violations.append("A value is NaN or infinite: leave it out instead.")

    def _check_values(self, values: Mapping[str, float], what: str) -> None:
        """Check that counters grow, and stay below where they wrap."""
        for name, value in values.items():
            before, wraps = self._last.get(name), self._domains[name].wraps_at_j
            self._last[name] = value
            if self._domains[name].kind != "counter":
                continue
            if value < 0 or (wraps is not None and value > wraps):
                within = "below zero" if wraps is None else f"not between 0 and {wraps:g} J"
                self.violations.append(f"{what}() has {value:g} J for {name}: it is {within}.")
            elif before is not None and value < before and wraps is None:
                self.violations.append(
                    f"{name} fell from {before:g} to {value:g} J: a counter grows; say where it "
                    "starts again by wraps_at_j."
                )

    def _check_rest(self, before: set[threading.Thread]) -> None:
        """Check that a probe whose process stays leaves nothing running in it."""
        until_s = time.monotonic() + _THREADS_END_S
        for thread in {*threading.enumerate()} - before:
            thread.join(max(0.0, until_s - time.monotonic()))
            if thread.is_alive():
                self.violations.append(
                    f"It says that it reopens, and leaves the thread {thread.name} after close()."
                )

    def _second_violations(self, probe: Probe) -> Iterator[str]:
        """Yield why a probe that was closed cannot be opened again."""
        if self.violations:
            return
        again = probe if self._kind.reopens else self._kind()
        try:
            again.open(self._target)
            again.domains()
            again.read()
            again.close()
        except Exception as error:
            yield f"It cannot be opened again after close(): {_said(error)}."


def _domain_violations(domain: Domain, kind: type[Probe]) -> Iterator[str]:
    """Yield what is wrong with the description of a domain."""
    for key, least in (("resolution_j", 0.0), ("wraps_at_j", 0.0), ("u_relative", -1e-300)):
        value = getattr(domain, key)
        if value is not None and not (math.isfinite(value) and value > least):
            yield f"{key} of {domain.name} is {value!r}: it is a number above zero, or None."
    if domain.kind == "window" and kind.begin is Probe.begin:
        yield f"{domain.name} counts since begin(), and there is no begin()."


def _unavailable_violations(missing: Unavailable) -> Iterator[str]:
    """Yield what a refusal lacks."""
    if not missing.why.strip() or "\n" in missing.why:
        yield f"Unavailable says why by {missing.why!r}: it is one line."
    if not missing.fix.strip():
        yield f"Unavailable ({missing.why}) has no fix: say what to type, or to do."


# ---- a recorder ----


def _recorded(
    report: ProbeReport, file: Path, kind: type[Probe], options: Mapping[str, str]
) -> tuple[ProbeReport, list[str]]:
    """Have a recorder read the probe for a moment, beside a process that sleeps."""
    from calibrate.campaign import Pause, Source, perform_run
    from calibrate.store import Job, load_run

    seconds = min(max(2 * kind.period_s, _LEAST_S), _MOST_S)
    nap = (sys.executable, "-c", f"import time; time.sleep({seconds})")
    job = Job(folder="-", number=1, workload="nap", arguments=nap)
    with scratch_folder() as folder:
        source = Source(report.name, file, options=options)
        state = perform_run(job, [source], folder, Pause(0.1, 0.1)).probes[report.name]
        count = len(load_run(folder).logs[report.name].readings)
    if state.status != "ok":
        return report, [f"In a process of its own it is {state.status}: {state.reason}."]
    if not count and len(report.silent) < len(report.domains):
        return report, ["In a process of its own it gave no reading."]
    return replace(report, readings=count), []


def _said(error: Exception) -> str:
    """Return an exception as text."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
