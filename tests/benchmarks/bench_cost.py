"""What the bench costs, and how exact it is. Simulated machines; needs a quiet host.

python tests/benchmarks/bench_cost.py [SECONDS]

Prints the cost of a read, the share of one CPU that the file server takes with five readers at
10 Hz, and how far a perfect reader is from the truth over SECONDS and a thousand wraps.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

ZONE = Path("/sys/class/powercap/intel-rapl:0")
READS = 4000


def joules(place: Path, scope: str = "package-0") -> tuple[int, float]:
    """Return the instant of the truth, and its joules."""
    seen = json.loads((place / "truth").read_text())
    return seen["t_ns"], seen["joules"][scope]


def cost_of_a_read() -> dict[str, float]:
    """Median microseconds: descriptor kept open, at once and 2 ms apart; open and read."""
    kept = os.open(ZONE / "energy_uj", os.O_RDONLY)

    def timed(pause_s: float, read: object) -> float:
        took = []
        for _ in range(READS if not pause_s else READS // 8):
            begin = time.perf_counter_ns()
            read()  # type: ignore[operator]
            took.append((time.perf_counter_ns() - begin) / 1e3)
            time.sleep(pause_s) if pause_s else None
        return statistics.median(took)

    return {
        "kept open, us": timed(0, lambda: os.pread(kept, 32, 0)),
        "kept open, every 2 ms, us": timed(0.002, lambda: os.pread(kept, 32, 0)),
        "opened anew, us": timed(0, (ZONE / "energy_uj").read_bytes),
    }


def share_of_a_cpu(place: Path, seconds: float, readers: int = 5) -> float:
    """Return CPU seconds of the server a second, with readers of every counter at 10 Hz."""
    files = sorted(ZONE.parent.glob("*:*/energy_uj"))
    until = time.monotonic() + seconds

    def read() -> None:
        while time.monotonic() < until:
            for file in files:
                file.read_bytes()
            time.sleep(0.1)

    before, begin = float((place / "cost").read_text()), time.monotonic()
    threads = [threading.Thread(target=read) for _ in range(readers)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return (float((place / "cost").read_text()) - before) / (time.monotonic() - begin)


def perfect_reader(place: Path, seconds: float) -> tuple[float, int]:
    """Return the relative deviation of a reader that unwraps, and how many wraps it saw.

    The first and the last value are read within one update of the counters with the truth.
    """
    kept = os.open(ZONE / "energy_uj", os.O_RDONLY)
    about = json.loads((place / "model.json").read_text())["counters"]["package-0"]
    unit_j, unit_nj = about["unit_j"], int(about["unit_j"] * 1e9)
    turn_uj = about["max_energy_range_uj"] + unit_nj / 1000

    def together() -> tuple[int, float]:
        while True:
            before = joules(place)
            shown = int(os.pread(kept, 32, 0))
            if joules(place) == before:
                return shown, before[1]

    first, true_first = together()
    last, sum_uj, wraps, until = first, 0.0, 0, time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.005)
        now, true_last = together()
        wraps += now < last
        sum_uj += now - last + (turn_uj if now < last else 0)
        last = now
    shown_j = sum_uj / 1e6 * unit_j * 1e9 / unit_nj  # the driver cuts its unit to nanojoules
    return shown_j / (true_last - true_first) - 1, wraps


def inside(seconds: float) -> None:
    """Measure and print, on the bench."""
    place = Path(os.environ["CROSSWATT_BENCH"])
    what = os.environ["WHAT"]
    if what == "cost":
        for name, value in cost_of_a_read().items():
            print(f"read, {name}: {value:.1f}")
        print(f"server, five readers at 10 Hz, share of a CPU: {share_of_a_cpu(place, 10):.4f}")
        return
    deviation, wraps = perfect_reader(place, seconds)
    print(f"perfect reader, {seconds:g} s, {wraps} wraps: {deviation:+.1e} of the truth")


def main() -> None:
    """Start benches, and measure on them."""
    seconds = sys.argv[1] if len(sys.argv) > 1 else "60"
    if os.environ.get("CROSSWATT_BENCH"):
        inside(float(seconds))
        return
    for what, *options in (
        ("cost", "--model=desktop"),
        ("cost", "--model=gpu-node"),
        ("exact", "--model=server", "--fault=range=0.8,scope=package-0"),
    ):
        print(*options, flush=True)
        command = [sys.executable, "-m", "calibrate.bench", "exec", *options]
        mine = [sys.executable, __file__, seconds]
        subprocess.run([*command, "--", *mine], check=True, env={**os.environ, "WHAT": what})


if __name__ == "__main__":
    main()
