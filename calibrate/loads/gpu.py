"""What the GPU workload scripts share: matrix products and copies by PyTorch or CuPy, or simulated.

On a simulated machine no GPU computes: the load is declared to it, and there is no work to count.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, Protocol

from calibrate.linux.cpus import numbers
from calibrate.loads.marks import Phase, Stage
from calibrate.loads.script import parser
from calibrate.simulated import bench_folder

What = Literal["gemm", "copy"]
_SIDE = 4096
_COPIED_BYTES = 1 << 28
_REPEATS = 4


class Gpus(Protocol):
    """GPUs that can be loaded.

    Parameters
    ----------
    unit : what work is counted in; None where nothing is computed.
    """

    unit: str | None

    def load(self, until_ns: int) -> Mapping[int, float]:
        """Load all of them until an instant of CLOCK_MONOTONIC; return the work of each.

        Nothing is running any more when it returns.
        """


class Simulated:
    """Virtual GPUs of a simulated machine.

    Parameters
    ----------
    bench : the folder of the simulated machine.
    wanted : numbers of its GPUs; none means all.
    """

    unit: str | None = None

    def __init__(self, bench: Path, wanted: Sequence[int] = ()) -> None:
        self._demand = os.open(bench / "demand", os.O_WRONLY | os.O_CLOEXEC)
        count = len(json.loads((bench / "model.json").read_text())["model"]["gpus"])
        if not count:
            raise SystemExit("This simulated machine has no GPU; try --bench gpu-node.")
        self._numbers = chosen(wanted, count)

    def _declare(self, use: int) -> None:
        lines = "".join(f"gpu-{number} {use}\n" for number in self._numbers)
        os.pwrite(self._demand, lines.encode(), 0)

    def load(self, until_ns: int) -> Mapping[int, float]:
        """Declare full use, let the time pass, declare rest."""
        self._declare(1)
        # Short naps, since a virtual machine that sleeps for long wakes up late.
        while (left_ns := until_ns - time.monotonic_ns()) > 0:
            time.sleep(min(0.001, left_ns / 1e9))
        self._declare(0)
        return {}


class Array:
    """GPUs by an array library.

    Parameters
    ----------
    what : the work.
    devices : the library's own names of GPUs, by number.
    library : see `Torch`.
    """

    def __init__(self, what: What, devices: Mapping[int, Any], library: Any) -> None:
        self.unit: str | None = "flop" if what == "gemm" else "byte"
        self._do = library.multiply if what == "gemm" else library.copy
        self._wait = library.wait
        self._work = _REPEATS * (2.0 * _SIDE**3 if what == "gemm" else 2.0 * _COPIED_BYTES)
        shape = (_SIDE, _SIDE) if what == "gemm" else (_COPIED_BYTES // 4,)
        self._arrays = {
            number: (device, tuple(library.random(shape, device) for _ in range(3)))
            for number, device in devices.items()
        }
        for number in self._arrays:  # libraries and kernels are loaded at their first use
            self._quantum(number)

    def _quantum(self, number: int) -> None:
        """Do a few milliseconds of work on one GPU."""
        device, arrays = self._arrays[number]
        for _ in range(_REPEATS):
            self._do(device, *arrays)
        self._wait(device)

    def load(self, until_ns: int) -> Mapping[int, float]:
        """Load each from a thread of its own, so that none waits for a slower one."""

        def one(number: int) -> float:
            done = 0.0
            while time.monotonic_ns() < until_ns:
                self._quantum(number)
                done += self._work
            return done

        with ThreadPoolExecutor(len(self._arrays)) as threads:
            return dict(zip(self._arrays, threads.map(one, self._arrays), strict=True))


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


def gpus(what: What, wanted: Sequence[int] = ()) -> Gpus:
    """Return GPUs of this machine, or end with a sentence that says what is missing.

    Parameters
    ----------
    what : the work that they will do.
    wanted : their numbers; none means all.
    """
    bench = bench_folder()
    if bench:
        return Simulated(Path(bench), wanted)
    tried = []
    try:
        torch = importlib.import_module("torch")
        if torch.cuda.is_available():
            own = {n: torch.device("cuda", n) for n in chosen(wanted, torch.cuda.device_count())}
            return Array(what, own, Torch(torch))
        tried.append("PyTorch sees no GPU")
    except ImportError:
        tried.append("PyTorch is not installed")
    try:
        cupy = importlib.import_module("cupy")
        count = cupy.cuda.runtime.getDeviceCount()
        return Array(what, {n: n for n in chosen(wanted, count)}, CuPy(cupy))
    except ImportError:
        tried.append("CuPy is not installed")
    except Exception as error:  # CuPy's own, where there is no driver
        tried.append(f"CuPy sees no GPU ({error})")
    raise SystemExit(
        f"No GPU can be loaded here: {', '.join(tried)}. Install PyTorch for your GPU "
        "(pytorch.org, Get started), or simulate one: crosswatt run --bench gpu-node."
    )


def chosen(wanted: Sequence[int], count: int) -> list[int]:
    """Return the numbers of the GPUs to load: those wanted, or all."""
    if missing := [number for number in wanted if number >= count]:
        there = "is GPU 0" if count == 1 else f"are GPUs 0 to {count - 1}"
        raise SystemExit(f"--gpus: there is no GPU {missing[0]} here; there {there}.")
    return list(wanted) or list(range(count))


def gpu_parser(description: str | None, seconds: float = 5.0) -> argparse.ArgumentParser:
    """Return the options that every load of GPUs has: those of all workloads, and ``--gpus``.

    Parameters
    ----------
    description : the script's docstring, whose first line is its help.
    seconds : default length, s.
    """
    options = parser(description, seconds)
    options.add_argument(
        "--gpus", metavar="LIST", type=_list, default=(), help="GPUs by number: 0,2; default all"
    )
    return options


def _list(text: str) -> tuple[int, ...]:
    """Return the numbers of a list such as ``0,2``."""
    found = tuple(sorted(set(numbers(text))))
    if not found:
        raise argparse.ArgumentTypeError("a list of GPUs is for example 0,2")
    return found


def run_gpu(
    what: What, segments: Sequence[tuple[str, float, bool]], options: argparse.Namespace
) -> None:
    """Run segments on GPUs and report each as it was.

    Parameters
    ----------
    what : ``gemm``, matrix products, or ``copy``, of memory.
    segments : name, length in s, and whether there is load.
    options : as `gpu_parser` gives them.

    Where several GPUs compute, the work of each is among the values of the phase.
    """
    found, stage = gpus(what, options.gpus), Stage(options.marks)
    stage.ready()
    planned = time.monotonic_ns()
    for name, seconds, load in segments:
        planned += round(seconds * 1e9)
        begin = time.monotonic_ns()
        if load:
            done = found.load(planned)
            stage.phase(_phase(name, begin, done, found.unit))
        else:
            time.sleep(max(planned - time.monotonic_ns(), 0) / 1e9)
            stage.phase(Phase(name, begin, time.monotonic_ns()))


def _phase(name: str, begin_ns: int, done: Mapping[int, float], unit: str | None) -> Phase:
    """Return a phase that has just ended."""
    end_ns = time.monotonic_ns()
    if not done:
        return Phase(name, begin_ns, end_ns)
    each = {f"gpu-{number}_{unit}": work for number, work in done.items()}
    values = each if len(each) > 1 else {}
    return Phase(name, begin_ns, end_ns, sum(done.values()), unit, values)
