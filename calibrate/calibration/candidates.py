"""The forms that a correction may have, each fitted to the runs with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibrate.calibration.budget import reading_budget
from calibrate.calibration.correction import (
    Band,
    Correction,
    CorrectionLine,
    FactorInterval,
    Range,
)
from calibrate.calibration.reading import LEVEL, NextRun, next_run
from calibrate.comparison import Pair, PairedRun
from calibrate.stats import (
    MAX_LOG,
    Estimate,
    Vector,
    conformal,
    correction,
    fit_by_load,
    fit_gain_offset,
    fit_offset,
    log_ratio,
)


@dataclass(frozen=True)
class Candidate:
    """A form fitted to some runs of a column.

    Parameters
    ----------
    correction : the form, its verdict the name of the form.
    why_not : why no workload could be held out; None where they were.
    """

    correction: Correction
    why_not: str | None = None

    @property
    def left(self) -> float:
        """Root mean square of ln(corrected/reference) over workloads held out."""
        return error_left((self.correction.held_out or {}).values())

    @property
    def reach(self) -> float | None:
        """Half-width of the interval of ln(corrected reading), the largest within the loads."""
        valid = self.correction.valid
        found = [self.correction.expanded(watts) for watts in valid.watts] if valid else []
        return max((each.reach for each in found if each), default=None)

    @property
    def may_be_nothing(self) -> bool:
        """Whether what is subtracted does not differ from zero by its uncertainty."""
        line, watts = self.correction.line, self.correction.offset_w
        return (line is not None and line.offset_w.covers(0.0)) or (
            watts is not None and watts.covers(0.0)
        )


def error_left(errors: Iterable[float]) -> float:
    """Return the root mean square of ln(1 + error); infinite where an energy is not above zero."""
    values = np.array([*errors], dtype=np.float64)
    if not values.size or float(values.min()) <= -1:
        return math.inf
    return float(np.sqrt(np.mean(np.log1p(values) ** 2)))


class Runs:
    """The runs of a column to which forms are fitted.

    Parameters
    ----------
    rows : at least one, each with a ratio.
    pair : the column that they are of.
    about : the correction's fields that do not depend on its form, any verdict.
    """

    def __init__(self, rows: Sequence[PairedRun], pair: Pair, about: Correction) -> None:
        self.rows, self.pair = rows, pair
        self.workload = [row.workload for row in rows]
        self.d = log_ratio([row.probe_j for row in rows], [row.reference_j for row in rows])
        self.probe_w = np.array([row.probe_j / row.seconds for row in rows])
        self.reference_w = np.array([row.reference_j / row.seconds for row in rows])
        seconds = [row.seconds for row in rows]
        self.about = about.model_copy(
            update={
                "valid": Range(
                    watts=_ends(self.reference_w),
                    reported_w=_ends(self.probe_w),
                    seconds=(min(seconds), max(seconds)),
                    workloads=tuple(sorted(set(self.workload))),
                )
            }
        )

    def without(self, workload: str) -> Runs | None:
        """Return the runs of the other workloads; None where fewer than three are left."""
        rows = [row for row in self.rows if row.workload != workload]
        return Runs(rows, self.pair, self.about) if len({r.workload for r in rows}) > 2 else None

    def factor(self) -> Candidate:
        """Return one factor."""
        found = correction(self.d, self.workload)
        mean = -math.log(found.factor.value)
        run = self._next_run(self.d - mean, 1)
        k = found.factor.n_clusters
        made = self.about.model_copy(
            update={
                "verdict": "factor",
                "factor": _for_one_run(found.factor, run, k),
                "held_out": found.held_out,
                "next_run": run,
                "distribution_free": _distribution_free(self.d, self.workload),
            }
        )
        if run is not None:
            form = run.workloads / math.sqrt(k)
            budget = reading_budget(run, form, self.rows, self.pair.resolution_j)
            made = made.model_copy(update={"relative_u": run.expanded(form).u, "budget": budget})
        return Candidate(made, found.why_not)

    def others(self) -> Iterator[Candidate]:
        """Yield the forms beyond one factor that these runs allow, the simplest first."""
        for form in (self._offset, self._line, self._by_load):
            try:
                yield Candidate(form())
            except ValueError:
                continue  # too few workloads, or too alike, for this form

    def _offset(self) -> Correction:
        found = fit_offset(self.probe_w, self.reference_w, self.workload)
        left = self.probe_w / self.reference_w - 1 - found.offset_w.value / self.reference_w
        return self._form(
            "offset", found.held_out, self._next_run(left, 1), offset_w=found.offset_w
        )

    def _line(self) -> Correction:
        found = fit_gain_offset(self.probe_w, self.reference_w, self.workload)
        gain, watts = found.gain.value, found.offset_w.value
        left = (self.probe_w - watts) / (gain * self.reference_w) - 1
        line = CorrectionLine(
            gain=found.gain,
            offset_w=found.offset_w,
            covariance=found.covariance,
            scatter=found.scatter,
            df=found.df,
        )
        return self._form("gain and offset", found.held_out, self._next_run(left, 2), line=line)

    def _by_load(self) -> Correction:
        found = fit_by_load(self.probe_w, self.reference_w, self.workload)
        place = np.searchsorted(found.below_w, self.probe_w, side="right")
        mean = np.array([-math.log(each.factor.value) for each in found.factors])
        # Every end between two ranges was chosen by the data too.
        run = self._next_run(self.d - mean[place], len(mean) + len(found.below_w))
        bands = []
        for end, each in zip((*found.below_w, None), found.factors, strict=True):
            k = each.factor.n_clusters
            form = run.workloads / math.sqrt(k) if run else 0.0
            bands.append(
                Band(
                    below_w=end,
                    factor=_for_one_run(each.factor, run, k),
                    relative_u=run.expanded(form).u if run else None,
                    u_of_form=form,
                )
            )
        return self._form("by load", found.held_out, run, bands=tuple(bands))

    def _form(
        self, verdict: str, held_out: dict[str, float], run: NextRun | None, **form: object
    ) -> Correction:
        """Return a correction of a form beyond one factor."""
        return self.about.model_copy(
            update={"verdict": verdict, "held_out": held_out, "next_run": run, **form}
        )

    def _next_run(self, left: Vector, parameters: int) -> NextRun | None:
        pair = self.pair
        return next_run(
            left, self.workload, parameters, self.rows, pair.resolution_j, pair.u_reference
        )


def _ends(values: Vector) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _for_one_run(factor: Estimate, run: NextRun | None, k: int) -> Estimate:
    """Return a factor with its uncertainty for one new run of a new workload."""
    if run is None:
        return replace(factor, u=None, low=None, high=None)
    found = run.expanded(run.workloads / math.sqrt(k))
    known = found.reach < MAX_LOG
    return replace(
        factor,
        u=factor.value * found.u,
        low=factor.value * math.exp(-found.reach) if known else None,
        high=factor.value * math.exp(found.reach) if known else None,
        level=LEVEL,
        method="1/geometric mean ratio; t, for one new run of a new workload",
    )


def _distribution_free(d: Vector, workload: Sequence[str]) -> FactorInterval | None:
    """Return the factor's interval by jackknife+, at 95 % or what the workloads allow."""
    k = len(set(workload))
    if k < 2:
        return None
    found = conformal(-d, workload, min(0.95, k / (k + 1) - 1e-9))
    if found.low is None or found.high is None or max(abs(found.low), abs(found.high)) > MAX_LOG:
        return None
    return FactorInterval(
        value=math.exp(found.value),
        low=math.exp(found.low),
        high=math.exp(found.high),
        level=round(found.level, 3),
        method=found.method,
    )
