"""Which RAPL zones the machine lists, under which names and numbers. Pure functions.

Usually what the model has; faults of the group ``layout`` change what is listed and what the
counters look like, never what is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from calibrate.bench.counter import Counter, counters, with_range
from calibrate.bench.faults import Fault
from calibrate.bench.model import Model

RAPL, MMIO = "intel-rapl", "intel-rapl-mmio"  # AMD's counters have the first name too


@dataclass(frozen=True)
class Zone:
    """One folder below powercap.

    Parameters
    ----------
    type : control type, ``intel-rapl`` or ``intel-rapl-mmio``.
    number : ``(0,)`` for intel-rapl:0 and ``(0, 1)`` for intel-rapl:0:1.
    label : content of its file `name`.
    scope : whose energy it shows.
    ranged : whether it has `max_energy_range_uj`.
    """

    type: str
    number: tuple[int, ...]
    label: str
    scope: str
    ranged: bool = True


def zones(model: Model, faults: Sequence[Fault] = ()) -> list[Zone]:
    """Return the zones in the kernel's order, each package followed by its parts."""
    if "powercap" not in model.sources:
        return []
    found: list[Zone] = []
    top = 0
    for package, socket in enumerate(model.packages):
        dies = _mirrors(faults, f"package-{package}") or socket.dies
        for die in range(dies):
            named = dies > 1 or _struck(faults, "renamed", f"package-{package}")
            label = f"package-{package}-die-{die}" if named else f"package-{package}"
            found.append(Zone(RAPL, (top,), label, f"package-{package}"))
            # The parts stand below the first die only: that is where the kernel finds them.
            parts = socket.parts() if die == 0 else ()
            for part, (name, _) in enumerate(parts):
                found.append(Zone(RAPL, (top, part), name, f"{name}-{package}"))
            top += 1
    if model.psys:
        found.append(Zone(RAPL, (top,), "psys", "psys"))
    if model.mmio or any(fault.name == "mmio" for fault in faults):
        packages = [zone for zone in found if zone.scope.startswith("package-")]
        found += [replace(zone, type=MMIO) for zone in packages]
    found = [
        replace(zone, ranged=not _struck(faults, "no-range", zone.scope))
        for zone in found
        if not any(_struck(faults, "absent", scope) for scope in (zone.scope, _package(zone)))
    ]
    if any(fault.name == "gap" for fault in faults):
        found = [
            replace(zone, number=(zone.number[0] + 1, *zone.number[1:])) if zone.number[0] else zone
            for zone in found
        ]
    return found


def altered(model: Model, faults: Sequence[Fault] = ()) -> dict[str, Counter]:
    """Return the counters by scope, with the ranges that were asked for."""
    found = counters(model)
    for fault in faults:
        for scope, counter in found.items():
            if fault.strikes(scope) and fault.name == "range":
                found[scope] = with_range(counter, fault.size)
    return found


def _package(zone: Zone) -> str:
    """Return the scope of a part's package: a part is not listed without it."""
    return f"package-{zone.scope.partition('-')[2]}" if len(zone.number) > 1 else zone.scope


def _struck(faults: Sequence[Fault], name: str, scope: str) -> bool:
    return any(fault.name == name and fault.strikes(scope) for fault in faults)


def _mirrors(faults: Sequence[Fault], scope: str) -> int:
    sizes = [round(f.size) for f in faults if f.name == "mirrored" and f.strikes(scope)]
    return max(sizes, default=0)
