"""What lies on disk is read exactly, or refused with file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calibrate import store
from calibrate.errors import BadFile, CrosswattError
from calibrate.store import ProbeState
from tests.helpers.campaigns import build, truth


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return build(tmp_path / "campaign", {"truth": truth()})


def test_a_campaign_comes_back(folder: Path) -> None:
    campaign = store.load_campaign(folder)
    assert len(campaign.runs) == len(campaign.record.jobs) == 8
    assert campaign.runs[0].logs["truth"].domains["package-0"].family == "truth"


def test_a_run_without_its_document_never_happened(folder: Path) -> None:
    (folder / "003-square" / "run.json").unlink()
    assert len(store.load_campaign(folder).runs) == 7


def test_a_killed_recorders_last_line_is_forgiven(folder: Path) -> None:
    path = folder / "001-idle" / "truth.jsonl"
    path.write_text(path.read_text()[:-20])
    log = store.load_log(path)
    assert len(log.readings) == 5
    assert log.stop["status"] == "killed"


def test_a_damaged_line_is_named(folder: Path) -> None:
    path = folder / "001-idle" / "truth.jsonl"
    lines = path.read_text().splitlines()
    lines[2] = lines[2][:10]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(BadFile, match=r"truth\.jsonl, line 3: the line is damaged"):
        store.load_campaign(folder)


@pytest.mark.parametrize("line", ["[1]", '{"doc": "song"}', '{"doc": "reading"}', '{"a": 1}'])
def test_a_foreign_line_is_named(folder: Path, line: str) -> None:
    path = folder / "001-idle" / "truth.jsonl"
    path.write_text(line + "\n" + path.read_text())
    with pytest.raises(BadFile, match=r"truth\.jsonl, line 1: "):
        store.load_log(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", r"campaign\.json, line 1: it is not JSON"),
        ("[]", "document: Input should be"),
        ('{"kind": "recipe"}', "kind: Input should be 'campaign'"),
        ('{"schema": 99}', "it has schema 99, this release reads 1"),
        ('{"kind": "campaign"}', "created: it is missing"),
    ],
)
def test_a_foreign_folder_is_refused_and_left_alone(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "campaign.json"
    path.write_text(text)
    with pytest.raises(BadFile, match=words):
        store.load_campaign(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["campaign.json"]
    assert path.read_text() == text


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CrosswattError, match="no such folder"):
        store.load_campaign(tmp_path / "nowhere")
    with pytest.raises(BadFile, match="no such file"):
        store.load_campaign(tmp_path)


def test_closing_a_log_drops_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"doc": "begin", "before_ns": 1, "after_ns": 2}\n{"doc": "rea')
    store.close_log(path, ProbeState(status="hung", reason="silent"), 5)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[-1]["doc"] == "stop"
    assert lines[-1]["lost_bytes"] == 12
    assert store.load_log(path).stop["status"] == "hung"


def test_documents_do_not_change(folder: Path) -> None:
    record = store.load_campaign(folder).record
    with pytest.raises(ValueError, match="frozen"):
        record.seed = 2  # type: ignore[misc]


def test_writing_is_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    store.write(target, "one")
    store.write(target, "two")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert target.read_text() == "two"
