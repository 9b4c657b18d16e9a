"""Every probe that reads RAPL or NVML beside the truth over a minute, all of them at once.

    crosswatt probes add pyrapl==0.2.3.1      and zeus, carbontracker, perun, eco2ai
    python tests/benchmarks/probes_bench.py [SECONDS]

On the simulated machine `gpu-node`. For each column: probe over truth in the long run, and what
the diagnosis says over all runs; for each probe: readings that were lost, and CPU time. Ends with 1
if a measured column is more than 1 % off and no fault is named, or a probe lost more than 1 %.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from calibrate.probe.available import environment_sources

OURS = ("truth", "rapl", "nvml", "pyjoules", "codecarbon", "powerapi", "synthetic")
PLAN = """
title = "a minute"
repeats = 1
idle_before_s = 2.0
idle_after_s = 1.0
[[workload]]
name = "gpu-gemm"
seconds = [{seconds}]
[[workload]]
name = "integer"
seconds = [15.0, 10.0]
[[workload]]
name = "idle"
seconds = [15.0]
"""


def campaign(folder: Path, seconds: float) -> dict[str, dict[str, Any]]:
    """Run every probe that there is; return the derived documents."""
    plan = folder / "plan.toml"
    plan.write_text(PLAN.format(seconds=seconds))
    others = [name for name in environment_sources() if not name.startswith("codecarbon-")]
    # One release of each is enough, the newest.
    newest = {name.partition("-")[0]: name for name in sorted(others)}
    line = ["run", "--bench", "gpu-node", "--plan", str(plan), "--out", str(folder / "c")]
    for name in (*OURS, *newest.values()):
        line += ["--probe", name]
    subprocess.run([sys.executable, "-m", "calibrate", *line], check=True, capture_output=True)
    names = ("comparison", "diagnosis")
    return {name: json.loads((folder / f"c/{name}.json").read_text()) for name in names}


def main() -> int:
    """Print a line a column, then a line a probe."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with tempfile.TemporaryDirectory() as folder:
        found = campaign(Path(folder), seconds)
    said = {(f["probe"], f["column"]): f["diagnosis"] for f in found["diagnosis"]["findings"]}
    bad = 0
    print(f"simulated machine; probe / truth over {seconds:g} s\n")
    for pair in found["comparison"]["pairs"]:
        row = next((r for r in pair["rows"] if r["workload"] == "gpu-gemm"), None)
        if row is None:
            continue
        ratio = row["probe_j"] / row["reference_j"]
        named = said[pair["probe"], pair["column"]]
        off = abs(ratio - 1) > 0.01
        words = named["name"] if off else ""
        print(f"{pair['probe']:22s} {pair['column']:20s} {ratio:9.5f}  {pair['basis']:8s}  {words}")
        bad += off and pair["basis"] == "measured" and not named["key"]
    print()
    for name, each in found["comparison"]["probes"].items():
        late = each["late_share"] or 0.0
        print(
            f"{name:22s} {each['status']:12s} lost {late:6.2%}  {each['cpu_share']:7.2%} of a CPU"
        )
        bad += late > 0.01
    print(f"\n{bad} not as they should be")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
