"""Programs that print figures, as scripts that print what the real ones are documented to print."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from calibrate import catalog
from calibrate.probe import Probe, Target, Unavailable

ADAPTERS = catalog.files("adapters")

#: In the form of perf 6.1's `stat -a -x, --log-fd 1 -I 100`, where there is no DRAM event.
PERF = """     0.100187306,3.07,Joules,power/energy-pkg/,100617076,100.00,,
     0.100187306,<not supported>,Joules,power/energy-ram/,0,100.00,,
     0.100187306,6.10,Joules,power/energy-psys/,100617076,100.00,,
     0.200731942,3.01,Joules,power/energy-pkg/,100184654,100.00,,
     0.200731942,<not supported>,Joules,power/energy-ram/,0,100.00,,
     0.200731942,6.00,Joules,power/energy-psys/,100184654,100.00,,
"""
TURBOSTAT = "Pkg_J\tRAM_J\n6.71\t0.85\nPkg_J\tRAM_J\n6.69\t0.86\n"


def program(folder: Path, text: str, after: str = "exec sleep 30", said: str = "") -> str:
    """Make a program that prints a text, says something on standard error, and stays."""
    path, data = folder / "program", folder / "data"
    data.write_text(text)
    path.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "program version 6.1" && exit\n'
        f"echo '{said}' >&2\ncat {data}\n{after}\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def opened(name: str, **options: str) -> Probe:
    probe: Probe = catalog.load_probe(ADAPTERS[name])()
    probe.open(Target(options=options))
    return probe


def settled(probe: Probe, scope: str, joules: float) -> dict[str, float]:
    until_s = time.monotonic() + 5
    while probe.read()[scope] != pytest.approx(joules) and time.monotonic() < until_s:
        time.sleep(0.01)
    return dict(probe.read())


def test_perf_stat_adds_its_intervals_up(tmp_path: Path) -> None:
    probe = opened("perf-stat", program=program(tmp_path, PERF))
    assert settled(probe, "psys", 12.1) == pytest.approx({"package": 6.08, "psys": 12.1})
    assert {d.name: d.family for d in probe.domains()} == {"package": "rapl", "psys": "rapl-psys"}
    assert probe.facts() == {"mode": "perf", "release": "6.1", "not counted": "dram"}
    probe.close()


def test_turbostat_adds_its_summaries_up(tmp_path: Path) -> None:
    probe = opened("turbostat", program=program(tmp_path, TURBOSTAT))
    assert settled(probe, "dram", 1.71) == pytest.approx({"package": 13.4, "dram": 1.71})
    assert probe.facts()["release"] == "6.1"
    probe.close()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("perf-stat", "0.1,3.07,Watts,power/energy-pkg/,1,100.00,,\n", "not in joules"),
        ("perf-stat", "0.1,3.07,Joules,power/energy-gpu/,1,100.00,,\n", "was not asked for"),
        ("perf-stat", "nothing to see\n", "none of perf stat's"),
        ("turbostat", "Pkg_J\tRAM_J\n***\t0.85\n", "no number"),
        ("turbostat", "Pkg_J\tRAM_J\n1.0\n", "none of turbostat's summaries"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(Unavailable, match=words) as refused:
        opened(name, program=program(tmp_path, text))
    assert refused.value.fix


@pytest.mark.parametrize("name", ["perf-stat", "turbostat"])
def test_a_program_that_is_not_there_or_ends_says_why(tmp_path: Path, name: str) -> None:
    with pytest.raises(Unavailable, match="there is no program 'no-such-thing'"):
        opened(name, program="no-such-thing")
    dead = program(tmp_path, "", after="exit 1", said="Access to power/energy-pkg/ is limited.")
    with pytest.raises(Unavailable, match="is limited"):
        opened(name, program=dead)


def test_one_that_ends_later_ends_the_probe(tmp_path: Path) -> None:
    probe = opened("turbostat", program=program(tmp_path, TURBOSTAT, after="sleep 0.2"))
    time.sleep(0.5)
    with pytest.raises(ValueError, match="it ended and said nothing"):
        probe.read()
    probe.close()


KEPLER = """# TYPE kepler_node_cpu_joules_total counter
kepler_node_cpu_joules_total{node_name="n",path="/a",zone="package"} 1000.5
kepler_node_cpu_joules_total{node_name="n",path="/b",zone="package"} 2000.5
kepler_node_cpu_joules_total{node_name="n",path="/c",zone="dram"} 300
kepler_node_cpu_joules_total{node_name="n",path="/d",zone="core"} 7
"""
KEPLER_OLD = """kepler_node_package_joules_total{instance="n",mode="dynamic",package="0"} 40
kepler_node_package_joules_total{instance="n",mode="idle",package="0"} 60
kepler_node_dram_joules_total{instance="n",mode="idle",package="0"} 5
"""


@pytest.fixture
def pages() -> Iterator[dict[str, str]]:
    table = {"text": KEPLER}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(table["text"].encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    table["address"] = f"http://127.0.0.1:{server.server_port}"
    yield table
    server.shutdown()
    server.server_close()


def test_kepler_is_added_up_over_sockets_and_modes(pages: dict[str, str]) -> None:
    probe = opened("kepler", address=pages["address"])
    assert probe.read() == {"package": 3001.0, "dram": 300.0}
    pages["text"] = KEPLER_OLD
    assert probe.read() == {"package": 100.0, "dram": 5.0}
    pages["text"] = KEPLER.replace("1000.5", "9.22e14")
    with pytest.raises(ValueError, match="that is a sentinel"):
        probe.read()
    pages["text"] = "up 1\n"
    with pytest.raises(Unavailable, match="has no node energy"):
        opened("kepler", address=pages["address"])
    with pytest.raises(Unavailable, match="no endpoint of Kepler is named"):
        opened("kepler")
