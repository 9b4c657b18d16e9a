"""Wall meters against small servers of ours that speak the makers' documented formats.

Not tried on hardware. The answers are those of the documents named in `calibrate.probe.wall`.
"""

from __future__ import annotations

import base64
import json
import socket
import stat
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from calibrate import catalog
from calibrate.probe.adapter import load_probe
from calibrate.probe.contract import Target, Unavailable
from calibrate.probe.wall import Figures, Meter, makers
from calibrate.probe.wall.ptd import parse
from calibrate.quantity import finite_number

ADAPTERS = catalog.files("adapters")

SHELLY_1 = {
    "/shelly": {"type": "SHPLG-S", "mac": "A0", "auth": False, "fw": "1.14"},
    "/meter/0": {"power": 61.25, "is_valid": True, "timestamp": 1700000000,
                 "counters": [61.0, 60.5, 60.2], "total": 12345},
}  # fmt: skip
SHELLY_2 = {
    "/shelly": {"id": "shellyplusplugs-a", "model": "SNPL-00112EU", "gen": 2, "fw_id": "20240101"},
    "/rpc/Shelly.GetStatus": {"switch:0": {"id": 0, "output": True, "apower": 8.9}},
    "/rpc/Switch.GetStatus?id=0": {
        "id": 0, "output": True, "apower": 8.9, "voltage": 237.5, "current": 0.04,
        "aenergy": {"total": 6.532, "by_minute": [45.1, 47.3, 88.2], "minute_ts": 1626935779},
    },
}  # fmt: skip
SHELLY_EM = {
    "/shelly": {"model": "SPEM-002CEBEU50", "gen": 2},
    "/rpc/Shelly.GetStatus": {"em1:1": {"id": 1, "act_power": 501.8}},
    "/rpc/EM1.GetStatus?id=1": {"id": 1, "current": 2.598, "act_power": 501.8, "pf": 0.84},
}
TASMOTA = {
    "/cm?cmnd=Status%202": {"StatusFWR": {"Version": "13.1.0(tasmota)"}},
    "/cm?cmnd=Status%208": {"StatusSNS": {"Time": "2022-01-11T21:57:38", "ENERGY": {
        "TotalStartTime": "2020-10-21T22:15:00", "Total": 3.705, "Power": 5, "Voltage": 233}}},
}  # fmt: skip
HOME = {
    "/api/states/sensor.plug_power": {
        "entity_id": "sensor.plug_power", "state": "0.0421",
        "attributes": {"unit_of_measurement": "kW"}, "last_updated": "2024-05-01T10:00:00+00:00",
    }
}  # fmt: skip
REDFISH_OLD = {
    "/redfish/v1/Chassis": {"Members": [{"@odata.id": "/redfish/v1/Chassis/1"}]},
    "/redfish/v1/Chassis/1": {"Manufacturer": "HPE", "Model": "DL360", "Power": {}},
    "/redfish/v1/Chassis/1/Power": {"PowerControl": [
        {"PowerCapacityWatts": 1600, "PowerConsumedWatts": 590}]},
}  # fmt: skip
REDFISH_NEW = {
    "/redfish/v1/Chassis/Self": {"Manufacturer": "X", "Model": "Y", "EnvironmentMetrics": {}},
    "/redfish/v1/Chassis/Self/EnvironmentMetrics": {
        "PowerWatts": {"Reading": 374}, "EnergykWh": {"Reading": 325675.5},
        "EnergyJoules": None},
}  # fmt: skip


class Server:
    """Answers from a table; a text instead of JSON is sent as it is."""

    def __init__(self, table: Mapping[str, Any], authorization: str = "") -> None:
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                if authorization and self.headers.get("Authorization") != authorization:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="meter"')
                    self.end_headers()
                    return
                told = table.get(self.path)
                if isinstance(told, tuple):
                    self.send_response(302)
                    self.send_header("Location", told[0])
                    self.end_headers()
                    return
                self.send_response(404 if told is None else 200)
                self.end_headers()
                text = told if isinstance(told, str) else json.dumps(told)
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    running: list[Server] = []

    def start(*arguments: Any) -> Server:
        running.append(Server(*arguments))
        return running[-1]

    yield start
    for each in running:
        each.close()


