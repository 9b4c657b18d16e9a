"""A campaign on disk: one folder, JSON documents, one file per probe and run.

    campaign.json             the plan, the machine, the order of the runs
    probes.json               which probes take part, and why the others do not
    001-gemm/run.json         one finished run; a run without it never happened
    001-gemm/rapl.jsonl       one probe: describe, readings (packed when the run has ended), stop
    001-gemm/rapl.jsonl.2     what continues it, from 64 MiB on
    001-gemm/wall.columns     the readings of an imported probe, little-endian, one record each
    runs.jsonl                in place of the folders of runs: all of them, for an import of many
    001-gemm/output.log       what the workload printed
    001-gemm.stray-1/         a run that was rejected and repeated; stray.json in it says why
    stop.json                 why it ended before all that was planned, where it did
    comparison.json, diagnosis.json, calibration.json, report.html   derived, remade at any time

Schema history
--------------
1 : first. Without a break since then, as older folders are read as before:
    `Job.seconds` and `RunRecord.planned_s`, the length that a script was told, which older
    documents say in their arguments only; and the library in a probe's description;
    `Correction.next_run` and `fitness`, the uncertainty of one new run and what it is fit for;
    `StopRecord.reason` and what `KnownFactor` says of drift, strays and effective repeats;
    blocks of readings, packing 1 (`calibrate.store.packed`), and ``runs.jsonl``
    (`calibrate.store.bundle`), which older releases do not read.
"""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from calibrate import textfile
from calibrate.errors import BadFile
from calibrate.simulated import SIMULATED
from calibrate.store.files import (
    Count,
    FileName,
    Finite,
    Nanoseconds,
    Whole,
    parse_json,
    read_text,
    write,
)

SCHEMA = 1
CAMPAIGN, PROBES, RUN = "campaign.json", "probes.json", "run.json"
STOP, STRAY = "stop.json", "stray.json"
#: What the workload of a run printed.
OUTPUT = "output.log"
_DERIVED = (
    "comparison.json", "diagnosis.json", "calibration.json", "phases.json", "learning.json",
    "report.html",
)  # fmt: skip
#: What stands for the boot of a machine, and for an adapter, of which an import knows nothing.
IMPORTED = "imported"
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


def _with_length(document: Any, key: str) -> Any:
    """Return a document of before there was a planned length with what its arguments say of it."""
    match document:
        case {"arguments": ["--seconds", str(text), *_]} if key not in document:
            with suppress(ValueError):
                return {**document, key: float(text)}
    return document


