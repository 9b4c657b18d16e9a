"""Run a command on the bench: `python -m calibrate.bench exec --model NAME -- COMMAND ...`."""

from __future__ import annotations

import argparse
import sys

from calibrate.bench.namespace import execute
from calibrate.bench.setup import Setup
from calibrate.errors import CrosswattError


def main() -> int:
    """Return the exit code of the command, or 64 when the bench refuses."""
    parser = argparse.ArgumentParser(prog="python -m calibrate.bench")
    run = parser.add_subparsers(required=True).add_parser("exec", help="run a command on the bench")
    run.add_argument("--model", default="desktop", help="name or file; default: desktop")
    run.add_argument("--fault", action="append", default=[], help="unit=4,scope=dram,at_s=2 ...")
    run.add_argument("--replay", help="a power trace (CSV) that drives the machine")
    run.add_argument("--speed", type=float, default=1.0, help="seconds of the trace a second")
    run.add_argument("--load", help="CPU use instead of this host's: 0.9x1.5,0.2x0.5")
    run.add_argument("--armed", action="store_true", help="stand still until told to go")
    run.add_argument("command", nargs="+", help="after --")
    arguments = parser.parse_args()
    try:
        wanted = Setup(
            arguments.model,
            tuple(arguments.fault),
            arguments.replay,
            arguments.speed,
            arguments.load,
            arguments.armed,
        )
        return execute(wanted, arguments.command)
    except CrosswattError as error:
        print(f"crosswatt: {error}", file=sys.stderr)
        return 64


if __name__ == "__main__":
    sys.exit(main())