@pytest.mark.parametrize(
    ("kind", "table", "settings", "figures", "words"),
    [
        ("shelly", SHELLY_1, {}, Figures(61.25, 12345 * 60.0), "Shelly SHPLG-S"),
        ("shelly", SHELLY_2, {}, Figures(8.9, 6.532 * 3600), "Shelly SNPL-00112EU"),
        ("shelly", SHELLY_EM, {"channel": "1"}, Figures(501.8), "Shelly SPEM"),
        ("tasmota", TASMOTA, {}, Figures(5.0, 3.705 * 3.6e6), "Tasmota"),
        ("home-assistant", HOME, {"entity": "sensor.plug_power"}, Figures(42.1), "sensor.plug"),
        ("redfish", REDFISH_OLD, {}, Figures(590.0), "Redfish HPE DL360"),
        ("redfish", REDFISH_NEW, {"chassis": "Self"}, Figures(374.0, 325675.5 * 3.6e6), "Redfish"),
    ],
)
def test_documented_answers_are_read(
    serve: Callable[..., Server],
    kind: str,
    table: Mapping[str, Any],
    settings: dict[str, str],
    figures: Figures,
    words: str,
) -> None:
    meter: Meter = makers()[kind](settings | {"address": serve(table).address})
    told = meter.ask()
    assert told.watts == pytest.approx(figures.watts)
    assert told.joules == (None if figures.joules is None else pytest.approx(figures.joules))
    assert words in meter.about()["meter"]
    meter.close()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"/meter/0": {"power": 1.0, "is_valid": False, "total": 1}}, "not valid"),
        ({"/meter/0": {"is_valid": True, "total": 1}}, "has no power"),
        ({"/meter/0": {"power": None, "is_valid": True, "total": 1}}, "no number"),
        ({"/meter/0": {"power": 1e99, "is_valid": True, "total": 1}}, "no figure of a meter"),
        ({"/meter/0": "<html>"}, "not JSON"),
        ({"/meter/0": "x" * (1 << 21)}, "more than"),
        ({"/meter/0": None}, "answered with 404"),
        ({"/meter/0": ("http://127.0.0.2:9/elsewhere",)}, "sends us elsewhere, to 127.0.0.2:9"),
    ],
)
def test_answers_that_are_none_are_refused(
    serve: Callable[..., Server], changed: dict[str, Any], words: str
) -> None:
    meter = makers()["shelly"]({"address": serve(SHELLY_1 | changed).address})
    with pytest.raises((OSError, ValueError), match=words):
        meter.ask()