def _known(value: object) -> object:
    """Return a figure that a workload gave; one that is no number is not known."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


#: What a workload says of itself.
Value = Annotated[Finite | Whole | str | None, BeforeValidator(_known)]


class PhaseRecord(Document):
    """A stretch of a workload; see `calibrate.loads.Phase`."""

    name: str
    begin_ns: Nanoseconds
    end_ns: Nanoseconds
    work: Annotated[Finite | None, BeforeValidator(_known)] = None
    unit: str | None = None
    values: dict[str, Value] = {}


class RunRecord(Saved):
    """One workload, all probes, once.

    ``begin_ns`` to ``end_ns`` is the window that is compared: from the moment the workload was
    let go to its end. Instants are CLOCK_MONOTONIC; ``epoch_ns`` is the wall clock at ``begin_ns``.
    ``planned_s`` is how long a script was told to last; see `Job.seconds`.
    """

    kind: Literal["run"] = "run"
    number: Count
    workload: str
    arguments: tuple[str, ...] = ()
    repeat: Count = 1
    exit_code: Count
    recording_ns: Nanoseconds
    begin_ns: Nanoseconds
    end_ns: Nanoseconds
    stopped_ns: Nanoseconds
    epoch_ns: Nanoseconds
    phases: tuple[PhaseRecord, ...] = ()
    result: dict[str, Value] = {}
    probes: dict[FileName, ProbeState]
    planned_s: Finite | None = None

    @model_validator(mode="before")
    @classmethod
    def _old(cls, data: Any) -> Any:
        return _with_length(data, "planned_s")

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> RunRecord:
        if self.end_ns < self.begin_ns or any(p.end_ns < p.begin_ns for p in self.phases):
            raise ValueError("end_ns lies before begin_ns")
        return self

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return (self.end_ns - self.begin_ns) / 1e9

    @property
    def settings(self) -> tuple[str, ...]:
        """The arguments but for the planned length."""
        return self.arguments if self.planned_s is None else self.arguments[2:]


class Job(Document):
    """A run that is planned.

    ``script`` is the workload's file; without one, ``arguments`` is a command of the user's own.
    ``seconds`` is how long a script is told to last, where it is: the first two of ``arguments``
    then say so. ``probes`` are those that take part, where not all do.
    """

    folder: FileName
    number: Count
    workload: str
    script: str | None = None
    arguments: tuple[str, ...] = ()
    repeat: Count = 1
    probes: tuple[FileName, ...] | None = None
    seconds: Finite | None = None

    @model_validator(mode="before")
    @classmethod
    def _old(cls, data: Any) -> Any:
        return _with_length(data, "seconds")


class MachineRecord(Document):
    """What this host is; None where an import does not say. Runs share all of it."""

    simulated: bool
    label: str
    bench: dict[str, Any] = {}
    cpu: str
    cpus: Count | None
    kernel: str
    memory_bytes: Whole | None
    virtual: str
    governor: str
    microcode: str
    boot_id: str

    @property
    def title(self) -> str:
        """The label without the words that say that the machine is simulated."""
        return self.label.removeprefix(f"{SIMULATED}:").strip()


class SourceRecord(Document):
    """A probe of a campaign: where its adapter and its interpreter are."""

    name: FileName
    adapter: str
    python: str
    options: dict[str, str] = {}


class CampaignRecord(Saved):
    """A planned, randomised set of runs on one machine.

    ``until`` is the relative half-width at which to stop; without one all jobs are done.
    ``need`` is the relative expanded uncertainty (95 %) of one corrected reading that is good
    enough. ``imported`` is the format of the files that an import was made from.
    """

    kind: Literal["campaign"] = "campaign"
    created: str = Field(max_length=64)
    crosswatt: str
    plan: dict[str, Any]
    seed: Whole
    bench: str | None = None
    faults: tuple[str, ...] = ()
    machine: MachineRecord
    sources: tuple[SourceRecord, ...]
    jobs: tuple[Job, ...]
    until: Finite | None = None
    need: Finite | None = None
    command: tuple[str, ...] = ()
    imported: str | None = None

    @field_validator("created")
    @classmethod
    def _is_an_instant(cls, text: str) -> str:
        datetime.fromisoformat(text)
        return text

    @property
    def day(self) -> date | None:
        """The day on which it was made; None for an import of files without a date."""
        day = datetime.fromisoformat(self.created).date()
        return None if day.year < 2000 else day  # 1970 stands for no date

    @property
    def is_import(self) -> bool:
        """Whether other people's files were made this campaign; early ones say so by `boot_id`."""
        return self.imported is not None or self.machine.boot_id == IMPORTED


class KnownFactor(Document):
    """How well a probe's factor is known; ``half_width`` is relative, at 95 %.

    ``effective`` is how many independent repeats tell as much, ``strays`` which repeats were left
    out as of another kind than the rest. ``change`` is how much the ratio to the reference rose
    over all repeats, relative; ``drifts``, that it is more than the uncertainty wanted, and not by
    chance.
    """

    probe: str
    column: str
    repeats: Count
    factor: Finite | None
    half_width: Finite | None
    reached: bool
    effective: Finite | None = None
    strays: tuple[Count, ...] = ()
    change: Finite | None = None
    drifts: bool = False


class StopRecord(Saved):
    """Why a campaign ended before all that was planned.

    Every factor is known well enough, or ``drift``: what is not known drifts, and no repeat helps.
    """

    kind: Literal["stop"] = "stop"
    reason: Literal["known", "drift"] = "known"
    target: Finite
    repeats: Count
    factors: tuple[KnownFactor, ...]


class StrayRecord(Saved):
    """Why a run was set aside and repeated.

    Its load strayed by more than ``tolerance``. Where that is None, the run was lost: the process
    of a probe or of the workload was killed or hung.
    """

    kind: Literal["stray"] = "stray"
    reason: str
    tolerance: Finite | None


class ProbesRecord(Saved):
    """Every probe that was tried when the campaign began."""

    kind: Literal["probes"] = "probes"
    probes: dict[FileName, ProbeState]


AnyDocument = TypeVar("AnyDocument", bound=Document)


def save(path: Path, document: Document) -> None:
    """Write a document as JSON."""
    write(path, document.model_dump_json(indent=1, by_alias=True) + "\n")


def read(path: Path, model: type[AnyDocument]) -> AnyDocument:
    """Read a document, or raise `BadFile` with the line or the key at fault."""
    try:
        data = parse_json(read_text(path))
    except FileNotFoundError:
        raise BadFile(path, "there is no such file", fix=FOREIGN) from None
    except ValueError as error:
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
    return _validated(path, textfile.read_toml(path, fix), model, fix)


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
