"""RAPL as /sys shows it: the folders `class/powercap` and `devices/virtual/powercap`, as paths.

They are laid out as on a machine with the intel-rapl driver, links included.
"""

from __future__ import annotations

import errno
from dataclasses import replace

from calibrate.bench.faults import Obstacle
from calibrate.bench.files import File, Leaf, Link, text
from calibrate.bench.layout import Zone, zones
from calibrate.bench.model import Model
from calibrate.bench.snapshot import Snapshots

CLASS, DEVICES = "/class/powercap", "/devices/virtual/powercap"


def leaves(model: Model, snapshots: Snapshots) -> dict[str, Leaf]:
    """Return every file and link."""
    listed = [z for z in zones(model, snapshots.faults) if z.scope in snapshots.counters]
    found: dict[str, Leaf] = {}
    for kind in dict.fromkeys(zone.type for zone in listed):
        top = f"{DEVICES}/{kind}"
        found |= {
            f"{top}/enabled": text("1\n", 0o644),
            f"{top}/uevent": text("", 0o644),
            f"{top}/subsystem": Link("../../../../class/powercap"),
            f"{CLASS}/{kind}": Link(f"../..{top}"),
        }
    for zone in listed:
        obstacle = snapshots.obstacle(zone.scope)
        parent = "/".join([f"{DEVICES}/{zone.type}", *_names(zone)[:-1]])
        name = _names(zone)[-1]
        found[f"{CLASS}/{name}"] = Link(f"../..{parent}/{name}")
        for file, leaf in _zone(model, zone, snapshots, obstacle, parent.count("/") + 1).items():
            if obstacle.goes and isinstance(leaf, File):  # a zone goes as a whole
                leaf = replace(leaf, present=obstacle.present)  # noqa: PLW2901
            found[f"{parent}/{name}/{file}"] = leaf
    return found


def _names(zone: Zone) -> list[str]:
    """Return the names of the folders from the control type down: intel-rapl:0, intel-rapl:0:1."""
    levels = range(1, len(zone.number) + 1)
    return [":".join([zone.type, *map(str, zone.number[:level])]) for level in levels]


def _zone(
    model: Model, zone: Zone, snapshots: Snapshots, obstacle: Obstacle, depth: int
) -> dict[str, Leaf]:
    def energy() -> bytes:
        if not model.readable:
            raise OSError(errno.EACCES, "not permitted here")
        number = obstacle.number()
        spoiled = obstacle.spoiled()
        if spoiled is not None:
            return spoiled
        return b"%d\n" % (snapshots.shown_uj(zone.scope) if number is None else number)

    def former() -> bytes | None:
        at_s = obstacle.replaced_s()
        return None if at_s is None else b"%d\n" % snapshots.marked_uj(zone.scope, at_s)

    mode = int(model.counters_mode, 8) if model.readable else 0
    files: dict[str, Leaf] = {
        "device": Link(f"../../{_above(zone)}"),
        "enabled": text("1\n" if len(zone.number) == 1 else "0\n", 0o644),
        "energy_uj": File(
            energy,
            mode,
            permitted=obstacle.permitted,
            former=former if obstacle.replaces else None,
        ),
        "name": text(f"{zone.label}\n"),
        "subsystem": Link("../" * depth + "class/powercap"),
        "uevent": text("", 0o644),
    }
    if zone.ranged:
        limit_uj = snapshots.counters[zone.scope].max_energy_range_uj
        files["max_energy_range_uj"] = text(f"{limit_uj}\n")
    return files


def _above(zone: Zone) -> str:
    return zone.type if len(zone.number) == 1 else _names(zone)[-2]
