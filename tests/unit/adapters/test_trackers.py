"""Adapters of trackers with interpreters of their own, on stand-ins that speak their interfaces.

The stand-ins follow pyRAPL 0.2.3.1, zeus 0.16.0, carbontracker 2.4.7, eco2AI 0.3.12 and perun
1.0.0, on which the adapters were tried on the simulated machine.
"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from calibrate import Probe, Target, Unavailable, catalog
from calibrate.probe.adapter import load_probe

NAMES = ("pyrapl", "zeus", "carbontracker", "eco2ai", "perun")


@pytest.fixture(autouse=True)
def versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.2.3")


def module(monkeypatch: pytest.MonkeyPatch, name: str, **content: object) -> None:
    """Put a module of our own in the place of a library's."""
    made = ModuleType(name)
    made.__dict__.update(content)
    monkeypatch.setitem(sys.modules, name, made)


def opened(name: str) -> Probe:
    probe = load_probe(catalog.find("adapters", name))()
    probe.open(Target())
    return probe


def measured(probe: Probe) -> dict[str, tuple[str, object]]:
    """Return scope and joules by domain, over one window."""
    probe.begin()
    assert probe.read() == {}
    probe.end()
    joules = probe.read()
    assert probe.facts()["release"] == "1.2.3"
    probe.close()
    return {d.name: (d.scope, joules[d.name]) for d in probe.domains() if d.name in joules}


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_library_is_an_answer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    libraries = {"pyrapl": "pyRAPL", "zeus": "zeus.device.cpu", "carbontracker": "carbontracker"}
    monkeypatch.setitem(sys.modules, libraries.get(name, name), None)
    with pytest.raises(Unavailable) as caught:
        opened(name)
    assert caught.value.fix.startswith(f"crosswatt probes add {name}==")


def test_pyrapl_in_microjoules_and_without_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    result = SimpleNamespace(pkg=[5e6, 7e6], dram=[-1, 2e6])
    sensor = SimpleNamespace(_available_devices=[0, 1], _socket_ids=[0, 1])
    measurement = SimpleNamespace(
        begin=lambda: None, end=lambda: None, result=result, _sensor=sensor
    )
    module(
        monkeypatch,
        "pyRAPL",
        setup=lambda: None,
        Measurement=lambda label, output: measurement,
        PyRAPLException=ValueError,
    )
    assert measured(opened("pyrapl")) == {
        "package-0": ("package-0", 5.0),
        "package-1": ("package-1", 7.0),
        "dram-1": ("dram-1", 2.0),
    }


def test_pyrapl_that_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def setup() -> None:
        raise ValueError

    module(monkeypatch, "pyRAPL", setup=setup, PyRAPLException=ValueError)
    with pytest.raises(Unavailable, match="finds no RAPL"):
        opened("pyrapl")


class Monitor:
    """A ZeusMonitor."""

    def __init__(self, gpu_indices: list[int], cpu_indices: list[int]) -> None:
        self.open: set[str] = set()

    def begin_window(self, key: str, sync_execution: bool) -> None:
        self.open.add(key)

    def end_window(self, key: str, sync_execution: bool) -> Any:
        self.open.remove(key)
        return SimpleNamespace(gpu_energy={0: 9.0}, cpu_energy={0: 4.0, 1: 3.0}, dram_energy=None)


def test_zeus_takes_zones_for_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("zeus", "zeus.device"):
        module(monkeypatch, name)
    module(monkeypatch, "zeus.device.cpu", get_cpus=lambda: [1, 2])
    module(monkeypatch, "zeus.device.gpu", get_gpus=lambda ensure_homogeneous: [1])
    errors = {"ZeusBaseCPUError": KeyError, "ZeusBaseGPUError": KeyError}
    module(monkeypatch, "zeus.device.exception", **errors)
    module(monkeypatch, "zeus.monitor", ZeusMonitor=Monitor)
    assert measured(opened("zeus")) == {
        "gpu-0": ("gpu-0", 9.0),
        "cpu-0": ("package-0", 4.0),
        "cpu-1": ("package-1", 3.0),
    }


