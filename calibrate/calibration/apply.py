"""Apply a calibration to other readings: a number, or a column of a CSV file.

    corrections = calibrate.load("calibration.json")
    found = corrections.correct(5230.0, seconds=61.2, probe="codecarbon")
    found.joules, found.low_j, found.high_j, found.notes

A correction holds for the probe, its release, its machine and the loads with which it was made.
Outside of these it is still applied, and every departure is said: in `Corrected.notes`, and as a
`CorrectionWarning`. A probe that was found not calibratable is refused.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TypeVar

from calibrate import store
from calibrate.calibration.fit import Calibration, Correction
from calibrate.errors import CrosswattError, UnknownName
from calibrate.stats.estimate import Estimate
from calibrate.stats.quantile import t_quantile

Part = TypeVar("Part")

#: Joules in a unit that a file may use.
UNITS = {"J": 1.0, "kJ": 1e3, "mJ": 1e-3, "uJ": 1e-6, "Wh": 3600.0, "kWh": 3.6e6}


class CorrectionWarning(UserWarning):
    """A correction is applied outside of what it was made for."""


@dataclass(frozen=True)
class Corrected:
    """Energy after correction.

    Parameters
    ----------
    joules : J.
    u_j : standard uncertainty for a workload that was not among those calibrated with, J; None
        where the calibration has none.
    low_j, high_j : limits of the interval at the calibration's level, J; None where it has none.
    notes : why the correction may not hold here, a sentence each; empty where it should.
    distribution_free_j : limits of an interval that assumes no distribution of workloads, J, and
        its level, which is what the number of workloads allows; None where there is none.
    """

    joules: float
    u_j: float | None
    low_j: float | None
    high_j: float | None
    notes: tuple[str, ...] = ()
    distribution_free_j: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Corrections:
    """The corrections of one calibration."""

    calibration: Calibration

    def find(self, probe: str, column: str | None = None) -> Correction:
        """Return the correction of a probe's column; the column may be left out if it has one.

        Raises
        ------
        UnknownName : the probe or the column is not in the calibration.
        CrosswattError : the probe has several columns and none was named.
        """
        every = self.calibration.corrections
        ours = [each for each in every if each.probe == probe]
        if not ours:
            raise UnknownName("probe in this calibration", probe, {each.probe for each in every})
        columns = [each.column for each in ours]
        if column is None and len(ours) > 1:
            raise CrosswattError(
                f"{probe} has {len(ours)} columns in this calibration; name one of "
                f"{', '.join(columns)}."
            )
        for each in ours:
            if column in (None, each.column):
                return each
        raise UnknownName(f"column of {probe} in this calibration", str(column), columns)

    def correct(
        self,
        joules: float,
        *,
        seconds: float,
        probe: str,
        column: str | None = None,
        release: str | None = None,
        machine: str | None = None,
        on: date | None = None,
    ) -> Corrected:
        """Correct one reading.

        Parameters
        ----------
        joules : what the probe reported, J.
        seconds : for how long, s.
        probe, column : whose correction to apply; the column may be left out if there is one.
        release, machine : with what and where the reading was made, where that is known.
        on : the day of the reading, where it is not today.

        Raises
        ------
        UnknownName, CrosswattError : there is no such correction, or the probe cannot be
            calibrated, or a number is not finite, or the duration not above zero.

        Warns
        -----
        CorrectionWarning : once for every note of the result.
        """
        made = CorrectedReading(joules, seconds, release, machine, on or date.today())
        found = self._apply(made, self.find(probe, column))
        for note in found.notes:
            warnings.warn(note, CorrectionWarning, stacklevel=2)
        return found

    def _apply(self, reading: CorrectedReading, correction: Correction) -> Corrected:
        joules, seconds = reading.joules, reading.seconds
        if not (math.isfinite(joules) and math.isfinite(seconds) and seconds > 0 and joules >= 0):
            raise CrosswattError(
                f"{joules:g} J in {seconds:g} s cannot be corrected; the energy must be zero or "
                "more and the duration above zero."
            )
        form = _FORMS.get(correction.verdict)
        if form is None:
            raise CrosswattError(
                f"{correction.probe} {correction.column} is not calibratable: {correction.reason}."
            )
        made = form(joules, seconds, correction)
        return replace(made, notes=tuple(self._notes(made.joules, reading, correction)))

    def _notes(
        self, corrected_j: float, reading: CorrectedReading, correction: Correction
    ) -> Iterator[str]:
        """Yield in what this reading departs from those calibrated with."""
        ours = self.calibration
        if ours.simulated:
            yield "This calibration was made on a simulated machine."
        if reading.release is not None and reading.release != correction.release:
            yield (
                f"The reading is of release {reading.release}, the calibration of "
                f"{correction.probe} {correction.release}."
            )
        if reading.machine is not None and reading.machine != ours.machine:
            yield f"The calibration was made on another machine, {ours.machine}."
        if ours.expires and reading.on.isoformat() > ours.expires:
            yield f"The calibration, made on {ours.made}, expired on {ours.expires}."
        if correction.valid is not None:
            watts = corrected_j / reading.seconds
            for unit, value, (low, high) in (
                ("W", watts, correction.valid.watts),
                ("s", reading.seconds, correction.valid.seconds),
            ):
                if not low <= value <= high:
                    yield (
                        f"{value:.3g} {unit} is outside the {low:.3g} to {high:.3g} {unit} that "
                        "were calibrated."
                    )


@dataclass(frozen=True)
class CorrectedReading:
    """What a probe reported: energy, duration, and with what, where and when, as far as known."""

    joules: float
    seconds: float
    release: str | None
    machine: str | None
    on: date


def _need(part: Part | None, correction: Correction) -> Part:
    """Return what the verdict of a correction promises, or refuse a document that lacks it."""
    if part is None:
        raise CrosswattError(
            f"The calibration says {correction.verdict!r} of {correction.probe} "
            f"{correction.column} and lacks its numbers; make it again with crosswatt analyze."
        )
    return part


def _times(joules: float, seconds: float, correction: Correction) -> Corrected:
    """Return the energy times the factor; one that is not needed is not applied.

    Its uncertainty remains that of the reading.
    """
    del seconds
    factor = _need(correction.factor, correction)
    shift = 1.0 if correction.verdict == "not needed" else factor.value
    made = _scaled(joules, shift, factor, correction.relative_u)
    free = correction.distribution_free
    if free is None:
        return made
    scale = joules * shift / factor.value
    limits = scale * free.low, scale * free.high, free.level
    return replace(made, distribution_free_j=limits)


def _scaled(joules: float, by: float, factor: Estimate, u: float | None) -> Corrected:
    """Return the energy times a number, with the relative interval of a factor."""
    low, high = factor.low, factor.high
    scale = joules * by / factor.value
    return Corrected(
        joules * by,
        None if u is None else joules * by * u,
        None if low is None else scale * low,
        None if high is None else scale * high,
    )


def _less(joules: float, seconds: float, correction: Correction) -> Corrected:
    """Return the energy less a constant power; no limit is below zero."""
    offset_w = _need(correction.offset_w, correction)
    left = joules - offset_w.value * seconds
    if left < 0:
        raise CrosswattError(
            f"{joules:g} J in {seconds:g} s is less than the offset of {offset_w.value:.3g} W "
            "alone; the reading is not of the machine that was calibrated."
        )
    if offset_w.u is None or offset_w.low is None or offset_w.high is None:
        return Corrected(left, None, None, None)
    low, high = (max(joules - watts * seconds, 0.0) for watts in (offset_w.high, offset_w.low))
    return Corrected(left, offset_w.u * seconds, low, high)


def _along(joules: float, seconds: float, correction: Correction) -> Corrected:
    """Return the energy by the line, inverted.

    u of reference/probe = (1 - b/P)/a by the law of propagation (JCGM 100, 5.2), with the scatter
    of workloads; t with the line's degrees of freedom.
    """
    line = _need(correction.line, correction)
    a, b = line.gain.value, line.offset_w.value
    watts = (joules / seconds - b) / a
    if watts <= 0:
        raise CrosswattError(
            f"{joules:g} J in {seconds:g} s is less than the offset of {b:.3g} W alone; the "
            "reading is not of the machine that was calibrated."
        )
    (aa, ab), (_, bb) = line.covariance
    variance = watts**2 * (aa + line.scatter**2) + 2 * watts * ab + bb
    u_j = math.sqrt(max(variance, 0.0)) / a * seconds
    half = t_quantile((1 + line.gain.level) / 2, line.df) * u_j
    value = watts * seconds
    return Corrected(value, u_j, max(value - half, 0.0), value + half)


def _by_load(joules: float, seconds: float, correction: Correction) -> Corrected:
    """Return the energy times the factor of the range in which the probe's power is."""
    watts = joules / seconds
    band = next(b for b in correction.bands if b.below_w is None or watts < b.below_w)
    return _scaled(joules, band.factor.value, band.factor, band.relative_u)


#: Verdict -> how it is applied; what is not here is not calibratable.
_FORMS: Mapping[str, Callable[[float, float, Correction], Corrected]] = {
    "factor": _times,
    "not needed": _times,
    "offset": _less,
    "gain and offset": _along,
    "by load": _by_load,
}


def load_calibration(path: Path | str) -> Corrections:
    """Read a ``calibration.json``.

    Raises
    ------
    BadFile : it is not there, or is no calibration.
    """
    return Corrections(store.read(Path(path), Calibration))
