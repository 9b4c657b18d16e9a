"""One meter through many machines and faults, each time beside the truth.

A scenario is a simulated machine with a load and perhaps a fault; a trial is a meter in a scenario;
its outcome is a verdict:

    right        within the tolerance
    modelled     off, but the meter says itself that it estimates
    refused      no figure, and the reason given
    noticed      a wrong figure, but the meter complained
    misled       a wrong figure that nobody could have noticed in the files
    silent       a wrong figure without a word
    stopped      it crashed or hung

Loads go by the clock, not by the activity of this host, so that trials can run side by side.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from calibrate import catalog, judgement, series, store
from calibrate.bench.process import own
from calibrate.errors import CrosswattError, UnknownName
from calibrate.judgement import Known, Name
from calibrate.run import Source
from calibrate.series import Column
from calibrate.store import Document, Job, SourceRecord
from calibrate.trial import TRIAL, Trial

Verdict = Literal["right", "modelled", "refused", "noticed", "misled", "silent", "stopped"]
#: Verdicts that a meter should not get.
BAD: tuple[Verdict, ...] = ("silent", "stopped")
SCENARIOS = Path(__file__).resolve().parent / "scenarios.toml"
LOAD_WORD = "{load}"
J_PER = {
    "J": 1.0, "mJ": 1e-3, "uJ": 1e-6, "kJ": 1e3, "MJ": 1e6,
    "Wh": 3600.0, "mWh": 3.6, "kWh": 3.6e6, "Ws": 1.0,
}  # fmt: skip
_OUTSIDE_S = 180.0
_COMMAND = "command"


class Scenario(Document):
    """A machine, what is wrong with it, and whether that can be noticed."""

    name: str
    about: str
    model: str
    faults: tuple[str, ...] = ()
    noticeable: bool = True


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
                raise CrosswattError(f"{self.pattern!r} is not a regular expression: {error}") from None
            if groups != 1:
                raise CrosswattError(
                    f"{self.pattern!r} must have one group around the number, "
                    "as in 'energy: ([0-9.]+)', or be a path into JSON, as .cpu.joules."
                )

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


@dataclass(frozen=True)
class Finding:
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
    verdict: Verdict
    words: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Conformance:
    """A meter in all scenarios."""

    meter: str
    facts: Mapping[str, str]
    tolerance: float
    outcomes: tuple[Outcome, ...]
    faults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether the meter was wrong without a word, or did not survive."""
        return any(each.verdict in BAD for each in self.outcomes)


def load(path: Path = SCENARIOS, only: Sequence[str] = ()) -> Scenarios:
    """Read the scenarios of a file, or those of them that were asked for."""
    found = store.read_toml(path, Scenarios, "See calibrate/scenarios.toml for an example.")
    if not only:
        return found
    known = {each.name: each for each in found.scenario}
    for name in only:
        if name not in known:
            raise UnknownName("scenario", name, known)
    return found.model_copy(update={"scenario": tuple(known[name] for name in only)})


def run(
    meter: Source | Command,
    scenarios: Scenarios,
    tolerance: float = 0.01,
    at_once: int = 3,
    watch: Callable[[Outcome], None] = lambda outcome: None,
) -> Conformance:
    """Put a meter through all scenarios.

    Parameters
    ----------
    meter : a probe, or a command.
    scenarios : see `load`.
    tolerance : relative deviation that still is right.
    at_once : trials side by side.
    watch : called with each outcome, in the order of the scenarios.
    """
    outcomes: list[Outcome] = []
    facts: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="crosswatt-") as place:
        folders = [Path(place) / str(number) for number, _ in enumerate(scenarios.scenario)]

        def one(number: int) -> tuple[Outcome, Mapping[str, str]]:
            scenario, folder = scenarios.scenario[number], folders[number]
            folder.mkdir()
            trouble = _try(meter, scenario, scenarios, folder)
            if trouble:
                return Outcome(scenario, "stopped", trouble), {}
            return _judge(meter, scenario, store.load_run(folder), tolerance)

        with ThreadPoolExecutor(at_once) as pool:
            for outcome, said in pool.map(one, range(len(folders))):
                facts = facts or dict(said)
                outcomes.append(outcome)
                watch(outcome)
    name = meter.name if isinstance(meter, Source) else " ".join(meter.words)
    return Conformance(name, facts, tolerance, tuple(outcomes), _collect(outcomes))


def _collect(outcomes: Sequence[Outcome]) -> dict[str, tuple[str, ...]]:
    """Return the scenarios in which each named fault showed."""
    found: dict[str, list[str]] = {}
    for outcome in outcomes:
        for text in dict.fromkeys(f.name.text for f in outcome.findings if f.name):
            found.setdefault(text, []).append(outcome.scenario.name)
    return {text: tuple(names) for text, names in found.items()}


