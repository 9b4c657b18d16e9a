"""Readings that a probe loses beside one that misbehaves, and beside one that does not.

    python tests/benchmarks/neighbours.py [RUNS]

Short runs in turn, a naughty neighbour in every second one, so that whatever else this machine does
strikes both alike. Prints the share of readings that the steady probe lost beside each, and their
difference with its standard error. Ends with 1 where a naughty neighbour costs more than one
reading in a hundred, and more than three standard errors.
"""

from __future__ import annotations

import math
import sys
import tempfile
from pathlib import Path
from statistics import mean, stdev

from calibrate import catalog, store
from calibrate.campaign import Pause, Source, Timeouts, perform_run
from calibrate.store import Job

HERE = Path(__file__).parents[1] / "adapters"
KINDS = ("raise", "hang", "exit", "kill", "text", "list", "text value", "print")


def lost(folder: Path, number: int, neighbour: Source) -> float:
    """Perform a run; return the share of the steady probe's readings that were lost."""
    script = str(catalog.find("workloads", "idle"))
    arguments = ("--seconds", "0.5")
    job = Job(folder="-", number=number, workload="idle", script=script, arguments=arguments)
    folder.mkdir()
    limits = Timeouts(open_s=60, begin_s=2, end_s=2, stop_s=2)
    sources = [neighbour, Source("steady", HERE / "steady.py")]
    perform_run(job, sources, folder, Pause(0.1, 0.1), limits)
    log = store.load_run(folder).logs["steady"]
    missed: int = log.stop["missed"]
    return missed / (missed + len(log.readings))


def main() -> int:
    """Print three lines."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 80
    good = Source("synthetic", catalog.find("adapters", "synthetic"))
    shares: dict[str, list[float]] = {"naughty": [], "good": []}
    with tempfile.TemporaryDirectory() as place:
        for number in range(count):
            options = {"kind": KINDS[number // 2 % len(KINDS)], "after": "0.3"}
            naughty = Source("naughty", HERE / "naughty.py", options=options)
            name, neighbour = (("good", good), ("naughty", naughty))[number % 2]
            shares[name].append(lost(Path(place) / str(number), number, neighbour))
    for name, each in shares.items():
        print(f"beside a {name} neighbour {mean(each):8.3%} of the readings lost, {len(each)} runs")
    more = mean(shares["naughty"]) - mean(shares["good"])
    u = math.sqrt(sum(stdev(each) ** 2 / len(each) for each in shares.values()))
    print(f"difference {more:8.3%}, standard error {u:.3%}")
    return int(more > max(0.01, 3 * u))


if __name__ == "__main__":
    sys.exit(main())
