"""One meter through many machines and faults, each time beside the truth.

A scenario is a simulated machine with a load and perhaps a fault; a trial is a meter in a scenario;
its outcome is a verdict:

    right        within the tolerance
    modelled     off, but the meter says itself that it estimates
    refused      no figure, and the reason given
    noticed      a wrong figure, but the meter complained
    misled       a wrong figure that nobody could have noticed in the files
    silent       a wrong figure without a word
    stopped      it crashed, hung, did not start, or never reported anything

Loads go by the clock, not by the activity of this host, so that trials can run side by side.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from calibrate import catalog, store
from calibrate.bench import own
from calibrate.campaign import Source, source_records
from calibrate.conformance.naming import (
    ABSURD,
    OTHER,
    SOMETHING,
    UNPROTECTED,
    KnownEnergy,
    Name,
    Usual,
    explain,
    named,
)
from calibrate.conformance.trial import COUNTERS, TRIAL, Counters, Trial
from calibrate.diagnosis import find_report, load_reports
from calibrate.energy import Column, native_columns, probe_columns, window_energy
from calibrate.errors import CrosswattError, UnknownName
from calibrate.scratch import scratch_folder
from calibrate.store import Document, Job, Library

TrialVerdict = Literal["right", "modelled", "refused", "noticed", "misled", "silent", "stopped"]
#: Verdicts that a meter should not get.
BAD: tuple[TrialVerdict, ...] = ("silent", "stopped")
SCENARIOS = Path(__file__).resolve().parent / "scenarios.toml"
LOAD_WORD = "{load}"
J_PER = {
    "J": 1.0, "mJ": 1e-3, "uJ": 1e-6, "kJ": 1e3, "MJ": 1e6,
    "Wh": 3600.0, "mWh": 3.6, "kWh": 3.6e6, "Ws": 1.0,
}  # fmt: skip
_OUTSIDE_S = 180.0
#: Exit codes of a shell for a command that cannot be run.
_NOT_RUN = (126, 127)
#: How often a command is run without a load, and with how short a one.
_EMPTY_RUNS, _EMPTY_S = 3, 0.001
_COMMAND = "command"
_UNNAMED = (OTHER, ABSURD, "zero", SOMETHING)


class Scenario(Document):
    """A machine, what is wrong with it, and whether that can be noticed."""

    name: str
    about: str
    model: str
    faults: tuple[str, ...] = ()
    noticeable: bool = True

    @property
    def astray(self) -> str:
        """What a reading is called that only the scenario's fault explains."""
        return f"led astray: {self.about}"


class Scenarios(Document):
    """All scenarios of a file."""

    seconds: float
    load: str
    scenario: tuple[Scenario, ...]


@dataclass(frozen=True)
class Command:
    """A meter that is a command which prints joules.

    Parameters
    ----------
    words : the command; ``{load}`` in it becomes a command that lasts as long as the measurement.
    pattern : a regular expression with one group, or a path such as ``.cpu.joules`` into JSON.
    unit : what the figure is in; a key of `J_PER`.
    scope : what it covers.
    """

    words: tuple[str, ...]
    pattern: str
    unit: str = "J"
    scope: str = "machine"

    def __post_init__(self) -> None:
        if self.unit not in J_PER:
            raise UnknownName("unit of energy", self.unit, J_PER)
        if not self.pattern.startswith("."):
            try:
                groups = re.compile(self.pattern).groups
            except re.error as error:
                raise CrosswattError(
                    f"{self.pattern!r} is not a regular expression: {error}"
                ) from None
            if groups != 1:
                raise CrosswattError(
                    f"{self.pattern!r} must have one group around the number, "
                    "as in 'energy: ([0-9.]+)', or be a path into JSON, as .cpu.joules."
                )

    @property
    def name(self) -> str:
        """The command as it was typed."""
        return " ".join(self.words)

    def joules(self, text: str) -> float | None:
        """Return what the command's output says; the last match counts."""
        if self.pattern.startswith("."):
            found: object = _within(text, self.pattern)
        else:
            matches = re.findall(self.pattern, text)
            found = matches[-1] if matches else None
        try:
            return float(found) * J_PER[self.unit]  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return None


