"""The energy of the user's own program: in a report, and in a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calibrate import analyze, cli
from calibrate.analysis import Analysis
from calibrate.costs import own_workloads
from calibrate.reporting import campaign_chapters, program_rows, program_sentences
from tests.helpers.campaigns import Fake, build, domain, truth

LOADS = {"idle": 20.0, "gemm": 60.0, "command": 50.0, "asr": 40.0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A campaign in which one workload is a command of the user's; `half` reports half."""
    half = Fake(lambda watts, seconds: 0.5 * watts * seconds, domain())
    made = build(tmp_path / "c", {"truth": truth(), "half": half}, LOADS, (10.0, 10.0))
    path = made / "campaign.json"
    document = json.loads(path.read_text())
    for job in document["jobs"]:
        job["script"] = None if job["workload"] == "command" else "/somewhere.py"
        if job["workload"] == "command":
            job["arguments"] = ["python3", "train.py", "--token=ghp_" + "a1B2" * 9]
    path.write_text(json.dumps(document))
    return made


def by_probe(found: Analysis) -> dict[str, float]:
    return {each.probe: each.joules for each in found.program}


def test_only_the_users_program_is_told_and_probes_are_corrected(folder: Path) -> None:
    found = analyze(folder)
    assert own_workloads(found.campaign) == ("command",)
    assert {each.workload for each in found.program} == {"command"}
    joules = by_probe(found)
    assert joules["truth"] == pytest.approx(500, rel=1e-3)
    assert joules["half"] == pytest.approx(500, rel=1e-2)
    half = next(each for each in found.program if each.probe == "half")
    assert half.how == "corrected" and half.reported_j == pytest.approx(250, rel=1e-3)
    assert half.watts == pytest.approx(50, rel=1e-2) and half.u_relative is not None


def test_the_sentence_has_joules_kwh_watts_and_co2e(folder: Path) -> None:
    [words] = program_sentences(analyze(folder))
    assert words.startswith("python3 train.py") and "ghp_" not in words
    assert "used 500 J" in words and "0.0001389 kWh, 50 W over 10 s; mean of 2 runs" in words
    [words] = program_sentences(analyze(folder, carbon=100))
    assert "13.89 mg, ± not known CO2e" in words


def test_the_table_has_co2e_where_it_is_asked_for(folder: Path) -> None:
    found = analyze(folder, carbon=100)
    assert found.footprint is not None
    head, rows = program_rows(found.program, found.footprint.intensity)
    assert head == (
        "by", "scope", "energy (95 %)", "energy / Wh", "power / W", "CO2e / g", "reading",
    )  # fmt: skip
    assert {len(cells) for cells in rows} == {len(head)}
    assert [cells[0] for cells in rows] == ["truth", "half"]


def test_a_report_has_it_first_and_others_have_none(folder: Path, tmp_path: Path) -> None:
    assert "Energy of your program" in analyze(folder).report("html").split('id="power"')[0]
    path = folder / "campaign.json"
    document = json.loads(path.read_text())
    for job in document["jobs"]:
        job["script"] = "/somewhere.py"
    path.write_text(json.dumps(document))
    names = [chapter.name for chapter in campaign_chapters(analyze(folder))]
    assert "Energy of your program" not in names


def test_a_terminal_has_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["analyze", str(folder)]) in {0, 2}
    said = capsys.readouterr().out
    assert "python3 train.py" in said and "used 500 J" in said and "corrected" in said
