"""Logs of power with known energy, as meters write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

#: The job of `gpu_log` lasts from here to there, s since its first line; what it draws, W a GPU.
JOB_S = (60.4, 240.4)
IDLE_W, BUSY_W = 60.0, 300.0


def gpu_log(
    path: Path,
    seconds: int = 300,
    watts: Callable[[float], float] | None = None,
    gpus: int = 2,
    keep: Callable[[int], bool] = lambda second: True,
) -> Path:
    """Write what nvidia-smi writes each second of GPUs that idle, work and idle again."""
    rng = np.random.default_rng(7)

    def usual(at_s: float) -> float:
        return BUSY_W if JOB_S[0] <= at_s < JOB_S[1] else IDLE_W

    lines = ["timestamp, index, power.draw.instant [W]"]
    for second in range(seconds):
        for gpu in range(gpus):
            at_s = second + 0.003 * gpu
            power_w = (watts or usual)(at_s) + rng.normal(0, 3)
            time = f"2026/11/30 12:{second // 60:02d}:{second % 60:02d}.{100 + 3 * gpu:03d}"
            if keep(second):
                lines.append(f"{time}, {gpu}, {power_w:.2f} W")
    path.write_text("\n".join(lines) + "\n")
    return path


def dcgm_page(
    path: Path, seconds: int = 300, gain: float = 1.0, reset_s: int | None = None
) -> Path:
    """Write pages of dcgm-exporter: a count of mJ, and watts that are `gain` times as much."""
    lines, joules = [], 5000.0
    for second in range(seconds):
        power_w = 200.0 + 50 * np.sin(second / 9)
        at_ms = (1_764_500_000 + second) * 1000
        label = 'gpu="0",Hostname="h"'
        if second == reset_s:
            joules = 0.0
        lines += [
            f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{label}}} {round(joules * 1000)} {at_ms}",
            f"DCGM_FI_DEV_POWER_USAGE_INSTANT{{{label}}} {power_w * gain:.3f} {at_ms}",
        ]
        joules += 200.0 + 50 * np.sin((second + 0.5) / 9)
    path.write_text("\n".join(lines) + "\n")
    return path
