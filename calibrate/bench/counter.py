"""From joules to what an energy counter shows. Pure functions.

What Linux shows (drivers/powercap/intel_rapl_common.c) is imitated to the last digit. The hardware
has a 32-bit register that counts energy units and starts again from zero after 2^32 of them. The
driver multiplies it by the unit in whole nanojoules, cut off: 61035 for 2^-14 J, 15258 for 2^-16 J.
So a real `energy_uj`

- is lower than the hardware's count by 2.6 parts in a million, or 52 with the smaller unit;
- lies in [0, max_energy_range_uj], and max_energy_range_uj is one unit less than a full turn:
  whoever adds it at a wrap is wrong by one unit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from calibrate.bench.model import Model, Psys, Zone

_REGISTER = 1 << 32


@dataclass(frozen=True)
class Counter:
    """One energy counter of the machine, with everything resolved.

    Parameters
    ----------
    scope : what it covers: ``package-0``, ``core-0``, ``dram-1``, ``psys``.
    unit_j : joules per count of the register.
    unit_nj : the same in whole nanojoules, as the driver has it.
    turn : counts after which the register is at zero again.
    start : counts in the register when the machine starts.
    max_energy_range_uj : highest value shown.
    """

    scope: str
    unit_j: float
    unit_nj: int
    turn: int
    start: int
    max_energy_range_uj: int


def counters(model: Model) -> dict[str, Counter]:
    """Return the RAPL counters of a machine by scope: every package, its parts, then psys."""
    found = {}
    for number, package in enumerate(model.packages):
        found[f"package-{number}"] = _counter(model, f"package-{number}", package)
        for part, zone in package.parts():
            found[f"{part}-{number}"] = _counter(model, f"{part}-{number}", zone)
    if model.psys:
        found["psys"] = _counter(model, "psys", model.psys)
    return found


def _counter(model: Model, scope: str, zone: Zone | Psys) -> Counter:
    unit_j = zone.energy_unit_j or model.energy_unit_j
    # By way of the decimal text: 15.3e-6 is meant to be 15300 nJ and not 15299.
    unit_nj = int(Fraction(str(unit_j)) * 1_000_000_000)
    limit_uj = zone.max_energy_range_uj
    if limit_uj is None:
        limit_uj = (_REGISTER - 1) * unit_nj // 1_000
    return Counter(
        scope=scope,
        unit_j=unit_j,
        unit_nj=unit_nj,
        turn=_turn(limit_uj, unit_nj),
        start=zone.start_uj * 1_000 // unit_nj,
        max_energy_range_uj=limit_uj,
    )


def _turn(limit_uj: int, unit_nj: int) -> int:
    return ((limit_uj + 1) * 1_000 - 1) // unit_nj + 1


def with_range(counter: Counter, range_j: float) -> Counter:
    """Return the counter with a shorter register; it starts where it did, or below its end."""
    turn = max(2, round(range_j / counter.unit_j))
    limit_uj = (turn - 1) * counter.unit_nj // 1_000
    return replace(counter, turn=turn, start=counter.start % turn, max_energy_range_uj=limit_uj)


def count(counter: Counter, joules: float) -> int:
    """Return what the register holds when the zone has used so many joules since the start."""
    return (counter.start + int(joules // counter.unit_j)) % counter.turn


def counter_uj(counter: Counter, joules: float) -> int:
    """Return what `energy_uj` shows when the zone has used so many joules since the start."""
    return count(counter, joules) * counter.unit_nj // 1_000
