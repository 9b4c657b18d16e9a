"""A counter that is renewed seldom: every run begins and ends with a figure of a while ago.

With a period T between renewals, the figure at each end of a run is between 0 and T old. A run at P
after rest at P0 so counts P0 u more at its begin and P v less at its end, u and v uniform on
[0, T]: a mean of -(P - P0) T/2 and a standard deviation of T sqrt((P^2 + P0^2)/12). It is the one
fault that shows as noise, large in short runs and small in long ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from calibrate.stats.estimate import Vector
from calibrate.stats.evidence import (
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
from calibrate.stats.models import Table

#: Periods looked for, s; each a priori as likely as any other.
PERIODS_S = np.geomspace(0.1, 5.0, 12)
_LEAST = 1e-3


@dataclass(frozen=True)
class Stale(Posterior):
    """A posterior with the period between renewals and its standard deviation, s."""

    period_s: float
    period_sd: float


@dataclass(frozen=True)
class StaleModel:
    """A counter that is renewed seldom; has the form of a `models.LevelModel`."""

    name: str = "stale counter"
    prior: float = 0.012
    spread: Spread = field(default=Spread(0.02, 0.03))
    factor: float | None = None
    base: str = "reference"
    explains: bool = True
    cause: str = "the counter, or the report that is read, is renewed only now and then"
    aliases: tuple[str, ...] = ("a report that is read again", "a meter that samples seldom")
    key: str = ""
    shift: float = 0.0

    def fit(self, table: Table) -> Stale:
        """Return the evidence, averaged over the period, and what the likeliest period leaves."""
        fits = [
            posterior(self._sums(table, float(period)), 0.0, self._level(table), self.spread)
            for period in PERIODS_S
        ]
        terms = np.array([fit.log_evidence for fit in fits])
        evidence = log_sum(terms) - math.log(terms.size)
        share = np.exp(terms - log_sum(terms))
        mean = float(share @ PERIODS_S)
        sd = math.sqrt(float(share @ (PERIODS_S - mean) ** 2))
        best = replace(fits[int(np.argmax(terms))], log_evidence=evidence)
        return Stale(**vars(best), period_s=mean, period_sd=sd)

    def checks(self, table: Table, fit: Posterior) -> tuple[float, float | None]:
        """Return the p-values of the scatter and of workloads predicted from the others."""
        data = self._sums(table, _period_s(fit))
        held = held_out_p(data, 0.0, self._level(table), self.spread)
        return predictive_p(data, fit), held

    def predicted(self, table: Table, fit: Posterior) -> Vector:
        """Return ln(probe/reference) that the model expects of runs, shape (n,)."""
        return np.asarray(fit.level + np.log(_left(table, _period_s(fit))))

    def said(self, fit: Posterior) -> str:
        """Return the fault with its size, for people."""
        return f"renewed about every {_period_s(fit):.2g} s"

    def parameters(self, fit: Posterior) -> Mapping[str, float]:
        """Return the period, s."""
        sd = fit.period_sd if isinstance(fit, Stale) else 0.0
        return {"period_s": _period_s(fit), "u_period_s": sd}

    def _level(self, table: Table) -> tuple[Level, ...]:
        return (Level(1.0, 0.0, math.hypot(0.02, table.u_ref)),)

    def _sums(self, table: Table, period_s: float) -> Sums:
        noise = period_s * np.hypot(*table.ends_w) / math.sqrt(12)
        floor = np.hypot(table.floor, noise / table.reference_j)
        return sums(table.y - np.log(_left(table, period_s)), table.code, floor)


def _period_s(fit: Posterior) -> float:
    if not isinstance(fit, Stale):
        raise TypeError("This is not the fit of a stale counter.")
    return fit.period_s


def _left(table: Table, period_s: float) -> Vector:
    """Return the share of the energy that is counted on average, shape (n,)."""
    before_w, end_w = table.ends_w
    late_j = period_s / 2 * (end_w - before_w)
    return np.asarray(np.maximum(1 - late_j / table.reference_j, _LEAST))
