"""What a campaign shows of one column of one probe."""

from __future__ import annotations

from dataclasses import dataclass

from calibrate.calibration import Correction
from calibrate.comparison import Pair
from calibrate.diagnosis import Diagnosis, Severity, severity_of
from calibrate.stats import Estimate, LimitsOfAgreement


@dataclass(frozen=True)
class Finding:
    """What a campaign shows of one column of a probe.

    Parameters
    ----------
    pair : its runs beside the reference.
    diagnosis : the fault that explains them.
    correction : what to do with its readings.
    """

    pair: Pair
    diagnosis: Diagnosis
    correction: Correction

    @property
    def probe(self) -> str:
        """Name of the probe."""
        return self.pair.probe

    @property
    def column(self) -> str:
        """Name of the column."""
        return self.pair.column

    @property
    def headline(self) -> bool:
        """Whether this column speaks for its probe."""
        return self.pair.headline

    @property
    def severity(self) -> Severity:
        """How bad the diagnosis is."""
        return severity_of(self.diagnosis)

    @property
    def ratio(self) -> Estimate | None:
        """Geometric mean of probe over reference; None where no run has a ratio."""
        return self.pair.ratio.ratio if self.pair.ratio else None

    @property
    def limits(self) -> LimitsOfAgreement | None:
        """Estimates of where 95 % of single runs lie; None where no run has a ratio."""
        return self.pair.limits
