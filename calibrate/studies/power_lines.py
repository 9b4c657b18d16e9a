"""A column beside the reference as a line of power over power, the same in several campaigns.

A ratio cannot tell whether something was added to one side or both were multiplied, and beside a
reference of a wider scope a ratio means little. What the wider one shows beyond what follows the
narrower one, in W, means the same in every campaign of one machine: fans, disks, idle GPUs, losses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from calibrate.comparison import Pair, PairedRun
from calibrate.stats import RepeatedValues, Vector

#: Below this spread of the powers of workloads, relative to their mean, no line is drawn.
_LEAST_SPREAD = 0.05
_LEAST_WORKLOADS = 3


@dataclass(frozen=True)
class PowerLine:
    """y = offset + slope x, of mean powers of runs, with one slope in all campaigns, W.

    Parameters
    ----------
    slope : pooled over the campaigns, a pure number.
    u_slope : its standard uncertainty.
    mean_w : mean of y over workloads and campaigns.
    """

    slope: float
    u_slope: float
    mean_w: float


def powers(pair: Pair, row: PairedRun) -> tuple[float, float]:
    """Return x and y of a run, W: across scopes the reference over the probe, else the reverse."""
    probe_w, reference_w = row.probe_j / row.seconds, row.reference_j / row.seconds
    return (probe_w, reference_w) if pair.across else (reference_w, probe_w)


def common_line(pairs: Sequence[Pair], workloads: Sequence[str]) -> PowerLine | None:
    """Return the line of a column in several campaigns; None where the powers are too alike.

    Parameters
    ----------
    pairs : the column in each campaign.
    workloads : those that all campaigns have.
    """
    if len(workloads) < _LEAST_WORKLOADS:
        return None
    means = np.array([_means(pair, workloads) for pair in pairs])
    x, y = means[..., 0], means[..., 1]
    across = x - x.mean(axis=1, keepdims=True)
    spread = float((across**2).sum())
    if spread <= x.size * (_LEAST_SPREAD * float(np.abs(x).mean())) ** 2:
        return None
    slope = float((across * y).sum()) / spread
    left = y - y.mean(axis=1, keepdims=True) - slope * across
    df = x.size - len(pairs) - 1
    return PowerLine(slope, (float((left**2).sum()) / df / spread) ** 0.5, float(y.mean()))


def _means(pair: Pair, workloads: Sequence[str]) -> Vector:
    """Return mean x and y of each workload, shape (workloads, 2)."""
    return np.array(
        [
            np.mean([powers(pair, row) for row in pair.usable if row.workload == name], axis=0)
            for name in workloads
        ]
    )


def mean_power(pair: Pair, workloads: Sequence[str]) -> float:
    """Return the mean of x over workloads, W."""
    return float(_means(pair, workloads)[:, 0].mean())


def beyond(pair: Pair, line: PowerLine, workloads: Iterable[str]) -> RepeatedValues:
    """Return what each run shows beyond slope x, W."""
    wanted = set(workloads)
    rows = [row for row in pair.usable if row.workload in wanted]
    both = [powers(pair, row) for row in rows]
    return RepeatedValues(
        [y - line.slope * x for x, y in both],
        [row.workload for row in rows],
        [row.repeat for row in rows],
    )
