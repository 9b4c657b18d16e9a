"""A secret in the command of a workload: it runs with it, and no record has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate import store
from calibrate.campaign import command_plan, create_campaign, sources, withheld_names
from calibrate.campaign.withheld import given_back
from calibrate.errors import CrosswattError

SECRET = "HUNTER2-SECRET"  # noqa: S105 - of nobody
WORDS = ["sh", "-c", f"train --token {SECRET}; login --password={SECRET}"]


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> store.CampaignRecord:
    monkeypatch.setattr("sys.argv", ["crosswatt", "run", "--", *WORDS])
    monkeypatch.setenv("CROSSWATT_SECRET_1", "of another")
    chosen = sources(["synthetic"], (), simulated=False)
    return create_campaign(tmp_path / "made", command_plan(WORDS), chosen, seed=1)


def test_the_record_has_no_secret(record: store.CampaignRecord, tmp_path: Path) -> None:
    assert SECRET not in (tmp_path / "made" / store.CAMPAIGN).read_text()
    assert withheld_names(record.jobs) == ("CROSSWATT_SECRET_1",)


def test_the_workload_gets_it(record: store.CampaignRecord) -> None:
    [job] = [job for job in record.jobs if job.workload == "command"][:1]
    assert given_back(job.arguments) == WORDS


def test_a_resumed_campaign_says_what_it_lacks(
    record: store.CampaignRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CROSSWATT_SECRET_1")
    [job] = [job for job in record.jobs if job.workload == "command"][:1]
    with pytest.raises(CrosswattError, match="environment variable CROSSWATT_SECRET_1"):
        given_back(job.arguments)
