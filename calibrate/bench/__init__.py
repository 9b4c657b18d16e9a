"""The bench: a simulated machine with known true energy, for real, unmodified meters.

model         the machine as a TOML file
activity      where CPU time comes from: the real activity of this host
power         from activity and conditions to watts; pure functions
machine       the machine as it runs, live or replayed: its true energy at any instant
faults        what can be wrong with it
counter       from joules to what a counter shows; pure functions
layout        which zones are listed under which names; pure functions
snapshot      all counters at one instant, faults included
powercap, msr, sensors, gpus   the files that show them, as in /sys and /dev
tree          all files together
host          what happens by the clock
server        serves the files, through FUSE
setup         what a machine is started with
surroundings  the environment of the command: the virtual NVML, nvidia-smi, the clock
keeper, namespace, process     run a command that sees all this
described     what a running machine says of itself
require       whether this host can do that
"""

from calibrate.bench.described import counter_ranges_j
from calibrate.bench.faults import KINDS
from calibrate.bench.model import load, names
from calibrate.bench.namespace import execute
from calibrate.bench.process import own
from calibrate.bench.require import check
from calibrate.bench.setup import Setup
from calibrate.bench.visit import Reading, Visit, prepare

__all__ = [
    "KINDS",
    "Reading",
    "Setup",
    "Visit",
    "check",
    "counter_ranges_j",
    "execute",
    "load",
    "names",
    "own",
    "prepare",
]
