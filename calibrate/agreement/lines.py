"""The lines through the runs of a meter and a reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from calibrate.agreement.result import NotAvailable, Power, Runs
from calibrate.stats import (
    Estimate,
    LackOfFit,
    LevelDependent,
    Line,
    MeanRatio,
    OriginLine,
    Vector,
    YorkLine,
    cusum,
    deming,
    deming_through_origin,
    encode,
    exponent,
    level_dependent,
    line_through_origin,
    passing_bablok,
    passing_bablok_1983,
    weighted_deming,
    york,
)

AnyLine = TypeVar("AnyLine", bound=Line)

#: Mean ratios within 1/this to this are near enough to one for methods that assume a slope of one.
NEAR_ONE = 1.5


@dataclass(frozen=True, eq=False)
class Lines:
    """The lines through the runs of a pair of meters."""

    runs: Runs
    ratio: MeanRatio | NotAvailable
    level: float

    @property
    def unit(self) -> float:
        """Return what the test meter is divided by where a method needs a slope near one."""
        if isinstance(self.ratio, NotAvailable):
            return 1.0
        value = self.ratio.ratio.value
        return 1.0 if 1 / NEAR_ONE < value < NEAR_ONE else value

    @property
    def var_ratio(self) -> float:
        """Return the ratio of error variances in that unit: as stated, else both the same."""
        x, y = self.runs.u_reference_j, self.runs.u_test_j
        if x is None or y is None or np.isnan(x + y).all():
            return 1.0
        return float(np.nanmean(x**2) / np.nanmean(y**2)) * self.unit**2

    @property
    def cluster(self) -> Sequence[str] | None:
        """Return the groups where there are enough to leave each out in turn."""
        group = self.runs.group
        return group if group is not None and len(set(group)) >= 3 else None

    @property
    def points(self) -> tuple[Vector, Vector]:
        """Return the energies, `by_group`."""
        return self.by_group(self.runs.reference_j), self.by_group(self.runs.test_j)

    def by_group(self, values: Vector) -> Vector:
        """Return the values, or their means in each group: within a group they differ by noise."""
        if self.runs.group is None:
            return values
        labels, code = encode(self.runs.group, self.runs.n)
        return np.asarray(np.bincount(code, values) / np.bincount(code, minlength=len(labels)))

    def by_level(self) -> LevelDependent:
        """Return how bias and spread of ln(ratio) go with the level."""
        x, y = np.log(self.runs.reference_j), np.log(self.runs.test_j)
        return level_dependent(self.by_group(y), self.by_group(x), self.level)

    def origin(self) -> OriginLine:
        """Return the line through the origin, the reference free of error."""
        return line_through_origin(self.runs.reference_j, self.runs.test_j, level=self.level)

    def deming_origin(self) -> OriginLine:
        """Return the line through the origin, errors in both."""
        return self._errors_in_both(deming_through_origin)

    def deming(self) -> Line:
        """Return Deming's line."""
        return self._errors_in_both(deming)

    def weighted_deming(self) -> Line:
        """Return Deming's line for errors in proportion to the values."""
        return self._errors_in_both(weighted_deming)

    def _errors_in_both(self, fit: Callable[..., AnyLine]) -> AnyLine:
        x, y = self.runs.reference_j, self.runs.test_j / self.unit
        line = fit(x, y, var_ratio_x_over_y=self.var_ratio, cluster=self.cluster, level=self.level)
        return _times(line, self.unit)

    def york(self) -> YorkLine:
        """Return York's line through the runs of which both uncertainties are known."""
        u_x, u_y = self.runs.u_reference_j, self.runs.u_test_j
        if u_x is None or u_y is None:
            raise ValueError(
                "It takes a column of standard uncertainties of the reference and one of the meter."
            )
        known = ~(np.isnan(u_x) | np.isnan(u_y))
        if int(known.sum()) < 3:
            raise ValueError(f"{int(known.sum())} runs have both uncertainties; a line takes 3.")
        x, y = self.runs.reference_j[known], self.runs.test_j[known]
        return york(x, y, u_x[known], u_y[known], level=self.level)

    def passing_bablok(self) -> Line:
        """Return the equivariant line."""
        return passing_bablok(*self.points, level=self.level)

    def passing_bablok_1983(self) -> Line:
        """Return the line of 1983."""
        x, y = self.points
        return _times(passing_bablok_1983(x, y / self.unit, level=self.level), self.unit)

    def cusum(self, line: Line) -> LackOfFit:
        """Return the test of the line by the order of points above and below it."""
        return cusum(*self.points, line.slope.value, line.intercept.value)

    def power(self) -> Power:
        """Return the exponent of the power law."""
        found, p_value = exponent(
            self.runs.reference_j, self.runs.test_j, cluster=self.cluster, level=self.level
        )
        return Power(found, p_value)


def _times(line: AnyLine, unit: float) -> AnyLine:
    """Return the line of y from that of y/unit."""
    if unit == 1.0:
        return line
    said = f"of the meter divided by {unit:.4g}"
    return replace(
        line,
        intercept=_scaled(line.intercept, unit, said),
        slope=_scaled(line.slope, unit, said),
        covariance=None if line.covariance is None else line.covariance * unit**2,
        residual_sd=None if line.residual_sd is None else line.residual_sd * unit,
    )


def _scaled(found: Estimate, unit: float, said: str) -> Estimate:
    """Return the estimate times a number above zero."""
    u, low, high = (
        None if number is None else number * unit for number in (found.u, found.low, found.high)
    )
    method = f"{found.method}; {said}"
    return replace(found, value=found.value * unit, u=u, low=low, high=high, method=method)
