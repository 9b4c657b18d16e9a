"""Loads for GPUs, with stand-ins for PyTorch, CuPy and the simulated machine."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrate import gpu


class FakeTorch(types.ModuleType):
    """The calls that are made of PyTorch, with how often."""

    float32 = np.float32

    def __init__(self, gpus: int) -> None:
        super().__init__("torch")
        self.calls: list[str] = []
        self.cuda = types.SimpleNamespace(
            is_available=lambda: gpus > 0,
            device_count=lambda: gpus,
            synchronize=lambda device: self.calls.append(f"wait {device}"),
        )

    def device(self, kind: str, number: int) -> str:
        return f"{kind}:{number}"

    def rand(self, shape: tuple[int, ...], device: str, dtype: Any) -> Any:
        del shape, dtype
        return types.SimpleNamespace(device=device, copy_=lambda a: self.calls.append("copy"))

    def mm(self, a: Any, b: Any, out: Any) -> None:
        assert a.device == b.device == out.device
        self.calls.append(f"mm {a.device}")


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROSSWATT_BENCH", raising=False)
    for name in ("torch", "cupy"):
        monkeypatch.setitem(sys.modules, name, None)


def test_pytorch_works_on_every_gpu_and_waits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = FakeTorch(2)
    monkeypatch.setitem(sys.modules, "torch", torch)
    gpu.run("gemm", [("high", 0.02, True), ("low", 0.02, False)], marks=False)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("high: 0.0") and said[0].endswith("flop/s")
    assert said[1].startswith("low: 0.0") and "flop" not in said[1]
    # One quantum: work on both, then wait for both.
    quantum = ["mm cuda:0"] * 4 + ["mm cuda:1"] * 4 + ["wait cuda:0", "wait cuda:1"]
    assert torch.calls[:10] == quantum
    assert gpu.gpus("gemm").quantum() == pytest.approx(2 * 4 * 2 * 4096**3)
    assert gpu.gpus("copy").quantum() == pytest.approx(2 * 4 * 2 * 2**28)


def test_a_load_is_declared_to_a_simulated_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.json").write_text(json.dumps({"model": {"gpus": [{}, {}]}}))
    (tmp_path / "demand").write_text("")
    monkeypatch.setenv("CROSSWATT_BENCH", str(tmp_path))
    found = gpu.gpus("gemm")
    found.begin()
    assert (tmp_path / "demand").read_text() == "gpu-0 1\ngpu-1 1\n"
    found.end()
    assert (tmp_path / "demand").read_text() == "gpu-0 0\ngpu-1 0\n"
    gpu.run("copy", [("load", 0.01, True)], marks=False)
    assert capsys.readouterr().out.strip().endswith("s")  # no work is claimed
    (tmp_path / "model.json").write_text(json.dumps({"model": {"gpus": []}}))
    with pytest.raises(SystemExit, match="has no GPU"):
        gpu.gpus("gemm")


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"PyTorch is not installed, CuPy is not installed\. Inst"):
        gpu.gpus("gemm")
    monkeypatch.setitem(sys.modules, "torch", FakeTorch(0))
    with pytest.raises(SystemExit, match="PyTorch sees no GPU, CuPy is not installed"):
        gpu.gpus("copy")
