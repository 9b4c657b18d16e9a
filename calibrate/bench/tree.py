"""All files of the simulated machine, as paths and contents; who serves them is not its concern.

What stands below /class and /devices is shown at the same place below /sys, what stands below /cpu
at /dev/cpu. The files at the root are crosswatt's own:

    truth         one JSON line: instant of the snapshot, exact joules since the start by scope
    model.json    the model, its faults, where power comes from, and that all of this is simulated
    demand        what workloads declare; see `calibrate.bench.demand`
    trigger       writing into it starts a machine that was to stand still at first
    nvml          for `nvml.c`
    topology/N    the package of CPU N, shown in the place of its physical_package_id
    cost          CPU seconds that serving these files has taken
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence

from calibrate.bench import gpus, msr, powercap, sensors
from calibrate.bench.activity import blocks
from calibrate.bench.demand import Demand
from calibrate.bench.files import File, Leaf, Node, folders, text
from calibrate.bench.model import Model
from calibrate.bench.snapshot import Snapshots

SCHEMA = 2
#: Shown below /sys even when they are empty: sensors of the real machine must not be seen.
CLASSES = ("powercap", "hwmon", "power_supply")


def build(
    model: Model,
    snapshots: Snapshots,
    demand: Demand,
    cpus: Sequence[int],
    origin: Mapping[str, object],
    faults: Sequence[str] = (),
) -> dict[str, Node]:
    """Return every path of the simulated machine, from ``/`` down.

    Parameters
    ----------
    model, snapshots, demand : the machine.
    cpus : numbers of the CPUs of this host.
    origin, faults : where its power comes from, and what is wrong with it, as it was asked for;
        kept in `model.json`.
    """
    leaves: dict[str, Leaf] = {
        "/truth": File(lambda: _truth(snapshots)),
        "/model.json": text(_describe(model, snapshots, origin, faults)),
        "/demand": File(demand.text, 0o666, write=demand.write),
        "/trigger": File(lambda: b"", 0o222, write=lambda _data, _pid: snapshots.trigger()),
        "/cost": File(lambda: b"%.6f\n" % time.process_time()),
        **powercap.leaves(model, snapshots),
        **sensors.leaves(model, snapshots),
        **msr.leaves(model, snapshots, cpus),
        **gpus.leaves(model, snapshots),
        **_topology(model, cpus),
    }
    empty = [f"/{root}/{name}" for root in ("class", "devices/virtual") for name in CLASSES]
    return {**folders(leaves, [*empty, "/cpu"]), **leaves}


def _topology(model: Model, cpus: Sequence[int]) -> dict[str, Leaf]:
    """Return which package each CPU of this host belongs to; meters count sockets by it."""
    return {
        f"/topology/{cpus[place]}": text(f"{package}\n")
        for package, block in reversed(list(enumerate(blocks(len(cpus), len(model.packages)))))
        for place in block
    }


def _truth(snapshots: Snapshots) -> bytes:
    now = snapshots.now()
    joules = {scope: now.joules(scope) for scope in snapshots.machine.scopes}
    return json.dumps({"t_ns": now.t_ns, "joules": joules}).encode() + b"\n"


def _describe(
    model: Model, snapshots: Snapshots, origin: Mapping[str, object], faults: Sequence[str]
) -> str:
    about = {
        "schema": SCHEMA,
        "simulated": True,
        "activity": origin,
        "faults": list(faults),
        "counters": {
            scope: {"unit_j": each.unit_j, "max_energy_range_uj": each.max_energy_range_uj}
            for scope, each in snapshots.counters.items()
        },
        "model": model.model_dump(mode="json"),
    }
    return json.dumps(about, indent=1) + "\n"
