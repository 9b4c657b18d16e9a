"""What a campaign will do: which workloads, how often, in what order.

A plan is a TOML file. ``quick`` and ``default`` are shipped in ``calibrate/campaign/plans/``; copy
one to make your own. A shorter form of the plan ``mine.toml`` is ``mine-quick.toml``, beside it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from calibrate import catalog, store
from calibrate.campaign.publication import Positive, Publication
from calibrate.campaign.run import Pause
from calibrate.errors import BadFile, CrosswattError, UnknownName
from calibrate.quantity import parse_joules, parse_share
from calibrate.store import Document, Job

#: The name of a workload that is a command of the user's own.
COMMAND = "command"
FOLDER = Path(__file__).resolve().parent / "plans"


def workload_of(selector: str) -> str:
    """Return the workload of ``WORKLOAD:PHASE`` or ``WORKLOAD``."""
    return selector.partition(":")[0]


class Stages(Document):
    """The table ``[lifecycle]`` of a plan.

    ``prepare``, ``train`` and ``infer`` name phases as ``WORKLOAD:PHASE``, without the number of an
    epoch, or a whole workload as ``WORKLOAD``. ``use`` is the work of one use, in the unit of the
    phases in `infer`. ``uses_per_day`` and ``days`` are what is extrapolated to.
    """

    prepare: tuple[str, ...] = ()
    train: tuple[str, ...] = Field(min_length=1)
    infer: tuple[str, ...] = Field(min_length=1)
    use: Positive = 1.0
    uses_per_day: tuple[Positive, ...] = Field((10.0, 1e3, 1e5), min_length=1)
    days: Positive = 365.0

    @property
    def selectors(self) -> tuple[str, ...]:
        """All that is named."""
        return (*self.prepare, *self.train, *self.infer)

    @model_validator(mode="after")
    def _once_each(self) -> Stages:
        named = self.selectors
        for each in named:
            if named.count(each) > 1 or workload_of(each) in {*named} - {each}:
                raise ValueError(f"{each} is named twice; leave one of them out")
        return self


class Step(Document):
    """A workload of a plan, done once in every repeat.

    ``seconds`` may be a list: the repeats take its values in turn, because faults that depend on
    the length of a run show only when the length varies. ``label`` is what its runs are called
    where ``name`` is not enough: steps of one workload with other arguments are other workloads.
    ``about_s`` is how long a run takes where ``seconds`` is the least of it: whole fits, whole
    epochs. It decides nothing but what time the plan announces, and may take twice.
    """

    name: str
    label: str | None = Field(None, pattern=r"^[A-Za-z0-9][\w.-]*$")
    seconds: tuple[Positive, ...] = Field((5.0,), min_length=1)
    about_s: Positive | None = None
    arguments: tuple[str, ...] = ()

    @property
    def called(self) -> str:
        """Return what its runs are called, in folders and records."""
        return self.label or self.name


def _joules(text: str) -> str:
    parse_joules(text)
    return text


def _share(text: str) -> str:
    parse_share(text)
    return text


class StatedMeter(Document):
    """A table ``[[meter]]`` of a plan: what is known of a probe's meter, such as a reference's.

    ``step`` is the smallest step of its count (``3600 J``), ``class`` its accuracy class (``1 %``).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    probe: str
    step: Annotated[str, AfterValidator(_joules)] | None = None
    class_: Annotated[str, AfterValidator(_share)] | None = Field(None, alias="class")


class Plan(Document):
    """A campaign in intention.

    ``strays`` is how far a run's work per second may be off that of its siblings (0.1 is 10 %)
    before the run is rejected and repeated, at most ``retries`` times; 0 rejects none. See
    `calibrate.campaign.disturbed`. Loads that share nothing scatter by some 4 % at most. ``alone``
    is for 'crosswatt observe': every workload runs with none of the probes, each, and all.
    ``need`` is the expanded uncertainty of one corrected reading that is good enough, such as
    ``5 %``.
    """

    title: str
    repeats: int = Field(3, ge=1)
    idle_before_s: float = Field(1.0, ge=0)
    idle_after_s: float = Field(0.5, ge=0)
    probes: tuple[str, ...] = ()
    strays: float = Field(0.1, ge=0, allow_inf_nan=False)
    retries: int = Field(2, ge=0)
    alone: bool = False
    workload: tuple[Step, ...] = Field(min_length=1)
    lifecycle: Stages | None = None
    publication: Publication | None = None
    meter: tuple[StatedMeter, ...] = ()
    need: Annotated[str, AfterValidator(_share)] | None = None

    @property
    def pause(self) -> Pause:
        """Idle time around every workload."""
        return Pause(self.idle_before_s, self.idle_after_s)

    def in_turn(self) -> Iterator[tuple[int, Step, float]]:
        """Yield (repeat, workload, its length), as they stand in the plan; repeats begin at 1."""
        for repeat in range(1, self.repeats + 1):
            for step in self.workload:
                yield repeat, step, step.about_s or step.seconds[(repeat - 1) % len(step.seconds)]

    @property
    def seconds(self) -> float:
        """How long all workloads and the rest around them are meant to take."""
        rest_s = self.idle_before_s + self.idle_after_s
        return sum(seconds + rest_s for _, _, seconds in self.in_turn())


