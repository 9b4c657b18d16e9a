"""Energy that is lost by chance, with samples and with the readings at which a counter wraps.

A meter that loses each of its samples with the probability q counts E (1 - q) on average. A run of
t seconds has t/T samples, so that the share which is lost scatters by sqrt(q (1 - q) T/t): in short
runs more than in long ones, which tells it from a gain.

A meter that throws away the reading at which a counter has wrapped loses the energy of one of its
intervals, P d, each time. A run of E joules from an unknown count wraps floor(E/range) times, or
once more with the probability that is the fraction of E/range. Where P d stands out of the noise
the number is read off each run, at the price of that probability, which bounds the evidence from
below; elsewhere its variance is added to the run's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from calibrate.diagnosis.evidence import Level, Posterior, Spread, Sums, log_sum, posterior, sums
from calibrate.diagnosis.faults import fault
from calibrate.diagnosis.irregular import IrregularModel, Sized, _size
from calibrate.diagnosis.models import Table
from calibrate.stats import Vector

#: Scatter of a run of one second, relative; each a priori as likely as any other.
_SCATTER = np.geomspace(0.05, 0.8, 7)
#: What is lost: mostly some tens of percent.
_LOST = (Level(1.0, -0.25, 0.2),)
#: Scatter of runs with which the wraps of a run are read off it.
_NOISE = (0.004, 0.012, 0.03)
#: A loss stands out from this many times the scatter on.
_STANDS_OUT = 3.0
#: So many losses have to stand out.
_FEWEST = 3
#: Sizes looked for, s; each a priori as likely as any other.
_INTERVALS_S = np.geomspace(0.1, 20.0, 22)
_LEAST = 1e-3
#: How far the power at a wrap is from the mean, in the distance of a run's end from its mean.
_UNSTEADY = 0.7


def _scatter_j(table: Table, one_second: float) -> Vector:
    return np.asarray(table.reference_j * one_second / np.sqrt(table.seconds))


@dataclass(frozen=True)
class LostModel(IrregularModel):
    """Samples that are lost; `size_s` is the scatter of a run of one second, relative."""

    level: tuple[Level, ...] = _LOST
    sizes_s: tuple[float, ...] = tuple(_SCATTER)

    def priors(self, table: Table) -> tuple[Level, ...]:
        """Return the prior of the level."""
        return self.level

    def said(self, fit: Posterior) -> str:
        """Return the fault with the share that is lost, for people."""
        return self.fault.sizes[0].format(f"{100 * (1 - math.exp(min(fit.level, 0.0))):.2g}")

    def parameters(self, fit: Posterior) -> Mapping[str, float]:
        """Return the share that is lost, and the interval that its scatter shows."""
        lost = 1 - math.exp(min(fit.level, 0.0))
        interval = _size(fit).size_s ** 2 / max(lost / max(1 - lost, 1e-3), 1e-6)
        return {"lost": lost, "interval_s": interval}


@dataclass(frozen=True)
class DroppedModel(IrregularModel):
    """Readings that are lost at every wrap; `size_s` is the interval between readings."""

    sizes_s: tuple[float, ...] = tuple(_INTERVALS_S)

    def fit(self, table: Table) -> Sized:
        """Return the evidence, averaged over the interval, and what the likeliest one leaves."""
        fits = [self._likeliest(table, size) for size in self.sizes_s]
        terms = np.array([fit.log_evidence for fit in fits])
        evidence = log_sum(terms) - math.log(terms.size)
        best = fits[int(np.argmax(terms))]
        return replace(best, log_evidence=evidence)

    def _likeliest(self, table: Table, size: float) -> Sized:
        """Return the evidence for one interval, with the numbers of wraps that fit best."""
        found = []
        for noise in _NOISE:
            wraps, price, spread = _wraps(table, size, noise)
            data = self._counted(table, size, wraps, spread)
            fit = posterior(data, 0.0, self.priors(table), self.spread)
            found.append(replace(fit, log_evidence=fit.log_evidence + price))
        best = max(found, key=lambda fit: fit.log_evidence)
        return Sized(**vars(best), size_s=size, size_sd=0.1 * size)

    def _sums(self, table: Table, size: float) -> Sums:
        """Return the sums with the numbers of wraps that were read off with the middle noise."""
        wraps, _, spread = _wraps(table, size, _NOISE[1])
        return self._counted(table, size, wraps, spread)

    def _counted(self, table: Table, size: float, wraps: Vector, spread: Vector) -> Sums:
        share = size / table.seconds
        left = np.maximum(1 - wraps * share, _LEAST)
        # The power at a wrap is not the mean one where the load changes.
        changes = np.minimum(np.abs(table.ends_w[1] / table.power_w - 1), 1.0)
        unsteady = _UNSTEADY * share * changes * np.sqrt(wraps)
        floor = np.hypot(table.floor, np.hypot(spread * share, unsteady) / left)
        return sums(table.y - np.log(left), table.code, floor)


def _wraps(table: Table, size: float, noise: float) -> tuple[Vector, float, Vector]:
    """Return wraps of each run, shape (n,), ln of their probability, and their sd, shape (n,)."""
    whole = table.reference_j / table.wraps_at_j
    low = np.floor(whole)
    part = np.clip(whole - low, 0.02, 0.98)
    share = size / table.seconds
    clear = share > _STANDS_OUT * noise
    few, many = (np.log(np.maximum(1 - n * share, _LEAST)) for n in (low, low + 1))
    gain = ((table.y - few) ** 2 - (table.y - many) ** 2) / (2 * noise**2)
    more = gain + np.log(part / (1 - part)) > 0
    price = np.where(more, np.log(part), np.log(1 - part))
    wraps = np.where(clear, low + more, whole)
    spread = np.where(clear, 0.0, np.sqrt(part * (1 - part)))
    seen = int((clear & (wraps > 0)).sum())
    short = 0.0 if seen >= _FEWEST else -10.0
    return np.asarray(wraps), float(price[clear].sum()) + short, np.asarray(spread)


SAMPLES_LOST = LostModel(
    fault("samples-lost"), lambda table, _: np.zeros(table.y.size), _scatter_j, prior=0.008
)
DROPPED = DroppedModel(
    fault("wrap-dropped"),
    lambda table, size: table.power_w * size * table.reference_j / table.wraps_at_j,
    lambda table, size: 0.5 * table.power_w * size,
    prior=0.006,
    spread=Spread(0.02, 0.05),
)


def catalogue(table: Table) -> list[IrregularModel]:
    """Return what these runs could show."""
    found: list[IrregularModel] = [SAMPLES_LOST]
    if table.wraps_at_j and float(table.reference_j.sum()) > _FEWEST * table.wraps_at_j:
        found.append(DROPPED)
    return found
