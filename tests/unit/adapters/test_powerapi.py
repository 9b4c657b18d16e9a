"""PowerAPI-style: counters of processes, the formulas, and the adapter between them."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import median

import pytest

from calibrate import Domain, Probe, Target, Unavailable, catalog
from calibrate.linux.perf_event import scaled
from calibrate.linux.processes import descendants
from calibrate.probe import counts as countss
from calibrate.probe import counts as sensor
from calibrate.probe.adapter import load_probe
from calibrate.probe.counts import Sensor
from calibrate.probe.formulas import (
    DELAY_TICKS,
    MIN_SAMPLES,
    Formula,
    Report,
    Ridge,
    SmartWatts,
    Tick,
)

INTERVAL_S = 0.1
REST_W, W_PER_CPU = 20.0, 30.0
NS = INTERVAL_S * 1e9


def tick(number: int, mine: float, others: float) -> Tick:
    """A tick in which two targets used so many CPUs."""
    watts = REST_W + W_PER_CPU * (mine + others)
    targets = {"mine": (mine * NS,), "others": (others * NS,)}
    return Tick(round(number * NS), watts * INTERVAL_S, 1.0, targets)


def reports(formula: Formula, ticks: Iterable[Tick]) -> list[Report]:
    return [report for each in ticks for report in formula.take(each)]


def varied(count: int) -> list[Tick]:
    return [tick(n, 0.3 + 0.2 * (n % 3), 0.1 * (n % 5)) for n in range(count)]


def smartwatts(interval_s: float = INTERVAL_S) -> SmartWatts:
    pytest.importorskip("smartwatts", reason="pip install 'crosswatt[powerapi]'")
    return SmartWatts(interval_s, ["task-clock"])


def test_a_ridge_finds_rest_and_slope_and_divides_them() -> None:
    ticks = [*varied(40), tick(40, 0.6, 0.2)]
    found = reports(Ridge(INTERVAL_S), ticks)
    assert [set(watts) for _, watts in found[:MIN_SAMPLES]] == [{"rapl"}] * MIN_SAMPLES
    at_ns, watts = found[-1]
    assert at_ns == 40 * NS
    assert watts["rapl"] == pytest.approx(44.0)
    assert watts["global"] == pytest.approx(44.0, rel=0.02)
    assert watts["mine"] == pytest.approx(33.0, rel=0.02)
    assert watts["mine"] + watts["others"] == pytest.approx(watts["global"])


def test_a_ridge_learns_anew_when_it_errs() -> None:
    rest = [tick(n, 0.0, 0.02) for n in range(12)]
    work = [tick(n, 1.0, 0.0) for n in range(12, 40)]
    found = reports(Ridge(INTERVAL_S), rest + work)
    assert found[-1][1]["global"] == pytest.approx(50.0, rel=0.05)
    assert found[11][1]["mine"] == 0.0


def test_each_frequency_has_a_warm_up_of_its_own() -> None:
    slow = varied(20)
    fast = [Tick(t.at_ns, t.joules * 1.5, 1.4, t.targets) for t in varied(20)]
    found = reports(Ridge(INTERVAL_S), slow + fast)
    assert "mine" in found[19][1]
    assert "mine" not in found[20][1]


@pytest.mark.parametrize("kind", ["ridge", "smartwatts"])
def test_a_wrong_interval_is_a_wrong_factor(kind: str) -> None:
    wrong = 2 * INTERVAL_S
    formula: Formula = Ridge(wrong) if kind == "ridge" else smartwatts(wrong)
    found = reports(formula, varied(20))
    for (_, watts), each in zip(found, varied(20), strict=False):
        assert watts["rapl"] == pytest.approx(0.5 * each.joules / INTERVAL_S, rel=1e-6)


def test_smartwatts_keeps_five_ticks_back_and_warms_up_for_ten() -> None:
    found = reports(smartwatts(), varied(60))
    assert [at_ns for at_ns, _ in found] == [round(n * NS) for n in range(60 - DELAY_TICKS)]
    assert all(set(watts) == {"rapl"} for _, watts in found[:MIN_SAMPLES])
    assert all({"rapl", "global", "mine", "others"} == set(watts) for _, watts in found[10:])


def test_smartwatts_says_nothing_of_a_target_in_fourteen_ticks() -> None:
    assert not any("mine" in watts for _, watts in reports(smartwatts(), varied(14)))


def test_smartwatts_and_the_ridge_agree_once_both_know_rest() -> None:
    ticks = varied(140)
    last = reports(smartwatts(), ticks)[-1]
    same = dict(reports(Ridge(INTERVAL_S), ticks))[last[0]]
    assert last[1]["mine"] == pytest.approx(same["mine"], rel=0.15)


BUSY = """
import subprocess, sys, time
work = "input()\\nwhile True: pass"
child = subprocess.Popen([sys.executable, "-c", work], stdin=subprocess.PIPE)
input()
child.communicate(b"\\n")
"""


def test_a_tree_is_counted_with_its_children() -> None:
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, text=True)
    assert process.stdin
    try:
        while not descendants(process.pid):
            time.sleep(0.01)
        counts = Sensor(process.pid, [0])
        if not counts.reduced:
            pytest.skip("this machine has a PMU; its counts are no CPU time")
        assert counts.events == ("task-clock",)
        process.stdin.write("\n")
        process.stdin.flush()
        began_ns, machine = time.monotonic_ns(), counts.machine()
        before = after = counts.target()
        assert before is not None
        # Others may have the CPUs too, but not all of them all the time.
        give_up_s = time.monotonic() + 60
        while after is not None and after[0] - before[0] < 0.1e9:
            assert time.monotonic() < give_up_s
            time.sleep(0.05)
            after = counts.target()
        assert after is not None
        assert after[0] - before[0] < 1.05 * (time.monotonic_ns() - began_ns)
        assert counts.machine()[0] - machine[0] > 0.0
        counts.close()
    finally:
        for pid in descendants(process.pid):
            subprocess.run(["kill", "-9", str(pid)], check=False)
        process.kill()
        process.wait()
        process.stdin.close()


def test_the_machine_alone_has_no_target() -> None:
    counts = Sensor(None, [0])
    assert counts.target() is None
    counts.close()


@pytest.mark.parametrize(
    ("file", "text"),
    [("cpu.stat", "usage_usec 2500000\nuser_usec 1\n"), ("cpuacct.usage", "2500000000\n")],
)
def test_a_control_group_is_counted_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(2, "No such file or directory")

    monkeypatch.setattr(sensor, "open_event", refuse)
    (tmp_path / file).write_text(text)
    counts = Sensor(None, [0], tmp_path)
    assert counts.reduced and counts.target() == (2.5e9,)
    with pytest.raises(FileNotFoundError):
        Sensor(None, [0], tmp_path / "gone")


def test_a_control_group_by_a_pmu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, bool]] = []

    def opened(kind: int, config: int, pid: int = -1, cpu: int = -1, **how: bool) -> int:
        asked.append((cpu, how.get("cgroup", False)))
        file = tmp_path / f"{len(asked)}"
        file.write_bytes(struct.pack("<QQQ", 7, 1, 1))
        return os.open(file, os.O_RDONLY)

    monkeypatch.setattr(sensor, "open_event", opened)
    counts = Sensor(None, [0, 1], tmp_path)
    assert counts.target() == (14.0,) * 4
    assert asked.count((1, True)) == 4
    counts.close()


def test_idle_time_is_no_work() -> None:
    text = "cpu  100 20 30 999999 8888 4 6 7777 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"
    assert countss._busy_ns(text) == 160 * countss._TICK_NS


def test_a_pmus_events_are_summed_over_cpus_and_scaled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int, int, int]] = []

    def opened(kind: int, config: int, pid: int = -1, cpu: int = -1, **_: bool) -> int:
        asked.append((kind, config, pid, cpu))
        file = tmp_path / str(len(asked))
        file.write_bytes(struct.pack("<QQQ", 100 * (config + 1), 10, 5))
        return os.open(file, os.O_RDONLY)

    monkeypatch.setattr(sensor, "open_event", opened)
    counts = Sensor(None, [0, 4])
    assert not counts.reduced
    # Counted half of the time, on two CPUs.
    assert dict(zip(counts.events, counts.machine(), strict=True)) == {
        "cycles": 400.0, "instructions": 800.0, "cache-misses": 1600.0, "ref-cycles": 4000.0,
    }  # fmt: skip
    assert {cpu for *_, cpu in asked} == {0, 4}
    counts.close()


def test_an_event_that_never_ran_counts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "event"
    file.write_bytes(struct.pack("<QQQ", 0, 10, 0))
    with file.open("rb") as stream:
        assert scaled(stream.fileno()) == 0.0


class Counters:
    """RAPL of 40 W in a package and 5 W in DRAM, whose package wraps 0.05 s on, then every 10 s."""

    WRAP_J = 400.0

    def __init__(self) -> None:
        self._begin_ns = time.monotonic_ns()
        self._read_ns: int | None = None

    def monotonic_ns(self) -> int:
        """Return the time; right after a reading its instant, as if nothing ran in between."""
        now_ns, self._read_ns = self._read_ns or time.monotonic_ns(), None
        return now_ns

    def domains(self) -> list[Domain]:
        return [
            Domain("package-0", "package-0", family="rapl", wraps_at_j=self.WRAP_J),
            Domain("dram-0", "dram-0", family="rapl", wraps_at_j=1e5),
            Domain("psys", "psys", family="rapl-psys"),
        ]

    def read(self) -> Mapping[str, float]:
        self._read_ns = time.monotonic_ns()
        spent_s = (self._read_ns - self._begin_ns) / 1e9
        package_j = (self.WRAP_J - 2 + 40 * spent_s) % self.WRAP_J
        return {"package-0": package_j, "dram-0": 5 * spent_s, "psys": 1.0}

    def close(self) -> None:
        pass

    def facts(self) -> Mapping[str, str]:
        return {}


def probe_of(monkeypatch: pytest.MonkeyPatch, pid: int | None = None, **options: str) -> Probe:
    kind = load_probe(catalog.find("adapters", "powerapi"))
    counters = Counters()
    monkeypatch.setitem(kind.open.__globals__, "first", lambda: ("powercap", counters))
    clock = types.SimpleNamespace(**vars(time) | {"monotonic_ns": counters.monotonic_ns})
    monkeypatch.setitem(kind.open.__globals__, "time", clock)
    probe = kind()
    probe.open(Target(pid, {"interval_s": "0.02", **options}))
    return probe


@pytest.fixture
def asleep() -> Iterator[int]:
    """A process that starts no threads while it is followed, as this one may."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        process.kill()


