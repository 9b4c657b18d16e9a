"""Loads for GPUs, with stand-ins for PyTorch, CuPy and the simulated machine."""

from __future__ import annotations

import argparse
import json
import sys
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrate.loads import gpu, gpu_parser, run_gpu
from calibrate.loads.gpu import What


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


def options(*arguments: str) -> argparse.Namespace:
    return gpu_parser("A load.").parse_args(arguments)


def later(seconds: float = 0.1) -> int:
    return time.monotonic_ns() + round(seconds * 1e9)


def test_pytorch_works_on_every_gpu_and_waits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = FakeTorch(2)
    monkeypatch.setitem(sys.modules, "torch", torch)
    run_gpu("gemm", [("high", 0.1, True), ("low", 0.02, False)], options())
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("high: 0.") and "flop/s, gpu-0_flop: " in said[0]
    assert said[1].startswith("low: 0.0") and "flop" not in said[1]
    for device in ("cuda:0", "cuda:1"):  # each by itself: four products, then a wait
        own = [call.split()[0] for call in torch.calls if call.endswith(device)]
        assert own and own == [*["mm"] * 4, "wait"] * (len(own) // 5)


@pytest.mark.parametrize(("what", "quantum"), [("gemm", 4 * 2 * 4096**3), ("copy", 4 * 2 * 2**28)])
def test_the_work_of_every_gpu_is_counted(
    monkeypatch: pytest.MonkeyPatch, what: What, quantum: float
) -> None:
    torch = FakeTorch(4)
    monkeypatch.setitem(sys.modules, "torch", torch)
    found = gpu.gpus(what, (0, 2))
    warm_up = torch.calls.count("wait cuda:0")
    done = found.load(later())
    assert set(done) == {0, 2}
    assert done[0] == quantum * (torch.calls.count("wait cuda:0") - warm_up)
    assert not any("cuda:1" in call or "cuda:3" in call for call in torch.calls)


def test_the_work_of_one_gpu_is_that_of_the_phase(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", FakeTorch(4))
    run_gpu("copy", [("load", 0.1, True)], options("--gpus", "3"))
    said = capsys.readouterr().out
    assert "byte/s" in said and "gpu-" not in said


def test_a_gpu_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", FakeTorch(2))
    with pytest.raises(SystemExit, match="there is no GPU 5 here; there are GPUs 0 to 1"):
        gpu.gpus("gemm", (0, 5))
    for text in ("two", "", "-1"):
        with pytest.raises(SystemExit):
            options(f"--gpus={text}")
        assert "--gpus" in capsys.readouterr().err


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A simulated machine with four GPUs, as far as a load sees it."""
    (tmp_path / "model.json").write_text(json.dumps({"model": {"gpus": [{}] * 4}}))
    (tmp_path / "demand").write_text("")
    monkeypatch.setenv("CROSSWATT_BENCH", str(tmp_path))
    return tmp_path


def test_a_load_is_declared_to_a_simulated_machine(
    simulated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    declared: list[str] = []

    def write(file: int, data: bytes, place: int) -> int:
        declared.append(data.decode())
        return len(data)

    monkeypatch.setattr("os.pwrite", write)
    run_gpu("gemm", [("high", 0.01, True), ("low", 0.01, False)], options("--gpus", "0,2"))
    assert declared == ["gpu-0 1\ngpu-2 1\n", "gpu-0 0\ngpu-2 0\n"]
    assert "/s" not in capsys.readouterr().out  # no work is claimed
    gpu.gpus("copy").load(later())
    assert declared[2] == "gpu-0 1\ngpu-1 1\ngpu-2 1\ngpu-3 1\n"


def test_a_simulated_machine_without_gpus_says_so(simulated: Path) -> None:
    with pytest.raises(SystemExit, match="no GPU 4 here; there are GPUs 0 to 3"):
        gpu.gpus("gemm", (4,))
    (simulated / "model.json").write_text(json.dumps({"model": {"gpus": []}}))
    with pytest.raises(SystemExit, match="has no GPU"):
        gpu.gpus("gemm")


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"PyTorch is not installed, CuPy is not installed\. Inst"):
        gpu.gpus("gemm")
    monkeypatch.setitem(sys.modules, "torch", FakeTorch(0))
    with pytest.raises(SystemExit, match="PyTorch sees no GPU, CuPy is not installed"):
        gpu.gpus("copy")
