"""What ``doctor --security`` prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calibrate.cli import main


def test_security_as_json_is_typed_and_its_exit_code_says_whether_something_is_too_much(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "token"
    secret.write_text("s")
    secret.chmod(0o644)
    assert main(["doctor", "--security", "--json", "--secret-file", str(secret)]) == 1
    found = json.loads(capsys.readouterr().out)["grants"]
    assert {each["check"] for each in found} >= {"counters", "registers", "perf", "interpreter"}
    [mine] = [each for each in found if each["place"] == str(secret)]
    assert mine["level"] == "excess"
    assert "chmod 600" in mine["fix"]


def test_json_without_security_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 64
    assert "--security" in capsys.readouterr().err
