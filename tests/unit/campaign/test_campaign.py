"""A campaign that cannot be done is refused before its first run, and leaves nothing behind."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import pytest

from calibrate import store
from calibrate.campaign import Plan, Source, create_campaign, perform_campaign
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
