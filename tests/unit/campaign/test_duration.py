"""How long a campaign takes is announced, and it takes no more than twice as long."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from calibrate import store
from calibrate.campaign import (
    Plan,
    Source,
    announced_s,
    busy_cores,
    campaign,
    command_plan,
    create_campaign,
    disturbance,
    jobs_alone,
    load_plan,
    perform_campaign,
    plan_jobs,
)
from calibrate.campaign.disturbed import repeating_helps
from calibrate.campaign.duration import AROUND_S, Deadline
from calibrate.cli import main
from calibrate.cli.stage import shortfall
from calibrate.store import CampaignRecord, Job, RunRecord
from tests.unit.campaign.test_disturbed import STEADY, Watching, made, record


def plan_of(seconds: Sequence[float], **keys: object) -> Plan:
    step = {"name": "idle", "seconds": seconds}
    about = {"title": "t", "repeats": len(seconds), "idle_before_s": 0, "idle_after_s": 0}
    return Plan.model_validate({**about, "workload": [step], **keys})


def test_the_time_of_all_runs_is_announced() -> None:
    plan = plan_of([60, 30], idle_before_s=2, idle_after_s=1)
    assert announced_s(plan, plan_jobs(plan, 1)) == 90 + 2 * (3 + AROUND_S)
    longer = plan_of([60, 30], workload=[{"name": "idle", "about_s": 100}])
    assert announced_s(longer, plan_jobs(longer, 1)) == 200 + 2 * AROUND_S
    mine = command_plan(["sleep", "1"])
    assert announced_s(mine, plan_jobs(mine, 1)) is None


def test_there_is_time_for_twice_what_was_announced() -> None:
    plan = plan_of([100, 100])
    jobs = plan_jobs(plan, 1)
    now = [1000.0]
    deadline = Deadline(plan, jobs, lambda: now[0])
    now[0] += 4 * AROUND_S + 300 - AROUND_S
    assert deadline.allows(jobs[1]) and not deadline.allows(*jobs)
    now[0] += 1
    assert not deadline.allows(jobs[1])


def test_a_short_plan_has_two_minutes_and_a_command_any_time() -> None:
    short, mine = plan_of([1]), command_plan(["sleep", "1"])
    now = [0.0]
    deadlines = [Deadline(p, plan_jobs(p, 1), lambda: now[0]) for p in (short, mine)]
    now[0] = 110
    assert all(each.allows(*plan_jobs(short, 1)) for each in deadlines)
    now[0] = 1e6
    assert not deadlines[0].allows(*plan_jobs(short, 1))
    assert deadlines[1].allows(*plan_jobs(mine, 1))


def test_what_there_is_no_time_for_is_left_out_and_can_be_done_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every run takes 100 s by this clock, where 5 s were planned: the second is the last."""
    now = [0.0]
    monkeypatch.setattr(Deadline.__init__, "__defaults__", (lambda: now[0],))

    def perform(job: Job, sources: Sequence[Source], place: Path, *_: object) -> RunRecord:
        now[0] += 100
        done = record(100).model_copy(update={"number": job.number})
        store.save(place / store.RUN, done)
        return done

    monkeypatch.setattr(campaign, "perform_run", perform)
    folder = tmp_path / "c"
    create_campaign(folder, plan_of([5] * 4), [STEADY], 1)
    ending = perform_campaign(folder, Watching())
    assert [job.folder for job in ending.left_out] == ["003-idle", "004-idle"]
    assert shortfall(ending, folder) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "Left out: 003-idle, 004-idle. Go on with: crosswatt run --resume" in said
    again = perform_campaign(folder, Watching())
    assert again.left_out == () and shortfall(again, folder) == 0


def test_repeating_ends_where_it_does_not_help(tmp_path: Path) -> None:
    assert repeating_helps({"a": 1, "b": 1, "c": 1}, {"a", "b", "c"})
    assert not repeating_helps({"a": 2, "b": 1, "c": 1}, {"a"})
    assert not repeating_helps({"a": 2, "b": 2}, set())
    assert repeating_helps({"a": 1, "b": 1, "c": 1, "d": 1}, {"a"})
    # Every run is as fast as chance has it: four repetitions, and no more.
    rates = [100, 50, 70, 130, 60, 90, 75, 55, 140, 65, 80, 45, 150, 70, 120, 52, 99, 61, 85]
    folder = made(tmp_path, rates, repeats=6)
    watching = Watching()
    ending = perform_campaign(folder, watching)
    assert 4 <= len(watching.again) < 8
    assert ending.straying and ending.left_out == ()


def test_disturbed_runs_are_not_repeated_in_the_time_of_runs_that_are_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Deadline, "allows", lambda self, *jobs: len(jobs) == 1)
    watching = Watching()
    perform_campaign(made(tmp_path, [100, 70, 101, 99], repeats=4), watching)
    assert watching.done == ["001-told", "002-told", "003-told", "004-told", "002-told"]


def test_other_programs_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(["cpu 100 0 50 800 10 0 0 0 0 0\n", "cpu 150 0 60 830 10 0 0 10 0 0\n"])
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: next(looks))
    assert busy_cores(0.0) == pytest.approx(4 * 70 / 100)
    monkeypatch.undo()
    assert busy_cores(0.0, tmp_path / "none") is None
    assert disturbance(None, 4) == disturbance(0.1, 4) == disturbance(2.0, 64) == ""
    assert disturbance(2.8, 4).startswith("Other programs keep 2.8 of 4 cores busy: figures may")


def test_what_observe_does_is_announced(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plan = load_plan("observe")
    assert plan.alone
    assert main(["plan", "observe"]) == 0
    said = capsys.readouterr().out
    others = said.partition("each of ")[2].partition(" alone")[0].split(", ")
    jobs = jobs_alone(plan, 0, "truth", ["truth", *others])
    assert f"observe: {len(jobs)} runs, about" in said and "SIMULATED" not in said
    asked: list[CampaignRecord] = []
    monkeypatch.setattr("calibrate.cli.studies.perform", lambda folder, *_, **__: 99)
    assert main(["observe", "--bench", "desktop", "--out", str(tmp_path / "o")]) == 99
    asked.append(store.read(tmp_path / "o" / store.CAMPAIGN, CampaignRecord))
    assert len(asked[0].jobs) == len(jobs)
    assert main(["run", "--plan", "observe", "--out", str(tmp_path / "r")]) == 64
