"""Where the kernel shows what energy probes read."""

from __future__ import annotations

from pathlib import Path

#: The energy counters of the powercap driver, RAPL among them.
POWERCAP = Path("/sys/class/powercap")

#: What to type so that RAPL can be read. A group comes first: counters that all may read tell
#: secrets of other programs (PLATYPUS, CVE-2020-8694).
LET_A_GROUP_READ = (
    "sudo groupadd -f energy; sudo usermod -aG energy $USER; "
    "sudo chgrp energy /sys/class/powercap/*/energy_uj; "
    "sudo chmod g+r /sys/class/powercap/*/energy_uj; newgrp energy "
    "(until the next boot; for good: docs/privileges.md. Do not open them to all users: "
    "whoever can read them can learn secrets of other programs, CVE-2020-8694)"
)
#: What to type for perf events of whole CPUs, the narrower way first.
LET_PERF_COUNT = (
    "sudo setpriv --reuid=$USER --regid=$(id -g) --init-groups --inh-caps=+perfmon "
    "--ambient-caps=+perfmon crosswatt ... (CAP_PERFMON for this program alone; or, for all users "
    "until the next boot, which CVE-2020-8694 is about: sudo sysctl kernel.perf_event_paranoid=0)"
)
