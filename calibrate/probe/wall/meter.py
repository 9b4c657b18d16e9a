"""What every driver of a wall meter gives, and what it is made from."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Figures:
    """What a meter says: watts now, and joules since whenever it counts, None where it does not."""

    watts: float
    joules: float | None = None


class Meter(Protocol):
    """A meter that can be asked."""

    #: Smallest steps, as the maker's documents have them; None where they do not say.
    joules_step: float | None

    def ask(self) -> Figures:
        """Ask once.

        Raises
        ------
        OSError : no answer within the time limit, or a refusal.
        ValueError : an answer that is not what the documents say.
        """

    def about(self) -> Mapping[str, str]:
        """Return maker, model and firmware, as far as it tells."""

    def close(self) -> None:
        """Let go of it."""


Settings = Mapping[str, str]
Maker = Callable[[Settings], Meter]


def makers() -> dict[str, Maker]:
    """Return the drivers by kind."""
    from calibrate.probe.wall.boards import Ipmi, Redfish
    from calibrate.probe.wall.instruments import Modbus, Scpi
    from calibrate.probe.wall.plugs import HomeAssistant, Shelly, Tasmota
    from calibrate.probe.wall.ptd import Ptd
    from calibrate.probe.wall.tapo import Tapo

    return {
        "shelly": Shelly,
        "tasmota": Tasmota,
        "home-assistant": HomeAssistant,
        "redfish": Redfish,
        "ipmi": Ipmi,
        "scpi": Scpi,
        "modbus": Modbus,
        "tapo": Tapo,
        "ptd": Ptd,
    }


def need(settings: Settings, name: str) -> str:
    """Return a setting, or refuse.

    Raises
    ------
    ValueError : it is not there.
    """
    if not settings.get(name):
        raise ValueError(f"the setting wall.{name} is missing")
    return settings[name]


def secret(settings: Settings, name: str) -> str | None:
    """Return a secret, or what the variable named by ``NAME_env`` holds; None without either.

    Raises
    ------
    ValueError : the variable is not set.
    """
    if name in settings:
        return settings[name]  # the recorder has read it: see `calibrate.probe.secret`
    variable = settings.get(f"{name}_env")
    if variable is None:
        return None
    if variable not in os.environ:
        raise ValueError(f"the environment variable {variable} is not set")
    return os.environ[variable]
