"""The files of the simulated machine, as paths and contents; who serves them is not its concern.

The folders `class/powercap` and `devices/virtual/powercap` are laid out as below /sys on a machine
with the intel-rapl driver, links included. Three files at the root are crosswatt's own:

    truth         one JSON line: instant of the snapshot, exact joules since the start by scope
    model.json    the model, where CPU time comes from, and that all of this is simulated
    cost          CPU seconds that serving these files has taken
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from calibrate.bench.activity import Activity
from calibrate.bench.energy import Counter
from calibrate.bench.model import Model
from calibrate.bench.snapshot import Snapshots

_CLASS = "/class/powercap"
_DEVICES = "/devices/virtual/powercap"
_TYPE = "intel-rapl"  # AMD's counters have this name too
SCHEMA = 1


@dataclass(frozen=True)
class File:
    """A file whose content is made when it is read.

    Parameters
    ----------
    content : makes the bytes.
    mode : permissions.
    """

    content: Callable[[], bytes]
    mode: int = 0o444


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True)
class Folder:
    """A folder with the names in it."""

    names: tuple[str, ...]


Node = File | Link | Folder


def build(model: Model, activity: Activity, snapshots: Snapshots) -> dict[str, Node]:
    """Return every path of the simulated machine, from ``/`` down."""
    leaves: dict[str, File | Link] = {
        "/truth": File(lambda: _truth(snapshots)),
        "/model.json": _text(_describe(model, activity, snapshots)),
        "/cost": File(lambda: b"%.6f\n" % time.process_time()),
    }
    top = f"{_DEVICES}/{_TYPE}"
    leaves |= {
        f"{top}/enabled": _text("1\n", 0o644),
        f"{top}/uevent": _text("", 0o644),
        f"{top}/subsystem": Link("../../../../class/powercap"),
        f"{_CLASS}/{_TYPE}": Link(f"../..{top}"),
    }
    package, part = -1, -1
    for counter in snapshots.counters:
        if counter.package != package:
            package, part = counter.package, -1
            zone = f"{_TYPE}:{package}"
            parent = top
        else:
            part += 1
            zone = f"{_TYPE}:{package}:{part}"
            parent = f"{top}/{_TYPE}:{package}"
        leaves[f"{_CLASS}/{zone}"] = Link(f"../..{parent}/{zone}")
        for name, leaf in _zone(model, counter, snapshots, parent.count("/") + 1).items():
            leaves[f"{parent}/{zone}/{name}"] = leaf
    return {**_folders(leaves), **leaves}


def _zone(
    model: Model, counter: Counter, snapshots: Snapshots, depth: int
) -> dict[str, File | Link]:
    def energy() -> bytes:
        return b"%d\n" % snapshots.now().shown_uj[counter.scope]

    parent = _TYPE if counter.label.startswith("package-") else f"{_TYPE}:{counter.package}"
    return {
        "device": Link(f"../../{parent}"),
        "enabled": _text("1\n" if counter.scope.startswith("package-") else "0\n", 0o644),
        "energy_uj": File(energy, int(model.counters_mode, 8)),
        "max_energy_range_uj": _text(f"{counter.max_energy_range_uj}\n"),
        "name": _text(f"{counter.label}\n"),
        "subsystem": Link("../" * depth + "class/powercap"),
        "uevent": _text("", 0o644),
    }


def _folders(leaves: dict[str, File | Link]) -> dict[str, Node]:
    """Return the folders that the paths of the leaves imply."""
    inside: dict[str, dict[str, None]] = {}
    for path in leaves:
        while path != "/":
            folder, _, name = path.rpartition("/")
            inside.setdefault(folder or "/", {})[name] = None
            path = folder or "/"  # noqa: PLW2901 - climbs to the root
    return {path: Folder(tuple(found)) for path, found in inside.items()}


def _text(content: str, mode: int = 0o444) -> File:
    data = content.encode()
    return File(lambda: data, mode)


def _truth(snapshots: Snapshots) -> bytes:
    now = snapshots.now()
    return json.dumps({"t_ns": now.t_ns, "joules": dict(now.joules)}).encode() + b"\n"


def _describe(model: Model, activity: Activity, snapshots: Snapshots) -> str:
    about = {
        "schema": SCHEMA,
        "simulated": True,
        "activity": {"source": activity.source, "resolution_ns": activity.resolution_ns},
        "counters": {
            each.scope: {
                "unit_j": each.unit_j,
                "max_energy_range_uj": each.max_energy_range_uj,
                "idle_w": each.idle_w,
                "active_w": each.active_w,
            }
            for each in snapshots.counters
        },
        "model": model.model_dump(mode="json"),
    }
    return json.dumps(about, indent=1) + "\n"
