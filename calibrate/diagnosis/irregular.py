"""Faults that strike every run by chance: they show as noise, large in short runs, small in long.

A counter that is renewed every T seconds shows at each end of a run a figure that is between 0 and
T old. A run at P after rest at P0 so counts P0 u more at its begin and P v less at its end, u and v
uniform on [0, T]: a mean of -(P - P0) T/2, a standard deviation of T sqrt((P^2 + P0^2)/12).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from calibrate.diagnosis.evidence import (
    Level,
    Posterior,
    Spread,
    Sums,
    held_out_p,
    log_sum,
    posterior,
    predictive_p,
    sums,
)
from calibrate.diagnosis.faults import Fault, fault
from calibrate.diagnosis.models import Table
from calibrate.stats import Vector

_LEAST = 1e-3
_PRIOR = 0.012
_SPREAD = Spread(0.02, 0.03)
#: Sizes looked for, s; each a priori as likely as any other.
_SIZES_S = tuple(np.geomspace(0.1, 5.0, 12))

#: (table, size) -> joules of every run, shape (n,).
Effect = Callable[[Table, float], Vector]


@dataclass(frozen=True)
class Sized(Posterior):
    """A posterior with the size of the fault and its standard deviation, s."""

    size_s: float
    size_sd: float


@dataclass(frozen=True)
class IrregularModel:
    """A fault of chance; has the form of a `models.LevelModel`.

    Parameters
    ----------
    fault : what it is the model of.
    loss_j, noise_j : mean and standard deviation of what is missing from each run, J.
    """

    fault: Fault
    loss_j: Effect
    noise_j: Effect
    prior: float = _PRIOR
    factor: float | None = None
    base: str = "reference"
    explains: bool = True
    shift: float = 0.0
    spread: Spread = _SPREAD
    sizes_s: tuple[float, ...] = _SIZES_S

    @property
    def name(self) -> str:
        """Return the fault's title."""
        return self.fault.title

    @property
    def cause(self) -> str:
        """Return what usually makes this fault."""
        return self.fault.cause

    @property
    def aliases(self) -> tuple[str, ...]:
        """Return other causes with the same signature."""
        return self.fault.aliases

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Return what it stands for."""
        return (self.fault,)

    def fit(self, table: Table) -> Sized:
        """Return the evidence, averaged over the size, and what the likeliest size leaves."""
        level, sizes = self.priors(table), np.array(self.sizes_s)
        fits = [posterior(self._sums(table, s), 0.0, level, self.spread) for s in self.sizes_s]
        terms = np.array([fit.log_evidence for fit in fits])
        evidence = log_sum(terms) - math.log(terms.size)
        share = np.exp(terms - log_sum(terms))
        mean = float(share @ sizes)
        # Between two sizes that are looked for any may be the true one.
        apart = mean * math.log(sizes[-1] / sizes[0]) / (sizes.size - 1) / math.sqrt(12)
        sd = math.hypot(math.sqrt(float(share @ (sizes - mean) ** 2)), apart)
        best = replace(fits[int(np.argmax(terms))], log_evidence=evidence)
        return Sized(**vars(best), size_s=mean, size_sd=sd)

    def checks(self, table: Table, fit: Posterior) -> tuple[float, float | None]:
        """Return the p-values of the scatter and of workloads predicted from the others."""
        data = self._sums(table, _size(fit).size_s)
        return predictive_p(data, fit), held_out_p(data, 0.0, self.priors(table), self.spread)

    def priors(self, table: Table) -> tuple[Level, ...]:
        """Return the prior of the level: a sound meter's, apart from the fault."""
        return (Level(1.0, 0.0, math.hypot(0.02, table.u_ref)),)

    def predicted(self, table: Table, fit: Posterior) -> Vector:
        """Return ln(probe/reference) that the model expects of runs, shape (n,)."""
        return np.asarray(fit.level + np.log(self._left(table, _size(fit).size_s)))

    def largest(self, table: Table, fit: Posterior) -> float:
        """Return the root mean square change of the run that it changes most, ln(ratio)."""
        size = _size(fit).size_s
        off_j = np.hypot(self.loss_j(table, size), self.noise_j(table, size))
        return float((off_j / table.reference_j).max())

    def said(self, fit: Posterior) -> str:
        """Return the fault with its size, for people."""
        return self.fault.sizes[0].format(f"{_size(fit).size_s:.2g}")

    def parameters(self, fit: Posterior) -> Mapping[str, float]:
        """Return the size, s."""
        return {"size_s": _size(fit).size_s, "u_size_s": _size(fit).size_sd}

    def _left(self, table: Table, size: float) -> Vector:
        """Return the share of the energy that is counted on average, shape (n,)."""
        return np.maximum(1 - self.loss_j(table, size) / table.reference_j, _LEAST)

    def _sums(self, table: Table, size: float) -> Sums:
        floor = np.hypot(table.floor, self.noise_j(table, size) / table.reference_j)
        return sums(table.y - np.log(self._left(table, size)), table.code, floor)


def _size(fit: Posterior) -> Sized:
    if not isinstance(fit, Sized):
        raise TypeError("This is not the fit of a fault of chance.")
    return fit


STALE = IrregularModel(
    fault("stale"),
    lambda table, period: period / 2 * (table.ends_w[1] - table.ends_w[0]),
    lambda table, period: period / math.sqrt(12) * np.hypot(*table.ends_w),
)


def catalogue() -> list[IrregularModel]:
    """Return what any runs could show."""
    return [STALE]
