"""Texts and names of a folder of somebody else, that cannot be written again or stand twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from calibrate import analyze, store
from calibrate.calibration.reading import NextRun
from calibrate.cli import main
from calibrate.errors import CrosswattError
from calibrate.store import columns_type, parse_json
from tests.helpers.campaigns import Fake, build, domain, truth


def test_half_of_a_character_is_refused_and_a_whole_one_is_not() -> None:
    with pytest.raises(ValueError, match="half of a character"):
        parse_json('{"workload": "\\ud800"}')
    assert parse_json('{"workload": "\\ud83d\\ude00"}') == {"workload": "\N{GRINNING FACE}"}


@pytest.mark.parametrize("names", [[""], ["a", "a"], ["at_ns"], ["a", ""]])
def test_columns_without_a_name_of_their_own_are_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match="no name"):
        columns_type(names)
    assert columns_type(["a", "b"]).names == ("at_ns", "a", "b")


def test_a_probe_that_the_campaign_does_not_name_is_no_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half = Fake(lambda watts, seconds: 0.5 * watts * seconds, domain())
    folder = build(tmp_path / "c", {"truth": truth(), "half": half})
    path = folder / store.CAMPAIGN
    document = json.loads(path.read_text())
    document["sources"] = [each for each in document["sources"] if each["name"] != "truth"]
    path.write_text(json.dumps(document))
    with pytest.raises(CrosswattError, match=r"readings of truth.*does not name it"):
        analyze(folder)
    assert main(["analyze", str(folder)]) == 64
    assert "Internal error" not in capsys.readouterr().err


def test_an_uncertainty_that_cannot_be_squared_is_refused() -> None:
    known = {"workloads": 0.01, "workloads_df": 4.0, "runs": 0.01, "runs_df": 10.0}
    assert NextRun.model_validate(known).expanded(0.001).u > 0
    for bad in (1e300, -0.1):
        with pytest.raises(ValidationError, match="correlation"):
            NextRun.model_validate({**known, "correlation": bad})
