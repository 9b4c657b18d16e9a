"""Scaphandre against what release 1.0.2 wrote on a simulated machine with two packages."""

from __future__ import annotations

import io
import stat
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from calibrate import catalog
from calibrate.probe.contract import Probe, Target, Unavailable

MODULE = catalog.load(catalog.files("adapters")["scaphandre"])
RECORDED = Path(__file__).parents[2] / "data/scaphandre-1.0.2.json"
METRICS = """# HELP scaph_host_power_microwatts Power measurement on the whole host
# TYPE scaph_host_power_microwatts gauge
scaph_host_power_microwatts 35431981
scaph_socket_power_microwatts{socket_id="1"} 13045208
scaph_socket_energy_microjoules{socket_id="1"} 19987084269
scaph_domain_power_microwatts{domain_id="0",socket_id="1",domain_name="dram"} 4006028
scaph_socket_power_microwatts{socket_id="0"} 14357349
scaph_domain_power_microwatts{socket_id="0",domain_id="0",domain_name="dram"} 4067658
scaph_process_power_consumption_microwatts{pid="1",exe="x"} 12
"""


def program(folder: Path, text: str) -> Path:
    """Make a program that writes a recorded stream and stays."""
    path, data = folder / "scaphandre", folder / "stream.json"
    data.write_text(text)
    path.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "scaphandre 1.0.2" && exit\n'
        f'[ "$*" = "--no-header json -s 0 --step-nano 100000000" ] || exit 2\n'
        f"cat {data}\nexec sleep 30\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def opened(**options: str) -> Probe:
    probe: Probe = MODULE.Scaphandre()
    probe.open(Target(options=options))
    return probe


def settled(probe: Probe, wanted: float) -> None:
    until_s = time.monotonic() + 60
    while probe.read().get("machine") != pytest.approx(wanted) and time.monotonic() < until_s:
        time.sleep(0.01)


def test_a_stream_is_read_record_by_record() -> None:
    """Half an array, braces in command lines, an empty first record."""
    found = list(MODULE.records(io.StringIO(RECORDED.read_text())))
    assert len(found) == 4 and not found[0]["sockets"] and found[1]["consumers"]
    cut = RECORDED.read_text()[:-40]
    assert len(list(MODULE.records(io.StringIO(cut)))) == 3


def test_host_sockets_and_dram_in_watts(tmp_path: Path) -> None:
    probe = opened(program=str(program(tmp_path, RECORDED.read_text().rstrip("]\n"))))
    settled(probe, 35.854644)
    # This release lists one of two sockets in JSON; the host has both.
    assert probe.read() == pytest.approx(
        {"machine": 35.854644, "package-1": 13.286072, "dram-1": 4.054335}
    )
    assert {domain.kind for domain in probe.domains()} == {"power"}
    assert probe.facts() == {"mode": "json", "release": "1.0.2", "step": "0.1 s"}
    probe.close()


def test_a_target_gets_what_scaphandre_gives_to_its_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MODULE, "descendants", lambda _pid: [4001])
    probe: Probe = MODULE.Scaphandre()
    stream = RECORDED.read_text().rstrip("]\n")
    probe.open(Target(4000, {"program": str(program(tmp_path, stream))}))
    settled(probe, 35.854644)
    record = list(MODULE.records(io.StringIO(stream)))[-1]
    both = sum(each["consumption"] for each in record["consumers"]) / 1e6
    assert both > 0 and probe.read()["process"] == pytest.approx(both)
    basis = {domain.name: domain.basis for domain in probe.domains()}
    assert basis["process"] == "modelled" and basis["machine"] == "measured"
    probe.close()


def test_one_that_ends_says_so(tmp_path: Path) -> None:
    broken = program(tmp_path, "")
    broken.write_text("#!/bin/sh\necho 'Couldn t find intel_rapl modules.' >&2\nexit 101\n")
    with pytest.raises(Unavailable, match="find intel_rapl modules") as refused:
        opened(program=str(broken))
    assert refused.value.fix
    with pytest.raises(Unavailable, match="no program 'no-such-thing'"):
        opened(program="no-such-thing")
    ending = program(tmp_path, RECORDED.read_text().rstrip("]\n"))
    ending.write_text(ending.read_text().replace("exec sleep 30", "sleep 1; exit 1"))
    probe = opened(program=str(ending))
    until_s = time.monotonic() + 60
    with pytest.raises(ValueError, match="scaphandre: it ended"):
        while time.monotonic() < until_s:
            probe.read()
            time.sleep(0.01)
    probe.close()


@pytest.fixture
def page() -> Any:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/metrics" else 404)
            self.end_headers()
            self.wfile.write(METRICS.encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_endpoint_has_both_sockets(page: str) -> None:
    probe = opened(address=page)
    assert probe.read() == pytest.approx(
        {"machine": 35.431981, "package-0": 14.357349, "package-1": 13.045208,
         "dram-0": 4.067658, "dram-1": 4.006028}
    )  # fmt: skip
    assert probe.facts() == {"mode": "prometheus"}
    probe.close()
    with pytest.raises(Unavailable, match="refused"):
        opened(address="http://127.0.0.1:9")


def test_the_host_is_the_platform_where_there_is_psys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MODULE, "POWERCAP", tmp_path)
    (tmp_path / "intel-rapl:1").mkdir()
    (tmp_path / "intel-rapl:1/name").write_text("psys\n")
    assert "psys" in MODULE.endpoint(METRICS) and "machine" not in MODULE.endpoint(METRICS)
