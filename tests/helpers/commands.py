"""The commands of the command line, all imported."""

from __future__ import annotations

import shlex
from contextlib import suppress
from typing import Any

import typer
from typer.main import get_command

from calibrate.cli.app import NAME, app
from calibrate.cli.commands import COMMANDS, load_command
from calibrate.cli.help import walk

SUMMARIES = {name: text for section in COMMANDS.values() for name, (_, text) in section.items()}

#: Every command by the names that lead to it; the program itself by none.
PATHS: dict[tuple[str, ...], Any] = {(): get_command(app)} | {
    path: command for name in SUMMARIES for path, command in walk(load_command(name), (name,))
}


def parse(line: str) -> None:
    """Parse a command as the shell and then its command would; raises where it is wrong."""
    words = shlex.split(line.partition(" | ")[0], comments=True)
    assert words.pop(0) == NAME
    depth = next(n for n in range(len(words), -1, -1) if tuple(words[:n]) in PATHS)
    assert depth or not words or words[0].startswith("-"), f"no command {words[0]}"
    with suppress(typer.Exit):  # --help
        PATHS[tuple(words[:depth])].make_context(NAME, words[depth:])