def test_the_adapter_gives_dated_watts(monkeypatch: pytest.MonkeyPatch, asleep: int) -> None:
    probe = probe_of(monkeypatch, pid=asleep, formula="ridge")
    assert {d.name: d.scope for d in probe.domains()} == {
        "rapl-package": "package", "rapl-dram": "dram", "global-package": "package",
        "global-dram": "dram", "process-package": "process", "process-dram": "process",
    }  # fmt: skip
    list(probe.drain())
    until = time.monotonic_ns()
    dated: list[tuple[int, Mapping[str, float]]] = []
    give_up_s = time.monotonic() + 60
    while len(dated) < 5:
        assert time.monotonic() < give_up_s
        time.sleep(0.01)
        assert probe.read() == {}
        dated += probe.drain()
    probe.end()
    dated += probe.drain()
    assert dated[-1][0] > until
    assert [at for at, _ in dated] == sorted(at for at, _ in dated)
    # Late ticks or not, and across wraps: 40 W and 5 W.
    for _, watts in dated:
        assert watts["rapl-package"] == pytest.approx(40.0, rel=1e-3)
        assert watts["rapl-dram"] == pytest.approx(5.0, rel=1e-3)
    assert list(probe.drain()) == []
    assert probe.facts()["mode"] in {"reduced: CPU time, no PMU", "PMU"}
    assert probe.facts()["formula"] == "Ridge"
    probe.close()


