"""The report of an import in which nothing is the reference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calibrate import store
from calibrate.cli import main
from calibrate.logcheck import take_inventory
from tests.helpers.powerlogs import BUSY_W, IDLE_W, dcgm_page, gpu_log

CODECARBON = (
    "timestamp,project_name,run_id,duration,energy_consumed,cpu_energy,ram_energy,gpu_count\n"
    "2026-11-30T12:01:00,<script>alert(1)</script>,1,60,0.002,0.0015,0.0005,0\n"
    "2026-11-30T12:05:00,b,2,60,0.004,0.003,0.001,0\n"
)


@pytest.fixture
def imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    log = gpu_log(tmp_path / "gpu.csv", keep=lambda second: not 20 <= second < 30)
    folder = tmp_path / "mine"
    assert main(["import", "nvidia-smi", str(log), "--zone", "UTC", "--out", str(folder)]) == 0
    capsys.readouterr()
    return folder


def test_an_import_has_its_energies_dates_and_gaps(imported: Path) -> None:
    found = take_inventory(store.load_campaign(imported))
    assert [row.column for row in found.rows] == ["gpu-0-instant", "gpu-1-instant"]
    for row in found.rows:
        assert row.measured.joules == pytest.approx(BUSY_W * 180 + IDLE_W * 119, rel=0.01)
        assert row.measured.expanded_j is not None
        assert row.measured.gaps[0] == 1 and row.begin == "2026-11-30T12:00:00+00:00"
    assert any("crosswatt merge" in way for way in found.could_serve)


@pytest.mark.parametrize("form", ["html", "markdown", "json"])
def test_its_report_has_them_in_every_form(
    imported: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    assert main(["report", str(imported), "--format", form]) == 0
    said = capsys.readouterr().out
    assert "nothing in it is the reference" in said and "gpu-1-instant" in said
    [path] = imported.glob("report.*")
    text = path.read_text(encoding="utf-8")
    assert "gpu-0-instant" in text and "crosswatt merge" in text
    if form == "json":
        document = json.loads(text)
        assert document["kind"] == "inventory" and document["columns"][0]["joules"] > 0


def test_a_campaign_of_ones_own_is_refused_as_before(
    imported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = store.read(imported / store.CAMPAIGN, store.CampaignRecord)
    own = record.model_copy(
        update={
            "imported": None, "machine": record.machine.model_copy(update={"boot_id": "x"}),
        }
    )  # fmt: skip
    store.save(imported / store.CAMPAIGN, own)
    assert main(["report", str(imported)]) == 64
    assert "can serve as the reference" in capsys.readouterr().err


def test_names_of_an_import_are_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, folder = tmp_path / "emissions.csv", tmp_path / "mine"
    log.write_text(CODECARBON)
    assert main(["import", "codecarbon", str(log), "--zone", "UTC", "--out", str(folder)]) == 0
    assert main(["report", str(folder)]) == 0
    assert "<script>alert" not in (folder / "report.html").read_text()
    assert "7,200" in capsys.readouterr().out or "7200" in (folder / "report.html").read_text()


def test_two_meters_of_one_thing_could_serve_for_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    page = dcgm_page(tmp_path / "dcgm.txt")
    assert main(["import", "dcgm", str(page), "--out", str(folder)]) == 0
    campaign = store.load_campaign(folder)
    [run] = campaign.runs
    found = take_inventory(campaign)
    assert {row.column for row in found.rows} == {"gpu-0", "gpu-0-instant"}
    assert len(found.could_serve) == 2
    run.logs["wall"] = run.logs["dcgm"]
    assert any("--reference wall" in way for way in take_inventory(campaign).could_serve)