def _try(
    meter: Source | Command, scenario: Scenario, scenarios: Scenarios, folder: Path
) -> str | None:
    """Do one trial; return what went wrong with the trial itself, if anything."""
    truth = Source("truth", catalog.find("adapters", "truth"))
    chosen = [truth, meter] if isinstance(meter, Source) else [truth]
    idle = str(catalog.find("workloads", "idle"))
    last = ("--seconds", f"{scenarios.seconds:g}")
    job = Job(folder=folder.name, number=1, workload="idle", script=idle, arguments=last)
    if isinstance(meter, Command):
        words = _with_load(meter.words, (sys.executable, idle, "--marks", *last))
        job = Job(folder=folder.name, number=1, workload=_COMMAND, arguments=words)
    records = tuple(
        SourceRecord(name=s.name, adapter=str(s.adapter), python=str(s.python), options=dict(s.options))
        for s in chosen
    )
    store.save(folder / TRIAL, Trial(job=job, sources=records))
    arguments = ["exec", "--armed", "--model", scenario.model, "--load", scenarios.load]
    arguments += [f"--fault={fault}" for fault in scenario.faults]
    try:
        done = subprocess.run(
            [*own("calibrate.bench", *arguments), "--", *own("calibrate.trial", str(folder))],
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


def _judge(
    meter: Source | Command, scenario: Scenario, done: store.Run, tolerance: float
) -> tuple[Outcome, Mapping[str, str]]:
    if isinstance(meter, Command):
        return _judge_command(meter, scenario, done, tolerance), {}
    log, state = done.logs[meter.name], done.record.probes[meter.name]
    if state.status in ("hung", "killed"):
        return Outcome(scenario, "stopped", f"{state.status}: {state.reason}"), log.facts
    window = (done.record.begin_ns, done.record.end_ns)
    findings = tuple(_findings(done, log, window, tolerance))
    if state.status != "ok":
        return Outcome(scenario, "refused", state.reason, findings), log.facts
    return _verdict(scenario, findings, complained=bool(state.said)), log.facts


def _findings(
    done: store.Run, log: store.ProbeLog, window: tuple[int, int], tolerance: float
) -> Iterator[Finding]:
    """Yield every figure that the machine has a truth for."""
    for column in series.native(log.domains.values()):
        energy = series.energy(log, column, window)
        if energy is None:
            continue
        known = _known(done, (energy.begin_ns, energy.end_ns))
        if column.scope in known.true_j:
            yield _finding(column, energy.joules, energy.u_j, known, tolerance)


def _finding(column: Column, joules: float, u_j: float, known: Known, tolerance: float) -> Finding:
    true_j = known.true_j[column.scope]
    right = abs(joules - true_j) <= tolerance * true_j + 2 * u_j
    name = None if right else judgement.explain(joules, column.scope, known)
    return Finding(column.name, column.scope, column.basis, joules, true_j, name)


def _known(done: store.Run, window: tuple[int, int]) -> Known:
    """Return the truth over a window, and what counters there were."""
    log = done.logs["truth"]
    true_j: dict[str, float] = {}
    for column in series.columns(log.domains.values()):
        energy = series.energy(log, column, window)
        if energy is not None:
            true_j.setdefault(column.scope, energy.joules)
    for part in ("core", "uncore"):
        single = [joules for scope, joules in true_j.items() if scope.startswith(f"{part}-")]
        if single:
            true_j[part] = sum(single)
    ranges = {
        key.removeprefix("range "): float(fact.removesuffix(" J"))
        for key, fact in log.facts.items()
        if key.startswith("range ")
    }
    return Known(true_j, ranges)


def _judge_command(
    meter: Command, scenario: Scenario, done: store.Run, tolerance: float
) -> Outcome:
    said = (done.folder / "output.log").read_text(encoding="utf-8")
    joules = meter.joules(said)
    last = (said.strip().splitlines() or ["it said nothing"])[-1][:200]
    if joules is None:
        code = done.record.exit_code
        verdict: Verdict = "refused" if code > 0 or not code else "stopped"
        return Outcome(scenario, verdict, f"no energy in its output (exit code {code}): {last}")
    phases = done.record.phases
    window = (done.record.begin_ns, done.record.end_ns)
    if phases:
        window = (phases[0].begin_ns, phases[-1].end_ns)
    known = _known(done, window)
    if meter.scope not in known.true_j:
        return Outcome(scenario, "right", f"this machine has no {meter.scope}")
    column = Column("energy", meter.scope, "measured", "unknown", ())
    finding = _finding(column, joules, 0.0, known, tolerance)
    return _verdict(scenario, (finding,), complained=bool(done.record.exit_code))


def _verdict(scenario: Scenario, findings: tuple[Finding, ...], *, complained: bool) -> Outcome:
    """Return the outcome of a meter that gave figures."""
    if not findings:
        return Outcome(scenario, "refused", "it reports nothing that this machine has")
    wrong = [each for each in findings if each.name]
    if not wrong:
        return Outcome(scenario, "right", "", findings)
    worst = max(wrong, key=lambda each: (each.basis != "modelled", _size(each)))
    words = f"{worst.column}: {worst.name.text if worst.name else ''}"
    if worst.basis == "modelled":
        return Outcome(scenario, "modelled", words, findings)
    if complained:
        return Outcome(scenario, "noticed", words, findings)
    return Outcome(scenario, "silent" if scenario.noticeable else "misled", words, findings)


def _size(finding: Finding) -> float:
    return abs(finding.joules - finding.true_j) / max(finding.true_j, 1e-9)
