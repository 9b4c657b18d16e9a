"""A folder from somewhere else runs nothing: its programs run only where this user started it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from calibrate import cli, store
from calibrate.campaign import create_campaign, is_own_campaign, load_plan, programs, sources
from calibrate.campaign.lock import lock_folder
from calibrate.campaign.trust import SIGNATURE
from calibrate.errors import CrosswattError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home"
    monkeypatch.setenv("CROSSWATT_HOME", str(path))
    return path


@pytest.fixture
def folder(tmp_path: Path, home: Path) -> Path:
    path = tmp_path / "campaign"
    create_campaign(path, load_plan("quick"), sources(["synthetic"], (), simulated=False), 1)
    return path


def change(folder: Path, key: str, value: object) -> None:
    document = json.loads((folder / "campaign.json").read_text())
    document[key] = value
    (folder / "campaign.json").write_text(json.dumps(document))


def test_a_campaign_that_was_started_here_is_known_by_a_key_outside(
    folder: Path, home: Path
) -> None:
    assert is_own_campaign(folder)
    assert stat.S_IMODE((home / "key").stat().st_mode) == 0o600
    (home / "key").write_bytes(os.urandom(32))  # another user, another machine
    assert not is_own_campaign(folder)


@pytest.mark.parametrize("size", [0, 31])
def test_a_key_that_was_half_made_is_made_anew(tmp_path: Path, home: Path, size: int) -> None:
    home.mkdir()
    (home / "key").write_bytes(bytes(size))
    path = tmp_path / "campaign"
    create_campaign(path, load_plan("quick"), sources(["synthetic"], (), simulated=False), 1)
    assert is_own_campaign(path)
    assert [each.name for each in home.iterdir()] == ["key"]
    assert stat.S_IMODE((home / "key").stat().st_mode) == 0o600


def test_a_changed_campaign_is_nobodys(folder: Path) -> None:
    change(folder, "seed", 2)
    assert not is_own_campaign(folder)


@pytest.mark.parametrize("text", ["", "0" * 64, "\x00" * 500])
def test_a_code_that_was_made_up_is_none(folder: Path, text: str) -> None:
    (folder / SIGNATURE).write_text(text)
    assert not is_own_campaign(folder)


def test_resume_of_a_foreign_folder_says_what_it_would_run_and_runs_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = tmp_path / "ran"
    evil = folder / "evil.sh"
    evil.write_text(f"#!/bin/sh\ntouch {ran}\n")
    evil.chmod(0o755)
    change(
        folder, "sources",
        [{"name": "meter", "adapter": "adapter.py", "python": str(evil), "options": {}}],
    )  # fmt: skip
    before = sorted(path.name for path in folder.iterdir())
    assert cli.main(["run", "--resume", str(folder)]) == 64
    said = "".join(capsys.readouterr().err.split())
    assert "".join(f"{evil} adapter.py".split()) in said and "--trust" in said
    assert not ran.exists()
    assert sorted(path.name for path in folder.iterdir()) == before


def test_every_program_is_named_once(folder: Path) -> None:
    record = store.read(folder / store.CAMPAIGN, store.CampaignRecord)
    named = list(programs(record))
    assert len(named) == len(set(named))
    assert any(name.endswith("synthetic.py") for name in named)
    assert sum(name.endswith("gemm.py") for name in named) == 1


def test_one_process_measures_into_a_folder(folder: Path) -> None:
    lock = lock_folder(folder)
    with pytest.raises(CrosswattError, match="Another process measures into"):
        lock_folder(folder)
    os.close(lock)
    os.close(lock_folder(folder))


def test_without_a_place_for_the_key_a_campaign_is_made_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSWATT_HOME", "/dev/null/home")
    path = tmp_path / "other"
    create_campaign(path, load_plan("quick"), sources(["synthetic"], (), simulated=False), 1)
    assert not is_own_campaign(path)