def _within(text: str, path: str) -> object:
    """Return what lies at a path of the last JSON document in a text."""
    for start in [text, *reversed(text.splitlines())]:
        try:
            value = json.loads(start)
        except ValueError:
            continue
        for key in path.strip(".").split("."):
            try:
                value = value[int(key)] if isinstance(value, list) else value[key]
            except (KeyError, IndexError, TypeError, ValueError):
                return None
        return value
    return None


MeterUnderTest = Source | Command


@dataclass(frozen=True)
class TrialFinding:
    """One figure of a meter beside the truth."""

    column: str
    scope: str
    basis: str
    joules: float
    true_j: float
    name: Name | None = None

    @property
    def ratio(self) -> float | None:
        """Reported over true; None where nothing was used."""
        return self.joules / self.true_j if self.true_j else None


@dataclass(frozen=True)
class Outcome:
    """What became of a meter in a scenario."""

    scenario: Scenario
    verdict: TrialVerdict
    words: str
    findings: tuple[TrialFinding, ...] = ()


@dataclass(frozen=True)
class Suspect:
    """A fault of a meter: its name, where it showed, and who reported it before, if anybody.

    ``unprotected`` where only the faults of scenarios explain it.
    """

    text: str
    scenarios: tuple[str, ...]
    reference: str = ""
    unprotected: bool = False


