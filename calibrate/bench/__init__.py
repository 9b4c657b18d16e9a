"""The bench: a simulated machine with known true energy, for real, unmodified meters.

model       the machine as a TOML file
activity    where CPU time comes from: the real activity of this host
energy      from time and CPU time to joules and counters; pure functions
snapshot    all counters at one instant
tree        the files that show them, as in /sys
server      serves the files, through FUSE
namespace   runs a command that sees them
require     whether this host can do all that
"""

from calibrate.bench.model import load, names
from calibrate.bench.namespace import execute
from calibrate.bench.require import check

__all__ = ["check", "execute", "load", "names"]
