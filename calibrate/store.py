"""A campaign on disk: one folder, JSON documents, one file per probe and run.

    campaign.json             the plan, the machine, the order of the runs
    probes.json               which probes take part, and why the others do not
    001-gemm/run.json         one finished run; a run without it never happened
    001-gemm/rapl.jsonl       one probe: describe, readings, stop
    001-gemm/wall.columns     the readings of an imported probe, little-endian, one record each
    001-gemm/output.log       what the workload printed
    001-gemm.stray-1/         a run that was rejected and repeated; stray.json in it says why
    stop.json                 why it ended before all that was planned, where it did
    comparison.json, diagnosis.json, calibration.json, report.html   derived, remade at any time

Schema history
--------------
1 : first.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import tomllib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from calibrate.errors import BadFile, CrosswattError
from calibrate.probe import Domain

SCHEMA = 1
CAMPAIGN, PROBES, RUN = "campaign.json", "probes.json", "run.json"
STOP, STRAY = "stop.json", "stray.json"
_DERIVED = (
    "comparison.json", "diagnosis.json", "calibration.json", "phases.json", "learning.json",
    "report.html",
)  # fmt: skip
ProbeStatus = Literal["ok", "unavailable", "failed", "hung", "killed"]
FOREIGN = "Give the folder that 'crosswatt run --out FOLDER' wrote."


class Document(BaseModel):
    """A JSON document that never changes once made and admits no unknown key."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Saved(Document):
    """A document that is a file of its own and says which schema it follows."""

    schema_: int = Field(SCHEMA, alias="schema")


class ProbeState(Document):
    """How a probe ended: in one run, or over a campaign.

    ``said`` is the last line that its library wrote to standard error, in one run.
    """

    status: ProbeStatus
    reason: str = ""
    fix: str = ""
    said: str = ""


class PhaseRecord(Document):
    """A stretch of a workload; see `calibrate.workload.Phase`."""

    name: str
    begin_ns: int
    end_ns: int
    work: float | None = None
    unit: str | None = None
    values: dict[str, float | int | str | None] = {}


class RunRecord(Saved):
    """One workload, all probes, once.

    ``begin_ns`` to ``end_ns`` is the window that is compared: from the moment the workload was
    let go to its end. Instants are CLOCK_MONOTONIC; ``epoch_ns`` is the wall clock at ``begin_ns``.
    """

    kind: Literal["run"] = "run"
    number: int
    workload: str
    arguments: tuple[str, ...] = ()
    repeat: int = 1
    exit_code: int
    recording_ns: int
    begin_ns: int
    end_ns: int
    stopped_ns: int
    epoch_ns: int
    phases: tuple[PhaseRecord, ...] = ()
    result: dict[str, float | int | str | None] = {}
    probes: dict[str, ProbeState]

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return (self.end_ns - self.begin_ns) / 1e9


class Job(Document):
    """A run that is planned.

    ``script`` is the workload's file; without one, ``arguments`` is a command of the user's own.
    ``probes`` are those that take part, where not all do.
    """

    folder: str
    number: int
    workload: str
    script: str | None = None
    arguments: tuple[str, ...] = ()
    repeat: int = 1
    probes: tuple[str, ...] | None = None


class Machine(Document):
    """What this host is; None where an import does not say. Runs share all of it."""

    simulated: bool
    label: str
    bench: dict[str, Any] = {}
    cpu: str
    cpus: int | None
    kernel: str
    memory_bytes: int | None
    virtual: str
    governor: str
    microcode: str
    boot_id: str


class SourceRecord(Document):
    """A probe of a campaign: where its adapter and its interpreter are."""

    name: str
    adapter: str
    python: str
    options: dict[str, str] = {}


class CampaignRecord(Saved):
    """A planned, randomised set of runs on one machine.

    ``until`` is the relative half-width at which to stop; without one all jobs are done.
    """

    kind: Literal["campaign"] = "campaign"
    created: str
    crosswatt: str
    plan: dict[str, Any]
    seed: int
    bench: str | None = None
    faults: tuple[str, ...] = ()
    machine: Machine
    sources: tuple[SourceRecord, ...]
    jobs: tuple[Job, ...]
    until: float | None = None
    command: tuple[str, ...] = ()


