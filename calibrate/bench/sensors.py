"""Sensors beside RAPL: hwmon devices and the battery, as paths below /sys.

hwmon: Documentation/hwmon/sysfs-interface of the kernel: microjoules, microwatts, thousandths of a
degree. Battery: Documentation/ABI/testing/sysfs-class-power: microwatts, microwatt-hours.
"""

from __future__ import annotations

from collections.abc import Callable

from calibrate.bench.files import File, Leaf, Link, text
from calibrate.bench.model import Battery, Model, Sensor
from calibrate.bench.snapshot import Snapshots


def leaves(model: Model, snapshots: Snapshots) -> dict[str, Leaf]:
    """Return every file and link."""
    found: dict[str, Leaf] = {}
    for number, device in enumerate(model.hwmon):
        place = f"/devices/virtual/hwmon/hwmon{number}"
        found[f"/class/hwmon/hwmon{number}"] = Link(f"../..{place}")
        found[f"{place}/name"] = text(f"{device.name}\n")
        counts: dict[str, int] = {}
        for sensor in device.sensors:
            if sensor.scope not in snapshots.machine.scopes:  # a trace may know less
                continue
            counts[sensor.kind] = counts.get(sensor.kind, 0) + 1
            channel = f"{place}/{sensor.kind}{counts[sensor.kind]}"
            found[f"{channel}_input"] = File(_reading(sensor, snapshots, device.update_s))
            if sensor.label:
                found[f"{channel}_label"] = text(f"{sensor.label}\n")
    if model.battery and "psys" in snapshots.machine.scopes:
        found |= _battery(model.battery, snapshots)
    return found


def renewed_j(snapshots: Snapshots, scope: str, update_s: float) -> float:
    """Return the true energy when the figure was last renewed."""
    machine = snapshots.machine
    step_ns = round(update_s * 1e9)
    steps = (machine.clock() - machine.start_ns) // step_ns
    return machine.past_j(scope, machine.start_ns + steps * step_ns)


def mean_w(snapshots: Snapshots, scope: str, window_s: float, update_s: float) -> float:
    """Return the mean power over a window that ended when the figure was last renewed."""
    machine = snapshots.machine
    passed_ns, step_ns = machine.clock() - machine.start_ns, round(update_s * 1e9)
    end_ns = machine.start_ns + passed_ns // step_ns * step_ns
    begin_ns = max(machine.start_ns, end_ns - round(window_s * 1e9))
    if end_ns <= begin_ns:  # not renewed yet: what flows right now
        begin_ns, end_ns = machine.start_ns, machine.clock()
    used_j = machine.past_j(scope, end_ns) - machine.past_j(scope, begin_ns)
    return used_j * 1e9 / max(1, end_ns - begin_ns)


def _reading(sensor: Sensor, snapshots: Snapshots, update_s: float) -> Callable[[], bytes]:
    def energy() -> bytes:
        return b"%d\n" % round(snapshots.shown_j(sensor.scope) * 1e6)

    def power() -> bytes:
        return b"%d\n" % round(mean_w(snapshots, sensor.scope, update_s, update_s) * 1e6)

    def temperature() -> bytes:
        package = int(sensor.scope.partition("-")[2])
        return b"%d\n" % round(snapshots.machine.temperature_c(package) * 1e3)

    return {"energy": energy, "power": power, "temp": temperature}[sensor.kind]


def _battery(battery: Battery, snapshots: Snapshots) -> dict[str, Leaf]:
    place = f"/devices/virtual/power_supply/{battery.name}"
    full_uwh = round(battery.capacity_wh * 1e6)

    def left_uwh() -> int:
        used_uwh = snapshots.shown_j("psys") / 3600 * 1e6
        return max(0, round(full_uwh - used_uwh) // 10_000 * 10_000)  # steps of 10 mWh

    def watts() -> float:
        return mean_w(snapshots, "psys", battery.update_s, battery.update_s)

    files: dict[str, Leaf] = {
        "type": text("Battery\n"),
        "scope": text("System\n"),
        "present": text("1\n"),
        "status": text("Discharging\n"),
        "energy_full": text(f"{full_uwh}\n"),
        "energy_full_design": text(f"{full_uwh}\n"),
        "voltage_now": text(f"{round(battery.voltage_v * 1e6)}\n"),
        "energy_now": File(lambda: b"%d\n" % left_uwh()),
        "capacity": File(lambda: b"%d\n" % (left_uwh() * 100 // full_uwh)),
        "power_now": File(lambda: b"%d\n" % round(watts() * 1e6)),
    }
    found: dict[str, Leaf] = {f"{place}/{name}": leaf for name, leaf in files.items()}
    found[f"/class/power_supply/{battery.name}"] = Link(f"../..{place}")
    return found
