"""Board and processor sensors of the kernel's hwmon drivers: energy and power.

Microjoules in ``energyN_input``, microwatts in ``powerN_average`` or ``powerN_input``. A label is
the maker's own word; only those below are understood, and the others are named in the record. The
setting ``--set hwmon.ina226.power1=node`` says what another one covers. Devices of one
driver are told apart by the maker's word for them (``powerN_oem_info``), or numbered.
Source: Linux kernel, Documentation/hwmon/sysfs-interface.rst, amd_energy.rst, acpi_power_meter.rst;
xgene-hwmon.rst (X-Gene and Ampere Altra); driver zenpower; NVIDIA/srt-slurm, pull request 481 (the
rails of a Grace superchip).
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from calibrate import About, Domain, Probe, Target, Unavailable

HWMON = Path("/sys/class/hwmon")
#: Device, label, scope with the number of the socket. `SVI2_P_Core` is the rail of the cores alone.
LABELS = (
    ("amd_energy", r"Esocket(\d+)", "package-{}"),
    ("zenpower", "SVI2_P_Core", "core-{}"),
    ("power_meter", r"CPU Power Socket (\d+)", "package-{}"),
    ("corsairpsu", "power total", "node"),
    # The rails of the cores and of the rest of the chip: two devices with two sockets.
    ("apm_xgene", "CPU power", "core-{}"),
    ("apm_xgene", "IO power", "uncore-{}"),
)

#: Driver, number of the device, channel, file, and the maker's word for it.
Channel = tuple[str, int, str, Path, str]


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
        channels = sorted(self._channels())
        for found in channels:
            same = [each for each in channels if (each[0], each[2]) == (found[0], found[2])]
            driver, _, channel, file, label = found
            device = driver if len(same) == 1 else f"{driver}-{_which(found, same)}"
            scope = target.options.get(f"{device}.{channel}") or _scope(found, same)
            if scope is None:
                self._unknown.append(f"{device} {channel} {label}".strip())
                continue
            name, family = f"{device}-{channel}", f"hwmon-{driver}"
            self._domains.append(
                Domain(name, scope, "counter", "measured", family, 1e-6)
                if channel.startswith("energy")
                else Domain(name, scope, "power", "measured", family)
            )
            try:
                self._files[name] = os.open(file, os.O_RDONLY)
            except PermissionError:
                raise Unavailable(
                    f"{file} may not be read by this user",
                    f"sudo chgrp energy {file}; sudo chmod g+r {file} (docs/privileges.md)",
                ) from None
        if not self._files:
            known = "; ".join(self._unknown)
            raise Unavailable(
                f"no hwmon sensor of energy or power is understood{f' ({known})' if known else ''}",
                "say what one covers, for example --set hwmon.ina226.power1=node",
            )
        self.read()

    def _channels(self) -> Iterator[Channel]:
        """Yield every channel; an average is preferred to what flows just now."""
        for place in self._root.glob("hwmon*"):
            found = {
                file.name.rpartition("_")[0]: file
                for kind in ("energy*_input", "power*_input", "power*_average")
                for file in place.glob(kind)
            }
            number = int(place.name.removeprefix("hwmon") or 0)
            for channel, file in found.items():
                words = (_text(place / f"{channel}_{kind}") for kind in ("label", "oem_info"))
                label = next(filter(None, words), "")
                yield _text(place / "name"), number, channel, file, label

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


def _which(channel: Channel, same: Sequence[Channel]) -> str:
    """Return what tells a channel from others of its driver: the maker's word, or a number."""
    labels = [each[4] for each in same]
    word = re.sub(r"[^A-Za-z0-9]+", "-", channel[4]).strip("-").lower()
    return word if word and labels.count(channel[4]) == 1 else str(same.index(channel))


def _scope(channel: Channel, same: Sequence[Channel]) -> str | None:
    """Return what a channel covers; a power meter is the node's only where there is no other."""
    driver, _, _, _, label = channel
    for name, pattern, scope in LABELS:
        if name == driver and (found := re.fullmatch(pattern, label)):
            return scope.format(*(found.groups() or (same.index(channel),)))
    return "node" if driver == "power_meter" and len(same) == 1 else None


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""
