"""From time and CPU time to joules, and from joules to what a counter shows. Pure functions.

What Linux shows (drivers/powercap/intel_rapl_common.c) is imitated to the last digit. The hardware
has a 32-bit register that counts energy units and starts again from zero after 2^32 of them. The
driver multiplies it by the unit in whole nanojoules, cut off: 61035 for 2^-14 J, 15258 for 2^-16 J.
So a real `energy_uj`

- is lower than the hardware's count by 2.6 parts in a million, or 52 with the smaller unit;
- lies in [0, max_energy_range_uj], and max_energy_range_uj is one unit less than a full turn:
  whoever adds it at a wrap is wrong by one unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from calibrate.bench.model import Model, Zone

_REGISTER = 1 << 32


@dataclass(frozen=True)
class Counter:
    """One energy counter of the machine, with everything resolved.

    Parameters
    ----------
    scope : what it covers: ``package-0``, ``core-0``, ``dram-1``.
    package : number of the package whose CPUs drive it.
    label : what the kernel calls it in the file `name`.
    idle_w, active_w : power of the zone; see `calibrate.bench.model.Zone`.
    unit_j : joules per count of the register.
    unit_nj : the same in whole nanojoules, as the driver has it.
    turn : counts after which the register is at zero again.
    start : counts in the register when the machine starts.
    max_energy_range_uj : highest value shown.
    """

    scope: str
    package: int
    label: str
    idle_w: float
    active_w: float
    unit_j: float
    unit_nj: int
    turn: int
    start: int
    max_energy_range_uj: int


def counters(model: Model) -> list[Counter]:
    """List the counters of a machine: every package, followed by its parts."""
    found = []
    for number, package in enumerate(model.packages):
        found.append(_counter(model, number, "package", package))
        found.extend(_counter(model, number, part, zone) for part, zone in package.parts())
    return found


def _counter(model: Model, package: int, part: str, zone: Zone) -> Counter:
    unit_j = zone.energy_unit_j or model.energy_unit_j
    # By way of the decimal text: 15.3e-6 is meant to be 15300 nJ and not 15299.
    unit_nj = int(Fraction(str(unit_j)) * 1_000_000_000)
    limit_uj = zone.max_energy_range_uj
    if limit_uj is None:
        limit_uj = (_REGISTER - 1) * unit_nj // 1_000
    scope = f"{part}-{package}"
    return Counter(
        scope=scope,
        package=package,
        label=scope if part == "package" else part,
        idle_w=zone.idle_w,
        active_w=zone.active_w,
        unit_j=unit_j,
        unit_nj=unit_nj,
        turn=((limit_uj + 1) * 1_000 - 1) // unit_nj + 1,
        start=zone.start_uj * 1_000 // unit_nj,
        max_energy_range_uj=limit_uj,
    )


def energy_j(counter: Counter, elapsed_ns: int, busy_ns: Sequence[int]) -> float:
    """Return the exact energy of a zone.

    Parameters
    ----------
    counter : the zone.
    elapsed_ns : time since the machine started.
    busy_ns : CPU time since then of each CPU of the zone's package.

    Returns
    -------
    Joules since the start. Nanoseconds are whole numbers far below 2^53 and nothing is summed up
    step by step, so the error is that of three roundings, about 3e-16 relative, after any time.
    """
    idle_j = counter.idle_w * elapsed_ns
    active_j = counter.active_w * (sum(busy_ns) / len(busy_ns))
    return (idle_j + active_j) / 1e9


def counter_uj(counter: Counter, joules: float) -> int:
    """Return what `energy_uj` shows when the zone has used so many joules since the start."""
    count = (counter.start + int(joules / counter.unit_j)) % counter.turn
    return count * counter.unit_nj // 1_000
