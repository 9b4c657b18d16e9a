"""What is said of meters that measured the same runs: a result of each method, or why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from calibrate.stats import (
    Concordance,
    ConstantTruthLimits,
    Equivalence,
    Estimate,
    Hats,
    LackOfFit,
    LevelDependent,
    LimitsOfAgreement,
    Line,
    MeanRatio,
    Mixed,
    OriginLine,
    Vector,
    YorkLine,
    to_json,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class NotAvailable:
    """Why a method has no result.

    Parameters
    ----------
    why : the cause, and where there is one the next step, as sentences.
    """

    why: str


@dataclass(frozen=True)
class Power:
    """The exponent p of test = c reference^p; see `calibrate.stats.exponent`.

    Parameters
    ----------
    power : 1 where the meters differ by a factor only.
    p_value : probability of one as far from 1 by chance.
    """

    power: Estimate
    p_value: float


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of which both meters have a value.

    Parameters
    ----------
    reference_j, test_j : energies, J, shape (n,).
    u_reference_j, u_test_j : their standard uncertainties, J, shape (n,), NaN where one is missing;
        None where no column was named.
    group : the workload of each run; None where no column was named.
    row : what the table calls each row, "line 7".
    left_out : rows without a value, or without a group where a column of groups was named.
    """

    reference_j: Vector
    test_j: Vector
    u_reference_j: Vector | None
    u_test_j: Vector | None
    group: tuple[str, ...] | None
    row: tuple[str, ...]
    left_out: int

    @property
    def n(self) -> int:
        """Return the number of runs."""
        return self.reference_j.size

    @property
    def cluster(self) -> Sequence[str]:
        """Return the workload of each run; without groups all runs are of one."""
        return self.group or ["all runs"] * self.n

    @property
    def d(self) -> Vector:
        """Return ln(test/reference) of each run; energies must be above zero."""
        return np.asarray(np.log(self.test_j) - np.log(self.reference_j))


@dataclass(frozen=True, eq=False)
class MeterAgreement:
    """What is said of one meter beside the reference: a result of each method, or why not.

    Parameters
    ----------
    test : the column of the meter.
    runs : what the results are from.
    ratio, limits, next_run : mean ratio, limits of agreement, and prediction interval.
    constant_truth : limits of agreement if the energy of a group is the same in every run, of
        ln(ratio).
    by_level : whether bias and spread of ln(ratio) go with the level; of the means of the groups,
        since runs of one group are not independent.
    equivalence : whether the mean ratio is within the margin, of ln(ratio).
    concordance : Lin's coefficient.
    origin, deming_origin : lines through the origin, x free of error and errors in both.
    deming, weighted_deming, york : lines for errors of known size.
    passing_bablok, passing_bablok_1983 : lines by ranks, through the means of the groups.
    power : whether a factor is enough.
    lack_of_fit, cusum : whether a straight line is enough.
    one_factor : whether one factor serves all groups.
    """

    test: str
    runs: Runs
    ratio: MeanRatio | NotAvailable
    limits: LimitsOfAgreement | NotAvailable
    next_run: Estimate | NotAvailable
    constant_truth: ConstantTruthLimits | NotAvailable
    by_level: LevelDependent | NotAvailable
    equivalence: Equivalence | NotAvailable
    concordance: Concordance | NotAvailable
    origin: OriginLine | NotAvailable
    deming_origin: OriginLine | NotAvailable
    deming: Line | NotAvailable
    weighted_deming: Line | NotAvailable
    york: YorkLine | NotAvailable
    passing_bablok: Line | NotAvailable
    passing_bablok_1983: Line | NotAvailable
    power: Power | NotAvailable
    lack_of_fit: LackOfFit | NotAvailable
    cusum: LackOfFit | NotAvailable
    one_factor: LackOfFit | NotAvailable


@dataclass(frozen=True, eq=False)
class Agreement:
    """How meters agree.

    Parameters
    ----------
    reference : the column that the others are compared with; None where there is none.
    test : the columns of the other meters.
    group : the column of workloads; None where there is none.
    rows : rows of the table.
    margin : of the test for equivalence, 0.05 is 5 %.
    level : coverage probability of the intervals.
    meters : one for each test column; empty without a reference.
    mixed : all meters together, ln(ratio), workloads as a random factor.
    hat : error variances of ln(energy) without a reference.
    """

    reference: str | None
    test: tuple[str, ...]
    group: str | None
    rows: int
    margin: float
    level: float
    meters: tuple[MeterAgreement, ...]
    mixed: Mixed | NotAvailable
    hat: Hats | NotAvailable

    def to_frame(self) -> pd.DataFrame:
        """Return every number and every reason, one row each; see `Entry` for the columns."""
        from calibrate.agreement.listing import frame

        return frame(self)

    def to_json(self) -> dict[str, Any]:
        """Return the results as JSON has them."""
        found: dict[str, Any] = to_json(self)
        return found
