"""ML CO2 Impact: hours times thermal design power, as the calculator at mlco2.github.io has it.

No sensor is read: what it gives is what a hand-written estimate would be, beside the meters.

    crosswatt run --probe ml-co2 --set "ml-co2.hardware=Intel Xeon Gold 6148" --set ml-co2.count=2

The processor is looked up in the calculator's table by its name, or named by `hardware`, or its
power is given as `tdp_w`. Kilograms of CO2e are the report's: `crosswatt report --carbon`.
Sources: Lacoste, Luccioni, Schmidt, Dandres, Quantifying the Carbon Emissions of Machine Learning,
2019, arXiv:1910.09700; the table gpus.csv of github.com/mlco2/impact as of 2022-12.
"""

import time
from collections.abc import Mapping

from calibrate import About, Domain, Probe, Target, Unavailable
from calibrate.probe import finite_number
from calibrate.probe.tdp import Part, parts, plain, processor_name


class MlCo2(Probe):
    """Thermal design power all the time."""

    name = "ml-co2"
    period_s = 0.5
    default = False
    reopens = True
    summary = "ML CO2 Impact: hours x thermal design power"
    about = About(
        scope="the part that is named",
        basis="modelled: a constant",
        unit="W",
        granularity="none",
        platforms="any",
        tested="against the calculator's formula; not tried on hardware",
    )

    def open(self, target: Target) -> None:
        """Find the power of the part."""
        options = target.options
        self._count = finite_number(options.get("count", 1), "count")
        wanted = plain(options.get("hardware") or processor_name())
        known = parts()
        if "tdp_w" in options:
            watts = finite_number(options["tdp_w"], "tdp_w")
            self._part = Part(wanted, options.get("type", "cpu"), watts, "given by the user")
            return
        found = [part for part in known if part.name.lower() in wanted.lower()]
        if not found:
            names = ", ".join(part.name for part in known if part.kind == "cpu")
            raise Unavailable(
                f"{wanted} is not in the table of ML CO2 Impact",
                f"--set ml-co2.tdp_w=WATTS, or ml-co2.hardware=NAME with one of: {names}, ...",
            )
        self._part = max(found, key=lambda part: len(part.name))

    def domains(self) -> list[Domain]:
        """Energy of processors, or of GPUs."""
        scope = "package" if self._part.kind == "cpu" else "gpu"
        return [Domain("energy", scope, "counter", "modelled", "model")]

    def read(self) -> Mapping[str, float]:
        """Joules so far."""
        return {"energy": self._part.tdp_w * self._count * time.monotonic()}

    def facts(self) -> Mapping[str, str]:
        """The part, its power, and who says so."""
        part = self._part
        return {
            "mode": "constant",
            "hardware": part.name,
            "count": f"{self._count:g}",
            "tdp": f"{part.tdp_w:g} W",
            "source": part.source,
        }
