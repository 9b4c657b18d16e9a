"""pyRAPL 0.2, unmodified: a `Measurement` around the workload; microjoules inside pyRAPL."""

from collections.abc import Mapping
from typing import Any

from calibrate import About, Domain, Probe, Target, Unavailable

MICRO = 1e-6


class PyRapl(Probe):
    """Package and DRAM of every socket that pyRAPL finds."""

    name = "pyrapl"
    period_s = 0.2
    default = False
    summary = "pyRAPL Measurement (RAPL)"
    about = About(
        scope="packages, DRAM",
        basis="measured",
        unit="uJ",
        granularity="as RAPL, at begin and end",
        platforms="Linux, Intel",
        tested="bench; not tried on hardware",
    )

    def open(self, target: Target) -> None:
        """Set pyRAPL up for whatever it finds."""
        try:
            import pyRAPL
        except ImportError as error:
            raise Unavailable(str(error), "crosswatt probes add pyrapl==0.2.3.1") from None
        try:
            pyRAPL.setup()
        except pyRAPL.PyRAPLException as error:
            raise Unavailable(f"pyRAPL finds no RAPL here ({type(error).__name__})") from None
        self._measurement: Any = pyRAPL.Measurement("workload", output=_Nowhere())
        self._sensor: Any = self._measurement._sensor
        self._final: Mapping[str, float] = {}

    def domains(self) -> list[Domain]:
        """Windows of packages and DRAM, by socket number."""
        kinds = [("package", "dram")[int(device)] for device in self._sensor._available_devices]
        return [
            Domain(f"{kind}-{socket}", f"{kind}-{socket}", "window", "measured", "rapl", MICRO)
            for kind in kinds
            for socket in self._sensor._socket_ids
        ]

    def begin(self) -> None:
        """Begin the measurement."""
        self._measurement.begin()

    def read(self) -> Mapping[str, float]:
        """Joules of the window, once it has ended."""
        return self._final

    def end(self) -> None:
        """End the measurement; a socket that pyRAPL marks with -1 has no value."""
        self._measurement.end()
        found = self._measurement.result
        columns = {"package": found.pkg or (), "dram": found.dram or ()}
        self._final = {
            domain.name: columns[kind][int(socket)] * MICRO
            for domain in self.domains()
            for kind, _, socket in [domain.name.partition("-")]
            if int(socket) < len(columns[kind]) and columns[kind][int(socket)] != -1
        }

    def facts(self) -> Mapping[str, str]:
        """Release and sockets in use."""
        from importlib.metadata import version

        return {
            "release": version("pyRAPL"),
            "mode": "rapl",
            "sockets": " ".join(map(str, self._sensor._socket_ids)),
        }


class _Nowhere:
    """An output that keeps nothing; without one, pyRAPL prints."""

    def add(self, result: object) -> None:
        """Forget a result."""
