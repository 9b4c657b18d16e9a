"""Apply a calibration to other readings: numbers, arrays, tables.

    corrector = calibrate.load_calibration("calibration.json")
    corrected = corrector.correct(5230.0, seconds=61.2, probe="codecarbon")
    corrected.joules, corrected.low, corrected.high, corrected.notes

A correction holds for the probe, its release, its machine and the loads with which it was made.
Where it has expired, or a reading is a little outside of the loads, it is applied and says so: in
`Corrected.notes`, and as a `CorrectionWarning`. A reading of another release or machine, or far
outside of the loads, is refused unless ``anyway`` is asked for, and so is a probe that no form
describes.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from calibrate import store
from calibrate.calibration.correction import Calibration, Conditions, Correction
from calibrate.errors import CrosswattError, UnknownName
from calibrate.stats import Estimate, t_quantile

if TYPE_CHECKING:
    import pandas as pd

#: Joules in a unit that a file may use.
UNITS = {"J": 1.0, "kJ": 1e3, "mJ": 1e-3, "uJ": 1e-6, "Wh": 3600.0, "kWh": 3.6e6}

Numbers = NDArray[np.float64]
#: A reading is far outside if it is beyond the calibrated range by more than this factor: a power
#: may be of another kind of load; what errs once a run shrinks beside a longer one.
FAR = {"W": 2.0, "s": 10.0}
#: One number, or many of them: an array or a series.
T = TypeVar("T")
Part = TypeVar("Part")


class CorrectionWarning(UserWarning):
    """A correction is applied outside of what it was made for."""


@dataclass(frozen=True)
class Corrected(Generic[T]):
    """Energy after correction; every field has the form of what was corrected.

    Parameters
    ----------
    joules : J.
    u : standard uncertainty of this one run of a workload that was not among those calibrated
        with, J; None where the calibration has none.
    low, high : limits between which the true energy of this one run is with 95 %, J; None where
        the calibration has none. A probe that needs no correction is not shifted, but the limits
        are about what the calibration expects: they are not the same on both sides.
    notes : why the correction may not hold here, a sentence each; empty where it should. Of many
        readings, each is said once, with their number.
    distribution_free : limits of an interval that assumes no distribution of workloads, J, and
        its level, which is what the number of workloads allows; None where there is none.

    In an array or a series, a number that is missing, or cannot be corrected, is NaN.
    """

    joules: T
    u: T | None
    low: T | None
    high: T | None
    notes: tuple[str, ...] = ()
    distribution_free: tuple[T, T, float] | None = None


@dataclass(frozen=True)
class Corrector:
    """The corrections of one calibration, ready to be applied; see `load_calibration`.

    Parameters
    ----------
    calibration : the document.
    """

    calibration: Calibration

    def find(self, probe: str | None = None, column: str | None = None) -> Correction:
        """Return the correction of a probe's column.

        Parameters
        ----------
        probe : its name in the calibration; may be left out if that has one probe.
        column : its column; may be left out if the probe has one.

        Raises
        ------
        UnknownName : the probe or the column is not in the calibration.
        CrosswattError : there are several, and none was named.
        """
        every = self.calibration.corrections
        probes = [*dict.fromkeys(each.probe for each in every)]
        if probe is None:
            if len(probes) != 1:
                names = ", ".join(probes) or "none"
                raise CrosswattError(
                    f"This calibration has {len(probes)} probes; name one of {names}."
                )
            [probe] = probes
        ours = [each for each in every if each.probe == probe]
        if not ours:
            raise UnknownName("probe in this calibration", probe, probes)
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

    @overload
    def correct(
        self, joules: float, *, seconds: float, probe: str | None = None,
        column: str | None = None, release: str | None = None, machine: str | None = None,
        on: date | None = None, anyway: bool = False,
    ) -> Corrected[float]: ...  # fmt: skip

    @overload
    def correct(
        self, joules: Numbers, *, seconds: float | Numbers, probe: str | None = None,
        column: str | None = None, release: str | None = None, machine: str | None = None,
        on: date | None = None, anyway: bool = False,
    ) -> Corrected[Numbers]: ...  # fmt: skip

    @overload
    def correct(
        self, joules: pd.Series, *, seconds: float | pd.Series, probe: str | None = None,
        column: str | None = None, release: str | None = None, machine: str | None = None,
        on: date | None = None, anyway: bool = False,
    ) -> Corrected[pd.Series]: ...  # fmt: skip

    def correct(
        self,
        joules: Any,
        *,
        seconds: Any,
        probe: str | None = None,
        column: str | None = None,
        release: str | None = None,
        machine: str | None = None,
        on: date | None = None,
        anyway: bool = False,
    ) -> Corrected[Any]:
        """Correct a reading, or many of them.

        Parameters
        ----------
        joules : what the probe reported, J: a number, an array of any shape, or a pandas series.
        seconds : for how long, s: a number for all, or as many as `joules`.
        probe, column : whose correction to apply; each may be left out if there is one.
        release, machine : with what and where the readings were made, where that is known.
        on : the day of the readings, where it is not today.
        anyway : correct also what is of another release or machine, or far outside of the loads
            that were calibrated: beyond twice the power, or ten times the length.

        Returns
        -------
        Corrected : of a number, with numbers; of an array or a series, with arrays of its shape or
            series of its index.

        Raises
        ------
        UnknownName, CrosswattError : there is no such correction, no form describes the probe, or
            the readings are of another release or machine. Of one number also: it is not finite, or
            below zero, the duration is not above zero, or it is far outside. Of many, such ones
            are NaN.

        Warns
        -----
        CorrectionWarning : once for every note of the result.
        """
        correction = self.find(probe, column)
        day = on or date.today()
        _refuse(self._made_with(release, machine, correction), anyway)
        if np.ndim(joules) == np.ndim(seconds) == 0:
            one = CorrectedReading(float(joules), float(seconds), release, machine, day)
            corrected: Corrected[Any] = self.apply(one, correction, anyway=anyway)
        else:
            each_j, each_s, shaped = _broadcast(joules, seconds)
            corrected = self._apply_all(
                [
                    CorrectedReading(j, s, release, machine, day)
                    for j, s in zip(each_j, each_s, strict=True)
                ],
                correction,
                shaped,
                anyway,
            )
        for note in corrected.notes:
            warnings.warn(note, CorrectionWarning, stacklevel=2)
        return corrected

    def correct_frame(
        self,
        frame: pd.DataFrame,
        *,
        energy: str = "joules",
        seconds: str = "seconds",
        unit: str = "J",
        probe: str | None = None,
        column: str | None = None,
        release: str | None = None,
        machine: str | None = None,
        anyway: bool = False,
    ) -> pd.DataFrame:
        """Correct a column of a table.

        Parameters
        ----------
        frame : a row for each reading.
        energy, seconds : its columns with the energy, and with the duration in s.
        unit : of the energy: J, kJ, mJ, uJ, Wh or kWh.
        probe, column, release, machine, anyway : see `correct`.

        Returns
        -------
        DataFrame : a copy with three more columns in the same unit, for `energy` called ``joules``
            ``joules_corrected``, ``joules_low`` and ``joules_high``.

        Raises
        ------
        UnknownName : there is no such column or unit.
        CrosswattError : see `correct`.

        Warns
        -----
        CorrectionWarning : once for every note; see `Corrected`.
        """
        for name in (energy, seconds):
            if name not in frame.columns:
                raise UnknownName("column in the table", name, map(str, frame.columns))
        if unit not in UNITS:
            raise UnknownName("unit", unit, UNITS)
        corrected = self.correct(
            frame[energy] * UNITS[unit], seconds=frame[seconds], probe=probe, column=column,
            release=release, machine=machine, anyway=anyway,
        )  # fmt: skip
        ends = {"corrected": corrected.joules, "low": corrected.low, "high": corrected.high}
        return frame.assign(
            **{
                f"{energy}_{end}": math.nan if each is None else each / UNITS[unit]
                for end, each in ends.items()
            }
        )

    def apply(
        self, reading: CorrectedReading, correction: Correction, *, anyway: bool = False
    ) -> Corrected[float]:
        """Apply a correction to one reading, without a warning; see `correct`.

        Parameters
        ----------
        reading : what was reported.
        correction : what `find` returns.
        anyway : see `correct`.

        Returns
        -------
        Corrected : energies in J.

        Raises
        ------
        CrosswattError : see `correct`.
        """
        made, notes = self._applied(reading, correction)
        _refuse(notes, anyway)
        return replace(made, notes=tuple(note.text for note in notes))

    def _apply_all(
        self,
        readings: Sequence[CorrectedReading],
        correction: Correction,
        shaped: Callable[[Sequence[float]], Any],
        anyway: bool,
    ) -> Corrected[Any]:
        """Apply a correction to many readings; every kind of note is said once."""
        _form(correction)
        results: list[Corrected[float] | None] = []
        said: dict[str, list[str]] = {}
        for each in readings:
            made, notes = None, {"missing": "The energy or the duration is missing."}
            if not (math.isnan(each.joules) or math.isnan(each.seconds)):
                try:
                    made, found = self._applied(each, correction)
                    _refuse(found, anyway)
                    notes = {note.kind: note.text for note in found}
                except CrosswattError as why:
                    made = None
                    notes = {"refused": str(why)}
            results.append(made)
            for kind, text in notes.items():
                said.setdefault(kind, []).append(text)

        def field(of: Callable[[Corrected[float]], float | None]) -> Any:
            values = [None if made is None else of(made) for made in results]
            known = any(value is not None for value in values)
            return shaped([math.nan if v is None else v for v in values]) if known else None

        free = next((made.distribution_free for made in results if made), None)
        return Corrected(
            shaped([math.nan if made is None else made.joules for made in results]),
            field(lambda made: made.u),
            field(lambda made: made.low),
            field(lambda made: made.high),
            tuple(_summary(texts, len(readings)) for texts in said.values()),
            free
            and (
                field(lambda made: made.distribution_free and made.distribution_free[0]),
                field(lambda made: made.distribution_free and made.distribution_free[1]),
                free[2],
            ),
        )

    def _applied(
        self, reading: CorrectedReading, correction: Correction
    ) -> tuple[Corrected[float], list[Note]]:
        """Return a corrected reading, and why that may not hold."""
        joules, seconds = reading.joules, reading.seconds
        if not (math.isfinite(joules) and math.isfinite(seconds) and seconds > 0 and joules >= 0):
            raise CrosswattError(
                f"{joules:g} J in {seconds:g} s cannot be corrected; the energy must be zero or "
                "more and the duration above zero."
            )
        made = _form(correction)(joules, seconds, correction)
        return made, list(self._notes(made.joules, reading, correction))

    def _notes(
        self, corrected_j: float, reading: CorrectedReading, correction: Correction
    ) -> Iterator[Note]:
        """Yield in what this reading departs from those calibrated with."""
        ours = self.calibration
        if ours.simulated:
            yield Note("simulated", "This calibration was made on a simulated machine.")
        yield from self._made_with(reading.release, reading.machine, correction)
        if correction.conditions:
            yield from _outside_of(correction.conditions, reading)
        if ours.expires and reading.on.isoformat() > ours.expires:
            yield Note(
                "expired", f"The calibration, made on {ours.made}, expired on {ours.expires}."
            )
        valid = correction.valid
        if valid is None:
            return
        # Older documents have the power by the reference only.
        ranges = [
            ("W", reading.joules, "reported", valid.reported_w)
            if valid.reported_w
            else ("W", corrected_j, "corrected", valid.watts)
        ]
        for unit, joules, what, (low, high) in ranges:
            yield from _outside(unit, joules / reading.seconds, f"{what} ", low, high)
        yield from _outside("s", reading.seconds, "", *valid.seconds)

    def _made_with(
        self, release: str | None, machine: str | None, correction: Correction
    ) -> list[Note]:
        """Return in what a reading was made with something else than those calibrated with."""
        found = []
        # An import may not know a release, or a machine.
        if release is not None and correction.release and release != correction.release:
            found.append(
                Note(
                    "release",
                    f"The reading is of release {release}, the calibration of "
                    f"{correction.probe} {correction.release}.",
                    far=True,
                )
            )
        if machine is not None and machine != self.calibration.machine:
            found.append(
                Note(
                    "machine",
                    f"The calibration was made on another machine, {self.calibration.machine}.",
                    far=True,
                )
            )
        return found


@dataclass(frozen=True)
class Note:
    """In what a reading departs from those calibrated with; ``far``: too far to be corrected."""

    kind: str
    text: str
    far: bool = False


def _outside_of(under: Conditions, reading: CorrectedReading) -> Iterator[Note]:
    """Yield in what a reading departs from the conditions of a correction between two scopes."""
    if reading.machine is None:
        text = f"whether the reading is of {under.machine} is not known."
        yield Note("whose", f"The correction carries {under.carries}; {text}")
    if reading.on.isoformat() != under.made:
        day = f"as it was on {under.made}" if under.made else "on a day that is not known"
        yield Note(
            "since",
            f"The correction carries {under.carries} {day}; the reading is of {reading.on}. "
            "Measure again where a part was added or taken out since.",
        )


def _outside(unit: str, value: float, what: str, low: float, high: float) -> Iterator[Note]:
    """Yield a note if a value is outside of the calibrated range."""
    if not low <= value <= high:
        yield Note(
            unit,
            f"{value:.3g} {unit} {what}is outside the {low:.3g} to {high:.3g} {unit} that were "
            "calibrated.",
            far=not low / FAR[unit] <= value <= high * FAR[unit],
        )


def _refuse(notes: Sequence[Note], anyway: bool) -> None:
    """Raise where a reading is too far from those calibrated with, unless that is asked for."""
    why = next((note.text for note in notes if note.far), None)
    if why is not None and not anyway:
        raise CrosswattError(f"{why} Correct it all the same with anyway=True, or --anyway.")


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


def _times(joules: float, seconds: float, correction: Correction) -> Corrected[float]:
    """Return the energy times the factor; one that is not needed is not applied."""
    factor = _need(correction.factor, correction)
    made = _scaled(joules, seconds, factor, correction.relative_u, correction)
    if correction.verdict == "not needed":
        made = replace(made, joules=joules)
    free = correction.distribution_free
    if free is None:
        return made
    return replace(made, distribution_free=(joules * free.low, joules * free.high, free.level))


def _scaled(
    joules: float, seconds: float, factor: Estimate, u: float | None, correction: Correction
) -> Corrected[float]:
    """Return the energy times a factor, with its interval.

    The limits are about the factor that was fitted, which is not the one applied where that is 1
    or another known one.
    """
    value = joules * factor.value
    if factor.low is None or factor.high is None:
        return Corrected(value, None, None, None)
    middle = joules * math.sqrt(factor.low * factor.high)
    reported_w = joules / seconds
    found = correction.expanded(middle / seconds, seconds, reported_w) if joules else None
    if found is None or found.relative is None:
        u_j = None if u is None else value * u
        return Corrected(value, u_j, joules * factor.low, joules * factor.high)
    reach = math.exp(found.reach)
    return Corrected(value, value * found.u, middle / reach, middle * reach)


def _less(joules: float, seconds: float, correction: Correction) -> Corrected[float]:
    """Return the energy less a constant power; no limit is below zero."""
    offset_w = _need(correction.offset_w, correction)
    left = joules - offset_w.value * seconds
    if left < 0:
        raise CrosswattError(
            f"{joules:g} J in {seconds:g} s is less than the offset of {offset_w.value:.3g} W "
            "alone; the reading is not of the machine that was calibrated."
        )
    if correction.next_run is not None:
        return _about(left, seconds, correction)
    if offset_w.u is None or offset_w.low is None or offset_w.high is None:
        return Corrected(left, None, None, None)
    low, high = (max(joules - watts * seconds, 0.0) for watts in (offset_w.high, offset_w.low))
    return Corrected(left, offset_w.u * seconds, low, high)


def _along(joules: float, seconds: float, correction: Correction) -> Corrected[float]:
    """Return the energy by the line, inverted."""
    line = _need(correction.line, correction)
    a, b = line.gain.value, line.offset_w.value
    watts = (joules / seconds - b) / a
    if watts <= 0:
        raise CrosswattError(
            f"{joules:g} J in {seconds:g} s is less than the offset of {b:.3g} W alone; the "
            "reading is not of the machine that was calibrated."
        )
    value = watts * seconds
    if correction.next_run is not None:
        return _about(value, seconds, correction)
    u_j = math.hypot(correction.u_of_form_w(watts), watts * line.scatter / a) * seconds
    half = t_quantile((1 + line.gain.level) / 2, line.df) * u_j
    return Corrected(value, u_j, max(value - half, 0.0), value + half)


def _about(value: float, seconds: float, correction: Correction) -> Corrected[float]:
    """Return a corrected energy with the interval of one new run of a new workload."""
    found = correction.expanded(value / seconds, seconds)
    if found is None:
        return Corrected(value, None, None, None)
    half = found.k * found.u * value
    return Corrected(value, found.u * value, max(value - half, 0.0), value + half)


def _by_load(joules: float, seconds: float, correction: Correction) -> Corrected[float]:
    """Return the energy times the factor of the range in which the probe's power is."""
    watts = joules / seconds
    band = next(b for b in correction.bands if b.below_w is None or watts < b.below_w)
    return _scaled(joules, seconds, band.factor, band.relative_u, correction)