class KnownFactor(Document):
    """How well a probe's factor is known; ``half_width`` is relative, at 95 %."""

    probe: str
    column: str
    repeats: int
    factor: float | None
    half_width: float | None
    reached: bool


class StopRecord(Saved):
    """Why a campaign ended before all that was planned: every factor is known well enough."""

    kind: Literal["stop"] = "stop"
    target: float
    repeats: int
    factors: tuple[KnownFactor, ...]


class StrayRecord(Saved):
    """Why a run was set aside and repeated: its load strayed by more than the tolerance."""

    kind: Literal["stray"] = "stray"
    reason: str
    tolerance: float


class ProbesRecord(Saved):
    """Every probe that was tried when the campaign began."""

    kind: Literal["probes"] = "probes"
    probes: dict[str, ProbeState]


AnyDocument = TypeVar("AnyDocument", bound=Document)


@dataclass(frozen=True)
class Reading:
    """Values with the monotonic instants before and after they were taken."""

    before_ns: int
    after_ns: int
    values: dict[str, float]


@dataclass(frozen=True)
class Readings:
    """All readings of a probe in one run, as columns: a million of them are a few arrays.

    Parameters
    ----------
    before_ns, after_ns : monotonic instants, shape (n,).
    values : domain -> joules or watts, shape (n,); NaN where a reading lacks the domain.
    """

    before_ns: NDArray[np.int64]
    after_ns: NDArray[np.int64]
    values: dict[str, NDArray[np.float64]]

    def __len__(self) -> int:
        """Return the number of readings."""
        return int(self.before_ns.size)

    @classmethod
    def of(cls, readings: Iterable[Reading] = ()) -> Readings:
        """Return readings as columns.

        Raises
        ------
        TypeError, OverflowError : an instant or a value is no number.
        """
        before, after = array("q"), array("q")
        values: dict[str, array[float]] = {}
        for each in readings:
            for name in each.values.keys() - values.keys():
                values[name] = array("d", [math.nan]) * len(before)
            before.append(each.before_ns)
            after.append(each.after_ns)
            for name, column in values.items():
                column.append(each.values.get(name, math.nan))
        return cls(
            np.array(before, dtype=np.int64),
            np.array(after, dtype=np.int64),
            {name: np.array(column, dtype=np.float64) for name, column in values.items()},
        )


@dataclass(frozen=True)
class ProbeLog:
    """A probe's file of one run.

    Parameters
    ----------
    domains : by name; empty when the probe never opened.
    readings : in the order they were taken; see `Readings`.
    window_ns : from the end of `Probe.begin` to the start of `Probe.end`; None without both.
    stop : the stop document; its status is ``killed`` when the file has none.
    """

    name: str
    domains: dict[str, Domain] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    period_s: float = 0.0
    readings: Readings = field(default_factory=Readings.of)
    window_ns: tuple[int, int] | None = None
    stop: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A finished run as it lies on disk."""

    folder: Path
    record: RunRecord
    logs: dict[str, ProbeLog]


@dataclass(frozen=True)
class SetAside:
    """A run that was rejected and repeated.

    Parameters
    ----------
    folder : where it lies now.
    run : the folder of the planned run that it was.
    """

    folder: Path
    run: str
    record: RunRecord
    why: StrayRecord


@dataclass(frozen=True)
class Campaign:
    """A campaign as it lies on disk, with the runs that are finished.

    ``stop`` says why it ended early, where it did; ``set_aside`` are runs that were repeated.
    """

    folder: Path
    record: CampaignRecord
    probes: dict[str, ProbeState]
    runs: tuple[Run, ...]
    stop: StopRecord | None = None
    set_aside: tuple[SetAside, ...] = ()


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def save(path: Path, document: Document) -> None:
    """Write a document as JSON."""
    write(path, document.model_dump_json(indent=1, by_alias=True) + "\n")


def read(path: Path, model: type[AnyDocument]) -> AnyDocument:
    """Read a document, or raise `BadFile` with the line or the key at fault."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadFile(path, "there is no such file", fix=FOREIGN) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        line = getattr(error, "lineno", None)
        raise BadFile(path, f"it is not JSON ({error})", line, FOREIGN) from None
    if isinstance(data, dict) and data.get("schema", SCHEMA) != SCHEMA:
        raise BadFile(
            path, f"it has schema {data['schema']}, this release reads {SCHEMA}",
            fix="Use the release of crosswatt that wrote it.",
        )  # fmt: skip
    return _validated(path, data, model, FOREIGN)


