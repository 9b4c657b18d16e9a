"""A laptop's battery while it is discharging: the power of everything in the machine.

``power_now`` in microwatts, or ``current_now`` times ``voltage_now``; the fuel gauge renews it
every second or few, and its steps are coarse. On mains it says nothing about the machine.
Source: Linux kernel, Documentation/ABI/testing/sysfs-class-power.
"""

from collections.abc import Mapping
from pathlib import Path

from calibrate import About, Domain, Probe, Target, Unavailable

SUPPLIES = Path("/sys/class/power_supply")


class Battery(Probe):
    """The battery's own figure."""

    name = "battery"
    period_s = 0.5
    reopens = True
    summary = "a laptop's battery while it discharges"
    about = About(
        scope="psys: all behind the battery",
        basis="measured",
        unit="uW",
        granularity="1 to 30 s",
        platforms="Linux laptops, discharging",
        tested="bench; not tried on hardware",
    )

    def __init__(self, root: Path = SUPPLIES) -> None:
        self._root = root
        self._places: list[Path] = []

    def open(self, target: Target) -> None:
        """Find the batteries that feed the machine."""
        self._places = [
            place
            for place in sorted(self._root.glob("*"))
            if _text(place / "type") == "Battery" and _text(place / "scope") != "Device"
        ]
        if not self._places:
            raise Unavailable("there is no battery here", "use a laptop, or a wall meter")
        if not self.read():
            raise Unavailable(
                f"the battery is not discharging ({self._states()}), or tells no power",
                "unplug the machine",
            )

    def _states(self) -> str:
        return ", ".join(_text(place / "status") or "unknown" for place in self._places)

    def domains(self) -> list[Domain]:
        """The platform: everything behind the battery."""
        return [Domain("battery", "psys", "power", "measured", "battery")]

    def read(self) -> Mapping[str, float]:
        """Watts of all batteries together; nothing once mains is plugged in."""
        watts = [_watts(place) for place in self._places]
        if "Charging" in self._states() or None in watts:
            return {}
        total_w = sum(each for each in watts if each is not None)
        return {"battery": total_w} if total_w > 0 else {}

    def facts(self) -> Mapping[str, str]:
        """Which batteries."""
        return {"mode": "power_supply", "batteries": ", ".join(p.name for p in self._places)}


def _watts(place: Path) -> float | None:
    """Return the power that a battery gives; some drivers write it as negative."""
    if _text(place / "status") != "Discharging":
        return 0.0
    power = _text(place / "power_now")
    if power:
        return abs(int(power)) / 1e6
    current, volts = _text(place / "current_now"), _text(place / "voltage_now")
    return abs(int(current)) * int(volts) / 1e12 if current and volts else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
