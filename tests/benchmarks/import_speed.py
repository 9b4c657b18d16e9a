"""How fast a CSV of gigabytes is imported, and in how much memory.

python tests/benchmarks/import_speed.py [GIGABYTES]

Writes a synthetic table of time and watts, imports it with a mapping, and prints MB/s, the largest
resident size, and whether the energy is right.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import csv

from calibrate import store
from calibrate.energy import probe_columns, window_energy

MAPPING = """
[time]
column = "when"
unit = "iso"

[[value]]
column = "watts"
unit = "W"
kind = "power"
scope = "node"
probe = "wall"
"""
ROWS = 500_000
BEGIN_NS = 1_714_557_600_000_000_000


def make(path: Path, size: float) -> int:
    """Write a table of so many bytes, one line a millisecond; return its lines."""
    lines = 0
    with path.open("wb") as file:
        while file.tell() < size:
            at = BEGIN_NS + (lines + np.arange(ROWS)) * 1_000_000
            watts = 100 + (at // 1_000_000_000 % 7).astype(float)
            columns = [
                pyarrow.array(at, pyarrow.timestamp("ns", "UTC")), pyarrow.array(np.round(watts, 3))
            ]  # fmt: skip
            table = pyarrow.table(columns, names=["when", "watts"])
            csv.write_csv(table, file, csv.WriteOptions(include_header=lines == 0))
            lines += ROWS
    return lines


def main() -> None:
    """Print one line."""
    size = (float(sys.argv[1]) if len(sys.argv) > 1 else 2.0) * 1e9
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        path, mapping, out = folder / "big.csv", folder / "map.toml", folder / "out"
        lines = make(path, size)
        mapping.write_text(MAPPING)
        line = ["import", "csv", str(path), "--out", str(out), "--mapping", str(mapping)]
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "calibrate", *line], stdout=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        [run] = store.load_campaign(out).runs
        log = run.logs["wall"]
        [column] = probe_columns(log.domains.values())
        window = run.record.begin_ns, run.record.end_ns
        energy = window_energy(log, column, window)
        told = f"{energy.joules / energy.seconds:.3f} W" if energy else "-"
        print(
            f"{path.stat().st_size / 1e9:.2f} GB, {lines} lines: "
            f"{path.stat().st_size / 1e6 / seconds:.0f} MB/s, largest resident size "
            f"{used.ru_maxrss / 1024:.0f} MiB; mean {told} (103 W but for the ends)"
        )


if __name__ == "__main__":
    main()
