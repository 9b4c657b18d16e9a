"""Board and processor sensors of the kernel's hwmon drivers: energy and power.

Microjoules in ``energyN_input``, microwatts in ``powerN_average`` or ``powerN_input``. A label is
the maker's own word; only those below are understood, and the others are named in the record. The
setting ``--set hwmon.ina226.power1=node`` says what another one covers.
Source: Linux kernel, Documentation/hwmon/sysfs-interface.rst, amd_energy.rst; driver zenpower.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from calibrate import About, Domain, Probe, Target, Unavailable

HWMON = Path("/sys/class/hwmon")
#: Device, label, scope with the number of the socket. `SVI2_P_Core` is the rail of the cores alone.
LABELS = (
    ("amd_energy", r"Esocket(\d+)", "package-{}"),
    ("zenpower", "SVI2_P_Core", "core-0"),
    ("power_meter", ".*", "node"),
    ("corsairpsu", "power total", "node"),
)


class Hwmon(Probe):
    """Every hwmon channel whose scope is known."""

    name = "hwmon"
    period_s = 0.1
    reopens = True
    summary = "board and processor sensors (Linux hwmon)"
    about = About(
        scope="packages, cores, node: what a label tells",
        basis="measured",
        unit="uJ, uW",
        granularity="the driver's own",
        platforms="Linux",
        tested="bench; not tried on hardware",
    )

    def __init__(self, root: Path = HWMON) -> None:
        self._root = root

    def open(self, target: Target) -> None:
        """Keep every channel's file open."""
        self._files: dict[str, int] = {}
        self._domains: list[Domain] = []
        self._unknown: list[str] = []
        for device, channel, file in sorted(self._channels()):
            label = _text(file.with_name(f"{channel}_label"))
            scope = target.options.get(f"{device}.{channel}") or _scope(device, label)
            if scope is None:
                self._unknown.append(f"{device} {channel} {label}".strip())
                continue
            name, family = f"{device}-{channel}", f"hwmon-{device}"
            self._domains.append(
                Domain(name, scope, "counter", "measured", family, 1e-6)
                if channel.startswith("energy")
                else Domain(name, scope, "power", "measured", family)
            )
            try:
                self._files[name] = os.open(file, os.O_RDONLY)
            except PermissionError:
                raise Unavailable(
                    f"{file} may not be read by this user", f"sudo chmod a+r {file}"
                ) from None
        if not self._files:
            known = "; ".join(self._unknown)
            raise Unavailable(
                f"no hwmon sensor of energy or power is understood{f' ({known})' if known else ''}",
                "say what one covers, for example --set hwmon.ina226.power1=node",
            )
        self.read()

    def _channels(self) -> Iterator[tuple[str, str, Path]]:
        """Yield device, channel and file; an average is preferred to what flows just now."""
        for place in self._root.glob("hwmon*"):
            found = {
                file.name.rpartition("_")[0]: file
                for kind in ("energy*_input", "power*_input", "power*_average")
                for file in place.glob(kind)
            }
            yield from ((_text(place / "name"), channel, file) for channel, file in found.items())

    def domains(self) -> list[Domain]:
        """One for each channel."""
        return list(self._domains)

    def read(self) -> Mapping[str, float]:
        """Joules or watts; a channel that has nothing to say just now is left out."""
        values = {}
        for name, file in self._files.items():
            try:
                values[name] = int(os.pread(file, 32, 0)) / 1e6
            except (OSError, ValueError):
                continue  # ENODATA: the sensor has no value at this moment
        return values

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            os.close(file)

    def facts(self) -> Mapping[str, str]:
        """What was left out."""
        return {"mode": "hwmon"} | (
            {"not understood": "; ".join(self._unknown)} if self._unknown else {}
        )


def _scope(device: str, label: str) -> str | None:
    for name, pattern, scope in LABELS:
        if name == device and (found := re.fullmatch(pattern, label)):
            return scope.format(*found.groups())
    return None


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""
