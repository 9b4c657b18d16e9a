"""Programs that print figures, as scripts that print what the real ones are documented to print."""

from __future__ import annotations

import itertools
import stat
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from calibrate import catalog
from calibrate.probe.adapter import load_probe
from calibrate.probe.contract import Probe, Target, Unavailable

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
    probe: Probe = load_probe(ADAPTERS[name])()
    probe.open(Target(options=options))
    return probe


def read_for(probe: Probe, seconds: float) -> None:
    """Read a probe again and again, until it raises something or the time is over."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        probe.read()
        time.sleep(0.01)


def settled(probe: Probe, scope: str, joules: float) -> dict[str, float]:
    until_s = time.monotonic() + 60
    while probe.read()[scope] != pytest.approx(joules) and time.monotonic() < until_s:
        time.sleep(0.01)
    return dict(probe.read())


def drained(probe: Probe, count: int) -> list[tuple[int, Mapping[str, float]]]:
    """Return the dated figures of a probe, once there are so many."""
    found: list[tuple[int, Mapping[str, float]]] = []
    until_s = time.monotonic() + 60
    while len(found) < count and time.monotonic() < until_s:
        assert probe.read() == {}
        found += probe.drain()
        time.sleep(0.01)
    return found


def now_ms(after_ms: int) -> int:
    return round(time.time() * 1e3) + after_ms


def test_energibridge_has_dates_of_its_own(tmp_path: Path) -> None:
    head = "Delta,Time,CPU_USAGE_0,DRAM_ENERGY (J),PACKAGE_ENERGY (J),PP0_ENERGY (J),USED_MEMORY"
    begin = now_ms(-500)
    rows = [f"{100 * n},{begin + 100 * n},5.0,{7 + n},{1e3 + 3 * n},{n},1e9" for n in range(3)]
    probe = opened("energibridge", program=program(tmp_path, "\n".join([head, *rows, ""])))
    found = drained(probe, 3)
    assert found[0][1] == {"dram-0": 7, "package-0": 1000, "core-0": 0}
    assert found[2][1]["package-0"] == 1006
    assert found[2][0] - found[0][0] == pytest.approx(2e8, abs=5e6)
    assert found[0][0] < time.monotonic_ns() - 4e8
    assert [d.scope for d in probe.domains()] == ["core-0", "dram-0", "package-0"]
    assert probe.facts() == {"mode": "msr", "release": "6.1"}
    probe.close()


def alumet(*points: tuple[str, str, str, str], delimiter: str = ";") -> str:
    """Return what Alumet's plugin csv writes: metric, joules, resource, domain."""
    columns = "metric timestamp value resource_kind resource_id consumer_kind consumer_id domain"
    lines = [[*columns.split(), "__late_attributes"]]
    for number, (metric, value, resource, domain) in enumerate(points):
        kind, _, place = resource.partition(" ")
        at = datetime.now(UTC) + timedelta(milliseconds=100 * number)
        lines.append([metric, at.isoformat(), value, kind, place, "local_machine", "", domain, ""])
    return "\n".join(delimiter.join(line) for line in lines) + "\n"


def test_alumet_adds_its_intervals_up(tmp_path: Path) -> None:
    text = alumet(
        ("rapl_consumed_energy_J", "4.5", "cpu_package 0", "package"),
        ("rapl_consumed_energy_J", "0.5", "dram 0", "dram"),
        ("rapl_consumed_energy_J", "9", "local_machine ", "package_total"),
        ("cpu_percent", "50", "local_machine ", ""),
        ("rapl_consumed_energy_J", "9.5", "local_machine ", "platform"),
        ("rapl_consumed_energy_J", "4.0", "cpu_package 0", "package"),
    )
    probe = opened("alumet", program=program(tmp_path, text))
    found = drained(probe, 4)
    assert [values for _, values in found] == [
        {"package-0": 4.5}, {"dram-0": 0.5}, {"psys": 9.5}, {"package-0": 8.5}
    ]  # fmt: skip
    families = {d.scope: d.family for d in probe.domains()}
    assert families == {"package-0": "rapl", "dram-0": "rapl", "psys": "rapl-psys"}
    probe.close()


