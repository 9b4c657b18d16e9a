"""Scaphandre, unmodified: its JSON exporter in a process beside us, or its Prometheus endpoint.

    crosswatt run --probe scaphandre --set scaphandre.program=/opt/scaphandre
    crosswatt run --probe scaphandre --set scaphandre.address=http://127.0.0.1:8080

Microwatts, means since its last look. Its host record is the platform (psys) where RAPL has that,
and packages with DRAM where not; its socket record is a package. The first record is empty, and is
none. What Scaphandre gives to the target's process tree is a domain of its own.
Source: scaphandre 1.0, src/exporters/json.rs and sensors/powercap_rapl.rs.
"""

import json
from collections.abc import Iterator, Mapping
from typing import IO, Any

from calibrate import About, Domain, Probe, Target, Unavailable
from calibrate.linux.processes import descendants
from calibrate.linux.sysfs import POWERCAP
from calibrate.probe import finite_number
from calibrate.probe.program import Stream, version
from calibrate.probe.wall.web import Web, samples

STEP_S = 0.1
_PARTS = ("core", "uncore", "dram")


class Scaphandre(Probe):
    """Host, sockets and the target's processes."""

    name = "scaphandre"
    period_s = 0.1
    summary = "Scaphandre (RAPL), its JSON exporter or its Prometheus endpoint"
    about = About(
        scope="machine or psys; packages, DRAM",
        basis="measured",
        unit="uW",
        granularity=f"{STEP_S:g} s; as it is set, for an endpoint",
        platforms="Linux",
        tested="recorded exchanges of release 1.0.2; not tried on hardware",
    )

    def open(self, target: Target) -> None:
        """Start it, or connect, and wait for its first figures."""
        self._pid = target.pid
        self._host = _host()
        self._latest: Mapping[str, float] = {}
        self._stream: Stream | None = None
        self._web: Web | None = None
        address = target.options.get("address")
        if address:
            self._connect(target.options)
        else:
            self._start(target.options.get("program", "scaphandre"))
        if self._stream:
            self._stream.wait(lambda: bool(self._latest), "try it alone: scaphandre stdout")
        self._domains = [self._domain(name) for name in self.read()]

    def _connect(self, options: Mapping[str, str]) -> None:
        try:
            self._web = Web(options)
            self._web.text("metrics")
        except (OSError, ValueError) as error:
            raise Unavailable(
                f"scaphandre: {error}", "start it: scaphandre prometheus -p 8080"
            ) from None

    def _start(self, program: str) -> None:
        line = [program, "--no-header", "json", "-s", "0", "--step-nano", str(round(STEP_S * 1e9))]
        self._stream = Stream(line, self._follow, "install scaphandre (it is in Debian 13)")

    def _follow(self, stream: IO[str]) -> None:
        for record in records(stream):
            self._latest = self._watts(record)

    def _watts(self, record: Mapping[str, Any]) -> Mapping[str, float]:
        """Return watts by domain; nothing for the first record, which is before any difference."""
        if not record["sockets"]:
            return self._latest
        found = {self._host: finite_number(record["host"]["consumption"], "host") / 1e6}
        for socket in record["sockets"]:
            found[f"package-{socket['id']}"] = finite_number(socket["consumption"], "socket") / 1e6
            for part in socket["domains"]:
                if part["name"] in _PARTS:
                    watts = finite_number(part["consumption"], part["name"]) / 1e6
                    found[f"{part['name']}-{socket['id']}"] = watts
        if self._pid is not None:
            tree = {self._pid, *descendants(self._pid)}
            mine = [each["consumption"] for each in record["consumers"] if each["pid"] in tree]
            found["process"] = sum(finite_number(each, "consumer") for each in mine) / 1e6
        return found

    def _domain(self, name: str) -> Domain:
        """Return the domain; each has the same source, but a process's share is a model."""
        if name == "process":
            return Domain(name, name, "power", "modelled", "rapl-power")
        return Domain(
            name, name, "power", "measured", "rapl-psys" if name == "psys" else "rapl-power"
        )

    def domains(self) -> list[Domain]:
        """Host, sockets and their parts, as the first record has them."""
        return list(self._domains)

    def read(self) -> Mapping[str, float]:
        """The latest watts."""
        if self._web is not None:
            return endpoint(self._web.text("metrics"), self._host)
        if self._stream is not None:
            self._stream.check()
        return self._latest

    def close(self) -> None:
        """End it."""
        if self._stream is not None:
            self._stream.close()

    def facts(self) -> Mapping[str, str]:
        """Release and way."""
        if self._stream is None:
            return {"mode": "prometheus"}
        return {"mode": "json", "release": version(self._stream.program), "step": f"{STEP_S:g} s"}


def records(stream: IO[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the records of an array that is still being written."""
    decoder, pending = json.JSONDecoder(), ""
    while chunk := stream.read(1):
        pending += chunk
        if chunk != "}":
            continue
        try:
            record, _ = decoder.raw_decode(pending.lstrip("[, \n"))
        except ValueError:
            continue  # an inner part has ended, or a brace in a command line
        pending = ""
        yield record


def endpoint(text: str, host: str | None = None) -> Mapping[str, float]:
    """Return watts by domain from a page of metrics; `host`: what its host record covers."""
    found = {}
    for name, label, value in samples(text):
        match name:
            case "scaph_host_power_microwatts":
                key = host or _host()
            case "scaph_socket_power_microwatts":
                key = f"package-{label['socket_id']}"
            case "scaph_domain_power_microwatts" if label.get("domain_name") in _PARTS:
                key = f"{label['domain_name']}-{label['socket_id']}"
            case _:
                continue
        found[key] = finite_number(value, key) / 1e6
    return found


def _host() -> str:
    """Return what Scaphandre's host record covers here."""
    names = POWERCAP.glob("intel-rapl:*/name")
    return "psys" if any(name.read_text().strip() == "psys" for name in names) else "machine"