def test_secrets_come_from_the_environment(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    basic = "Basic " + base64.b64encode(b"admin:geheim").decode()
    server = serve(REDFISH_OLD, basic)
    monkeypatch.setenv("BMC_PASSWORD", "geheim")
    settings = {"address": server.address, "user": "admin", "password_env": "BMC_PASSWORD"}
    assert makers()["redfish"](settings).ask().watts == 590
    monkeypatch.setenv("BMC_PASSWORD", "wrong")
    with pytest.raises(OSError, match="401"):
        makers()["redfish"](settings)
    token = serve(HOME, "Bearer abc")
    monkeypatch.setenv("HA_TOKEN", "abc")
    home = {"address": token.address, "entity": "sensor.plug_power", "token_env": "HA_TOKEN"}
    assert makers()["home-assistant"](home).ask().watts == pytest.approx(42.1)
    for bad, words in (
        ({"password_env": "NOT_THERE"}, "NOT_THERE is not set"),
        ({"address": "http://a:b@127.0.0.1"}, "holds a password"),
        ({"address": "192.168.1.40"}, "write it as http://"),
    ):
        with pytest.raises(ValueError, match=words):
            makers()["redfish"](settings | bad)


def test_no_meter_is_waited_for_without_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(OSError, match="timed out"):
            makers()["tasmota"]({"address": address, "timeout_s": "0.1"})


def answering(replies: Callable[[bytes], bytes]) -> tuple[str, socket.socket]:
    """Start a server of one connection that answers every message."""
    listening = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        try:
            connection, _ = listening.accept()
            with connection:
                while data := connection.recv(4096):
                    connection.sendall(replies(data))
        except OSError:
            pass

    threading.Thread(target=run, daemon=True).start()
    return f"tcp://127.0.0.1:{listening.getsockname()[1]}", listening


def test_scpi_asks_for_its_identity_and_a_value() -> None:
    value = b":NUMERIC:NORMAL:VALUE? 1\n"
    table = {b"*IDN?\n": b"YOKOGAWA,WT310E,C1,F1.04\n", value: b"61.25E+00\n"}
    address, listening = answering(lambda data: table[data])
    with listening:
        meter = makers()["scpi"]({"address": address})
        assert meter.ask() == Figures(61.25) and "WT310E" in meter.about()["meter"]
        table[value] = b"9.9E+37\n"
        with pytest.raises(ValueError, match="no figure of a meter"):
            meter.ask()
        meter.close()
    with pytest.raises(ValueError, match="write tcp://"):
        makers()["scpi"]({"address": "192.168.1.50"})


def test_modbus_reads_registers_and_refuses_what_makes_no_sense() -> None:
    told = {100: struct.pack(">f", 61.25), 200: struct.pack(">f", 1.5)}

    def reply(data: bytes) -> bytes:
        number_, _, _, unit, function, register, words = struct.unpack(">HHHBBHH", data)
        assert (unit, function, words) == (7, 4, 2)
        if register not in told:
            return struct.pack(">HHHBBB", number_, 0, 3, unit, function | 0x80, 2)
        body = told[register]
        return struct.pack(">HHHBBB", number_, 0, 3 + len(body), unit, function, len(body)) + body

    address, listening = answering(reply)
    settings = {"address": address, "unit": "7", "function": "4", "register": "100",
                "energy_register": "200", "energy_scale": "3.6e6"}  # fmt: skip
    with listening:
        meter = makers()["modbus"](settings)
        assert meter.ask() == Figures(61.25, 5.4e6)
        del told[200]
        with pytest.raises(OSError, match=r"register 200 is refused \(Modbus exception 2\)"):
            meter.ask()
        told[200] = b"\0\0"
        with pytest.raises(ValueError, match="makes no sense"):
            meter.ask()
        meter.close()
    with pytest.raises(ValueError, match=r"wall\.type is 'float16'"):
        makers()["modbus"](settings | {"type": "float16"})


DCMI = """
    Instantaneous power reading:                   220 Watts
    Minimum during sampling period:                 18 Watts
    Maximum during sampling period:                438 Watts
    Average power reading over sample period:      219 Watts
    IPMI timestamp:                           Thu Feb  1 10:00:00 2024
    Sampling period:                          00000001 Seconds.
    Power reading state is:                   activated
"""


def test_ipmitool_is_parsed_strictly(tmp_path: Path) -> None:
    program, text = tmp_path / "ipmitool", tmp_path / "text"
    program.write_text(f'#!/bin/sh\n[ "$*" = "dcmi power reading" ] || exit 9\ncat {text}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    text.write_text(DCMI)
    meter = makers()["ipmi"]({"program": str(program)})
    assert meter.ask() == Figures(220.0)
    text.write_text(DCMI.replace("activated", "deactivated"))
    with pytest.raises(ValueError, match="not activated"):
        meter.ask()
    text.write_text("Could not open device at /dev/ipmi0\n")
    with pytest.raises(OSError, match="Could not open device"):
        meter.ask()
    with pytest.raises(OSError, match="not installed"):
        makers()["ipmi"]({"program": "no-such-ipmitool"})


PTD = "Time,12-23-2020 10:21:51.496,Watts,23.43,Volts,228.37,Amps,0.204,PF,0.5023,Mark,notset\n"


def test_the_log_of_ptdaemon_is_followed(tmp_path: Path) -> None:
    log = tmp_path / "spl.txt"
    log.write_text(PTD)
    meter = makers()["ptd"]({"file": str(log)})
    assert meter.ask() == Figures(23.43)
    assert meter.about()["clock"] == "director's, 2020-12-23T10:21:51.496 at the start"
    with log.open("a") as file:
        file.write(PTD.replace("23.43", "33.52") * 200 + "Time,12-23-2020 10:21:5")
    assert meter.ask() == Figures(33.52)
    for bad, words in ((PTD.replace("23.43", "-1.0"), "no watts"), ("hello\n", "no line of PTD")):
        log.write_text(bad)
        with pytest.raises(ValueError, match=words):
            meter.ask()
    log.write_text("")
    with pytest.raises(ValueError, match="has no line yet"):
        meter.ask()


def test_lines_of_a_real_log_of_ptdaemon() -> None:
    log = Path(__file__).parents[4] / "shared" / "data" / "spec-ptd" / "spl.txt"
    if not log.exists():
        pytest.skip("the collection of other people's measurements is not here")
    lines = [parse(line) for line in log.read_text().splitlines()]
    assert len(lines) > 10 and all(line.watts > 0 and line.mark for line in lines)
    steps = [(b.at - a.at).total_seconds() for a, b in pairwise(lines)]
    assert sorted(steps)[len(steps) // 2] == pytest.approx(1.0, abs=0.1)


class Plug:
    """A device of python-kasa."""

    model = "P110"
    hw_info = {"sw_ver": "1.3.0"}

    def __init__(self) -> None:
        self.modules: dict[str, Any] = {
            "Energy": SimpleNamespace(current_consumption=61.234, consumption_total=None)
        }
        self.asked = 0

    async def update(self) -> None:
        self.asked += 1

    async def disconnect(self) -> None:
        self.asked = -1


def kasa(monkeypatch: pytest.MonkeyPatch, found: object) -> list[Any]:
    """Put a stand-in with the interface of python-kasa 0.12 in its place."""
    calls: list[Any] = []

    async def discover(host: str, **account: str | None) -> object:
        calls.append((host, account))
        if isinstance(found, Exception):
            raise found
        return found

    module = ModuleType("kasa")
    module.__dict__.update(
        Discover=SimpleNamespace(discover_single=discover), Module=SimpleNamespace(Energy="Energy")
    )
    monkeypatch.setitem(sys.modules, "kasa", module)
    return calls


def test_a_tapo_plug_by_python_kasa(monkeypatch: pytest.MonkeyPatch) -> None:
    plug = Plug()
    calls = kasa(monkeypatch, plug)
    monkeypatch.setenv("PLUG", "secret")
    settings = {"address": "http://10.0.0.9", "user": "me@example.org", "password_env": "PLUG"}
    meter = makers()["tapo"](settings)
    assert calls == [("10.0.0.9", {"username": "me@example.org", "password": "secret"})]
    assert meter.ask() == Figures(61.234)
    assert meter.about() == {"meter": "Tapo P110", "firmware": "1.3.0"}
    meter.close()
    assert plug.asked == -1


def test_a_tapo_plug_that_refuses_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"address": "10.0.0.9"}
    kasa(monkeypatch, RuntimeError("wrong password"))
    with pytest.raises(OSError, match="RuntimeError: wrong password"):
        makers()["tapo"](settings)
    kasa(monkeypatch, None)
    with pytest.raises(ValueError, match="nothing answers as a plug"):
        makers()["tapo"](settings)
    bulb = Plug()
    bulb.modules.clear()
    kasa(monkeypatch, bulb)
    with pytest.raises(ValueError, match="measures no energy"):
        makers()["tapo"](settings)
    monkeypatch.setitem(sys.modules, "kasa", None)
    with pytest.raises(ValueError, match="pip install 'python-kasa>="):
        makers()["tapo"](settings)


def test_missing_is_never_zero() -> None:
    several: tuple[Any, ...] = (None, True, "unavailable", [], float("nan"))
    for bad in several:
        with pytest.raises(ValueError, match="no"):
            finite_number(bad, "power")


def test_the_probe_keeps_what_is_known_and_no_secret(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUG", "secret")
    settings = {
        "kind": "shelly", "address": serve(SHELLY_2).address, "accuracy": "1%",
        "certificate": "DKD-1234", "password_env": "PLUG",
    }  # fmt: skip
    probe = load_probe(ADAPTERS["wall"])()
    probe.open(Target(options=settings))
    power, count = probe.domains()
    assert (power.scope, power.kind, power.family) == ("node", "power", "wall")
    assert power.u_relative == pytest.approx(0.01 / 3**0.5)
    assert count.kind == "counter" and count.resolution_j == pytest.approx(3.6)
    assert probe.read() == {"node": 8.9, "node-count": pytest.approx(23515.2)}
    facts = probe.facts()
    assert facts["certificate"] == "DKD-1234" and "secret" not in str(facts)
    probe.close()


def test_the_probe_says_what_is_missing(serve: Callable[..., Server]) -> None:
    made = load_probe(ADAPTERS["wall"])
    for options, words in (
        ({}, "none is named"),
        ({"kind": "shely"}, "no kind of wall meter called 'shely'"),
        ({"kind": "shelly"}, r"wall\.address is missing"),
        ({"kind": "shelly", "address": serve({}).address}, "answered with 404"),
        ({"kind": "shelly", "address": "http://127.0.0.1:9"}, "refused"),
    ):
        with pytest.raises(Unavailable, match=words) as refused:
            made().open(Target(options=options))
        assert refused.value.fix
