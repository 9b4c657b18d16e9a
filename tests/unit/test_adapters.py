"""One contract for every adapter, and RAPL on a tree of files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calibrate import catalog, series
from calibrate.probe import Probe, Target, Unavailable
from calibrate.run import Source, describe

ADAPTERS = catalog.files("adapters")
#: Where a library lies that an adapter needs.
LIBRARIES = {"codecarbon": "codecarbon", "pyjoules": "pyJoules"}


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_says_what_it_is(name: str) -> None:
    probe = catalog.load_probe(ADAPTERS[name])
    assert probe.name == name
    assert probe.period_s > 0
    assert probe.summary
    assert probe.about is not None and all(vars(probe.about).values())
    # Nothing of hardware is claimed.
    on_hardware = "not tried on hardware" not in probe.about.tested
    assert not on_hardware or name in {"truth", "synthetic"}


@pytest.mark.timeout(120)
def test_every_adapter_opens_here_or_says_why_not_and_what_helps() -> None:
    for name, (state, log) in describe([Source(n, p) for n, p in ADAPTERS.items()]).items():
        assert state.status in {"ok", "unavailable"}, (name, state)
        if state.status == "unavailable":
            assert state.reason
            assert state.fix
        else:
            assert log.domains


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_missing_library_is_an_answer(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{LIBRARIES[name]}.py").write_text("raise ImportError('not installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    state, _ = describe([Source(name, ADAPTERS[name])])[name]
    assert (state.status, state.reason) == ("unavailable", "not installed")
    assert state.fix == "pip install 'crosswatt[probes]'"


Zone = tuple[str, str, int]
Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Make a powercap tree of (folder, name, microjoules)."""

    def make(*zones: Zone) -> Path:
        for folder, name, energy in zones:
            place = tmp_path / folder
            place.mkdir()
            (place / "name").write_text(f"{name}\n")
            (place / "energy_uj").write_text(f"{energy}\n")
            (place / "max_energy_range_uj").write_text("262143328850\n")
        return tmp_path

    return make


def rapl(root: Path) -> Probe:
    made: Any = catalog.load_probe(ADAPTERS["rapl"])
    probe: Probe = made(root)
    probe.open(Target())
    return probe


def test_rapl_reads_every_zone_in_joules(tree: Tree) -> None:
    probe = rapl(
        tree(
            ("intel-rapl:0", "package-1", 5_000_000),
            ("intel-rapl:0:0", "core", 3_000_000),
            ("intel-rapl:0:1", "dram", 1_500_000),
            ("intel-rapl:1", "package-0", 7_000_001),
            ("intel-rapl:2", "psys", 20_000_000),
            ("intel-rapl-mmio:0", "package-0", 6_900_000),
            ("dtpm:0", "other", 1),
        )
    )
    assert probe.read() == {
        "package-1": 5.0, "core-1": 3.0, "dram-1": 1.5, "package-0": 7.000001, "psys": 20.0,
        "mmio-package-0": 6.9,
    }  # fmt: skip
    families = {d.name: d.family for d in probe.domains()}
    assert families["psys"] == "rapl-psys"
    assert families["mmio-package-0"] == "rapl-mmio"
    totals = {c.name: c.parts for c in series.native(probe.domains()) if len(c.parts) > 1}
    assert totals["package"] == ("package-1", "package-0") or totals["package"] == (
        "package-0",
        "package-1",
    )
    assert set(totals["machine"]) == {"package-0", "package-1", "dram-1"}
    assert {d.wraps_at_j for d in probe.domains()} == {262143.32885}
    probe.close()


def test_rapl_dies_belong_to_their_package(tree: Tree) -> None:
    probe = rapl(
        tree(
            ("intel-rapl:0", "package-0-die-0", 1_000_000),
            ("intel-rapl:1", "package-0-die-1", 2_000_000),
        )
    )
    assert {d.name: d.scope for d in probe.domains()} == {
        "package-0-die-0": "package-0",
        "package-0-die-1": "package-0",
    }
    probe.close()


def test_rapl_without_zones_says_what_helps(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no RAPL zone") as refused:
        rapl(tmp_path)
    assert "modprobe" in refused.value.fix


def test_rapl_that_may_not_be_read_says_what_helps(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree(("intel-rapl:0", "package-0", 1))

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(Unavailable, match="may not be read by this user") as refused:
        rapl(root)
    assert refused.value.fix.startswith("sudo chmod")
