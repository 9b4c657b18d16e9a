"""Where the kernel shows what energy probes read."""

from __future__ import annotations

from pathlib import Path

#: The energy counters of the powercap driver, RAPL among them.
POWERCAP = Path("/sys/class/powercap")
