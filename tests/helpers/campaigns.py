"""Campaign folders made by hand, with energies that are known exactly."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from calibrate import store
from calibrate.costs import Bill, Learnings, bills, learnings
from calibrate.energy import PhasesDocument, campaign_phases, measured_phases, run_meters
from calibrate.probe import Domain
from calibrate.store import CampaignRecord, Job, MachineRecord, ProbeState, RunRecord, SourceRecord

SECOND = 1_000_000_000
START = 100 * SECOND

Power = Callable[[float], float]

MACHINE = MachineRecord(
    simulated=True,
    label="simulated machine: made by hand",
    cpu="none",
    cpus=2,
    kernel="0",
    memory_bytes=1,
    virtual="no",
    governor="none",
    microcode="none",
    boot_id="none",
)


@dataclass(frozen=True)
class Fake:
    """A probe whose joules per run are a function of the true watts and the seconds.

    `library` is what its figures come from; empty as in folders of before that was recorded;
    `more` are further columns of the same probe.
    """

    joules: Callable[[float, float], float]
    domain: Domain
    facts: Mapping[str, str] = ()  # type: ignore[assignment]
    library: str = ""
    more: tuple[Fake, ...] = ()


def truth() -> Fake:
    """The reference."""
    return Fake(lambda watts, seconds: watts * seconds, domain("package-0", "truth"))


def domain(scope: str = "package-0", family: str = "rapl", kind: str = "counter") -> Domain:
    """A domain named after its scope."""
    basis = "truth" if family == "truth" else "measured"
    return Domain(scope, scope, kind, basis, family)  # type: ignore[arg-type]


LOADS = {"idle": 20.0, "gemm": 60.0, "square": 40.0, "asr": 50.0}


def build(
    folder: Path,
    fakes: Mapping[str, Fake],
    loads: Mapping[str, float] = LOADS,
    lengths: Sequence[float] = (5.0, 8.0),
) -> Path:
    """Write a campaign in which every load runs once for every length."""
    folder.mkdir()
    jobs = [
        Job(
            folder=f"{n:03d}-{load}",
            number=n,
            workload=load,
            script=f"/workloads/{load}.py",
            repeat=1 + i,
        )
        for n, (i, load) in enumerate(((i, each) for i in range(len(lengths)) for each in loads), 1)
    ]
    sources = [SourceRecord(name=name, adapter="-", python="-") for name in fakes]
    record = CampaignRecord(
        created="2026-01-01T00:00:00+00:00",
        crosswatt="0",
        plan={"title": "by hand", "workload": [{"name": name} for name in loads]},
        seed=1,
        machine=MACHINE,
        sources=tuple(sources),
        jobs=tuple(jobs),
    )
    store.save(folder / store.CAMPAIGN, record)
    for job in jobs:
        _run(folder, job, fakes, loads[job.workload], lengths[job.repeat - 1])
    return folder


def _run(folder: Path, job: Job, fakes: Mapping[str, Fake], watts: float, seconds: float) -> None:
    place = folder / job.folder
    place.mkdir()
    begin, end = START, START + int(seconds * SECOND)
    for name, fake in fakes.items():
        write_log(place / f"{name}.jsonl", fake, watts, seconds, begin, end)
    record = RunRecord(
        number=job.number,
        workload=job.workload,
        repeat=job.repeat,
        exit_code=0,
        recording_ns=begin - SECOND,
        begin_ns=begin,
        end_ns=end,
        stopped_ns=end + SECOND,
        epoch_ns=0,
        probes=dict.fromkeys(fakes, ProbeState(status="ok")),
    )
    store.save(place / store.RUN, record)


def _recorded(fake: Fake) -> dict[str, object]:
    """Return the library as a recorder writes it."""
    version = dict(fake.facts or {}).get("release", "")
    return {"library": {"name": fake.library, "version": version}} if fake.library else {}


def write_log(path: Path, fake: Fake, watts: float, seconds: float, begin: int, end: int) -> None:
    """Write a probe's file: a line through the joules it reports over the window."""
    each = fake.domain
    every = (fake, *fake.more)
    rates = {one.domain.name: one.joules(watts, seconds) / seconds for one in every}
    documents: list[dict[str, object]] = [
        {"doc": "probe", "schema": 1, "name": path.stem, "period_s": 1.0,
         "domains": [asdict(one.domain) for one in every],
         "facts": dict(fake.facts or {}), **_recorded(fake)},
        {"doc": "begin", "before_ns": begin, "after_ns": begin},
    ]  # fmt: skip
    first = begin if each.kind == "window" else begin - SECOND
    last = end if each.kind == "window" else end + SECOND
    for at in (first, begin, (begin + end) // 2, end, last):
        begun = 1000 * (each.kind == "counter")
        values = {name: begun + rate * (at - begin) / SECOND for name, rate in rates.items()}
        documents.append({"doc": "reading", "before_ns": at, "after_ns": at, "values": values})
    documents.append({"doc": "end", "before_ns": end, "after_ns": end})
    documents.append(
        {"doc": "stop", "status": "ok", "reason": "", "fix": "", "readings": 5, "missed": 0,
         "rejected": 0, "cpu_s": 0.01, "at_ns": end + SECOND}
    )  # fmt: skip
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))


def bills_of(folder: Path) -> list[Bill]:
    """Return what models cost in a campaign."""
    campaign = store.load_campaign(folder)
    return bills(campaign, list(measured_phases(campaign, run_meters(campaign))))


def learnings_of(folder: Path) -> Learnings:
    """Return what the workloads of a campaign learnt."""
    campaign = store.load_campaign(folder)
    return learnings(campaign, run_meters(campaign))


def phases_of(folder: Path, name: Callable[[str], str] = str) -> PhasesDocument:
    """Return the phases of a campaign."""
    campaign = store.load_campaign(folder)
    return campaign_phases(campaign, measured_phases(campaign, run_meters(campaign)), name)