@pytest.mark.parametrize("formula", ["ridge", "smartwatts"])
def test_a_formula_keeps_what_it_has_learnt_and_gets_a_new_target(
    monkeypatch: pytest.MonkeyPatch, asleep: int, formula: str
) -> None:
    if formula == "smartwatts":
        pytest.importorskip("smartwatts", reason="pip install 'crosswatt[powerapi]'")
    probe = probe_of(monkeypatch, formula=formula)
    probe.close()
    learnt: list[int] = []
    monkeypatch.setattr(type(probe), "_learn", lambda self, ticks: learnt.append(ticks))
    opened_ns = time.monotonic_ns()
    probe.open(Target(asleep, {"interval_s": "0.02", "formula": formula}))
    assert learnt == []
    monkeypatch.undo()
    for _ in range(12):
        time.sleep(0.02)
        probe.read()
    probe.end()
    dated = list(probe.drain())
    assert {name for _, watts in dated for name in watts} == {d.name for d in probe.domains()}
    assert "process-package" in dated[0][1]
    # Ticks of before, which SmartWatts kept back, are not taken for those of this run.
    assert opened_ns < dated[0][0]
    # A tick that was held up between its joules and its instant is off; half of them are not.
    assert median(watts["rapl-package"] for _, watts in dated) == pytest.approx(40.0, rel=0.05)
    probe.close()


def test_without_a_target_there_is_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = probe_of(monkeypatch, formula="ridge")
    assert "process-package" not in {d.name for d in probe.domains()}
    probe.close()


def test_an_unknown_formula_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable, match="no formula 'magic'"):
        probe_of(monkeypatch, formula="magic")


def test_smartwatts_that_is_not_installed_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "powerapi.report", None)
    with pytest.raises(Unavailable) as caught:
        probe_of(monkeypatch, formula="smartwatts")
    assert "smartwatts" in caught.value.fix and "crosswatt" not in caught.value.fix
    probe = probe_of(monkeypatch)
    assert probe.facts()["formula"] == "Ridge"
    probe.close()
