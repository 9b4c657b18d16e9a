"""`observe` spends no time on the conditions of a probe that cannot be opened."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from calibrate import store
from calibrate.campaign import Plan, Source, create_campaign, jobs_alone, perform_campaign
from calibrate.campaign.conditions import are_conditions, possible_jobs
from calibrate.cli import main
from calibrate.cli.progress import Plain
from calibrate.errors import CrosswattError
from calibrate.store import CampaignRecord, ProbeLog, ProbeState
from tests.helpers.campaigns import MACHINE
from tests.unit.comparison.test_until import Quiet

ADAPTER = Path(__file__).parents[2] / "adapters" / "steady.py"
STEADY, SECOND = Source("steady", ADAPTER), Source("second", ADAPTER)
PLAN = Plan.model_validate(
    {"title": "t", "repeats": 1, "idle_before_s": 0, "idle_after_s": 0, "strays": 0, "alone": True,
     "workload": [{"name": "idle", "seconds": [0.05]}]}
)  # fmt: skip
ABSENT = Source("absent", ADAPTER.with_name("naughty.py"), options={"kind": "unavailable"})
THREE = ("steady", "second", "absent")


def test_conditions_of_a_probe_that_does_not_work_are_left_out() -> None:
    jobs = jobs_alone(PLAN, 1, "steady", THREE)
    assert possible_jobs(jobs, THREE) == jobs
    left = possible_jobs(jobs, THREE[:2])
    assert left != jobs and {job.probes for job in left} == {("steady",), THREE[:2]}
    assert [job.folder for job in left] == [f"{n:03d}-idle" for n in range(1, len(left) + 1)]
    crews = [job.probes for job in left]
    assert crews == crews[::-1]
    # As many as a plan without that probe has: that is what is announced.
    assert len(left) == len(jobs_alone(PLAN, 1, "steady", THREE[:2]))
    four = jobs_alone(PLAN, 1, "steady", (*THREE, "more"))
    assert len(possible_jobs(four, ("steady", "second", "more"))) == len(jobs)
    assert (
        are_conditions(jobs)
        and not are_conditions([])
        and not are_conditions([jobs[0].model_copy(update={"probes": None})])
    )


def test_they_are_not_run_and_fewer_are_announced(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    create_campaign(folder, PLAN, [STEADY, SECOND, ABSENT], 1, alone="steady")
    planned = Planned()
    perform_campaign(folder, planned)
    record = store.read(folder / store.CAMPAIGN, CampaignRecord)
    assert planned.counts == [8, 4] and planned.runs == 4 == len(record.jobs)
    assert all(store.is_finished(folder, job) for job in record.jobs)


class Planned(Quiet):
    """Remembers how many runs were announced."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []

    def planned(self, campaign: CampaignRecord) -> None:
        self.counts.append(len(campaign.jobs))


def test_nothing_to_observe_is_refused_at_once(tmp_path: Path) -> None:
    for name, sources, alone, why in (
        ("a", [STEADY, ABSENT], "steady", "None of the probes beside steady works here"),
        ("b", [STEADY, ABSENT], "absent", "The reference absent cannot be read here"),
    ):
        create_campaign(tmp_path / name, PLAN, sources, 1, alone=alone)
        with pytest.raises(CrosswattError, match=why):
            perform_campaign(tmp_path / name, Quiet())
        assert not (tmp_path / name).exists()


def test_the_fewer_runs_are_announced() -> None:
    console = Console(record=True, width=120)
    said = Plain(console, Path("c"))
    campaign = CampaignRecord(
        created="2026-01-01T00:00:00+00:00",
        crosswatt="0",
        plan=PLAN.model_dump(mode="json"),
        seed=1,
        machine=MACHINE,
        sources=(),
        jobs=jobs_alone(PLAN, 1, "steady", THREE),
    )
    said.planned(campaign)
    said.planned(campaign)
    said.planned(campaign.model_copy(update={"jobs": possible_jobs(campaign.jobs, THREE[:2])}))
    lines = console.export_text().splitlines()
    assert lines[0].startswith("8 runs, about") and lines[2].startswith("4 runs, about")
    assert lines[1] == "4 runs are left out, of probes that cannot be opened."
    assert len(lines) == 3


def test_the_plan_announces_what_is_possible_here(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(sources: list[Source]) -> dict[str, tuple[ProbeState, ProbeLog | None]]:
        works = ("rapl", "codecarbon")
        return {
            s.name: (ProbeState(status="ok" if s.name in works else "unavailable"), None)
            for s in sources
        }

    monkeypatch.setattr("calibrate.campaign.rapl_readable", lambda: True)
    monkeypatch.setattr("calibrate.campaign.describe_probes", opened)
    assert main(["plan", "observe"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "each of codecarbon alone" in said and "which cannot be opened here" in said
    # 4 repeats of 2 workloads, there and back, without and with the one that works.
    assert "observe: 32 runs, about" in said