class IntelCPU:
    """A handler of carbontracker."""


def test_carbontracker_with_its_pue(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = SimpleNamespace(
        name="cpu", _handler=IntelCPU(), devices=lambda: ["cpu:0"], power_usages=[[40.0]]
    )
    thread = SimpleNamespace(
        components=[cpu], total_energy_per_epoch=lambda: [1e-4], stop=lambda: None
    )
    tracker = SimpleNamespace(tracker=thread, epoch_start=lambda: None, epoch_end=lambda: None)
    module(monkeypatch, "carbontracker", constants=SimpleNamespace(PUE_2023=1.58))
    module(monkeypatch, "carbontracker.tracker", CarbonTracker=lambda **settings: tracker)
    monkeypatch.setenv("http_proxy", "")
    monkeypatch.setenv("https_proxy", "")
    probe = opened("carbontracker")
    assert probe.facts()["settings"] == "PUE 1.58"
    assert probe.facts()["mode"] == "rapl"
    assert measured(probe) == {"energy": ("machine", pytest.approx(360.0))}


def test_carbontracker_without_a_look_has_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = SimpleNamespace(name="cpu", _handler=None, devices=lambda: ["cpu"], power_usages=[])
    thread = SimpleNamespace(components=[cpu], stop=lambda: None)
    tracker = SimpleNamespace(tracker=thread, epoch_start=lambda: None, epoch_end=lambda: None)
    module(monkeypatch, "carbontracker", constants=SimpleNamespace(PUE_2023=1.58))
    module(monkeypatch, "carbontracker.tracker", CarbonTracker=lambda **settings: tracker)
    monkeypatch.setenv("http_proxy", "")
    monkeypatch.setenv("https_proxy", "")
    probe = opened("carbontracker")
    assert probe.domains()[0].basis == "modelled"
    assert measured(probe) == {}


def test_eco2ai_keeps_its_sum_before_it_forgets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tracker:
        _measure_period, _cpu_processes = 1.0, "all"

        def __init__(self, **settings: object) -> None:
            assert settings["alpha_2_code"] == "FR"
            self._sum = 0.0

        def start(self) -> None:
            self._sum = 1e-4

        def _func_for_sched(self) -> None:
            self._sum += 1e-4

        def consumption(self) -> float:
            return self._sum

        def stop(self) -> None:
            self._sum = 0.0

    module(monkeypatch, "eco2ai", Tracker=Tracker)
    assert measured(opened("eco2ai")) == {"energy": ("machine", pytest.approx(720.0))}


def test_perun_is_entered_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    callbacks: list[Any] = []

    def perun(**settings: object) -> Any:
        assert settings["sampling_period"] == 1.0

        def decorate(function: Any) -> Any:
            def run() -> None:
                function()
                metrics = {"cpu_energy": SimpleNamespace(value=30.0), "money": None}
                callbacks[0](SimpleNamespace(metrics=metrics))

            return run

        return decorate

    def sensor(device: str, unit: str) -> tuple[str, SimpleNamespace, SimpleNamespace]:
        return "backend", SimpleNamespace(value=device), SimpleNamespace(value=unit)

    sensors = {
        "cpu_0_package-0": sensor("cpu", "J"),
        "ram_0_dram": sensor("ram", "J"),
        "CPU_FREQ_0": sensor("cpu", "Hz"),
    }
    core = SimpleNamespace(l_available_sensors=sensors)
    for name in ("perun", "perun.api"):
        module(monkeypatch, name)
    module(monkeypatch, "perun.api.decorator", perun=perun, register_callback=callbacks.append)
    module(monkeypatch, "perun.configuration", config=None)
    module(monkeypatch, "perun.core", Perun=lambda config: core)
    probe = opened("perun")
    assert [each.scope for each in probe.domains()] == ["package", "dram"]
    assert measured(probe) == {"cpu": ("package", 30.0)}  # DRAM has no value: it is left out
