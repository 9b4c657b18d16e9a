"""The forms that a correction may have, each fitted to the runs with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibrate.calibration.budget import reading_budget
from calibrate.calibration.choice import OtherForm, choice, weighed
from calibrate.calibration.correction import (
    Band,
    Correction,
    CorrectionLine,
    FactorInterval,
    Range,
)
from calibrate.calibration.reading import LEVEL, NextRun, Scatter, next_run, readings, scatter
from calibrate.comparison import Pair, PairedRun
from calibrate.stats import (
    MAX_LOG,
    Estimate,
    Vector,
    conformal,
    correction,
    f_tail,
    fit_by_load,
    fit_gain_offset,
    fit_offset,
    log_ratio,
    t_quantile,
)

#: What a simpler form leaves below `FINE` is good enough; how often chance may prefer another form.
FINE, CHANCE = 0.01, 0.01


@dataclass(frozen=True)
class Candidate:
    """A form fitted to some runs of a column.

    Parameters
    ----------
    correction : the form, its verdict the name of the form.
    parameters : how many numbers were fitted.
    why_not : why no workload could be held out; None where they were.
    """

    correction: Correction
    parameters: int = 1
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

    def better_than(self, simpler: Candidate) -> bool:
        """Whether this form holds so much better that it is not by chance.

        It leaves less of workloads held out. Where the simpler one is this form without one of its
        numbers, that number differs from what it would be there (t, two-sided); of other forms,
        the mean squares differ (F).
        """
        if self.reach is None or self.left >= simpler.left:
            return False
        if simpler.left <= FINE:
            return False
        line = self.correction.line
        if line is not None and simpler.correction.bands == ():
            other = line.gain if simpler.correction.offset_w else line.offset_w
            return _differs(other, 1.0 if simpler.correction.offset_w else 0.0, line.df)
        k = len(self.correction.held_out or {})
        ratio = (simpler.left / self.left) ** 2 if self.left else math.inf
        return f_tail(ratio, k - simpler.parameters, k - self.parameters) < CHANCE


def _differs(found: Estimate, value: float, df: int) -> bool:
    """Tell whether an estimate differs from a value by more than chance."""
    return abs(found.value - value) > t_quantile(1 - CHANCE / 2, df) * (found.u or 0.0)


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
        run = self._next_run(self._scatter(self.d - mean, 1))
        made = self.about.model_copy(
            update={
                "verdict": "factor",
                "factor": found.factor,
                "held_out": found.held_out,
                "next_run": run,
                "distribution_free": _distribution_free(self.d, self.workload),
            }
        )
        made = made.model_copy(update=self._for_one_run(found.factor, run))
        return Candidate(made, 1, found.why_not)

    def _for_one_run(
        self, factor: Estimate, run: NextRun | None, choices: float = 0.0
    ) -> dict[str, object]:
        """Return the fields of a factor with its uncertainty for one new run of a new workload."""
        k = factor.n_clusters
        fields: dict[str, object] = {"factor": _for_one_run(factor, run, k, choices)}
        if run is not None:
            form = run.workloads / math.sqrt(k)
            fields["relative_u"] = run.expanded(form, choice=choices).u
            fields["budget"] = reading_budget(run, form, self.rows, self.pair.resolution_j, choices)
        return fields

    def with_choice(self, chosen: Candidate, candidates: Sequence[Candidate]) -> Candidate:
        """Return a form with what its choice among these and others leaves open."""
        names = np.array(self.workload)
        mine = [names == name for name in sorted({*self.workload})]
        d = np.array([self.d[those].mean() for those in mine])
        reported_w = np.array([np.exp(np.log(self.probe_w[those]).mean()) for those in mine])
        seen = self._scatter(self.d, 0)
        read = math.hypot(*readings(self.rows, self.pair.resolution_j).values())
        others = weighed(
            [(_other_form(form.correction, reported_w), form.parameters) for form in candidates],
            d,
            reported_w,
            max(seen.runs, read**2) * seen.within if seen else read**2,
        )
        made = chosen.correction.model_copy(update={"other_forms": others})
        if made.factor is not None:
            each = [choice(others, watts, watts * made.factor.value) for watts in reported_w]
            choices = math.sqrt(float(np.mean(np.square(each))))
            made = made.model_copy(update=self._for_one_run(made.factor, made.next_run, choices))
        return replace(chosen, correction=made)

    def others(self) -> Iterator[Candidate]:
        """Yield the forms beyond one factor that these runs allow, the simplest first."""
        for form in (self._offset, self._line, self._by_load):
            try:
                yield form()
            except ValueError:
                continue  # too few workloads, or too alike, for this form

    def _offset(self) -> Candidate:
        found = fit_offset(self.probe_w, self.reference_w, self.workload)
        left = self.probe_w / self.reference_w - 1 - found.offset_w.value / self.reference_w
        seen = self._scatter(left, 1)
        offset = _inflated(found.offset_w, seen)
        return self._form("offset", found.held_out, seen, 1, offset_w=offset)

    def _line(self) -> Candidate:
        found = fit_gain_offset(self.probe_w, self.reference_w, self.workload)
        gain, watts = found.gain.value, found.offset_w.value
        left = (self.probe_w - watts) / (gain * self.reference_w) - 1
        seen = self._scatter(left, 2)
        by = seen.inflated if seen else 1.0
        (aa, ab), (ba, bb) = found.covariance
        line = CorrectionLine(
            gain=_inflated(found.gain, seen),
            offset_w=_inflated(found.offset_w, seen),
            covariance=((aa * by, ab * by), (ba * by, bb * by)),
            scatter=found.scatter * math.sqrt(by),
            df=found.df,
        )
        return self._form("gain and offset", found.held_out, seen, 2, line=line)

    def _by_load(self) -> Candidate:
        found = fit_by_load(self.probe_w, self.reference_w, self.workload)
        place = np.searchsorted(found.below_w, self.probe_w, side="right")
        mean = np.array([-math.log(each.factor.value) for each in found.factors])
        # Every end between two ranges was chosen by the data too.
        parameters = len(mean) + len(found.below_w)
        seen = self._scatter(self.d - mean[place], parameters)
        run = self._next_run(seen)
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
        return self._form("by load", found.held_out, seen, parameters, bands=tuple(bands))

    def _form(
        self,
        verdict: str,
        held_out: dict[str, float],
        seen: Scatter | None,
        parameters: int,
        **form: object,
    ) -> Candidate:
        """Return a candidate of a form beyond one factor."""
        run = self._next_run(seen)
        more = {"verdict": verdict, "held_out": held_out, "next_run": run, **form}
        return Candidate(self.about.model_copy(update=more), parameters)

    def _scatter(self, left: Vector, parameters: int) -> Scatter | None:
        return scatter(left, self.workload, parameters)

    def _next_run(self, seen: Scatter | None) -> NextRun | None:
        pair = self.pair
        if seen is None:
            return None
        serial = pair.serial if pair.correlated else None
        return next_run(seen, self.rows, pair.resolution_j, pair.u_reference, serial)


def _other_form(made: Correction, reported_w: Vector) -> OtherForm:
    """Return a form as one of those that the runs allow, of workloads with these powers."""
    if made.line is not None:
        return OtherForm(gains=(made.line.gain.value,), offset_w=made.line.offset_w.value)
    if made.offset_w is not None:
        return OtherForm(gains=(1.0,), offset_w=made.offset_w.value)
    if made.bands:
        ends = [band.below_w for band in made.bands if band.below_w is not None]
        return OtherForm(
            gains=tuple(1 / band.factor.value for band in made.bands),
            between_w=tuple(
                (
                    float(reported_w[reported_w < end].max()),
                    float(reported_w[reported_w >= end].min()),
                )
                for end in ends
            ),
        )
    return OtherForm(gains=(1 / made.factor.value if made.factor else 1.0,))


def _inflated(found: Estimate, seen: Scatter | None) -> Estimate:
    """Return an estimate with the scatter of workloads that their runs let them have."""
    if seen is None or seen.inflated == 1 or not found.u:
        return found
    by = math.sqrt(seen.inflated)
    half = by * ((found.high or found.value) - found.value)
    return replace(found, u=by * found.u, low=found.value - half, high=found.value + half)


def _ends(values: Vector) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _for_one_run(factor: Estimate, run: NextRun | None, k: int, choices: float = 0.0) -> Estimate:
    """Return a factor with its uncertainty for one new run of a new workload."""
    if run is None:
        return replace(factor, u=None, low=None, high=None)
    found = run.expanded(run.workloads / math.sqrt(k), choice=choices)
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
