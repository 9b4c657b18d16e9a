"""Kepler's Prometheus endpoint: joules of the node by zone.

Since 0.10 ``kepler_node_cpu_joules_total{zone="package"}``; before, one metric a part with a mode,
idle and dynamic, which are added up. A sentinel of 2^63 microjoules (its issue 897) ends the probe.
"""

from collections.abc import Mapping

from calibrate import About, Domain, Probe, Target, Unavailable
from calibrate.probe import finite_number
from calibrate.probe.wall.web import Web, samples

_OLD = ("kepler_node_package_joules_total", "kepler_node_dram_joules_total")
_MOST_J = 1e12


class Kepler(Probe):
    """Counters of packages and DRAM, all of a kind together."""

    name = "kepler"
    period_s = 1.0
    default = False
    reopens = True
    summary = "Kepler's endpoint (RAPL, Kubernetes)"
    about = About(
        scope="all packages, DRAM",
        basis="measured",
        unit="J",
        granularity="its own interval, 3 to 5 s",
        platforms="Linux",
        tested="documented format; not tried on hardware",
    )

    def open(self, target: Target) -> None:
        """Connect and read once."""
        if not target.options.get("address"):
            raise Unavailable(
                "no endpoint of Kepler is named", "--set kepler.address=http://127.0.0.1:28282"
            )
        try:
            self._web = Web(target.options)
            self._found = list(self.read())
        except (OSError, ValueError) as error:
            raise Unavailable(f"kepler: {error}", "look at kepler.address") from None
        if not self._found:
            raise Unavailable("kepler: its endpoint has no node energy", "give it access to RAPL")

    def domains(self) -> list[Domain]:
        """Packages and DRAM."""
        return [Domain(scope, scope, "counter", "measured", "rapl") for scope in self._found]

    def read(self) -> Mapping[str, float]:
        """Joules since Kepler was started."""
        return joules(self._web.text("metrics"))

    def facts(self) -> Mapping[str, str]:
        """Which way."""
        return {"mode": "prometheus"}


def joules(text: str) -> Mapping[str, float]:
    """Return joules by scope from a page of metrics, sockets added up."""
    found: dict[str, float] = {}
    page = list(samples(text))
    new = [each for each in page if each[0] == "kepler_node_cpu_joules_total"]
    for name, label, value in new or page:
        if new:
            scope = label.get("zone", "").partition("-")[0]
        else:
            scope = name.split("_")[2] if name in _OLD else ""
        if scope in {"package", "dram"}:
            found[scope] = found.get(scope, 0.0) + finite_number(value, scope)
    for scope, total in found.items():
        if not 0 <= total < _MOST_J:
            raise ValueError(f"{scope} has used {total:g} J: that is a sentinel")
    return found
