"""The documents of a calibration: corrections, their uncertainty, and where they hold."""

from __future__ import annotations

import math
from typing import Literal

from calibrate.calibration.budget import UncertaintyBudget
from calibrate.calibration.choice import OtherForm, choice
from calibrate.calibration.reading import Expanded, NextRun
from calibrate.stats import Estimate
from calibrate.store import Document, Saved

#: Largest expanded uncertainty that a user is taken to need, where none is stated.
NEED = 0.05

CorrectionVerdict = Literal[
    "factor", "offset", "gain and offset", "by load", "not needed", "not calibratable"
]


class Range(Document):
    """Where a correction was seen to hold.

    ``watts`` is the power by the reference, ``reported_w`` that by the probe; None in older
    documents.
    """

    watts: tuple[float, float]
    reported_w: tuple[float, float] | None = None
    seconds: tuple[float, float]
    workloads: tuple[str, ...]


class CorrectionLine(Document):
    """probe = gain * reference + offset; see `calibrate.stats.forms.GainOffset`."""

    gain: Estimate
    offset_w: Estimate
    covariance: tuple[tuple[float, float], tuple[float, float]]
    scatter: float
    df: int


class Band(Document):
    """The factor of one range of load: where the probe reports less than ``below_w``.

    ``u_of_form`` is the relative standard uncertainty of the factor itself, ``relative_u`` that of
    one new run of a new workload.
    """

    below_w: float | None
    factor: Estimate
    relative_u: float | None
    u_of_form: float = 0.0


class FactorInterval(Document):
    """A factor and limits between which it lies at ``level``; ``method`` says how it was made."""

    value: float
    low: float
    high: float
    level: float
    method: str


class Fitness(Document):
    """Whether readings, corrected or found to need no correction, are as good as needed.

    ``need`` and ``expanded_u`` are relative, the latter of one new run of a new workload at 95 %
    with coverage factor ``k`` and ``df`` effective degrees of freedom, the larger of those at the
    ends of the loads that were calibrated: a reading may be off by a factor of 1 + ``expanded_u``
    either way. Between two loads that are far apart it may be more; `Correction.expanded` tells.
    It is None where no form describes the probe.
    """

    need: float
    expanded_u: float | None
    k: float | None = None
    df: float | None = None

    @property
    def met(self) -> bool:
        """Whether it is good enough."""
        return self.expanded_u is not None and self.expanded_u <= self.need

    @property
    def words(self) -> str:
        """What it is fit for, as people say it."""
        if self.expanded_u is None:
            return "no form describes it"
        if self.met:
            return f"fit for {100 * self.need:.3g} %"
        return f"fit for {_percent(self.expanded_u)} only"

    @property
    def spread(self) -> str:
        """The expanded uncertainty in percent, rounded up; empty where there is none."""
        return "" if self.expanded_u is None else f"± {_percent(self.expanded_u)} (95 %)"


def _percent(value: float) -> str:
    """Return a share in percent, rounded up to two digits: what is promised holds."""
    percent = 100 * value
    if percent < 1e-3:
        return "0.001 %"
    step = 10.0 ** (math.floor(math.log10(percent)) - 1)
    return f"{math.ceil(percent / step - 1e-9) * step:.12g} %"


class Conditions(Document):
    """Under what a correction between two scopes holds: ``made`` is a date, empty if not known.

    It carries what the wider scope has beyond the narrower one: a supply, fans, disks, a GPU. That
    is of one machine, as it was on one day.
    """

    machine: str
    made: str
    narrower: str
    wider: str

    @property
    def carries(self) -> str:
        """What it carries, in words."""
        return f"all that {self.wider} has beyond {self.narrower}"

    @property
    def words(self) -> str:
        """The conditions, in words."""
        day = f" on {self.made}" if self.made else ""
        return f"it carries {self.carries}, of {self.machine}{day}"


