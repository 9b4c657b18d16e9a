"""Whether a stored calibration still holds: readings corrected by it agree with the reference.

The runs are corrected one by one, and the mean of ln(corrected / reference) is judged as any other
figure, with what the calibration is uncertain by. The accuracy of the reference cancels: it is the
same one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from calibrate.analysis import Analysis, Finding
from calibrate.calibration import Calibration, CorrectedReading, Correction, load_calibration
from calibrate.comparison import PairedRun
from calibrate.errors import CrosswattError
from calibrate.gate.decision import against, hint_of
from calibrate.gate.figure import make_figure
from calibrate.gate.ruling import Answer, Kind

#: Runs of a campaign without a date are held against a calibration of any day.
_ISO_DAY = len("2026-01-01")


def drift(
    analysis: Analysis,
    finding: Finding,
    rows: Sequence[PairedRun],
    file: str,
    admitted: float,
    session_of: Mapping[str, int],
) -> Answer:
    """Return how far readings are off that are corrected by a stored calibration.

    Parameters
    ----------
    analysis : of the campaign.
    finding : of the column.
    rows : its runs that have a ratio.
    file : the calibration.
    admitted : share by which corrected readings may be off, on average.
    session_of : session by run.

    Raises
    ------
    BadFile : there is no such calibration.
    """
    corrector = load_calibration(Path(file))
    made = corrector.calibration
    day = _day(analysis)
    if why := _unfit(analysis, made, day):
        return Answer(Kind.NO_CALIBRATION, why)
    correction = next(
        (
            each
            for each in made.corrections
            if (each.probe, each.column) == (finding.probe, finding.column)
        ),
        None,
    )
    if correction is None:
        return Answer(Kind.NO_CALIBRATION, f"it has no correction of this column ({made.machine})")
    known = correction.valid.workloads if correction.valid else ()
    rows = [row for row in rows if row.workload in known]
    try:
        corrected = [
            row.model_copy(
                update={
                    "probe_j": corrector.apply(
                        CorrectedReading(row.probe_j, row.seconds, None, None, day),
                        correction,
                        anyway=True,
                    ).joules
                }
            )
            for row in rows
        ]
    except CrosswattError as error:
        return Answer(Kind.NO_CALIBRATION, str(error).rstrip("."))
    if any(row.ratio is None for row in corrected):
        return Answer(Kind.NO_ENERGY, "a corrected reading is zero or below")
    if len(corrected) < 2:
        words = f"{len(corrected)} runs of the workloads that were calibrated"
        return Answer(Kind.TOO_FEW, words)
    expected = dict.fromkeys((row.workload for row in corrected), 1.0)
    u = _u_of(correction, corrected)
    figure = make_figure(corrected, session_of, expected, 0.0, None, u)
    if figure.reach is None:
        return Answer(Kind.TOO_FEW, "one run gives no interval")
    since = f" since {made.made}" if made.made else ""
    words = f"corrected readings{since} are off by"
    return against(figure.value, figure.reach, admitted, Kind.DRIFT, words, hint_of(figure))


def _day(analysis: Analysis) -> date:
    """Return the day of the campaign."""
    try:
        return date.fromisoformat(analysis.campaign.record.created[:_ISO_DAY])
    except ValueError:
        return date.today()


def _unfit(analysis: Analysis, made: Calibration, day: date) -> str:
    """Return why a calibration says nothing of this campaign; empty where it does."""
    record = analysis.campaign.record
    if made.simulated != record.machine.simulated or made.machine != record.machine.label:
        return f"it was made on another machine, {made.machine}"
    if made.reference != analysis.comparison.reference:
        return f"it was made with another reference, {made.reference}"
    if made.expires and day.isoformat() > made.expires:
        return f"it expired on {made.expires}"
    return ""


def _u_of(correction: Correction, rows: Sequence[PairedRun]) -> float:
    """Return the relative standard uncertainty of a correction, of the workloads it is made from.

    Where not all of these were run again, that of a workload that is new.
    """
    known = {*correction.valid.workloads} if correction.valid else set()
    if known != {row.workload for row in rows} and correction.relative_u is not None:
        return correction.relative_u
    if correction.line is not None or correction.offset_w is not None:
        watts = [row.probe_j / row.seconds for row in rows]
        each = [correction.u_of_form_w(w) / w for w in watts if w > 0]
        return math.sqrt(sum(u * u for u in each) / len(each)) if each else 0.0
    if correction.bands:
        return max(band.u_of_form for band in correction.bands)
    factor = correction.factor
    return factor.u / factor.value if factor and factor.u else 0.0
