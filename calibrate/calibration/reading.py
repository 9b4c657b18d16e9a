"""How far one corrected reading may be from the truth: one new run of a new workload.

What the runs show is their scatter about the fitted form. Two mean squares are in it: that of the
means of workloads, and that of runs of one workload. A new run differs by both, and by the error of
the form itself; the sum has degrees of freedom by Welch and Satterthwaite (JCGM 100, G.4.1). Means
of workloads cannot scatter less than the runs in them let them: a form that is chosen among several
may follow them by chance.

Beyond the loads that were measured the error of the form grows as it would if what is left went
with the inverse of the load below them (an offset that does not show), and with its logarithm
above: nothing measured says that it does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from calibrate.comparison import PairedRun
from calibrate.quantity import u_of_step
from calibrate.stats import MAX_LOG, SerialCorrelation, Vector, encode, t_quantile
from calibrate.store import Document

LEVEL = 0.95
#: Effects of workloads are often skewed, and t holds less of them than it says: 92 % of exponential
#: effects with 3 to 5 workloads. t of this level holds as much of normal effects, and 93.4 % or
#: more of exponential ones, with any number of workloads from 3 on.
_SKEWED_LEVEL = 0.965
#: Runs have tails.
_TAILS = 1.08
#: Means of workloads that scatter by less than this times what their runs let them, in mean
#: squares, do not show that workloads differ.
_ALIKE = 2.0
#: Loads that spread by less, relative, are taken as one load.
_ONE_LOAD = 0.05


@dataclass(frozen=True)
class Expanded:
    """Relative standard uncertainty ``u`` of a reading, its coverage factor ``k`` and ``df``."""

    u: float
    k: float
    df: float | None

    @property
    def reach(self) -> float:
        """Half-width of the interval of ln(reading)."""
        return self.k * self.u

    @property
    def relative(self) -> float | None:
        """Expanded uncertainty U: the reading may be off by a factor of 1 + U either way."""
        return math.expm1(self.reach) if self.reach < MAX_LOG else None


class Axis(Document):
    """Where workloads are on an axis: their mean, and the root of the sum of squares about it."""

    mean: float
    spread: float

    def distance(self, value: float) -> float:
        """Return how far a value is from the mean, in units of the spread."""
        return abs(value - self.mean) / self.spread


class Loads(Document):
    """Powers of workloads by the reference: the ends, W, and how far 1/power and ln(power) go."""

    low: float
    high: float
    inverse: Axis
    logarithm: Axis

    def beyond(self, watts: float) -> float:
        """Return how much an unseen slope adds to the error of a form, 0 within the loads.

        It is in units of the scatter of workloads (Draper & Smith, Applied Regression Analysis,
        section 3.1).
        """
        if watts < self.low:
            return self.inverse.distance(1 / watts)
        return self.logarithm.distance(math.log(watts)) if watts > self.high else 0.0


#: A relative standard uncertainty; what is read from a file has to be one that can be squared.
Relative = Annotated[float, Field(ge=0.0, le=1e30)]


class NextRun(Document):
    """Relative standard uncertainties of one new run of a new workload, but that of the form.

    ``workloads``: scatter of the means of workloads about the form, with ``workloads_df`` degrees
    of freedom. ``runs``: by how much more a single run scatters than the mean of the runs of a
    workload, with ``runs_df``; zero where none was repeated. ``readings``: what the readings leave
    open beyond what that scatter already shows (JCGM 100, 4.3.10). ``reference``: its accuracy.
    ``loads``: where the workloads are; None in older documents. ``known``: how much of the first
    three the readings explain, their steps and the ends of windows, in runs of ``seconds``; it goes
    with the inverse of the length. The rest may differ from run to run whatever their length.
    ``correlation``: what runs whose neighbours err alike hide of their own scatter and of their
    mean, with ``correlation_df``; zero where they are independent.
    """

    workloads: Relative
    workloads_df: int
    runs: Relative
    runs_df: int | None
    readings: Relative = 0.0
    reference: Relative = 0.0
    loads: Loads | None = None
    known: float = 0.0
    seconds: float | None = None
    correlation: Relative = 0.0
    correlation_df: float | None = None

    def expanded(
        self,
        form: float,
        watts: float | None = None,
        seconds: float | None = None,
        choice: float = 0.0,
    ) -> Expanded:
        """Return the uncertainty of a reading where the form itself has that one.

        Parameters
        ----------
        form : relative standard uncertainty of the fitted form, of the same degrees of freedom as
            the scatter of workloads.
        watts : corrected power, W; None: within the loads.
        seconds : length of the run, s; None: as those calibrated with.
        choice : relative standard uncertainty by the choice of the form. It is no scatter that was
            estimated from few means, and has a coverage factor of 2.
        """
        beyond = self.loads.beyond(watts) if self.loads and watts is not None else 0.0
        own = self._at(seconds)
        means = self.workloads**2 * (own + beyond**2) + form**2
        runs = own * self.runs**2
        variance = means + runs + own * self.readings**2 + self.reference**2
        variance += self.correlation**2
        free = means**2 / self.workloads_df + (runs**2 / self.runs_df if self.runs_df else 0.0)
        free += self.correlation**4 / self.correlation_df if self.correlation_df else 0.0
        df = variance**2 / free if free > 0 else math.inf
        reach = math.hypot(t_quantile((1 + LEVEL) / 2, df) * math.sqrt(variance), 2 * choice)
        u = math.hypot(math.sqrt(variance), choice)
        k = reach / u if u > 0 else t_quantile((1 + LEVEL) / 2, df)
        return Expanded(u, k, df if math.isfinite(df) else None)

    def _at(self, seconds: float | None) -> float:
        """Return by how much the variance of one run is another one in a run of this length."""
        total = self.workloads**2 + self.runs**2 + self.readings**2
        if seconds is None or self.seconds is None or not total:
            return 1.0
        share = min(self.known**2 / total, 1.0)
        return 1 - share + share * (self.seconds / seconds) ** 2


@dataclass(frozen=True)
class Scatter:
    """How far runs are from a form, in mean squares.

    Parameters
    ----------
    means : of the means of workloads, with ``means_df``; no smaller than ``runs`` let it be, and
        with an allowance for skewed effects. Where workloads do not differ, runs show it too.
    inflated : by how much ``means`` is larger than what the form leaves of them, at least 1.
    skewed : the part of it that allows for skewed effects, as a factor of the standard deviation.
    runs : of runs of one workload, with an allowance for tails and ``runs_df``; zero without
        repeats.
    within : mean of 1/(runs of a workload).
    """

    means: float
    means_df: int
    inflated: float
    skewed: float
    runs: float
    runs_df: int | None
    within: float


def scatter(left: Vector, workload: Sequence[str], parameters: int) -> Scatter | None:
    """Return the mean squares of what a form leaves, or None where workloads are too few.

    Parameters
    ----------
    left : what the form leaves of each run, relative, shape (n,).
    workload : label a run, n of them.
    parameters : how many numbers were fitted.
    """
    labels, code = encode(workload, left.size)
    k, n = len(labels), left.size
    if k <= parameters:
        return None
    sizes = np.bincount(code)
    means = np.bincount(code, weights=left) / sizes
    shown = float(means @ means) / (k - parameters)
    runs = float(((left - means[code]) ** 2).sum()) / (n - k) if n > k else 0.0
    within = float(np.mean(1 / sizes))
    alike = n > k and shown < _ALIKE * runs * within
    df = n - parameters if alike else k - parameters
    skewed = _allowance(df)
    least = skewed**2 * max(shown, runs * within)
    return Scatter(
        means=least,
        means_df=df,
        inflated=least / shown if shown > 0 else 1.0,
        skewed=skewed,
        runs=_TAILS**2 * runs,
        runs_df=n - k if n > k else None,
        within=within,
    )


def _allowance(df: int) -> float:
    """Return by how much t of `_SKEWED_LEVEL` is wider than t of `LEVEL`."""
    return t_quantile((1 + _SKEWED_LEVEL) / 2, df) / t_quantile((1 + LEVEL) / 2, df)


def next_run(
    found: Scatter,
    rows: Sequence[PairedRun],
    resolution_j: float,
    u_reference: float | None,
    serial: SerialCorrelation | None = None,
) -> NextRun:
    """Return the uncertainty of one new run.

    Parameters
    ----------
    found : how far the runs are from the form.
    rows : the runs.
    resolution_j : step of the probe's counters, J.
    u_reference : relative standard uncertainty of the reference's gain; None where it states none.
    serial : how much neighbouring runs err alike; None where they do not.
    """
    hidden, hidden_df = _hidden(found, serial)
    runs = found.runs * (1 - found.within)
    known = sum(each**2 for each in readings(rows, resolution_j).values())
    lasting = known and sum(
        each**2 for each in readings(rows, resolution_j, by_length=True).values()
    )
    return NextRun(
        workloads=math.sqrt(found.means),
        workloads_df=found.means_df,
        runs=math.sqrt(runs),
        runs_df=found.runs_df,
        readings=math.sqrt(max(known - found.means - runs, 0.0)),
        reference=u_reference or 0.0,
        loads=_loads(rows),
        known=found.skewed * math.sqrt(known),  # as much is allowed for in what the runs show
        seconds=math.sqrt(lasting / known) if known else None,
        correlation=hidden,
        correlation_df=hidden_df,
    )


def _hidden(found: Scatter, serial: SerialCorrelation | None) -> tuple[float, float | None]:
    """Return what correlated runs hide of their scatter and of their mean, and its freedom."""
    if serial is None:
        return 0.0, None
    own = max(serial.sd**2 - found.runs, 0.0)
    return math.sqrt(own + serial.extra_variance), max(serial.n_effective - 1, 1.0)


def _loads(rows: Sequence[PairedRun]) -> Loads:
    """Return where workloads are."""
    powers: dict[str, list[float]] = {}
    for row in rows:
        powers.setdefault(row.workload, []).append(row.reference_j / row.seconds)
    every = [watts for each in powers.values() for watts in each]
    means = np.array([np.mean(each) for each in powers.values()])

    def axis(values: Vector, least: float) -> Axis:
        mean = float(values.mean())
        return Axis(mean=mean, spread=max(float(np.linalg.norm(values - mean)), least))

    inverse = axis(1 / means, _ONE_LOAD / max(every))
    return Loads(
        low=min(every), high=max(every), inverse=inverse, logarithm=axis(np.log(means), _ONE_LOAD)
    )


def readings(
    rows: Sequence[PairedRun], resolution_j: float, *, by_length: bool = False
) -> dict[str, float]:
    """Return the relative standard uncertainties of the readings of one run, by source.

    Parameters
    ----------
    rows : the runs.
    resolution_j : step of the probe's counters, J.
    by_length : of a run of one second instead, in seconds: divide by the length of a run.
    """
    step_j = u_of_step(resolution_j)
    window_j = [math.sqrt(max(row.u_probe_j**2 - step_j**2, 0.0)) for row in rows]
    sources = {
        "reading of the reference": [row.u_reference_j / row.reference_j for row in rows],
        "resolution": [step_j / row.probe_j for row in rows],
        "window of the probe": [j / row.probe_j for j, row in zip(window_j, rows, strict=True)],
    }
    seconds = np.array([row.seconds if by_length else 1.0 for row in rows])
    return {
        name: float(np.sqrt(np.mean((np.array(us) * seconds) ** 2))) for name, us in sources.items()
    }
