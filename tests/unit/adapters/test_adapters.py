"""One contract for every adapter."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate import catalog
from calibrate.campaign import Source, describe_probes
from calibrate.probe.adapter import load_probe
from calibrate.testing import check_probe

ADAPTERS = catalog.files("adapters")
#: Where a library lies that an adapter needs.
LIBRARIES = {"codecarbon": "codecarbon", "nvml": "pynvml", "pyjoules": "pyJoules"}


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_says_what_it_is(name: str) -> None:
    probe = load_probe(ADAPTERS[name])
    assert probe.name == name
    assert probe.period_s > 0
    assert probe.summary
    assert probe.about is not None and all(vars(probe.about).values())
    # Nothing of hardware is claimed.
    on_hardware = "not tried on hardware" not in probe.about.tested
    assert not on_hardware or name in {"truth", "synthetic"}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_keeps_the_contract_here(name: str) -> None:
    """Most of them are unavailable, and say why and what helps; see also tests/bench."""
    check_probe(name)


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_missing_library_is_an_answer(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{LIBRARIES[name]}.py").write_text("raise ImportError('not installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    state, _ = describe_probes([Source(name, ADAPTERS[name])])[name]
    assert (state.status, state.reason) == ("unavailable", "not installed")
    assert state.fix.startswith("pip install ") and "crosswatt" not in state.fix
