"""How long the command line takes to start, beside ``python -c pass`` in the same minute.

python tests/benchmarks/startup.py [RUNS]

Runs the commands in turn, so that another program on the machine slows down all of them, and
prints the median seconds of each and their ratio to the bare interpreter. `--help` and `probes`
shall stay below 17.5 times it: 0.35 s where it takes 0.02 s.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

PASS = ("-c", "pass")
COMMANDS = {
    "python -c pass": PASS,
    "crosswatt --help": ("-m", "calibrate", "--help"),
    "crosswatt probes": ("-m", "calibrate", "probes"),
    "crosswatt run --help": ("-m", "calibrate", "run", "--help"),
    "crosswatt import --help": ("-m", "calibrate", "import", "--help"),
    "import calibrate": ("-c", "import calibrate"),
}


def seconds(arguments: tuple[str, ...]) -> float:
    """Run the interpreter once and return how long that took."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main() -> None:
    """Print one line for each command."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(runs + 1):
        for name, arguments in COMMANDS.items():
            took = seconds(arguments)
            if turn:  # the first fills the caches
                taken[name].append(took)
    bare = statistics.median(taken["python -c pass"])
    for name, values in taken.items():
        median = statistics.median(values)
        print(f"{name:<24} {median:6.3f} s  {median / bare:5.1f} times the bare interpreter")


if __name__ == "__main__":
    main()
