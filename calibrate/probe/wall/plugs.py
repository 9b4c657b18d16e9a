"""Metering plugs and what gathers them.

Sources: shelly-api-docs.shelly.cloud (Gen1 /meter; Gen2+ Switch.GetStatus, PM1.GetStatus, EM1);
tasmota.github.io/docs (Commands, Status 8); developers.home-assistant.io (REST API, /api/states).
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from calibrate.probe.wall.meter import Figures, Settings, need
from calibrate.probe.wall.web import Web, pick
from calibrate.quantity import J_PER_KWH, J_PER_WH, finite_number

WATT_MINUTE = 60.0


class Shelly:
    """A Shelly plug or meter of any generation; ``channel`` counts from 0."""

    joules_step: float | None

    def __init__(self, settings: Settings) -> None:
        self._web = Web(settings)
        self._channel = int(settings.get("channel", "0"))
        self._info = self._web.get("shelly")
        self._first = "gen" not in self._info
        # Gen1 counts watt-minutes; later ones have watt-hours with three decimals.
        self.joules_step = WATT_MINUTE if self._first else 1e-3 * J_PER_WH
        self._method = "" if self._first else self._find()

    def _find(self) -> str:
        """Return the component that measures: a switch, or a meter without one."""
        status = self._web.get("rpc/Shelly.GetStatus")
        for key, method in (("switch", "Switch"), ("pm1", "PM1"), ("em1", "EM1")):
            part = status.get(f"{key}:{self._channel}", {})
            if "apower" in part or "act_power" in part:
                return method
        raise ValueError(f"channel {self._channel} of this Shelly measures no power")

    def ask(self) -> Figures:
        """See `Meter`."""
        if self._first:
            told = self._web.get(f"meter/{self._channel}")
            if not pick(told, "is_valid"):
                raise ValueError("the Shelly says that its figure is not valid")
            joules = finite_number(pick(told, "total"), "total") * WATT_MINUTE
            return Figures(finite_number(pick(told, "power"), "power"), joules)
        told = self._web.get(f"rpc/{self._method}.GetStatus?id={self._channel}")
        if self._method == "EM1":
            return Figures(finite_number(pick(told, "act_power"), "act_power"))
        total = finite_number(pick(told, "aenergy", "total"), "aenergy.total")
        return Figures(finite_number(pick(told, "apower"), "apower"), total * J_PER_WH)

    def about(self) -> Mapping[str, str]:
        """See `Meter`."""
        model = self._info.get("model") or self._info.get("type") or "unknown"
        return {"meter": f"Shelly {model}", "firmware": str(self._info.get("fw_id", "unknown"))}

    def close(self) -> None:
        """See `Meter`."""


class Tasmota:
    """A plug with the Tasmota firmware. Power comes in whole watts unless `WattRes` is set."""

    joules_step: float | None = 1e-3 * J_PER_KWH

    def __init__(self, settings: Settings) -> None:
        self._web = Web(settings)
        self._firmware = str(pick(self._web.get("cm?cmnd=Status%202"), "StatusFWR", "Version"))

    def ask(self) -> Figures:
        """See `Meter`."""
        energy = pick(self._web.get("cm?cmnd=Status%208"), "StatusSNS", "ENERGY")
        total = finite_number(pick(energy, "Total"), "ENERGY.Total")
        return Figures(finite_number(pick(energy, "Power"), "ENERGY.Power"), total * J_PER_KWH)

    def about(self) -> Mapping[str, str]:
        """See `Meter`."""
        return {"meter": "Tasmota", "firmware": self._firmware}

    def close(self) -> None:
        """See `Meter`."""


class HomeAssistant:
    """A power sensor of Home Assistant: ``entity``, and the token's variable as ``token_env``."""

    joules_step: float | None = None

    def __init__(self, settings: Settings) -> None:
        self._web = Web(settings)
        self._entity = need(settings, "entity")

    def ask(self) -> Figures:
        """See `Meter`."""
        told = self._web.get(f"api/states/{quote(self._entity)}")
        unit = pick(told, "attributes", "unit_of_measurement")
        if unit not in {"W", "kW"}:
            raise ValueError(f"{self._entity} is in {unit!r}; choose a sensor of W or kW")
        return Figures(
            finite_number(pick(told, "state"), self._entity) * (1e3 if unit == "kW" else 1.0)
        )

    def about(self) -> Mapping[str, str]:
        """See `Meter`."""
        return {"meter": f"Home Assistant {self._entity}"}

    def close(self) -> None:
        """See `Meter`."""
