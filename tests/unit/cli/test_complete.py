"""Shell completion, asked for as the shells ask."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from calibrate import bench, campaign, catalog
from calibrate.bench import KINDS
from calibrate.ingest import importers
from tests.helpers.commands import SUMMARIES

PROBES = {*catalog.files("adapters"), "codecarbon-1.2.0"}
REPORTS = set(catalog.files("reports"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with one environment, and the command on the path."""
    place = tmp_path / "environments" / "codecarbon-1.2.0"
    place.mkdir(parents=True)
    (place / "probe.json").write_text('{"name": "codecarbon-1.2.0", "adapter": "codecarbon"}')
    command = tmp_path / "bin" / "crosswatt"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m calibrate "$@"\n')
    command.chmod(0o755)
    return tmp_path


def ask(home: Path, shell: str, line: str, **more: str) -> str:
    """Return what completion prints; the last word of the line is completed."""
    words = line.split(" ")
    environment = {
        "_CROSSWATT_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "CROSSWATT_HOME": str(home),
        **more,
    }
    done = subprocess.run(
        [home / "bin" / "crosswatt"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("crosswatt ", set(SUMMARIES)),
        ("crosswatt rep", {"report"}),
        ("crosswatt bench ", {"exec", "models", "faults"}),
        ("crosswatt probes r", {"remove"}),
        ("crosswatt run --pr", {"--probe"}),
        ("crosswatt run --probe ", PROBES),
        ("crosswatt run -p rapl -p codecarbon-", {"codecarbon-1.2.0"}),
        ("crosswatt conformance rapl co", {"codecarbon", "codecarbon-1.2.0"}),
        ("crosswatt characterize py", {"pyjoules", "pyrapl"}),
        ("crosswatt probes remove ", {"codecarbon-1.2.0"}),
        ("crosswatt run --workload ", set(catalog.files("workloads"))),
        ("crosswatt run --plan ", set(campaign.plan_names())),
        ("crosswatt plan asr", {n for n in campaign.plan_names() if n.startswith("asr")}),
        ("crosswatt report first --format ", REPORTS),
        ("crosswatt run --bench ", set(bench.names())),
        ("crosswatt bench exec --model d", {"desktop"}),
        ("crosswatt run --fault st", {name for name in KINDS if name.startswith("st")}),
        ("crosswatt import ", set(importers())),
        ("crosswatt report ", set()),  # the shell completes files
    ],
)
def test_what_a_shell_completes(line: str, values: set[str], home: Path) -> None:
    assert set(ask(home, "bash", line).split()) == values


def test_zsh_and_fish_show_the_help_of_a_command(home: Path) -> None:
    assert f'"report":"{SUMMARIES["report"]}"' in ask(home, "zsh", "crosswatt rep")
    fish = ask(home, "fish", "crosswatt rep", _TYPER_COMPLETE_FISH_ACTION="get-args")
    assert fish == f"report\t{SUMMARIES['report']}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_asks_this_command(shell: str, home: Path) -> None:
    # The shell is that of the environment; a test has none.
    disabled = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [home / "bin" / "crosswatt", "--show-completion", shell],
        env={**os.environ, **disabled},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"_CROSSWATT_COMPLETE=complete_{shell}" in done.stdout
    assert "crosswatt" in done.stdout.replace("_CROSSWATT", "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_itself_completes(home: Path) -> None:
    script = """
        eval "$(_CROSSWATT_COMPLETE=source_bash crosswatt)"
        COMP_WORDS=(crosswatt run --probe codecarbon-) COMP_CWORD=3
        _crosswatt_completion crosswatt
        echo "${COMPREPLY[@]}"
        complete -p crosswatt
    """
    path = f"{home / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": path, "CROSSWATT_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = done.stdout.splitlines()
    assert first == "codecarbon-1.2.0"
    assert second == "complete -o default -F _crosswatt_completion crosswatt"
