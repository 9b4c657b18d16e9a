"""The power of the simulated machine under given conditions. Pure functions.

Conditions (how busy the machine was lately, how warm it is, ...) are renewed every `TICK_S`, and
constant in between, as a governor's decisions are. Within a tick every zone's energy is therefore

    energy = base power x time + sum over packages (busy power x time that this package was busy)

which is exact at any instant, however often somebody looks.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from calibrate.bench.model import Dram, Frequency, Model, Node, Thermal, Zone

TICK_S = 0.05


@dataclass(frozen=True)
class Conditions:
    """What the power depends on besides CPU time.

    Parameters
    ----------
    use : lately, per package: 0 idle, 1 every CPU busy.
    temperature_c : per package.
    wander : the noise, relative.
    efficiency : of the power supply.
    gpu_use : per GPU: what a workload declared, or None to follow the CPUs.
    traffic_gbps : memory traffic that a workload declared.
    asleep : the machine is suspended and uses nothing.
    """

    use: tuple[float, ...]
    temperature_c: tuple[float, ...]
    wander: float = 0.0
    efficiency: float = 1.0
    gpu_use: tuple[float | None, ...] = ()
    traffic_gbps: float = 0.0
    asleep: bool = False


@dataclass(frozen=True)
class Rate:
    """The power of one zone.

    Parameters
    ----------
    base_w : watts that flow all the time.
    busy_w : watts for each package while all its CPUs are busy.
    """

    base_w: float
    busy_w: tuple[float, ...]

    def __add__(self, other: Rate) -> Rate:
        busy_w = tuple(a + b for a, b in zip(self.busy_w, other.busy_w, strict=True))
        return Rate(self.base_w + other.base_w, busy_w)

    def __mul__(self, factor: float) -> Rate:
        return Rate(self.base_w * factor, tuple(each * factor for each in self.busy_w))


def is_constant(model: Model) -> bool:
    """Tell whether conditions never change, so that nothing has to be renewed."""
    return not (model.node or model.frequency or model.thermal or model.noise)


def at_rest(model: Model) -> Conditions:
    """Return the conditions when the machine starts: idle, and at the temperature of idling."""
    thermal = model.thermal
    temperature_c = tuple(
        thermal.ambient_c + thermal.c_per_w * package.idle_w if thermal else 0.0
        for package in model.packages
    )
    start = Conditions(
        (0.0,) * len(model.packages), temperature_c, gpu_use=(None,) * len(model.gpus)
    )
    return renew(model, start, 0.0, start.use, random.Random(0), {})  # noqa: S311


def rates(model: Model, now: Conditions) -> dict[str, Rate]:
    """Return the power of everything in the machine by scope; see `Model.scopes`."""
    n_packages = len(model.packages)
    nothing = Rate(0.0, (0.0,) * n_packages)
    noise = 1.0 + now.wander
    found: dict[str, Rate] = {}
    inside = nothing
    for number, package in enumerate(model.packages):
        leak = _leakage(model.thermal, now.temperature_c[number]) * noise
        turbo = _turbo(model.frequency, now.use[number]) * noise

        def rate(base_w: float, busy_w: float, at: int = number) -> Rate:
            return Rate(base_w, tuple(busy_w if p == at else 0.0 for p in range(n_packages)))

        zones: list[tuple[str, Zone]] = [("package", package), *package.parts()]
        for part, zone in zones:
            if isinstance(zone, Dram):
                traffic_w = zone.per_gbps_w * now.traffic_gbps / n_packages
                watts = rate((zone.idle_w + traffic_w) * noise, zone.active_w * noise)
            else:
                watts = rate(zone.idle_w * leak, zone.active_w * turbo)
            found[f"{part}-{number}"] = watts
            if part in ("package", "dram"):
                inside += watts
    gpus = nothing
    for number, gpu in enumerate(model.gpus):
        use = now.gpu_use[number]
        follow = gpu.active_w / n_packages if use is None else 0.0
        base_w = gpu.idle_w + (0.0 if use is None else gpu.active_w * use)
        found[f"gpu-{number}"] = Rate(base_w, (follow,) * n_packages) * noise
        gpus += found[f"gpu-{number}"]
    if model.psys or model.battery:
        found["psys"] = inside + _constant(nothing, model.psys.board_w if model.psys else 0.0)
    if model.node:
        total = inside + gpus + _constant(nothing, model.node.board_w)
        found["node"] = total * (1.0 / now.efficiency)
    return dict.fromkeys(found, nothing) if now.asleep else found


def renew(
    model: Model,
    was: Conditions,
    seconds: float,
    use: Sequence[float],
    chance: random.Random,
    used_w: Mapping[str, float],
) -> Conditions:
    """Return the next conditions.

    Parameters
    ----------
    model : the machine.
    was : the conditions until now.
    seconds : how long they held.
    use : how busy each package was meanwhile.
    chance : the source of the noise.
    used_w : mean power by scope meanwhile.
    """
    return Conditions(
        use=tuple(min(1.0, each) for each in use),
        temperature_c=tuple(
            _temperature(model.thermal, degrees, seconds, used_w.get(f"package-{number}"))
            for number, degrees in enumerate(was.temperature_c)
        ),
        wander=_wander(model, was.wander, seconds, chance),
        efficiency=_efficiency(model, used_w.get("node"), was.efficiency),
        gpu_use=was.gpu_use,
        traffic_gbps=was.traffic_gbps,
        asleep=was.asleep,
    )


def _constant(nothing: Rate, watts: float) -> Rate:
    return Rate(watts, nothing.busy_w)


def _leakage(thermal: Thermal | None, degrees: float) -> float:
    if thermal is None:
        return 1.0
    return max(0.0, 1.0 + thermal.leakage_per_c * (degrees - thermal.reference_c))


def _turbo(frequency: Frequency | None, use: float) -> float:
    """Return a busy core's power relative to that at base frequency: f V^2."""
    if frequency is None:
        return 1.0
    ghz = frequency.turbo_ghz + (frequency.base_ghz - frequency.turbo_ghz) * use
    volts = frequency.turbo_v + (frequency.base_v - frequency.turbo_v) * use
    return ghz / frequency.base_ghz * (volts / frequency.base_v) ** 2