def plan_names() -> list[str]:
    """Return the shipped plans."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_plan(name: str, extra: Sequence[Path] = ()) -> Plan:
    """Return a shipped plan by name, or any plan by path.

    Raises
    ------
    UnknownName : it is neither, or a workload in it does not exist.
    BadFile : the file is not a plan; names the key.
    """
    path = _path(name)
    if not path.is_file():
        raise UnknownName("plan", name, plan_names())
    plan = store.read_toml(path, Plan, f"See {FOLDER / 'quick.toml'}.")
    known = catalog.files("workloads", extra)
    for place, step in enumerate(plan.workload):
        catalog.find("workloads", step.name, extra)
        if step.label in known:  # 'idle' means rest wherever runs are compared
            raise BadFile(
                path, f"workload.{place}.label: {step.label} is a workload's own name",
                fix="Choose another label.",
            )  # fmt: skip
    called = [step.called for step in plan.workload]
    for selector in plan.lifecycle.selectors if plan.lifecycle else ():
        if (owner := workload_of(selector)) not in called:
            raise BadFile(
                path, f"lifecycle: {selector}: no workload of this plan is called {owner}",
                fix=f"Write WORKLOAD:PHASE; there are: {', '.join(called)}.",
            )  # fmt: skip
    return plan


def load_quick_plan(name: str, extra: Sequence[Path] = ()) -> Plan:
    """Return the shorter form of a plan, which `load` says how to give.

    Raises
    ------
    CrosswattError : the plan has none.
    """
    path = _path(name)
    shorter = path.with_name(f"{path.stem}-quick.toml")
    if not shorter.is_file():
        load_plan(name, extra)  # a plan that is not there, or is wrong, says so itself
        have = [each for each in plan_names() if f"{each}-quick" in plan_names()]
        raise CrosswattError(
            f"The plan {name} has no quick form: there is no {shorter.name} beside it. Leave out "
            f"--quick or --plan, or choose a plan that has one: {', '.join(have)}."
        )
    return load_plan(str(shorter), extra)


def _path(name: str) -> Path:
    """Return the file of a shipped plan by its name, or the path that was given."""
    return FOLDER / f"{name}.toml" if name in plan_names() else Path(name)


def only_workloads(plan: Plan, wanted: Sequence[str], extra: Sequence[Path] = ()) -> Plan:
    """Return a plan cut down to some workloads; one that the plan lacks is added as it comes.

    A workload is wanted by its name, which means the last step of it, or a step by its label.
    """
    steps = {step.name: step for step in plan.workload}
    labels = {step.label: step for step in plan.workload if step.label}
    known = {*catalog.files("workloads", extra), *labels}
    for name in wanted:
        if name not in known:
            raise UnknownName("workload", name, known)
    chosen = tuple(labels.get(name) or steps.get(name) or Step(name=name) for name in wanted)
    return plan.model_copy(update={"workload": chosen})


def command_plan(arguments: Sequence[str], repeats: int = 3) -> Plan:
    """Return the plan for a command of the user's own, beside idleness.

    A run that strays is told of and not repeated: it may take hours, or have effects.
    """
    return Plan(
        title="command",
        repeats=repeats,
        retries=0,
        workload=(Step(name=COMMAND, arguments=tuple(arguments)), Step(name="idle")),
    )


def plan_jobs(plan: Plan, seed: int, extra: Sequence[Path] = ()) -> tuple[Job, ...]:
    """Return the runs in their order: every repeat holds every workload once, shuffled.

    Shuffling within repeats keeps slow drifts (temperature, another tenant) from passing for a
    difference between workloads.
    """
    shuffle = random.Random(seed)  # noqa: S311 - an order, not a secret
    planned: list[Job] = []
    for repeat in range(1, plan.repeats + 1):
        for step in shuffle.sample(plan.workload, len(plan.workload)):
            planned.append(_job(step, repeat, len(planned) + 1, extra))
    return tuple(planned)


def jobs_alone(
    plan: Plan, seed: int, reference: str, probes: Sequence[str], extra: Sequence[Path] = ()
) -> tuple[Job, ...]:
    """Return the runs that show what probes do to the machine and to each other.

    Every repeat takes every workload with none of the probes, with each alone, and with all of
    them, the reference always beside; in a shuffled order and then back again (ABBA), so that a
    steady drift falls on all of them alike.
    """
    shuffle = random.Random(seed)  # noqa: S311 - an order, not a secret
    others = [name for name in probes if name != reference]
    crews: list[tuple[str, ...]] = [(), *((name,) for name in others)]
    if len(others) > 1:
        crews.append(tuple(others))
    planned: list[Job] = []
    for repeat in range(1, plan.repeats + 1):
        for step in shuffle.sample(plan.workload, len(plan.workload)):
            order = shuffle.sample(crews, len(crews))
            for crew in (*order, *reversed(order)):
                job = _job(step, repeat, len(planned) + 1, extra)
                planned.append(job.model_copy(update={"probes": (reference, *crew)}))
    return tuple(planned)


def planned_s(job: Job) -> float:
    """Return how long a run is planned to take, in seconds; 0 for a command of the user's own."""
    return job.seconds or 0.0


def _job(step: Step, repeat: int, number: int, extra: Sequence[Path]) -> Job:
    """Return a workload of a plan as a run."""
    seconds = step.seconds[(repeat - 1) % len(step.seconds)]
    own = step.name == COMMAND
    timed = () if own else ("--seconds", f"{seconds:g}")  # as `Job.seconds` promises
    return Job(
        folder=f"{number:03d}-{step.called}",
        number=number,
        workload=step.called,
        script=None if own else str(catalog.find("workloads", step.name, extra)),
        arguments=(*timed, *step.arguments),
        repeat=repeat,
        seconds=None if own else seconds,
    )
