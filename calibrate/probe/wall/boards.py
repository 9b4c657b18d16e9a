"""What a server's management controller tells of its power.

Sources: DMTF DSP0268 (Redfish schemas Power, EnvironmentMetrics); DCMI 1.5, Get Power Reading, as
ipmitool prints it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from calibrate.probe.wall.meter import Figures, Settings
from calibrate.probe.wall.web import Web, pick
from calibrate.quantity import J_PER_KWH, finite_number

#: Lines of ``ipmitool dcmi power reading``: the power, and that it is not to be believed.
DCMI_WATTS = re.compile(r"Instantaneous power reading:\s*(\d+) Watts")
DCMI_OFF = re.compile(r"Power reading state is:\s*deactivated")


def resource_figures(told: Any) -> Figures:
    """Return what a resource Power or EnvironmentMetrics says of the chassis.

    Raises
    ------
    ValueError : it has no power.
    """
    if "PowerControl" in told:
        watts = pick(told, "PowerControl", 0, "PowerConsumedWatts")
        return Figures(finite_number(watts, "PowerConsumedWatts"))
    watts = finite_number(pick(told, "PowerWatts", "Reading"), "PowerWatts.Reading")
    joules = (told.get("EnergyJoules") or {}).get("Reading")
    kwh = (told.get("EnergykWh") or {}).get("Reading")
    if joules is not None:
        return Figures(watts, finite_number(joules, "EnergyJoules.Reading"))
    return Figures(
        watts, None if kwh is None else finite_number(kwh, "EnergykWh.Reading") * J_PER_KWH
    )


class Redfish:
    """A chassis by Redfish: ``chassis`` (its only one unless given), ``user``, ``password_env``."""

    joules_step: float | None = None

    def __init__(self, settings: Settings) -> None:
        self._web = Web(settings)
        self._place = f"redfish/v1/Chassis/{settings.get('chassis') or self._only()}"
        chassis = self._web.get(self._place)
        self._told = {"meter": f"Redfish {chassis.get('Manufacturer')} {chassis.get('Model')}"}
        # EnvironmentMetrics takes the place of Power since 2020.4.
        self._new = "EnvironmentMetrics" in chassis

    def _only(self) -> str:
        members = pick(self._web.get("redfish/v1/Chassis"), "Members")
        names = [str(pick(each, "@odata.id")).rstrip("/").rpartition("/")[2] for each in members]
        if len(names) != 1:
            raise ValueError(f"there are {len(names)} chassis; set wall.chassis to one of {names}")
        return names[0]

    def ask(self) -> Figures:
        """See `Meter`."""
        resource = "EnvironmentMetrics" if self._new else "Power"
        return resource_figures(self._web.get(f"{self._place}/{resource}"))

    def about(self) -> Mapping[str, str]:
        """See `Meter`."""
        return self._told

    def close(self) -> None:
        """See `Meter`."""


class Ipmi:
    """This machine's own controller by ``ipmitool dcmi power reading``, which takes root."""

    joules_step: float | None = None

    def __init__(self, settings: Settings) -> None:
        program = shutil.which(settings.get("program", "ipmitool"))
        if program is None:
            raise OSError("ipmitool is not installed")
        self._program = program
        self._timeout_s = float(settings.get("timeout_s", 5.0))

    def ask(self) -> Figures:
        """See `Meter`."""
        try:
            done = subprocess.run(
                [self._program, "dcmi", "power", "reading"],
                capture_output=True, text=True, timeout=self._timeout_s, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise OSError(f"ipmitool did not answer within {self._timeout_s:g} s") from None
        found = DCMI_WATTS.search(done.stdout)
        if done.returncode or not found:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise OSError(f"ipmitool: {said[0] if said else 'no answer'}")
        if DCMI_OFF.search(done.stdout):
            raise ValueError("the controller's power reading is not activated")
        return Figures(float(found[1]))

    def about(self) -> Mapping[str, str]:
        """See `Meter`."""
        return {"meter": "IPMI DCMI of this machine"}

    def close(self) -> None:
        """See `Meter`."""
