"""Physical order: a part uses no more than the whole that it is in.

Two meters that break it cannot both be right, whatever else the runs say. It is broken in a single
run, where the part has more energy than the whole by more than their uncertainties; or at rest, to
which the line of the whole over the part leads: where what lies outside of the part would be less
than nothing.

The second needs a part that the whole follows, as a processor's packages; the first holds of any
part that is known to lie in the whole, so that it is looked for wherever a reference has one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from calibrate.comparison import Pair, PairedRun
from calibrate.diagnosis.case import IMMATERIAL
from calibrate.diagnosis.faults import fault
from calibrate.diagnosis.result import Diagnosis
from calibrate.stats import Line

ABOVE = fault("part-above-whole")
ABOVE_WHOLE = ABOVE.title
#: Standard uncertainties by which a part must be above its whole.
_SURE = 2.0


def out_of_order(
    part: str, whole: str, rows: Sequence[PairedRun], line: Line | None, u_reference: float
) -> Diagnosis | None:
    """Return the diagnosis of a part that is above its whole, or None.

    Parameters
    ----------
    part, whole : their scopes.
    rows : runs with the energy of the part (the probe's) and of the whole (the reference's).
    line : the whole's power over the part's; None where none can be drawn.
    u_reference : relative standard uncertainty of the whole's gain.
    """
    above = [row for row in rows if _excess(row, u_reference) > 0]
    if above:
        worst = max(above, key=lambda row: _excess(row, u_reference) / row.seconds)
        shown, has = worst.probe_j / worst.seconds, worst.reference_j / worst.seconds
        return _broken(
            f"{part} shows {shown:.3g} W where the whole {whole} has {has:.3g} W (run {worst.run}; "
            f"in {len(above)} of {len(rows)} runs): impossible, one of them is wrong."
        )
    if line is None or line.intercept.high is None or line.intercept.high >= 0:
        return None
    offset = line.intercept
    least_w = min(row.reference_j / row.seconds for row in rows)
    if -offset.value <= IMMATERIAL * least_w:
        return None
    return _broken(
        f"At rest {whole} would have {-offset.value:.3g} W less than {part} ({offset.low:.3g} to "
        f"{offset.high:.3g} W lie outside of it): impossible, one of them is wrong."
    )


def part_above(pair: Pair) -> Diagnosis | None:
    """Return the diagnosis of a part that is above its whole in a run, or None."""
    rows = [row for row in pair.rows if row.probe_j > 0 and row.reference_j > 0]
    return out_of_order(pair.scope, pair.reference_scope, rows, None, pair.u_reference or 0.0)


def _excess(row: PairedRun, u_reference: float) -> float:
    """Return by how much a part is above its whole beyond doubt, J."""
    u_j = math.hypot(row.u_probe_j, row.u_reference_j, u_reference * row.reference_j)
    doubt_j = max(_SURE * u_j, IMMATERIAL * row.reference_j)
    return row.probe_j - row.reference_j - doubt_j


def _broken(sentence: str) -> Diagnosis:
    return Diagnosis(
        ABOVE.title,
        None,
        True,
        sentence,
        cause=ABOVE.cause,
        aliases=ABOVE.aliases,
        key=ABOVE.key,
        keys=((ABOVE.key,),),
    )
