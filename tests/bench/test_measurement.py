"""`calibrate.measure` in a script on a simulated machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import json, sys, time, calibrate

def work(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(1000))

folder, told = sys.argv[1], {}
for name, seconds in (("long", 2.0), ("short", 1.0), ("long", 2.0), ("short", 1.0)):
    with calibrate.measure(folder, probes=["truth", "rapl"], name=name) as run:
        with calibrate.mark("busy"):
            work(seconds)
    told[run.folder.name] = run.joules
    phase = run.phases[0].joules
print(json.dumps({"runs": told, "phase": phase, "scopes": [c.scope for c in run.columns.values()]}))
"""


def test_a_script_measures_itself(bench_ready: None, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "calibrate", "bench", "exec", "--model", "desktop", "--",
         sys.executable, str(tmp_path / "script.py"), str(tmp_path / "c")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    # The truth is that of what the others measure.
    assert len({*told["scopes"]}) == 1
    for joules in [*told["runs"].values(), told["phase"]]:
        assert joules["truth"] > 1
        assert abs(joules["rapl"] / joules["truth"] - 1) < 0.05
    analyse = (
        "import sys, calibrate\n"
        "found = calibrate.analyze(sys.argv[1])\n"
        "pair = next(p for p in found.comparison.pairs if p.probe == 'rapl' and p.headline)\n"
        "print(found.comparison.reference, len(pair.rows), found.comparison.simulated)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", analyse, str(tmp_path / "c")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["truth", "4", "True"], done.stderr
