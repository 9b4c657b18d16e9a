"""A campaign that cannot be done is refused before its first run, and leaves nothing behind."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import pytest

from calibrate import store
from calibrate.campaign import Plan, Source, create_campaign, perform_campaign, with_settings
from calibrate.errors import CrosswattError
from calibrate.store import Job
from tests.unit.comparison.test_until import Quiet

STEADY = Source("steady", Path(__file__).parents[2] / "adapters" / "steady.py")
LACKING = "raise SystemExit('there is no speech here: apt-get install speech')"
USAGE = namedtuple("USAGE", "total used free")


class Counting(Quiet):
    """Counts the runs that begin, too."""

    begun = 0

    def started(self, job: Job, folder: Path) -> None:
        self.begun += 1


@pytest.fixture
def planned(tmp_path: Path) -> Path:
    """A campaign of one workload that can be done and one that cannot."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "lacking.py").write_text(LACKING)
    steps = [{"name": "idle", "seconds": [0.2]}, {"name": "lacking"}]
    plan = Plan.model_validate(
        {"title": "t", "repeats": 2, "idle_before_s": 0, "idle_after_s": 0, "workload": steps}
    )
    folder = tmp_path / "campaign"
    create_campaign(folder, plan, [STEADY], seed=1, workloads=[mine])
    return folder


def test_what_a_workload_lacks_is_said_before_anything_is_measured(planned: Path) -> None:
    watcher = Counting()
    with pytest.raises(CrosswattError, match=r"workload lacking .*: apt-get install speech"):
        perform_campaign(planned, watcher)
    assert watcher.begun == 0 and not planned.exists()


def test_what_was_measured_is_kept(planned: Path) -> None:
    (planned / "001-idle").mkdir()
    with pytest.raises(CrosswattError, match="apt-get install speech"):
        perform_campaign(planned, Counting())
    assert (planned / store.CAMPAIGN).exists() and (planned / "001-idle").exists()


def test_no_room_is_said_before_anything_is_measured(
    planned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: USAGE(1 << 30, 1 << 30, 5 << 20))
    watcher = Counting()
    with pytest.raises(CrosswattError, match=r"There are 5 MiB left .* choose another --out"):
        perform_campaign(planned, watcher)
    assert watcher.begun == 0 and not planned.exists()


def plan_that(**more: object) -> Plan:
    step = {"name": "idle", "seconds": [0.2]}
    return Plan.model_validate(
        {"title": "t", "repeats": 1, "idle_before_s": 0, "idle_after_s": 0, "workload": [step]}
        | more
    )


def test_what_a_plan_states_of_a_meter_is_in_its_records(tmp_path: Path) -> None:
    plan = plan_that(meter=[{"probe": "steady", "step": "2 Wh", "class": "1 %"}], need="3 %")
    record = create_campaign(tmp_path / "c", plan, [STEADY], seed=1)
    assert record.need == pytest.approx(0.03)
    perform_campaign(tmp_path / "c", Quiet())
    done = store.load_campaign(tmp_path / "c")
    [domain] = done.runs[0].logs["steady"].domains.values()
    assert domain.u_relative == pytest.approx(0.01 / 3**0.5)
    assert domain.resolution_j == (None if domain.kind == "power" else 7200)


def test_a_plan_states_nothing_of_a_probe_that_takes_no_part(tmp_path: Path) -> None:
    plan = plan_that(meter=[{"probe": "wall", "step": "2 Wh"}])
    with pytest.raises(CrosswattError, match="wall"):
        create_campaign(tmp_path / "c", plan, [STEADY], seed=1)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"need": "3"}, "'3' is not in percent"),
        ({"meter": [{"probe": "steady", "step": "2"}]}, "'2' is no energy with a unit"),
        ({"meter": [{"probe": "steady", "class": "0 %"}]}, "'0 %' is not above 0 %"),
    ],
)
def test_what_a_plan_cannot_mean_is_refused(more: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        plan_that(**more)


def test_a_step_and_a_class_are_settings_of_any_probe() -> None:
    [source] = with_settings([STEADY], ["steady.step=3600 J", "steady.class=2 %", "steady.x=1"])
    assert source.options["step_j"] == "3600" and source.options["x"] == "1"
    assert float(source.options["u_relative"]) == pytest.approx(0.02 / 3**0.5)
    with pytest.raises(CrosswattError, match=r"steady\.step: '3600' is no energy"):
        with_settings([STEADY], ["steady.step=3600"])