def read_toml(path: Path, model: type[AnyDocument], fix: str) -> AnyDocument:
    """Read a document that a person wrote; `fix` is the next step where it is refused."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadFile(path, f"it cannot be read ({error.strerror})", fix=fix) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadFile(path, f"it is not TOML ({error})", fix=fix) from None
    return _validated(path, data, model, fix)


#: What pydantic says in terms of Python, in terms of a file.
_PLAINLY = {
    "extra_forbidden": "there is no such key",
    "tuple_type": "it must be a list, in brackets",
    "missing": "it is missing",
    "too_short": "the list is empty",
}


def _validated(path: Path, data: object, model: type[AnyDocument], fix: str) -> AnyDocument:
    """Return the document, or raise `BadFile` with the first key at fault."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "document"
        said = _PLAINLY.get(first["type"], first["msg"].removeprefix("Value error, "))
        raise BadFile(path, f"{key}: {said}", fix=fix) from None


def load_campaign(folder: Path) -> Campaign:
    """Read a campaign folder and every finished run in it."""
    if not folder.is_dir():
        raise CrosswattError(f"{folder}: there is no such folder. {FOREIGN}")
    record = read(folder / CAMPAIGN, CampaignRecord)
    runs = [load_run(folder / job.folder) for job in record.jobs if is_finished(folder, job)]
    tried = folder / PROBES
    probes = read(tried, ProbesRecord).probes if tried.exists() else {}
    ended = folder / STOP
    stop = read(ended, StopRecord) if ended.exists() else None
    return Campaign(folder, record, probes, tuple(runs), stop, tuple(load_set_aside(folder)))


