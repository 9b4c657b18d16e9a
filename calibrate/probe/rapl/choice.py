"""Choose the best way to the counters that works here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from calibrate.probe.contract import Domain, Unavailable


class Way(Protocol):
    """One way to the counters, opened."""

    def domains(self) -> list[Domain]:
        """One counter for each zone."""

    def read(self) -> Mapping[str, float]:
        """Joules now; a counter that says what none can say raises ValueError."""

    def close(self) -> None:
        """Close what is open."""

    def facts(self) -> Mapping[str, str]:
        """What to keep with the data."""


def ways() -> dict[str, Callable[[], Way]]:
    """Return the ways, the best first."""
    from calibrate.probe.rapl.msr import Msr
    from calibrate.probe.rapl.perf import Perf
    from calibrate.probe.rapl.powercap import Powercap

    return {"powercap": Powercap, "perf": Perf, "msr": Msr}


def has_zones() -> bool:
    """Tell whether the kernel's powercap driver shows any zone, readable or not."""
    from calibrate.linux.sysfs import POWERCAP

    return any(POWERCAP.glob("intel-rapl:*"))


def first(wanted: str | None = None) -> tuple[str, Way]:
    """Open the best way that works, or the one that is wanted; also return its name.

    Raises
    ------
    Unavailable : none works; says of each why, and how to fix the first.
    """
    known = ways()
    if wanted is not None and wanted not in known:
        raise Unavailable(
            f"there is no way to RAPL called {wanted!r}", f"choose one of {', '.join(known)}"
        )
    refused: list[tuple[str, Unavailable]] = []
    for name in [wanted] if wanted else known:
        if name == "msr" and not wanted and has_zones():
            continue  # the kernel knows these counters: what is missing is a right
        try:
            return name, known[name]()
        except Unavailable as why:
            refused.append((name, why))
    raise Unavailable("; ".join(f"{name}: {why.why}" for name, why in refused), refused[0][1].fix)
