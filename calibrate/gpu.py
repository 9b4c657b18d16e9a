"""What the GPU workload scripts share: matrix products and copies by PyTorch or CuPy, or simulated.

On a simulated machine no GPU computes: the load is declared to it, and there is no work to count.
"""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from calibrate.workload import Phase, Stage

What = Literal["gemm", "copy"]
_SIDE = 4096
_COPIED_BYTES = 1 << 28
_REPEATS = 4


class Gpus(Protocol):
    """GPUs that can be loaded."""

    unit: str | None

    def begin(self) -> None:
        """Begin a load."""

    def quantum(self) -> float:
        """Do a few milliseconds of work on every GPU, and return how much that was."""

    def end(self) -> None:
        """End a load; nothing is running afterwards."""


class Simulated:
    """The virtual GPUs of a simulated machine."""

    unit: str | None = None

    def __init__(self, bench: Path) -> None:
        self._demand = os.open(bench / "demand", os.O_WRONLY | os.O_CLOEXEC)
        self._count = len(json.loads((bench / "model.json").read_text())["model"]["gpus"])
        if not self._count:
            raise SystemExit("This simulated machine has no GPU; try --bench gpu-node.")

    def _declare(self, use: int) -> None:
        lines = "".join(f"gpu-{number} {use}\n" for number in range(self._count))
        os.pwrite(self._demand, lines.encode(), 0)

    def begin(self) -> None:
        """Declare full use."""
        self._declare(1)

    def quantum(self) -> float:
        """Let some time pass."""
        time.sleep(0.001)
        return 0.0

    def end(self) -> None:
        """Declare rest."""
        self._declare(0)


class Array:
    """GPUs by an array library: `zeros`, a function that works on two arrays, and a wait."""

    def __init__(self, what: What, devices: Sequence[Any], library: Any) -> None:
        self.unit: str | None = "flop" if what == "gemm" else "byte"
        self._what, self._library = what, library
        shape = (_SIDE, _SIDE) if what == "gemm" else (_COPIED_BYTES // 4,)
        self._arrays = [
            (device, tuple(library.random(shape, device) for _ in range(3))) for device in devices
        ]
        self._work = _REPEATS * (2.0 * _SIDE**3 if what == "gemm" else 2.0 * _COPIED_BYTES)
        self.quantum()  # libraries and kernels are loaded at their first use

    def begin(self) -> None:
        """Begin at once."""

    def quantum(self) -> float:
        """Start the work on all of them, then wait for all of them."""
        work = self._library.multiply if self._what == "gemm" else self._library.copy
        for device, arrays in self._arrays:
            for _ in range(_REPEATS):
                work(device, *arrays)
        self.end()
        return self._work * len(self._arrays)

    def end(self) -> None:
        """Wait until nothing runs any more."""
        for device, _ in self._arrays:
            self._library.wait(device)


class Torch:
    """What is needed of PyTorch."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch

    def random(self, shape: tuple[int, ...], device: Any) -> Any:
        """Return float32 numbers."""
        return self._torch.rand(shape, device=device, dtype=self._torch.float32)

    def multiply(self, _device: Any, a: Any, b: Any, out: Any) -> None:
        """Start a product."""
        self._torch.mm(a, b, out=out)

    def copy(self, _device: Any, a: Any, _b: Any, out: Any) -> None:
        """Start a copy."""
        out.copy_(a)

    def wait(self, device: Any) -> None:
        """Wait for a GPU."""
        self._torch.cuda.synchronize(device)


class CuPy:
    """What is needed of CuPy."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy

    def random(self, shape: tuple[int, ...], device: Any) -> Any:
        """Return float32 numbers."""
        with self._cupy.cuda.Device(device):
            return self._cupy.random.rand(*shape, dtype=self._cupy.float32)

    def multiply(self, device: Any, a: Any, b: Any, out: Any) -> None:
        """Start a product."""
        with self._cupy.cuda.Device(device):
            self._cupy.matmul(a, b, out=out)

    def copy(self, device: Any, a: Any, _b: Any, out: Any) -> None:
        """Start a copy."""
        with self._cupy.cuda.Device(device):
            self._cupy.copyto(out, a)

    def wait(self, device: Any) -> None:
        """Wait for a GPU."""
        with self._cupy.cuda.Device(device):
            self._cupy.cuda.Stream.null.synchronize()


def gpus(what: What) -> Gpus:
    """Return the GPUs of this machine, or end with a sentence that says what is missing."""
    bench = os.environ.get("CROSSWATT_BENCH")
    if bench:
        return Simulated(Path(bench))
    tried = []
    try:
        torch = importlib.import_module("torch")
        if torch.cuda.is_available():
            devices = [torch.device("cuda", n) for n in range(torch.cuda.device_count())]
            return Array(what, devices, Torch(torch))
        tried.append("PyTorch sees no GPU")
    except ImportError:
        tried.append("PyTorch is not installed")
    try:
        cupy = importlib.import_module("cupy")
        count = cupy.cuda.runtime.getDeviceCount()
        return Array(what, range(count), CuPy(cupy))
    except ImportError:
        tried.append("CuPy is not installed")
    except Exception as error:  # CuPy's own, where there is no driver
        tried.append(f"CuPy sees no GPU ({error})")
    raise SystemExit(
        f"No GPU can be loaded here: {', '.join(tried)}. Install PyTorch for your GPU "
        "(pytorch.org, Get started), or simulate one: crosswatt run --bench gpu-node."
    )


def run(what: What, segments: Sequence[tuple[str, float, bool]], marks: bool) -> None:
    """Run segments of (name, seconds, whether there is load) and report each as it was."""
    found, stage = gpus(what), Stage(marks)
    stage.ready()
    planned = time.monotonic_ns()
    for name, seconds, load in segments:
        planned += round(seconds * 1e9)
        begin = time.monotonic_ns()
        work = 0.0
        if load:
            found.begin()
            while time.monotonic_ns() < planned:
                work += found.quantum()
            found.end()
        else:
            time.sleep(max(planned - time.monotonic_ns(), 0) / 1e9)
        done = work if load and found.unit else None
        stage.phase(Phase(name, begin, time.monotonic_ns(), done, found.unit if load else None))