@contextmanager
def changed_copy(folder: Path, out: Path) -> Iterator[Path]:
    """Give a working copy of a campaign, less what is derived, which becomes `out` in the end.

    Raises
    ------
    CrosswattError : there is something at `out` already.
    """
    if out.exists():
        raise CrosswattError(f"{out} exists. Choose another --out.")
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        shutil.copytree(folder, part, ignore=shutil.ignore_patterns(*_DERIVED))
        yield part
        part.replace(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def is_finished(folder: Path, job: Job) -> bool:
    """Tell whether a planned run has been done."""
    return (folder / job.folder / RUN).exists()


def set_aside(folder: Path, job: Job, why: StrayRecord) -> None:
    """Keep a finished run under another name, with the reason, so that it can be done again."""
    number = 1 + sum(each.run == job.folder for each in load_set_aside(folder))
    save(folder / job.folder / STRAY, why)
    (folder / job.folder).rename(folder / f"{job.folder}.stray-{number}")


def load_set_aside(folder: Path) -> list[SetAside]:
    """Read the runs that were set aside, the first attempts first."""
    found: dict[tuple[str, int], Path] = {}
    for path in folder.iterdir():
        run, dot, number = path.name.rpartition(".stray-")
        if dot and number.isdecimal() and path.is_dir():
            found[run, int(number)] = path
    return [
        SetAside(path, run, read(path / RUN, RunRecord), read(path / STRAY, StrayRecord))
        for (run, _), path in sorted(found.items())
    ]


def load_run(folder: Path) -> Run:
    """Read one run and all its probes."""
    record = read(folder / RUN, RunRecord)
    return Run(folder, record, {name: load_log(folder / f"{name}.jsonl") for name in record.probes})


def load_log(path: Path) -> ProbeLog:
    """Read a probe's file.

    A last line that was cut short is what a killed recorder leaves: it is dropped, and the file
    has no stop document. Damage anywhere else raises `BadFile` with the line.
    """
    log: dict[str, Any] = {"name": path.stem}
    marks: dict[str, tuple[int, int]] = {}
    taken = Readings.of(_readings(path, log, marks))
    columns = log.pop("columns", None)
    log["readings"] = taken if columns is None else _mapped(path, columns)
    if len(marks) == 2:
        log["window_ns"] = (marks["begin"][1], marks["end"][0])
    log.setdefault("stop", {"status": "killed", "reason": "its file has no stop document"})
    return ProbeLog(**log)


def _readings(
    path: Path, log: dict[str, Any], marks: dict[str, tuple[int, int]]
) -> Iterator[Reading]:
    """Yield the readings of a file; what else it says goes into `log` and `marks`."""
    for number, data in _lines(path):
        try:
            if data["doc"] == "reading":
                yield _reading(data)
            elif data["doc"] == "probe":
                log["domains"] = {each["name"]: Domain(**each) for each in data["domains"]}
                log["facts"], log["period_s"] = data["facts"], data["period_s"]
            elif data["doc"] in {"begin", "end"}:
                marks[data["doc"]] = (data["before_ns"], data["after_ns"])
            elif data["doc"] == "columns":
                log["columns"] = data
            elif data["doc"] == "stop":
                log["stop"] = data
            else:
                raise ValueError(f"unknown document {data['doc']!r}")
        except (KeyError, TypeError, ValueError) as error:
            raise BadFile(path, f"it is not a probe's document ({error!r})", number) from None


def columns_type(names: Sequence[str]) -> np.dtype[Any]:
    """Return the type of a record of an imported probe: an instant (ns), and a value a domain."""
    return np.dtype([("at_ns", "<i8"), *((name, "<f8") for name in names)])


def _mapped(path: Path, columns: Mapping[str, Any]) -> Readings:
    """Return the readings of an imported probe, mapped into memory."""
    try:
        file, names, count = columns["file"], columns["names"], columns["count"]
        form = columns_type(names)
        place = path.with_name(Path(file).name)  # never outside its folder
        if place.stat().st_size != count * form.itemsize:
            raise ValueError(f"{file} has not the {count} readings that it should have")
        records = np.memmap(place, form, "r", shape=(count,)) if count else np.empty(0, form)
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise BadFile(path, f"its columns cannot be read ({error})") from None
    at_ns = records["at_ns"]
    return Readings(at_ns, at_ns, {name: records[name] for name in names})


def _reading(data: dict[str, Any]) -> Reading:
    """Return a reading, or raise what its document makes of it."""
    before, after, values = data["before_ns"], data["after_ns"], data["values"]
    if type(before) is not int or type(after) is not int or not 0 <= before <= after < 2**63:
        raise ValueError("its instants are not two whole numbers of nanoseconds in order")
    if not all(type(value) in (float, int) for value in values.values()):
        raise ValueError("a value is not a number")
    return Reading(before, after, values)


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, document); forgive a last line without its end."""
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith("\n"):
                    yield number, _document(path, number, line)
    except FileNotFoundError:
        raise BadFile(path, "there is no such file, though run.json names the probe") from None
    except UnicodeDecodeError as error:
        raise BadFile(path, f"it is not text ({error})") from None


def _document(path: Path, number: int, line: str) -> dict[str, Any]:
    """Return one line as a document."""
    try:
        data = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadFile(path, f"the line is damaged ({error.msg})", number) from None
    if not isinstance(data, dict):
        raise BadFile(path, "the line is not a document", number)
    return data


def close_log(path: Path, state: ProbeState, at_ns: int) -> None:
    """Give a file whose recorder was killed its stop document, dropping a half-written line."""
    text = path.read_bytes() if path.exists() else b""
    whole = text[: text.rfind(b"\n") + 1]
    stop = {"doc": "stop", **state.model_dump(), "lost_bytes": len(text) - len(whole)}
    path.write_bytes(whole + json.dumps({**stop, "at_ns": at_ns}).encode() + b"\n")