@dataclass(frozen=True)
class Conformance:
    """A meter in all scenarios."""

    meter: str
    facts: Mapping[str, str]
    tolerance: float
    outcomes: tuple[Outcome, ...]
    faults: tuple[Suspect, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the meter was wrong without a word, or did not survive."""
        return any(each.verdict in BAD for each in self.outcomes)


def load_scenarios(path: Path = SCENARIOS, only: Sequence[str] = ()) -> Scenarios:
    """Read the scenarios of a file, or those of them that were asked for."""
    found = store.read_toml(path, Scenarios, f"See {SCENARIOS} for an example.")
    if not only:
        return found
    known = {each.name: each for each in found.scenario}
    for name in only:
        if name not in known:
            raise UnknownName("scenario", name, known)
    return found.model_copy(update={"scenario": tuple(known[name] for name in only)})


def run_trials(
    meter: MeterUnderTest,
    scenarios: Scenarios,
    tolerance: float = 0.01,
    at_once: int = 3,
    watch: Callable[[Scenario], None] = lambda scenario: None,
) -> Conformance:
    """Put a meter through all scenarios.

    Parameters
    ----------
    meter : a probe, or a command.
    scenarios : see `load`.
    tolerance : relative deviation that still is right.
    at_once : trials side by side.
    watch : called with each scenario that is done, in their order.
    """
    facts: dict[str, str] = {}
    trials: list[_Done | str] = []
    with scratch_folder() as place, ThreadPoolExecutor(at_once) as pool:
        start = _start_up(meter, scenarios, place, pool)

        def one(number: int) -> _Done | str:
            folder = place / str(number)
            folder.mkdir()
            trouble = _try(meter, scenarios.scenario[number], scenarios, folder)
            return trouble or _measure(meter, store.load_run(folder), tolerance, start)

        for done in pool.map(one, range(len(scenarios.scenario))):
            watch(scenarios.scenario[len(trials)])
            trials.append(done)
    healthy = {
        scenario.model: done
        for scenario, done in zip(scenarios.scenario, trials, strict=True)
        if not scenario.faults and isinstance(done, _Done)
    }
    outcomes = []
    for scenario, done in zip(scenarios.scenario, trials, strict=True):
        if isinstance(done, str):
            outcomes.append(Outcome(scenario, "stopped", done))
            continue
        facts = facts or dict(done.facts)
        usual = healthy.get(scenario.model) if scenario.faults else None
        outcomes.append(_judge(scenario, done, usual))
    if _never_reported(scenarios.scenario, trials):
        outcomes = [replace(each, verdict="stopped") for each in outcomes]
    library = next(
        (done.library for done in trials if isinstance(done, _Done) and done.library), None
    )
    faults = _collect(outcomes, library)
    return Conformance(_label(meter), facts, tolerance, tuple(outcomes), faults)


def _never_reported(scenarios: Sequence[Scenario], trials: Sequence[_Done | str]) -> bool:
    """Tell whether a meter has no figure at all, though a sound machine had counters for it."""
    done = [each for each in trials if isinstance(each, _Done)]
    able = any(
        isinstance(each, _Done) and each.counters and not scenario.faults
        for scenario, each in zip(scenarios, trials, strict=True)
    )
    return able and not any(each.figures for each in done)


def _label(meter: MeterUnderTest) -> str:
    """Return a meter's name, with the settings it was given."""
    options = meter.options if isinstance(meter, Source) else {}
    given = ", ".join(f"{key}={value}" for key, value in options.items())
    return f"{meter.name} ({given})" if given else meter.name


@dataclass(frozen=True)
class _Figure:
    """A figure of a meter, and all that is known about the trial it is from."""

    column: Column
    joules: float
    known: KnownEnergy
    right: bool

    def finding(self, usual: Usual | None = None) -> TrialFinding:
        """Return it beside the truth, and with a name if it is wrong."""
        scope = self.column.scope
        name = None if self.right else explain(self.joules, scope, self.known, usual)
        true_j = self.known.true_j[scope]
        return TrialFinding(self.column.name, scope, self.column.basis, self.joules, true_j, name)


@dataclass(frozen=True)
class _Done:
    """A trial that was carried out.

    Parameters
    ----------
    status : how the meter ended; see `calibrate.store.ProbeState`.
    reason : why it did not end well.
    said : what it wrote to standard error.
    counters : whether the machine had any.
    """

    figures: tuple[_Figure, ...]
    status: str = "ok"
    reason: str = ""
    said: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    library: Library | None = None
    counters: bool = False


def _collect(outcomes: Sequence[Outcome], library: Library | None) -> tuple[Suspect, ...]:
    """Return every named fault of measured figures, with what users of the release reported."""
    names: dict[str, Name] = {}
    where: dict[str, list[str]] = {}
    for outcome in outcomes:
        wrong = [each for each in outcome.findings if each.name and each.basis != "modelled"]
        for name in dict.fromkeys(each.name for each in wrong if each.name):
            names.setdefault(name.text, name)
            where.setdefault(name.text, [])
            if outcome.scenario.name not in where[name.text]:
                where[name.text].append(outcome.scenario.name)
    return tuple(
        Suspect(text, tuple(where[text]), _reported(name, library), name.single == UNPROTECTED)
        for text, name in names.items()
    )


def _reported(name: Name, library: Library | None) -> str:
    """Return where users of the release reported a fault; empty where nobody did."""
    report = library and find_report(load_reports(), name.alternatives, library)
    return report.reference if report else ""


def _try(
    meter: MeterUnderTest, scenario: Scenario, scenarios: Scenarios, folder: Path
) -> str | None:
    """Do one trial; return what went wrong with the trial itself, if anything."""
    truth = Source("truth", catalog.find("adapters", "truth"))
    chosen = [truth, meter] if isinstance(meter, Source) else [truth]
    idle = str(catalog.find("workloads", "idle"))
    last = ("--seconds", f"{scenarios.seconds:g}")
    job = Job(
        folder=folder.name,
        number=1,
        workload="idle",
        script=idle,
        arguments=last,
        seconds=scenarios.seconds,
    )
    if isinstance(meter, Command):
        words = _with_load(meter.words, (sys.executable, idle, "--marks", *last))
        job = Job(folder=folder.name, number=1, workload=_COMMAND, arguments=words)
    store.save(folder / TRIAL, Trial(job=job, sources=source_records(chosen)))
    arguments = ["exec", "--armed", "--model", scenario.model, "--load", scenarios.load]
    arguments += [f"--fault={fault}" for fault in scenario.faults]
    try:
        done = subprocess.run(
            [*own("calibrate.bench", *arguments), "--", *own("calibrate.conformance", str(folder))],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_OUTSIDE_S,
        )
    except subprocess.TimeoutExpired:
        return f"the trial did not end within {_OUTSIDE_S:g} s"
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        return f"the trial ended with code {done.returncode}: {lines[-1]}"
    return None


def _with_load(words: Sequence[str], load_words: Sequence[str]) -> tuple[str, ...]:
    """Put the load's words where ``{load}`` stands."""
    found: list[str] = []
    for word in words:
        found += load_words if word == LOAD_WORD else [word]
    return tuple(found)


@dataclass(frozen=True)
class StartUp:
    """How long a command measures beside its load, from runs with hardly any.

    Parameters
    ----------
    seconds : what its figure of such a run is at the power that the machine had.
    u_s : standard uncertainty.
    """

    seconds: float = 0.0
    u_s: float = 0.0


def _start_up(
    meter: MeterUnderTest, scenarios: Scenarios, place: Path, pool: ThreadPoolExecutor
) -> StartUp:
    """Run a command without a load, on the first machine that has no fault."""
    healthy = [each for each in scenarios.scenario if not each.faults]
    if not isinstance(meter, Command) or LOAD_WORD not in meter.words or not healthy:
        return StartUp()
    empty = scenarios.model_copy(update={"seconds": _EMPTY_S})

    def one(number: int) -> float | None:
        folder = place / f"empty-{number}"
        folder.mkdir()
        trouble = _try(meter, healthy[0], empty, folder)
        return None if trouble else _seconds_of_figure(meter, store.load_run(folder))

    found = [each for each in pool.map(one, range(_EMPTY_RUNS)) if each is not None]
    if len(found) < _EMPTY_RUNS:
        return StartUp()
    u_s = float(np.std(found, ddof=1))
    return StartUp(max(float(np.mean(found)), 0.0), u_s)


def _seconds_of_figure(meter: Command, done: store.Run) -> float | None:
    """Return how long the machine took for what a command reports; None where it reports none."""
    joules = meter.joules((done.folder / "output.log").read_text(encoding="utf-8"))
    window = (done.record.begin_ns, done.record.end_ns)
    true_j = _known(done, window).true_j.get(meter.scope)
    if joules is None or not true_j:
        return None
    return joules / true_j * (window[1] - window[0]) / 1e9


def _measure(
    meter: MeterUnderTest, done: store.Run, tolerance: float, start: StartUp = StartUp()
) -> _Done:
    counters = bool(store.read(done.folder / COUNTERS, Counters).range_j)
    if isinstance(meter, Command):
        return replace(_measure_command(meter, done, tolerance, start), counters=counters)
    log, state = done.logs[meter.name], done.record.probes[meter.name]
    figures = []
    for column in native_columns(log.domains.values()):
        energy = window_energy(log, column, (done.record.begin_ns, done.record.end_ns))
        known = _known(done, (energy.begin_ns, energy.end_ns)) if energy else None
        if energy and known and column.scope in known.true_j:
            figures.append(_figure(column, energy.joules, energy.u_j, known, tolerance))
    return _Done(
        tuple(figures), state.status, state.reason, state.said, log.facts, log.library, counters
    )


def _figure(
    column: Column, joules: float, u_j: float, known: KnownEnergy, tolerance: float
) -> _Figure:
    true_j = known.true_j[column.scope]
    return _Figure(column, joules, known, abs(joules - true_j) <= tolerance * true_j + 2 * u_j)


def _known(done: store.Run, window: tuple[int, int]) -> KnownEnergy:
    """Return the truth over a window, and what counters there were."""
    log = done.logs["truth"]
    true_j: dict[str, float] = {}
    for column in probe_columns(log.domains.values()):
        energy = window_energy(log, column, window)
        if energy is not None:
            true_j.setdefault(column.scope, energy.joules)
    for part in ("core", "uncore"):
        single = [joules for scope, joules in true_j.items() if scope.startswith(f"{part}-")]
        if single:
            true_j[part] = sum(single)
    return KnownEnergy(true_j, store.read(done.folder / COUNTERS, Counters).range_j)


def _measure_command(meter: Command, done: store.Run, tolerance: float, start: StartUp) -> _Done:
    printed = (done.folder / "output.log").read_text(encoding="utf-8")
    last = (printed.strip().splitlines() or ["it said nothing"])[-1][:200]
    joules, code = meter.joules(printed), done.record.exit_code
    if joules is None:
        status = "killed" if code < 0 else "not started" if code in _NOT_RUN else "failed"
        return _Done((), status, f"no energy in its output (exit code {code}): {last}")
    phases = done.record.phases
    window = (done.record.begin_ns, done.record.end_ns)
    if phases:
        # What it measures before its load begins is its own start, and that of the load.
        window = (phases[0].begin_ns - round(1e9 * start.seconds), phases[-1].end_ns)
    known = _known(done, window)
    if meter.scope not in known.true_j:
        return _Done((), "failed", f"this machine has no {meter.scope}")
    column = Column("energy", meter.scope, "measured", "unknown", ())
    watts = known.true_j[meter.scope] / max((window[1] - window[0]) / 1e9, 1e-9)
    figure = _figure(column, joules, start.u_s * watts, known, tolerance)
    return _Done((figure,), said=f"exit code {code}" if code else "")


def _judge(scenario: Scenario, done: _Done, healthy: _Done | None) -> Outcome:
    """Return the outcome of a trial, in view of the same machine in good health."""
    usual = {
        figure.column.name: Usual(found.ratio, found.name)
        for figure in (healthy.figures if healthy else ())
        if (found := figure.finding()).name and found.ratio
    }
    findings = tuple(
        _named(scenario, each.finding(usual.get(each.column.name))) for each in done.figures
    )
    if done.status in ("hung", "killed", "not started"):
        return Outcome(scenario, "stopped", f"{done.status}: {done.reason}", findings)
    if done.status != "ok":
        return Outcome(scenario, "refused", done.reason, findings)
    if not findings:
        return Outcome(scenario, "refused", "it reports nothing that this machine has")
    measured = [each for each in findings if each.basis != "modelled"] or list(findings)
    wrong = [each for each in measured if each.name]
    if wrong:
        # What it says on a healthy machine as well is no complaint.
        complained = healthy is not None and _gist(done.said) not in ("", _gist(healthy.said))
        return _wrong(scenario, findings, wrong, complained=complained)
    here = {each.scope for each in findings}
    parts = [each.column for each in healthy.figures] if healthy else []
    missing = [each.name for each in parts if len(each.parts) == 1 and each.scope not in here]
    if missing:
        return Outcome(scenario, "refused", f"it leaves out {', '.join(missing)}", findings)
    guessed = [each for each in findings if each.name]
    words = "; ".join(f"{each.column}, an estimate: {each.name}" for each in guessed)
    return Outcome(scenario, "right", words, findings)


def _named(scenario: Scenario, finding: TrialFinding) -> TrialFinding:
    """Where nothing else explains a figure, the scenario's fault does."""
    if not scenario.faults or finding.name is None or finding.name.single not in _UNNAMED:
        return finding
    name = replace(named(UNPROTECTED, scenario.astray), besides=finding.name.besides)
    return replace(finding, name=name)


def _gist(words: str) -> str:
    """Return words without their numbers: clock times, paths, process numbers."""
    return re.sub(r"[\d.:/-]+", "", words)


def _wrong(
    scenario: Scenario,
    findings: tuple[TrialFinding, ...],
    wrong: Sequence[TrialFinding],
    *,
    complained: bool,
) -> Outcome:
    """Return the outcome of a meter that gave a wrong figure."""
    worst = max(wrong, key=lambda each: (each.basis != "modelled", _size(each)))
    words = f"{worst.column}: {worst.name}"
    if worst.basis == "modelled":
        return Outcome(scenario, "modelled", words, findings)
    if complained:
        return Outcome(scenario, "noticed", words, findings)
    return Outcome(scenario, "silent" if scenario.noticeable else "misled", words, findings)


def _size(finding: TrialFinding) -> float:
    return abs(finding.joules - finding.true_j) / max(finding.true_j, 1e-9)
