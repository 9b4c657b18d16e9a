"""docs/cli.md: every command with its options and examples, made from the commands themselves.

python -m calibrate.cli.reference > docs/cli.md
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from typing import Any

from calibrate.cli.commands import COMMANDS, load_command
from calibrate.cli.help import describe_parameter, walk

_TOP = """\
# The command line

Made by `python -m calibrate.cli.reference`; `crosswatt COMMAND --help` prints the same.

- `-h`, `--help` works after every command. A letter means the same everywhere: `-b` bench,
  `-f` format, `-j` jobs, `-n` repeats, `-o` out, `-p` probe, `-q` quick, `-r` reference, `-s` set,
  `-w` workload.
- `--out` names what is written. `--json` prints JSON to standard output, and everything else to
  standard error. `--set PROBE.KEY=VALUE` gives a probe a setting.
- `crosswatt --install-completion` installs completion for bash, zsh or fish;
  `--show-completion` prints it.
- Exit codes: 0 done or passed, 1 failed, 2 inconclusive (too little data for a gate, a goal of
  `run --until` that was missed, runs that were left out or lost), 64 refused (a sentence says why),
  69 not possible on this machine, 70 an internal error, 75 the simulated machine was lost (run
  again with `--resume`), 130 interrupted by Ctrl-C or a signal to end.
"""


def reference() -> str:
    """Return the page, Markdown."""
    lines = [_TOP]
    for heading, entries in COMMANDS.items():
        lines.append(f"## {heading}\n")
        for name in entries:
            for path, command in walk(load_command(name), (name,)):
                lines += _section(path, command)
    return "\n".join(lines).rstrip() + "\n"


def _section(path: tuple[str, ...], command: Any) -> Iterator[str]:
    """Yield the lines on one command."""
    name = " ".join(("crosswatt", *path))
    yield f"### {name}\n"
    yield f"    {name} {' '.join(command.collect_usage_pieces(None))}\n"
    yield f"{command.help}\n"
    for typed, meaning in map(describe_parameter, command.params):
        text = f"- `{typed}`: {meaning}"
        yield textwrap.fill(text, 118, subsequent_indent="  ", break_on_hyphens=False)
    yield "\n```sh" if command.params else "```sh"
    yield f"{command.epilog}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
