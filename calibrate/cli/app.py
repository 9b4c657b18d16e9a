"""The command line; docs/cli.md says what the exit codes mean."""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import sys
import traceback
from contextlib import suppress
from typing import Annotated

import typer

from calibrate._version import __version__
from calibrate.cli.commands import LazyGroup
from calibrate.cli.help import examples
from calibrate.cli.options import IMPOSSIBLE, INTERNAL, INTERRUPTED, LOST, REFUSED
from calibrate.errors import CrosswattError, MachineLost, Unsupported

NAME = "crosswatt"

app = typer.Typer(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 160,  # as wide as the terminal, up to where lines are hard to read
    },
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# A process that ends need not look for what it could free: that took half a second, and seconds on
# a busy machine, after a signal to end too.
atexit.register(gc.freeze)

#: What a machine may run out of while something is written; no fault of ours.
_SCARCE = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM,
     errno.EAGAIN, errno.EIO, errno.EROFS, errno.EPIPE)
)  # fmt: skip

#: What a library that finds no memory to be loaded into says.
_NO_MEMORY = ("failed to map segment", "annot allocate memory")

#: Typer brings its own copy of click and gives this class no public name.
UsageError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    _print_anything()
    if odd := [word for word in given if not _is_text(word)]:
        _complain(f"{odd[0]!a} is not text in UTF-8, so that no file can name it. Choose another.")
        return REFUSED
    try:
        code = app(args=given, prog_name=NAME, standalone_mode=False)
        sys.stdout.flush()  # what cannot be printed is told here, not when Python ends
        return code if isinstance(code, int) else 0
    except UsageError as error:
        where = error.ctx.command_path if error.ctx else NAME
        _complain(f"{error.format_message().rstrip('.')}. Try '{where} --help'.")
        return REFUSED
    except Unsupported as error:
        _complain(str(error))
        return IMPOSSIBLE
    except MachineLost as error:
        _complain(str(error))
        return LOST
    except CrosswattError as error:
        _complain(str(error))
        return REFUSED
    except OSError as error:  # a file that cannot be written, a full disk
        if error.filename is None and error.errno not in _SCARCE:
            return _internal(error)
        _complain(f"{error.filename or 'What was to be written'}: {error.strerror}.")
        _drop_output()
        return REFUSED
    except MemoryError:
        return _no_memory()
    except ImportError as error:
        if any(words in str(error) for words in _NO_MEMORY):
            return _no_memory()
        return _internal(error)
    except (KeyboardInterrupt, typer.Abort):
        _complain("Interrupted.", style=None)
        return INTERRUPTED
    except Exception as error:  # a fault of ours: never the exit code of a verdict
        return _internal(error)


def _print_anything() -> None:
    """Have what the user's encoding lacks printed as its number, not refused."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:  # it holds bytes that are no UTF-8
        return False
    return True


def _drop_output() -> None:
    """Drop what standard output could not take: Python would try it again, and fail, at its end."""
    with suppress(OSError, ValueError):  # it may be closed, or no file
        sys.stdout.flush()
        return
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _no_memory() -> int:
    _complain("There is not enough memory for this. Try it on a machine that has more.")
    return IMPOSSIBLE


def _internal(error: Exception) -> int:
    """Print what a report of a fault of crosswatt needs."""
    traceback.print_exception(error)
    _complain(
        f"Internal error, {NAME} {__version__}: this is a fault of {NAME}, not of yours. Please "
        "report it with the lines above."
    )
    return INTERNAL


def _complain(sentence: str, style: str | None = "red") -> None:
    """Print to standard error; rich is imported when there is something to print."""
    with suppress(OSError, MemoryError):  # nobody reads it, or its disk is full: the code tells
        from calibrate.cli.console import err

        err.print(sentence, style=style, markup=False)


@app.callback(
    invoke_without_command=True,
    epilog=examples(
        "crosswatt run --quick --out first   # measure; then open first/report.html",
        "crosswatt run --help                # the options of a command, with examples",
    ),
)
def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version.")] = False,
) -> None:
    """Run software energy meters side by side, explain how they differ, and correct them."""
    if version:
        typer.echo(f"{NAME} {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(REFUSED)
