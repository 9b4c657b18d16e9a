"""Secrets are given by reference: a literal is refused before anything is written or started."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate import cli
from calibrate.probe import Unavailable
from calibrate.probe.secret import is_literal, is_secret, revealed


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("password", True),
        ("api_token", True),
        ("electricitymaps_api_key", True),
        ("PASSWORD", True),
        ("password_env", False),
        ("tokens", False),
        ("address", False),
    ],
)
def test_a_secret_is_known_by_the_name_of_its_setting(key: str, secret: bool) -> None:
    assert is_secret(key) is secret


def test_references_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METER", "hunter2")
    path = tmp_path / "token"
    path.write_text("abc\nmore\n")
    path.chmod(0o600)
    settings = {"password": "env:METER", "token": f"file:{path}", "address": "env:METER"}
    assert revealed(settings) == {"password": "hunter2", "token": "abc", "address": "env:METER"}


def test_what_cannot_be_had_is_said_without_the_secret(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("abc\n")
    path.chmod(0o644)
    for value, why in (
        ("env:NOT_THERE", "NOT_THERE is not set"),
        (f"file:{path}", "others may read"),
        (f"file:{tmp_path}/none", "No such file"),
        ("HUNTER2", "would be kept in the record"),
    ):
        with pytest.raises(Unavailable) as raised:
            revealed({"password": value})
        assert why in str(raised.value.why)
        assert "HUNTER2" not in f"{raised.value.why} {raised.value.fix}"


def test_a_password_in_an_address_is_a_literal() -> None:
    assert is_literal("address", "http://admin:HUNTER2@10.0.0.1")
    assert not is_literal("address", "http://10.0.0.1")
    assert not is_literal("address", "http://[::1")


@pytest.mark.parametrize(
    "setting", ["wall.password=HUNTER2", "wall.address=http://admin:HUNTER2@127.0.0.1:9"]
)
def test_a_literal_is_refused_before_anything_is_written(
    tmp_path: Path, setting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["run", "--bench", "desktop", "--quick", "--probe", "truth", "--probe", "wall"]
    line += ["--set", "wall.kind=shelly", "--set", setting, "--out", str(tmp_path / "c")]
    assert cli.main(line) == 64
    said = " ".join(capsys.readouterr().err.split())
    assert "is a secret" in said and "env:NAME" in said and "HUNTER2" not in said
    assert not (tmp_path / "c").exists()