def _temperature(
    thermal: Thermal | None, degrees: float, seconds: float, watts: float | None
) -> float:
    if thermal is None or watts is None:
        return degrees
    goal = thermal.ambient_c + thermal.c_per_w * watts
    return goal + (degrees - goal) * math.exp(-seconds / thermal.time_constant_s)


def _wander(model: Model, wander: float, seconds: float, chance: random.Random) -> float:
    """One step of an Ornstein-Uhlenbeck process, held within four standard deviations."""
    noise = model.noise
    if noise is None or seconds == 0:
        return wander
    keep = math.exp(-seconds / noise.correlation_s)
    wander = keep * wander + math.sqrt(1 - keep * keep) * chance.gauss(0.0, noise.relative)
    return min(4 * noise.relative, max(-4 * noise.relative, wander))


def _efficiency(model: Model, wall_w: float | None, efficiency: float) -> float:
    """Return the supply's efficiency at the load that it had."""
    node = model.node
    if node is None:
        return 1.0
    if wall_w is None:
        return supply_efficiency(node, node.board_w + sum(p.idle_w for p in model.packages))
    return supply_efficiency(node, wall_w * efficiency)


def supply_efficiency(node: Node, output_w: float) -> float:
    """Return a power supply's efficiency at an output; flat beyond its first and last point."""
    share = output_w / node.supply_w
    points = node.efficiency
    if share <= points[0][0]:
        return points[0][1]
    for (low, worse), (high, better) in pairwise(points):
        if share <= high:
            return worse + (better - worse) * (share - low) / (high - low)
    return points[-1][1]
