"""Releases that are added: meters of our table, exact, and known by their checksum."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from calibrate import catalog, cli
from calibrate.campaign.environment import METERS, add_environment, parse_release, pip_sources
from calibrate.errors import CrosswattError


@pytest.mark.parametrize(
    "requirement",
    [
        "rapl==1.0", "truth==1.0", "nosuch==1.0", "codecarbon", "codecarbon>=1", "-r==1",
        "codecarbon==1.2.0 --index-url=http://x", 'codecarbon==1.2.0;os_name=="x"', "../../x==1",
        "codecarbon==../..", "codecarbon==1.2.0 @ file:///etc/passwd",
    ],
)  # fmt: skip
def test_only_exact_releases_of_our_table_are_added(requirement: str) -> None:
    with pytest.raises(CrosswattError):
        parse_release(requirement)


def test_every_meter_of_the_table_has_an_adapter() -> None:
    assert METERS.keys() <= catalog.files("adapters").keys()
    hashes = [each for meter in METERS.values() for each in meter.hashes.values()]
    assert {len(each) for each in hashes} == {64} and len({*hashes}) == len(hashes)


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], Any]]:
    """What would be run, instead of running it."""
    done: list[tuple[list[str], Any]] = []

    def record(step: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        done.append((step, options.get("env")))
        if step[1:3] == ["-m", "venv"]:
            Path(step[3]).mkdir(parents=True)
        listed = "global.index-url='https://me:hunter2@index.example/simple'\n"
        return subprocess.CompletedProcess(step, 0, listed if "config" in step else "", "")

    monkeypatch.setenv("CROSSWATT_HOME", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", record)
    return done


def test_a_release_of_the_documents_is_known_by_its_checksum(
    steps: list[tuple[list[str], Any]], tmp_path: Path
) -> None:
    add_environment("codecarbon==1.2.0")
    _, meter, needs, _ = (step for step, _ in steps)
    assert "--require-hashes" in meter and "--no-deps" in meter
    wanted = tmp_path / "environments" / "codecarbon-1.2.0" / "requirements.txt"
    known = METERS["codecarbon"].hashes["1.2.0"]
    assert wanted.read_text() == f"codecarbon==1.2.0 --hash=sha256:{known}\n"
    assert needs[-2:] == ["codecarbon==1.2.0", "setuptools<81"]


def test_an_index_that_is_named_is_the_only_one(
    steps: list[tuple[list[str], Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://other.example/simple")
    add_environment("zeus==0.15.0", "https://index.example/simple")
    step, variables = steps[1]
    assert step[3:5] == ["--index-url", "https://index.example/simple"]
    assert "PIP_EXTRA_INDEX_URL" not in variables and variables["PIP_CONFIG_FILE"] == "/dev/null"


def test_what_is_installed_and_from_where_is_shown_first(
    steps: list[tuple[list[str], Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert pip_sources() == ("https://me:***@index.example/simple",)
    assert cli.main(["probes", "add", "zeus==0.15.0"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("Installing zeus 0.15.0 (its checksum is not known here) and what it")
    assert "needs from https://me:***@index.example/simple." in said
    assert cli.main(["probes", "add", "rapl==1.0"]) == 64


def test_a_wheel_that_is_another_is_refused(
    steps: list[tuple[list[str], Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded: Any = subprocess.run

    def refuse(step: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if "--require-hashes" not in step:
            return recorded(step, **options)  # type: ignore[no-any-return]
        said = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."
        return subprocess.CompletedProcess(step, 1, "", said)

    monkeypatch.setattr(subprocess, "run", refuse)
    with pytest.raises(CrosswattError, match="not the file that crosswatt knows by its checksum"):
        add_environment("perun==1.0.0")
