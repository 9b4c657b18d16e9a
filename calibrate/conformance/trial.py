"""One meter, once, beside the truth, on a simulated machine: a process of `calibrate.conformance`.

    python -m calibrate.conformance FOLDER

FOLDER holds ``trial.json``; ``counters.json`` and the files of a run are written beside it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from calibrate import store
from calibrate.bench import counter_ranges_j
from calibrate.campaign import Pause, Timeouts, perform_run, recorded_sources
from calibrate.simulated import VARIABLE
from calibrate.store import Document, Job, SourceRecord

TRIAL, COUNTERS = "trial.json", "counters.json"
LIMITS = Timeouts(open_s=40, begin_s=10, end_s=15, stop_s=8, workload_s=60)
PAUSE = Pause(before_s=0.4, after_s=0.25)


class Trial(Document):
    """What is to be done."""

    job: Job
    sources: tuple[SourceRecord, ...]


class Counters(Document):
    """At how many joules the counters of the simulated machine wrap, by scope."""

    range_j: dict[str, float]


def main() -> int:
    """Do the trial; the faults begin when every probe has been opened."""
    folder = Path(sys.argv[1])
    trial = store.read(folder / TRIAL, Trial)
    bench = Path(os.environ[VARIABLE])
    store.save(folder / COUNTERS, Counters(range_j=counter_ranges_j(bench)))
    trigger = bench / "trigger"
    triggered = False

    def watch(stage: str) -> None:
        nonlocal triggered
        if stage == "idle" and not triggered:
            triggered = True
            trigger.write_text("now\n", encoding="ascii")

    perform_run(trial.job, recorded_sources(trial.sources), folder, PAUSE, LIMITS, watch)
    return 0
