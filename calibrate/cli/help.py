"""How help looks: what is typed on the left, what it means on the right, examples at the end.

Typer brings its own copy of click, whose classes have no public names: hence `Any`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

Function = TypeVar("Function", bound=Callable[..., Any])


def examples(*lines: str) -> str:
    """Return an epilog with examples, one a line."""
    return "\n".join(lines)


def describe_parameter(parameter: Any) -> tuple[str, str]:
    """Return how a parameter is typed, and what it means, with its default."""
    if parameter.param_type_name == "argument":
        typed = f"{parameter.metavar}..." if parameter.nargs != 1 else parameter.metavar
    else:
        typed = ", ".join(sorted(parameter.opts, key=len))
        if not parameter.is_flag:
            typed += f" {parameter.metavar}"
    default = parameter.default
    if default and default is not True and not callable(default):
        return typed, f"{parameter.help} [default: {default}]"
    if parameter.required and parameter.param_type_name == "option":
        return typed, f"{parameter.help} [required]"
    return typed, parameter.help or ""


class _PlainHelp:
    """The parts of help that this package writes itself."""

    epilog: str | None
    params: list[Any]

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters; a flag that is not given is False.

        One that is None, as that for help, is checked with pydantic, which takes long to import.
        """
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            if parameter.default is None and getattr(parameter, "is_flag", False):
                parameter.default = False
        return parameters

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what follows the name of the command."""
        pieces = ["[OPTIONS]"]
        for parameter in self.params:
            if parameter.param_type_name == "argument":
                name = parameter.metavar if parameter.required else f"[{parameter.metavar}]"
                pieces.append(name if parameter.nargs == 1 else f"{name}...")
        return [*pieces, "COMMAND [ARGS]..."] if isinstance(self, TyperGroup) else pieces

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, the options, and in a group the commands."""
        parameters = [p for p in self.get_params(ctx) if not p.hidden]
        for kind in ("argument", "option"):
            rows = [describe_parameter(p) for p in parameters if p.param_type_name == kind]
            if rows:
                with formatter.section(f"{kind.capitalize()}s"):
                    formatter.write_dl(rows)
        if isinstance(self, TyperGroup):
            self.format_commands(ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples as they are, so that each can be copied."""
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


class PlainCommand(_PlainHelp, TyperCommand):
    """A command."""


class PlainGroup(_PlainHelp, TyperGroup):
    """A group of commands."""


class Commands(typer.Typer):
    """The commands of a module, or of a group such as ``bench``."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            **{
                "cls": PlainGroup,
                "add_completion": False,
                "pretty_exceptions_enable": False,
                "rich_markup_mode": None,
                **settings,
            }
        )

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Function], Function]:
        """Register a command, as `typer.Typer.command` does."""
        return super().command(name, **{"cls": PlainCommand, **settings})


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield a command and those below it, each with the names that lead to it."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from walk(below, (*path, name))
