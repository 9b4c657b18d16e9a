"""What reading costs: CPU time of probes at several rates, and whether they keep their deadlines.

python tests/benchmarks/probe_cost.py [SECONDS]

One campaign a rate on the simulated machine `workstation` (RAPL, a GPU, a board sensor), with
pyJoules and CodeCarbon at their own pace in the same run. A read on a simulated machine goes
through a file server in user space and takes longer than one from a kernel: the shares are upper
limits.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
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


def main() -> None:
    """Print a line a rate and probe."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    print("simulated machine; share of one core, and readings that came too late\n")
    for hertz in (10, 100, 1000):
        names = CHEAP if hertz < 1000 else ("rapl",)
        with tempfile.TemporaryDirectory() as folder:
            found = campaign(Path(folder), seconds, dict.fromkeys(names, hertz))
        total = sum(found[name]["cpu_share"] for name in names)
        for name in names:
            each = found[name]
            late = each["late_share"] or 0.0
            print(f"{hertz:5d} Hz  {name:11s} {each['cpu_share']:7.2%}  late {late:6.2%}")
        print(f"{hertz:5d} Hz  {'together':11s} {total:7.2%}")
        for name in BESIDE:
            share = found[name]["cpu_share"]
            told = "-" if share is None else f"{share:7.2%}"
            print(f"          {name:11s} {told}  at its own pace, in the same run")


if __name__ == "__main__":
    main()
