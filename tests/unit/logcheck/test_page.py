"""The commands of docs/check.md are run, and print what the page shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from calibrate.cli import main
from calibrate.logcheck import Code
from tests.helpers.powerlogs import gpu_log

PAGE = (Path(__file__).parents[3] / "docs" / "check.md").read_text(encoding="utf-8")
BLOCKS = re.findall(
    r"^```sh\n(.*?)\n```\n(?:\n```text\n(.*?)```$)?", PAGE, re.MULTILINE | re.DOTALL
)


def test_the_page_has_commands_with_output() -> None:
    assert len(BLOCKS) >= 3 and any(said for _, said in BLOCKS)


@pytest.mark.parametrize(("command", "said"), BLOCKS)
def test_a_command_of_the_page(
    command: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    gpu_log(tmp_path / "gpu.csv")
    name, *arguments = shlex.split(command)
    assert name == "crosswatt"
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    if said:
        assert " ".join(printed.split()) == " ".join(said.split())


def test_the_page_has_every_code() -> None:
    assert {code for code in Code if f"`{code.value}`" not in PAGE} == set()
