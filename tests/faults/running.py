"""Strike running campaigns with random faults, and see what is left and whether they go on.

    python tests/faults/running.py --count 500 --seed 1 --jobs 3

Each trial starts a small campaign, with or without a simulated machine, and strikes it once at a
random moment (`strikes.py`): a signal to one of its processes or to a workload's child, a full
disk, a limit of the system, a step of the clock, another boot, a second runner, an interpreter, a
folder or a part of it that vanishes or is damaged. Then ``run --resume`` goes on.

Wrong is (`trial.py`): a traceback, an exit code that is not documented, more than 5 s until
everything ends after a signal to end, a process, a mount, a socket, a lock, a temporary folder or a
half-made file that stays, a finished run that changed, a campaign that does not get complete. What
fails is printed with the seed that repeats it.

Faults that need root (a small disk, clocks of another boot) are left out without it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.strikes import KINDS
    from tests.faults.trial import Trial
else:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from faults.strikes import KINDS
    from faults.trial import Trial


def perform(seed: int, keep: Path | None = None) -> Trial:
    """Do one trial.

    Parameters
    ----------
    seed : decides what happens.
    keep : where the folder of a trial that went wrong is kept.
    """
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as name:
        trial = Trial(seed, Path(name))
        kinds = [each for each in KINDS if os.geteuid() == 0 or not each[2]]
        trial.random.choices([each[0] for each in kinds], [each[1] for each in kinds])[0](trial)
        if trial.wrong and keep:
            shutil.copytree(trial.place, keep / str(seed), symlinks=True, dirs_exist_ok=True)
        return trial


def main() -> int:
    """Print what went wrong, and how often."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1, help="of the first trial; others follow")
    parser.add_argument("--jobs", type=int, default=2, help="trials at the same time")
    parser.add_argument("--keep", type=Path, help="where folders of wrong trials are kept")
    given = parser.parse_args()
    seeds = range(given.seed, given.seed + given.count)
    counts: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    slowest = 0.0
    with ThreadPoolExecutor(given.jobs) as pool:
        for trial in pool.map(lambda seed: perform(seed, given.keep), seeds):
            print("!" if trial.wrong else ".", end="", file=sys.stderr, flush=True)
            counts[trial.fault] += 1
            slowest = max(slowest, trial.ended_s or 0.0)
            if trial.wrong:
                wrong[trial.fault] += 1
                told = "; ".join(trial.wrong)
                print(f"seed {trial.seed}, {trial.fault}: {told}", flush=True)
    for fault, number in sorted(counts.items()):
        print(f"{fault:44} {number:4} {wrong[fault]:4} wrong")
    print(f"{'all':44} {counts.total():4} {wrong.total():4} wrong")
    print(f"After a signal to end, everything had ended within {slowest:.1f} s.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
