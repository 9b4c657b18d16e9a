"""What workloads are made of: marks, options, loads on pinned CPUs and on GPUs.

marks       tell crosswatt which phase is running; standard library only
script      the options and the loop that every workload script shares
kernels     matrix product, triad and mixtures of both
placement   on which CPUs a load runs
gpu         loads on GPUs

Names are imported when they are first used, because `marks` has to work in any interpreter.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calibrate.loads.gpu import gpu_parser as gpu_parser
    from calibrate.loads.gpu import run_gpu as run_gpu
    from calibrate.loads.kernels import Kernel as Kernel
    from calibrate.loads.kernels import matrix_product as matrix_product
    from calibrate.loads.kernels import mixture as mixture
    from calibrate.loads.kernels import triad as triad
    from calibrate.loads.marks import PREFIX as PREFIX
    from calibrate.loads.marks import VARIABLE as VARIABLE
    from calibrate.loads.marks import Phase as Phase
    from calibrate.loads.marks import Stage as Stage
    from calibrate.loads.marks import Value as Value
    from calibrate.loads.marks import mark as mark
    from calibrate.loads.marks import marks_taken as marks_taken
    from calibrate.loads.marks import plain_value as plain_value
    from calibrate.loads.placement import add_placing as add_placing
    from calibrate.loads.placement import cores as cores
    from calibrate.loads.placement import placed as placed
    from calibrate.loads.script import Segment as Segment
    from calibrate.loads.script import load_parser as load_parser
    from calibrate.loads.script import one_thread as one_thread
    from calibrate.loads.script import parser as parser
    from calibrate.loads.script import run_load as run_load
    from calibrate.loads.script import steady as steady
    from calibrate.loads.script import whole_periods as whole_periods

#: Where each public name lives.
_HOME = {
    "Kernel": "calibrate.loads.kernels",
    "PREFIX": "calibrate.loads.marks",
    "Phase": "calibrate.loads.marks",
    "Segment": "calibrate.loads.script",
    "Stage": "calibrate.loads.marks",
    "VARIABLE": "calibrate.loads.marks",
    "Value": "calibrate.loads.marks",
    "add_placing": "calibrate.loads.placement",
    "cores": "calibrate.loads.placement",
    "gpu_parser": "calibrate.loads.gpu",
    "load_parser": "calibrate.loads.script",
    "mark": "calibrate.loads.marks",
    "marks_taken": "calibrate.loads.marks",
    "matrix_product": "calibrate.loads.kernels",
    "mixture": "calibrate.loads.kernels",
    "one_thread": "calibrate.loads.script",
    "parser": "calibrate.loads.script",
    "placed": "calibrate.loads.placement",
    "plain_value": "calibrate.loads.marks",
    "run_gpu": "calibrate.loads.gpu",
    "run_load": "calibrate.loads.script",
    "steady": "calibrate.loads.script",
    "triad": "calibrate.loads.kernels",
    "whole_periods": "calibrate.loads.script",
}

__all__ = [*_HOME]  # noqa: PLE0604 - the keys are strings


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, once (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value