class Correction(Document):
    """The correction of one column of one probe.

    ``factor`` is what to multiply by, with its interval for one new run of a workload that was not
    measured; ``relative_u`` is its relative standard uncertainty for such a run, and ``budget``
    what that is made of. ``offset_w`` is an estimate of the watts to subtract; ``line`` belongs to
    ``gain and offset``, ``bands`` to ``by load``. ``next_run`` is what a new run adds to the
    uncertainty of these; None in older documents, whose ``offset_w`` has an interval for a new
    workload. ``other_forms`` are the forms that the runs allow, with their weights; the one that
    was chosen is among them. Older documents have none. ``fitness`` compares all of it with a need;
    None in older documents. ``conditions`` is None within one scope.

    ``distribution_free`` is an interval of the factor for a new workload that assumes no
    distribution; its level is what the number of workloads allows. ``held_out`` is the relative
    error left in each workload by the correction fitted on the others, or by a factor of the
    catalogue of faults, which is not fitted.
    """

    probe: str
    release: str
    mode: str
    column: str
    scope: str
    verdict: CorrectionVerdict
    reason: str
    factor: Estimate | None = None
    relative_u: float | None = None
    budget: UncertaintyBudget | None = None
    distribution_free: FactorInterval | None = None
    offset_w: Estimate | None = None
    line: CorrectionLine | None = None
    bands: tuple[Band, ...] = ()
    held_out: dict[str, float] | None = None
    valid: Range | None = None
    next_run: NextRun | None = None
    other_forms: tuple[OtherForm, ...] = ()
    fitness: Fitness | None = None
    conditions: Conditions | None = None

    @property
    def worst_held_out(self) -> float | None:
        """Largest error left in a held-out workload, without its sign."""
        return (
            max((abs(e) for e in self.held_out.values()), default=None) if self.held_out else None
        )

    def u_of_form_w(self, watts: float) -> float:
        """Return the standard uncertainty of an offset or a line.

        Parameters
        ----------
        watts : corrected power, W.

        Returns
        -------
        float : W.
        """
        if self.line is not None:
            (aa, ab), (_, bb) = self.line.covariance
            variance = watts**2 * aa + 2 * watts * ab + bb
            return math.sqrt(max(variance, 0.0)) / self.line.gain.value
        return (self.offset_w.u or 0.0) if self.offset_w else 0.0

    def reported_w(self, watts: float) -> float:
        """Return what the probe reports of a corrected power, by the form.

        Parameters
        ----------
        watts : corrected power, W.

        Returns
        -------
        float : W.
        """
        if self.line is not None:
            return self.line.gain.value * watts + self.line.offset_w.value
        if self.offset_w is not None:
            return watts + self.offset_w.value
        for band in self.bands:
            reported = watts / band.factor.value
            if band.below_w is None or reported < band.below_w:
                return reported
        return watts / self.factor.value if self.factor else watts

    def expanded(
        self, watts: float, seconds: float | None = None, reported_w: float | None = None
    ) -> Expanded | None:
        """Return the uncertainty of one corrected reading of a new run of a new workload.

        Parameters
        ----------
        watts : corrected power, W.
        seconds : length of the run, s; None: as those calibrated with.
        reported_w : power before correction, W; None: by the form.

        Returns
        -------
        Expanded : relative; None where the calibration has none, or the power is not above zero.
        """
        if self.next_run is None or watts <= 0:
            return None
        reported = self.reported_w(watts) if reported_w is None else reported_w
        choices = choice(self.other_forms, reported, watts) if reported > 0 else 0.0
        forms = [self.next_run.workloads / math.sqrt(self.n_workloads or 1)]
        if self.line is not None or self.offset_w is not None:
            forms = [self.u_of_form_w(watts) / watts]
        elif self.bands:
            forms = [band.u_of_form for band in self.bands]
        return max(
            (self.next_run.expanded(form, watts, seconds, choices) for form in forms),
            key=lambda each: each.reach,
        )

    @property
    def n_workloads(self) -> int:
        """How many workloads a factor was fitted on."""
        return self.factor.n_clusters if self.factor else 0


class Calibration(Saved):
    """All corrections of a campaign. ``made`` and ``expires`` are dates, as in ISO 8601.

    It holds for the machine, the releases and the loads that it names, and no longer than until it
    expires; a change of kernel, driver or firmware ends it earlier (`crosswatt diff` shows that).
    """

    kind: Literal["calibration"] = "calibration"
    simulated: bool
    machine: str
    made: str = ""
    expires: str = ""
    reference: str
    corrections: tuple[Correction, ...]
