"""RAPL through the powercap file system.

One domain per zone: packages, their core and uncore parts, DRAM beside them, psys (the platform)
and the MMIO mirror of a package each in a family of their own, so that no total counts the same
energy twice. The kernel gives microjoules that wrap at ``max_energy_range_uj``.

Source: Linux kernel, Documentation/power/powercap/powercap.rst.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from calibrate.linux.cpus import rapl_fix
from calibrate.linux.sysfs import LET_A_GROUP_READ, POWERCAP
from calibrate.probe.contract import Domain, Unavailable
from calibrate.probe.rapl.guard import Guard

FAMILIES = {"intel-rapl": "rapl", "intel-rapl-mmio": "rapl-mmio"}


class Powercap:
    """Every readable RAPL zone.

    Parameters
    ----------
    root : where the zones are.

    Raises
    ------
    Unavailable : there are none, or they may not be read.
    """

    def __init__(self, root: Path = POWERCAP) -> None:
        self._root = root
        self._files: dict[str, int] = {}
        self._domains: list[Domain] = []
        self._guards: dict[str, Guard] = {}
        self._mirrors = 0
        zones = sorted(zone for zone in self._root.glob("*:*") if (zone / "energy_uj").exists())
        if not zones:
            raise Unavailable(
                f"there is no RAPL zone under {self._root}",
                rapl_fix(),
            )
        try:
            for zone in zones:
                self._add(zone)
            self.read()
        except PermissionError as error:
            self.close()
            raise Unavailable(
                f"{error.filename or self._root} may not be read by this user",
                LET_A_GROUP_READ,
            ) from None
        except OSError as error:
            self.close()
            raise Unavailable(
                f"a counter under {self._root} cannot be read: {error.strerror}",
                "look into dmesg, and try: sudo modprobe -r intel_rapl_msr; "
                "sudo modprobe intel_rapl_msr",
            ) from None

    def _add(self, zone: Path) -> None:
        control, number, *_ = zone.name.split(":")
        if control not in FAMILIES:
            return
        label = _text(zone / "name")
        scope = _scope(label, _text(self._root / f"{control}:{number}" / "name"))
        if scope is None:
            return
        name = label if label.startswith("package-") else scope
        name = f"mmio-{name}" if control == "intel-rapl-mmio" else name
        if name in self._files:  # one must not replace the other
            name = f"{name}-zone-{zone.name.partition(':')[2].replace(':', '-')}"
        self._files[name] = os.open(zone / "energy_uj", os.O_RDONLY)
        family = "rapl-psys" if scope == "psys" else FAMILIES[control]
        wraps_at_j = _range_j(zone)
        domain = Domain(name, scope, "counter", "measured", family, 1e-6, wraps_at_j)
        if self._mirrored(domain):
            os.close(self._files.pop(name))
            self._mirrors += 1
            return
        self._domains.append(domain)
        self._guards[name] = Guard(zone, wraps_at_j, steady=label.startswith("package-"))

    def _mirrored(self, new: Domain) -> bool:
        """Tell whether this die shows the energy of its whole package once more, as AMD's do.

        Real dies of one package (Intel's) have counters of their own that never agree.
        """
        for old in self._domains:
            if (old.scope, old.family) == (new.scope, new.family):
                # In this order, however long a busy machine takes between two of them.
                first, shown, again = map(self._joules, (old.name, new.name, old.name))
                if first <= shown <= again + 0.1:
                    return True
        return False

    def domains(self) -> list[Domain]:
        """One counter per zone."""
        return list(self._domains)

    def read(self) -> Mapping[str, float]:
        """Joules as the kernel has them now; they wrap."""
        now_s = time.monotonic()
        return {name: self._guards[name](now_s, self._joules(name)) for name in self._files}

    def _joules(self, name: str) -> float:
        return int(os.pread(self._files[name], 32, 0)) / 1e6

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            os.close(file)

    def facts(self) -> Mapping[str, str]:
        """Which way the counters were read."""
        facts = {"mode": "powercap", "root": str(self._root)}
        return facts | ({"mirrored dies left out": str(self._mirrors)} if self._mirrors else {})


def _range_j(zone: Path) -> float | None:
    """Return where a zone's counter wraps; without that, a wrap ends the probe."""
    try:
        return int(_text(zone / "max_energy_range_uj")) / 1e6
    except FileNotFoundError:
        return None


def _scope(label: str, package: str) -> str | None:
    """Return what a zone covers, from its name and the name of the top zone it lies in.

    A die of a package (``package-1-die-0``) covers that package; a top zone that is neither a
    package nor psys is not understood and left out.
    """
    number = package.removeprefix("package-").partition("-")[0]
    if label == "psys":
        return "psys"
    if not number.isdigit():
        return None
    if label.startswith("package-"):
        return f"package-{number}"
    return f"{label}-{number}" if label in {"core", "uncore", "dram"} else None


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()