LIKWID = """{line}
CPU name:\tIntel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz
CPU type:\tIntel Skylake SP processor
CPU clock:\t2.40 GHz
{line}
{line}
Runtime: 0.100166 s
Measure for socket 0 on CPU 0
Domain PKG:
Energy consumed: 4.18945 Joules
Power consumed: 41.8251 Watt
Domain DRAM:
Energy consumed: 1.1958 Joules
Power consumed: 11.9382 Watt
Domain PLATFORM:
Energy consumed: 0 Joules
Power consumed: 0 Watt

Measure for socket 1 on CPU 20
Domain PKG:
Energy consumed: 3.97925 Joules
Power consumed: 39.7266 Watt
{line}
""".format(line="-" * 80)


def test_likwid_measures_one_window(tmp_path: Path) -> None:
    # As likwid does: nothing is printed before its command has ended.
    path = tmp_path / "likwid"
    (tmp_path / "text").write_text(LIKWID)
    path.write_text(f'#!/bin/sh\n[ "$1" = cat ] && "$@"\ncat {tmp_path}/text\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    probe = opened("likwid-powermeter", program=str(path))
    assert [d.scope for d in probe.domains()] == ["package-0", "dram-0", "package-1"]
    probe.begin()
    assert probe.read() == {}
    probe.end()
    assert probe.read() == {"package-0": 4.18945, "dram-0": 1.1958, "package-1": 3.97925}
    probe.close()


@pytest.mark.parametrize("said", ["Measuring power is not supported on this machine", ""])
def test_likwid_that_measures_nothing_says_why(tmp_path: Path, said: str) -> None:
    dead = program(tmp_path, "", after="exit 1", said=said)
    with pytest.raises(Unavailable, match=said or "it measured nothing") as refused:
        opened("likwid-powermeter", program=dead)
    assert "msr" in refused.value.fix


def test_ml_co2_is_hours_times_power() -> None:
    probe = opened("ml-co2", hardware="Intel(R) Xeon Gold 6148 @ 2.40GHz", count="2")
    [domain] = probe.domains()
    assert (domain.scope, domain.basis) == ("package", "modelled")
    # Between the shortest and the longest time that may have passed between the two readings.
    most_s, first, least_s = time.monotonic(), probe.read()["energy"], time.monotonic()
    time.sleep(0.05)
    least_s, joules = time.monotonic() - least_s, probe.read()["energy"] - first
    most_s = time.monotonic() - most_s
    assert 0.999 * 300 * least_s <= joules <= 1.001 * 300 * most_s
    assert probe.facts()["tdp"] == "150 W"
    assert opened("ml-co2", hardware="A100 SXM4 80 GB").domains()[0].scope == "gpu"
    assert opened("ml-co2", tdp_w="65").facts()["source"] == "given by the user"
    with pytest.raises(Unavailable, match="is not in the table") as refused:
        opened("ml-co2", hardware="Pentium")
    assert "tdp_w" in refused.value.fix


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
        ("energibridge", "hello\n", "no header of EnergiBridge's"),
        ("energibridge", "Delta,Time,USED\n1,2,3\n", "no column of energy"),
        ("energibridge", "Delta,Time,CPU_ENERGY (J)\n1,2\n", "has 2 cells, and not 3"),
        ("alumet", "hello\n", "no header of Alumet's"),
        ("alumet", alumet(("rapl_consumed_energy_kJ", "4", "cpu_package 0", "package")), "_kJ"),
        ("alumet", alumet(("rapl_consumed_energy_J", "x", "cpu_package 0", "package")), "no num"),
        ("turbostat", "Pkg_J\tRAM_J\n1.0\n", "none of turbostat's summaries"),
    ],
    # The text may hold the time of day, and every process of pytest must have the same names.
    ids=itertools.count(),
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(Unavailable, match=words) as refused:
        opened(name, program=program(tmp_path, text))
    assert refused.value.fix


@pytest.mark.parametrize("name", ["perf-stat", "turbostat", "energibridge", "alumet"])
def test_a_program_that_is_not_there_or_ends_says_why(tmp_path: Path, name: str) -> None:
    with pytest.raises(Unavailable, match="there is no program 'no-such-thing'"):
        opened(name, program="no-such-thing")
    dead = program(tmp_path, "", after="exit 1", said="Access to power/energy-pkg/ is limited.")
    with pytest.raises(Unavailable, match="is limited"):
        opened(name, program=dead)


def test_one_that_ends_later_ends_the_probe(tmp_path: Path) -> None:
    probe = opened("turbostat", program=program(tmp_path, TURBOSTAT, after="sleep 1"))
    with pytest.raises(ValueError, match="it ended and said nothing"):
        read_for(probe, 60)
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
