"""Help: every command and option has some, it fits the terminal, and its examples parse."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer

from calibrate.cli import main
from calibrate.cli.reference import reference
from tests.helpers.commands import PATHS, SUMMARIES, parse

ROOT = Path(__file__).parents[3]
EXAMPLES = [line for command in PATHS.values() for line in command.epilog.splitlines()]
EVERY_COMMAND = pytest.mark.parametrize("path", PATHS, ids=lambda path: " ".join(path) or "top")


@EVERY_COMMAND
def test_every_command_and_option_has_help(path: tuple[str, ...]) -> None:
    command = PATHS[path]
    assert command.help
    for parameter in command.params:
        assert parameter.help, parameter.name
        assert parameter.help[0].isupper() or parameter.name == "form", parameter.help
        assert getattr(parameter, "is_flag", False) or parameter.metavar, parameter.name


@EVERY_COMMAND
def test_every_command_has_an_example_of_its_own(path: tuple[str, ...]) -> None:
    own = " ".join(("crosswatt", *path))
    lines = PATHS[path].epilog.splitlines()
    assert lines and all(line.startswith(own) for line in lines)


@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_parses(line: str) -> None:
    parse(line)


def test_an_example_with_an_unknown_option_does_not_parse() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse("crosswatt bench exec --modle x -- true")


@pytest.mark.parametrize("name", SUMMARIES)
def test_the_listing_says_what_the_command_says_itself(name: str) -> None:
    first = PATHS[(name,)].help.split("\n\n")[0]
    assert SUMMARIES[name] == " ".join(first.split())


def test_the_listing_imports_every_command_that_there_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["--help"])
    listed = re.findall(r"^  ([a-z]+)  ", capsys.readouterr().out, re.MULTILINE)
    assert listed == list(SUMMARIES)


@EVERY_COMMAND
@pytest.mark.parametrize(("flag", "columns"), [("-h", 80), ("--help", 120)])
def test_help_fits_the_terminal(
    path: tuple[str, ...],
    flag: str,
    columns: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main([*path, flag]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Usage: crosswatt")
    assert max(map(len, lines)) <= columns
    assert "Examples:" in lines


def test_help_is_as_wide_as_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    main(["run", "-h"])
    assert max(map(len, capsys.readouterr().out.splitlines())) > 100


def options() -> list[tuple[str, Any]]:
    return [
        (" ".join(path), parameter)
        for path, command in PATHS.items()
        for parameter in command.params
        if parameter.param_type_name == "option"
    ]


def test_a_letter_means_one_thing_everywhere() -> None:
    meanings: dict[str, set[str]] = {}
    for _, parameter in options():
        long = next(name for name in parameter.opts if name.startswith("--"))
        for letter in set(parameter.opts) - {long}:
            meanings.setdefault(letter, set()).add(long)
    assert meanings == {
        "-b": {"--bench"}, "-f": {"--format"}, "-j": {"--jobs"}, "-n": {"--repeats"},
        "-o": {"--out"}, "-p": {"--probe"}, "-q": {"--quick"}, "-r": {"--reference"},
        "-s": {"--set"}, "-V": {"--version"}, "-w": {"--workload"},
    }  # fmt: skip


def test_an_option_has_the_same_letter_everywhere() -> None:
    letters: dict[str, set[tuple[str, ...]]] = {}
    for _, parameter in options():
        long = next(name for name in parameter.opts if name.startswith("--"))
        letters.setdefault(long, set()).add(tuple(sorted(set(parameter.opts) - {long})))
    assert {long: each for long, each in letters.items() if len(each) > 1} == {}


def test_one_grammar_for_one_thing() -> None:
    for command, parameter in options():
        if "--json" in parameter.opts:
            assert parameter.is_flag, command
        if "--set" in parameter.opts:
            assert parameter.metavar == "PROBE.KEY=VALUE", command
        if "--out" in parameter.opts:
            assert parameter.metavar in {"FILE", "FOLDER"}, command


def test_the_reference_is_up_to_date() -> None:
    written = (ROOT / "docs" / "cli.md").read_text()
    assert written == reference(), "python -m calibrate.cli.reference > docs/cli.md"


def documented(pattern: str) -> list[str]:
    """Return the commands in the documents, as they match a pattern."""
    pages = [ROOT / "README.md", ROOT / "reports" / "examples" / "README.md"]
    return [
        line
        for page in [*pages, *sorted((ROOT / "docs").glob("*.md"))]
        for line in re.findall(pattern, page.read_text().replace("\\\n", " "), re.MULTILINE)
        if "[OPTIONS]" not in line
    ]


@pytest.mark.parametrize("line", documented(r"^\s*(?:\$ )?(crosswatt [a-z-].*?)\s*$"))
def test_every_command_on_a_line_of_the_documents_parses(line: str) -> None:
    parse(line)


@pytest.mark.parametrize("line", documented(r"`(crosswatt [a-z][^`]*)`"))
def test_every_command_and_option_in_their_text_exists(line: str) -> None:
    with suppress(typer.BadParameter):  # a command without its arguments, or N for a number
        parse(line)