#: Verdict -> how it is applied; what is not here is not calibratable.
_FORMS: Mapping[str, Callable[[float, float, Correction], Corrected[float]]] = {
    "factor": _times,
    "not needed": _times,
    "offset": _less,
    "gain and offset": _along,
    "by load": _by_load,
}


def _form(correction: Correction) -> Callable[[float, float, Correction], Corrected[float]]:
    """Return how a correction is applied, or refuse one that is not to be."""
    form = _FORMS.get(correction.verdict)
    if form is None:
        raise CrosswattError(
            f"{correction.probe} {correction.column} is not calibratable: {correction.reason}."
        )
    return form


def _broadcast(joules: Any, seconds: Any) -> tuple[list[float], list[float], Callable[..., Any]]:
    """Return energies and durations one by one, and what gives results their form."""
    try:
        pair = np.broadcast_arrays(_numbers(joules), _numbers(seconds))
    except (TypeError, ValueError) as error:
        raise CrosswattError(
            f"The energies and durations are not numbers, or not as many of both: {error}."
        ) from None
    series = [each for each in (joules, seconds) if _is_series(each)]
    if len(series) == 2 and not series[0].index.equals(series[1].index):
        raise CrosswattError("The energies and durations are series with different indices.")
    shape = pair[0].shape

    def shaped(values: Sequence[float]) -> Any:
        if series:
            return type(series[0])(values, index=series[0].index, dtype="float64")
        return np.array(values, dtype=np.float64).reshape(shape)

    each_j, each_s = (each.ravel().tolist() for each in pair)
    return each_j, each_s, shaped


def _numbers(values: Any) -> Numbers:
    """Return numbers as an array; NaN where one is missing."""
    if _is_series(values):
        return np.asarray(values.to_numpy(dtype="float64", na_value=math.nan))
    return np.asarray(values, dtype=np.float64)


def _is_series(values: object) -> bool:
    """Tell whether something is a pandas series, without importing pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(values, pandas.Series)


def _summary(texts: Sequence[str], readings: int) -> str:
    """Return what is said of some of many readings, as one sentence."""
    if len({*texts}) > 1:
        return f"{len(texts)} of {readings} readings, for example: {texts[0]}"
    return (
        texts[0] if len(texts) == readings else f"{len(texts)} of {readings} readings: {texts[0]}"
    )


def load_calibration(path: Path | str) -> Corrector:
    """Read a ``calibration.json``.

    Parameters
    ----------
    path : the file, or the campaign's folder that it is in.

    Returns
    -------
    Corrector : its `Corrector.correct` and `Corrector.correct_frame` apply it.

    Raises
    ------
    BadFile : it is not there, or is no calibration.
    """
    file = Path(path) / "calibration.json" if Path(path).is_dir() else Path(path)
    return Corrector(store.read(file, Calibration))
