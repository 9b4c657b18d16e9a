"""What lies on disk is read exactly, or refused with file and line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from calibrate import store
from calibrate.errors import BadFile, CrosswattError
from calibrate.store import Job, Library, ProbeState, RunRecord, library_of
from tests.helpers.campaigns import Fake, build, domain, truth


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


def test_a_run_with_a_damaged_line_is_left_out_and_named(folder: Path) -> None:
    path = folder / "001-idle" / "truth.jsonl"
    lines = path.read_text().splitlines()
    lines[2] = lines[2][:10]
    path.write_text("\n".join(lines) + "\n")
    campaign = store.load_campaign(folder)
    assert [run.folder.name for run in campaign.damaged] == ["001-idle"]
    assert re.search(r"truth\.jsonl, line 3: the line is damaged", campaign.damaged[0].reason)
    assert "001-idle" not in {run.folder.name for run in campaign.runs}
    assert len(campaign.runs) == 7


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


def test_the_library_of_a_probe_is_what_its_recorder_wrote(tmp_path: Path) -> None:
    load = Fake(lambda w, s: w * s, domain(), {"release": "2.1.0"}, library="CodeCarbon")
    campaign = store.load_campaign(build(tmp_path / "c", {"truth": truth(), "load": load}))
    assert library_of(campaign, "load") == Library("CodeCarbon", "2.1.0")
    assert library_of(campaign, "load").is_called("codecarbon")


def test_an_older_folder_has_the_adapters_name_in_its_logs(tmp_path: Path) -> None:
    load = Fake(lambda w, s: w * s, domain(), {"release": "1.2.0"})
    folder = build(tmp_path / "c", {"truth": truth(), "load": load})
    for path in folder.glob("*/load.jsonl"):
        path.write_text(path.read_text().replace('"name": "load"', '"name": "codecarbon"'))
    assert library_of(store.load_campaign(folder), "load") == Library("codecarbon", "1.2.0")


def test_a_probe_that_never_opened_is_known_by_its_adapter(folder: Path) -> None:
    record = json.loads((folder / "campaign.json").read_text())
    record["sources"] += [
        {"name": "mine", "adapter": "/some/where/perf-stat.py", "python": "python3"},
        {"name": "wall", "adapter": "imported", "python": ""},
    ]
    (folder / "campaign.json").write_text(json.dumps(record))
    campaign = store.load_campaign(folder)
    assert library_of(campaign, "mine") == Library("perf-stat")
    assert library_of(campaign, "wall") == Library("wall")


@pytest.mark.parametrize(
    ("library", "facts"),
    [("codecarbon", {}), ({"name": "codecarbon"}, {}), ({}, {}), (3, {}), ({"name": "x"}, [3])],
)
def test_a_library_that_is_none_is_named_with_its_line(
    folder: Path, library: object, facts: object
) -> None:
    path = folder / "001-idle" / "truth.jsonl"
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text(json.dumps({**json.loads(first), "library": library, "facts": facts}) + "\n")
    with pytest.raises(BadFile, match="line 1"):
        store.load_log(path)
    assert rest


OLD_JOB = {"folder": "001-gemm", "number": 1, "workload": "gemm", "script": "gemm.py"}


def test_a_job_of_before_the_planned_length_has_it_in_its_arguments() -> None:
    old = Job.model_validate({**OLD_JOB, "arguments": ["--seconds", "5.4", "--cores", "1"]})
    assert old.seconds == 5.4
    assert Job.model_validate_json(old.model_dump_json()) == old


@pytest.mark.parametrize("arguments", [[], ["--seconds"], ["--seconds", "soon"], ["sleep", "5"]])
def test_arguments_without_a_length_are_no_planned_length(arguments: list[str]) -> None:
    assert Job.model_validate({**OLD_JOB, "arguments": arguments}).seconds is None


def test_the_settings_of_a_run_are_its_arguments_but_for_the_length(folder: Path) -> None:
    path = folder / "001-idle" / "run.json"
    record = json.loads(path.read_text())
    del record["planned_s"]
    record["arguments"] = ["--seconds", "5.4", "--cores", "1"]
    path.write_text(json.dumps(record))
    run = store.read(path, RunRecord)
    assert (run.planned_s, run.settings) == (5.4, ("--cores", "1"))
    assert run.model_copy(update={"planned_s": None}).settings == run.arguments
