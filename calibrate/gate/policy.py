"""The documents of a gate: what is expected of each column, and on which machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from calibrate import store
from calibrate.calibration import NEED
from calibrate.campaign import machine_differences
from calibrate.comparison import PairedRun
from calibrate.diagnosis import NO_FAULT, UNEXPLAINED, Diagnosis
from calibrate.errors import CrosswattError, UnknownName
from calibrate.gate.forbidding import KINDS
from calibrate.store import Document, MachineRecord

_FIX = "Write one with 'crosswatt gate --init FOLDER --out gate.toml'."


class PolicyMachine(Document):
    """The machine that a policy was made for: the facts that make a machine another one.

    A kernel or a fault of a simulated machine may change: that is what a gate is there to see. A
    simulated machine has the processors of whatever host it runs on, which are left out.
    """

    label: str
    simulated: bool
    cpu: str = ""
    cpus: int | None = None

    @classmethod
    def of(cls, record: MachineRecord) -> PolicyMachine:
        """Return the machine of a campaign."""
        host = {} if record.simulated else {"cpu": record.cpu, "cpus": record.cpus}
        return cls.model_validate({"label": record.label, "simulated": record.simulated, **host})


class AcceptedWorkload(Document):
    """The mean ratio of a workload when its column was accepted.

    ``u`` is its relative standard uncertainty by the runs and their readings.
    """

    name: str
    ratio: float = Field(gt=0)
    u: float = Field(0.0, ge=0)


class Accepted(Document):
    """A column that is taken as it is, though it is not within the need.

    ``reason`` is why. ``faults`` is what the diagnosis named, any of which may be named again.
    ``workload`` are the ratios found: where there are any, the gate judges how far each has
    changed since. ``df`` are the degrees of freedom of their uncertainties; ``session_u`` is what
    sessions add to that of their mean, with ``session_df``, where several of them showed it.
    ``no_ratio`` is for a column
    that had no ratio in some run: only its faults are compared.
    """

    reason: str = Field(min_length=1)
    faults: tuple[str, ...] = ()
    df: float | None = Field(None, gt=0)
    session_u: float = Field(0.0, ge=0)
    session_df: float | None = Field(None, gt=0)
    no_ratio: bool = False
    workload: tuple[AcceptedWorkload, ...] = ()


class WorkloadRule(Document):
    """What is expected of one workload of a column: its mean ratio within ``need`` of its own."""

    name: str
    need: float = Field(gt=0, lt=1)


class Limits(Document):
    """What is asked of a column beside agreement; nothing that is not named.

    ``forbid`` are kinds of fault that nobody may accept, see `calibrate.gate.forbidding`.
    ``max_overhead`` is the CPU time that the probe may take while it records, as a share of one
    core. ``max_spread`` is how far single runs may be from the expected ratio: their limits of
    agreement, relative. ``calibration`` is the file of a calibration that has to hold still, from
    the folder of the policy; ``max_drift`` is by how much corrected readings may be off, by default
    the need.
    """

    forbid: tuple[str, ...] = ()
    max_overhead: float | None = Field(None, gt=0)
    max_spread: float | None = Field(None, gt=0)
    calibration: str | None = Field(None, min_length=1)
    max_drift: float | None = Field(None, gt=0, lt=1)

    @field_validator("forbid")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in KINDS:
                raise ValueError(str(UnknownName("kind of fault", name, KINDS)).rstrip("."))
        return names


class Rule(Limits):
    """What is expected of one column.

    ``ratio`` is expected of probe over reference; any other than 1 needs ``accepted``. ``need`` is
    by how much the mean ratio may differ, relative: 0.05 admits ``ratio / 1.05`` to
    ``ratio * 1.05``; without one the policy's is taken. ``within_w`` is for runs whose reference
    power is below the policy's ``near_zero_w``. ``workload`` are workloads with a
    need of their own. What `Limits` has and a rule states is asked of its column, in place of what
    the policy asks of all.
    """

    name: str
    column: str
    ratio: float = Field(1.0, gt=0)
    need: float | None = Field(None, gt=0, lt=1)
    within_w: float = Field(0.5, gt=0)
    accepted: Accepted | None = None
    workload: tuple[WorkloadRule, ...] = ()

    @model_validator(mode="after")
    def _each_workload_once(self) -> Rule:
        names = [each.name for each in self.workload]
        if len({*names}) < len(names):
            raise ValueError("a workload has two rules")
        return self

    @model_validator(mode="after")
    def _accepted_if_off(self) -> Rule:
        if self.ratio != 1 and self.accepted is None:
            raise ValueError(
                f"a ratio of {self.ratio:g} has to be accepted; add accepted = {{reason = ...}}"
            )
        return self


class Policy(Limits):
    """A gate.toml.

    ``need`` is the relative error that is admitted. ``max_lost_runs`` is how many runs a column
    may lack. ``min_sessions`` is from how many sessions there have to be runs. ``consistency``
    admits a reference that reads the same source as the probe; such a gate guards consistency
    and not accuracy.
    """

    schema_: Literal[2] = Field(2, alias="schema")
    reference: str
    need: float = Field(NEED, gt=0, lt=1)
    min_runs: int = Field(4, ge=2)
    min_workloads: int = Field(2, ge=1)
    min_sessions: int = Field(1, ge=1)
    max_lost_runs: int = Field(0, ge=0)
    near_zero_w: float = Field(1.0, ge=0)
    consistency: bool = False
    machine: PolicyMachine
    probe: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_column_once(self) -> Policy:
        seen: set[tuple[str, str]] = set()
        for rule in self.probe:
            if (rule.name, rule.column) in seen:
                raise ValueError(f"{rule.name} {rule.column} has two rules")
            seen.add((rule.name, rule.column))
        return self

    def need_of(self, rule: Rule) -> float:
        """Return the relative error that a rule admits."""
        return self.need if rule.need is None else rule.need

    def limits_of(self, rule: Rule) -> Limits:
        """Return what is asked of a column: what its rule states, else what the policy does."""
        return Limits(
            **{
                key: getattr(rule if key in rule.model_fields_set else self, key)
                for key in Limits.model_fields
            }
        )

    def is_near_zero(self, row: PairedRun) -> bool:
        """Tell whether the reference power of a run is too small for a ratio."""
        return row.reference_j / row.seconds < self.near_zero_w

    def require_machine(self, record: MachineRecord) -> None:
        """Refuse a campaign of another machine.

        Raises
        ------
        CrosswattError : it is another one.
        """
        mine = record.model_copy(update=self.machine.model_dump())
        differing = machine_differences(mine, record)
        if differing:
            raise CrosswattError(
                f"The policy is for {self.machine.label!r}, the campaign is from {record.label!r} "
                f"({', '.join(differing)} differ); what one machine's meters do says nothing of "
                "another's. Write a policy from a campaign of that machine, with "
                "'crosswatt gate --init'."
            )


def load(path: Path) -> Policy:
    """Read a policy, or raise `BadFile` with the line or the key.

    Files that it names are found from its own folder.
    """
    found = store.read_toml(path, Policy, _FIX)
    rules = tuple(rule.model_copy(update=_from(path.parent, rule)) for rule in found.probe)
    return found.model_copy(update={"probe": rules, **_from(path.parent, found)})


def _from(folder: Path, asked: Limits) -> dict[str, str]:
    """Return what changes where the calibration of a policy is found from its folder."""
    return {"calibration": str(folder / asked.calibration)} if asked.calibration else {}


def faults_of(found: Diagnosis) -> tuple[str, ...]:
    """Return the faults that a diagnosis names, in any combination, sorted.

    Empty where it names none, or where no fault at all is among what the runs cannot tell apart.
    """
    if {NO_FAULT, UNEXPLAINED} & {found.name, *found.alternatives}:
        return ()
    return tuple(sorted(_flat(found.keys))) or (found.name,)


def _flat(keys: Iterable[Iterable[str]]) -> set[str]:
    return {each for together in keys for each in together}
