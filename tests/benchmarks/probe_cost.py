"""What reading costs: CPU time of probes at several rates, and whether they keep their deadlines.

python tests/benchmarks/probe_cost.py [SECONDS]

One campaign a rate on the simulated machine `workstation` (RAPL, a GPU, a board sensor), with
pyJoules and CodeCarbon at their own pace in the same run, and beside it `perf stat -I` where perf
is installed: of RAPL where the kernel has such events, else of the task clock. A read on a
simulated machine goes through a file server in user space and takes longer than one from a kernel:
the shares are upper limits. What it costs a process to wake up, and do nothing, is a line of its
own; in a virtual machine it may be most of it.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CHEAP = ("rapl", "nvml", "hwmon")
BESIDE = ("pyjoules", "codecarbon")


def campaign(folder: Path, seconds: float, rates: dict[str, int]) -> dict[str, Any]:
    """Run an idle campaign; return the summaries of its probes."""
    plan = folder / "plan.toml"
    plan.write_text(
        f'title = "cost"\nrepeats = 1\n[[workload]]\nname = "idle"\nseconds = [{seconds}]\n'
    )
    line = ["run", "--bench", "workstation", "--plan", str(plan), "--out", str(folder / "c")]
    for name in ("truth", *CHEAP, *BESIDE):
        line += ["--probe", name]
    for name, hertz in rates.items():
        line += ["--rate", f"{name}={hertz}"]
    subprocess.run([sys.executable, "-m", "calibrate", *line], check=True, capture_output=True)
    found: dict[str, Any] = json.loads((folder / "c/comparison.json").read_text())["probes"]
    return found


class PerfStat:
    """`perf stat -a -I` beside a campaign, and what it costs."""

    def __init__(self, hertz: int) -> None:
        rapl = Path("/sys/bus/event_source/devices/power/events/energy-pkg").exists()
        self.event = "power/energy-pkg/" if rapl else "task-clock"
        self._process: subprocess.Popen[bytes] | None = None
        if shutil.which("perf"):
            line = ["perf", "stat", "-a", "-x,", "-e", self.event, "-I", str(1000 // hertz)]
            self._process = subprocess.Popen(
                line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        self._began_s = time.monotonic()

    def share(self) -> float | None:
        """End it; return its CPU time as a share of a core."""
        if self._process is None:
            return None
        seconds = time.monotonic() - self._began_s
        self._process.send_signal(signal.SIGINT)
        _, _, used = os.wait4(self._process.pid, 0)
        self._process.returncode = 0
        return (used.ru_utime + used.ru_stime) / seconds


def waking(hertz: int, seconds: float = 2.0) -> float:
    """Return the share of a core that waking up on time takes a process that does nothing."""
    began, due = time.process_time(), time.monotonic()
    for _ in range(int(seconds * hertz)):
        due += 1 / hertz
        select.select([], [], [], max(0.0, due - time.monotonic()))
    return (time.process_time() - began) / seconds


def main() -> None:
    """Print a line a rate and probe."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    print("simulated machine; share of one core, and readings that came too late\n")
    for hertz in (10, 100, 1000):
        names = CHEAP if hertz < 1000 else ("rapl",)
        perf = PerfStat(hertz)
        with tempfile.TemporaryDirectory() as folder:
            found = campaign(Path(folder), seconds, dict.fromkeys(names, hertz))
        share = perf.share()
        total = sum(found[name]["cpu_share"] for name in names)
        for name in names:
            each = found[name]
            late = each["late_share"] or 0.0
            print(f"{hertz:5d} Hz  {name:13s} {each['cpu_share']:7.2%}  late {late:6.2%}")
        print(f"{hertz:5d} Hz  {'together':13s} {total:7.2%}")
        print(f"{hertz:5d} Hz  {'of it, waking':13s} {len(names) * waking(hertz):7.2%}")
        told = "not installed" if share is None else f"{share:7.2%}  of {perf.event}, the same time"
        print(f"{hertz:5d} Hz  {'perf stat -I':13s} {told}")
        for name in BESIDE:
            share = found[name]["cpu_share"]
            told = "-" if share is None else f"{share:7.2%}"
            print(f"          {name:13s} {told}  at its own pace, in the same run")


if __name__ == "__main__":
    main()
