"""Many runs beside a probe that misbehaves at a random moment; CROSSWATT_ROBUST says how many."""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from calibrate import catalog, store
from calibrate.campaign import Pause, Source, Timeouts, perform_run
from calibrate.store import Job

HERE = Path(__file__).parents[1] / "adapters"
KINDS = ("raise", "hang", "exit", "kill", "text", "list", "text value", "print")
RUNS = int(os.environ.get("CROSSWATT_ROBUST", "60"))


def one(folder: Path, seed: int) -> store.Run:
    choose = random.Random(seed)  # noqa: S311
    options = {"kind": choose.choice(KINDS), "after": f"{choose.uniform(0, 0.6):.3f}"}
    sources = [
        Source("naughty", HERE / "naughty.py", options=options),
        Source("steady", HERE / "steady.py"),
    ]
    idle = str(catalog.find("workloads", "idle"))
    arguments = ("--seconds", "0.2")
    job = Job(folder="-", number=seed, workload="idle", script=idle, arguments=arguments)
    # Long enough for a process of a busy host to answer; only those that hang wait for it.
    limits = Timeouts(open_s=60, begin_s=2, end_s=2, stop_s=2)
    folder.mkdir()
    perform_run(job, sources, folder, Pause(0.1, 0.1), limits)
    return store.load_run(folder)


@pytest.mark.timeout(900)
def test_every_other_probe_records_to_the_end_and_every_folder_loads(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        folders = [tmp_path / f"{seed:03d}" for seed in range(RUNS)]
        runs = list(pool.map(one, folders, range(RUNS)))
    ended = {done.record.probes["naughty"].status for done in runs}
    assert ended == {"ok", "failed", "hung", "killed"}
    for done in runs:
        log = done.logs["steady"]
        assert done.record.probes["steady"].status == "ok"
        assert log.stop["readings"] == len(log.readings)
        times = log.readings.before_ns.tolist()
        assert times[0] <= done.record.begin_ns
        assert times[-1] >= done.record.end_ns
