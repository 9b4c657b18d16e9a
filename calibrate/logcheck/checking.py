"""Check a log: from files and a window to an answer."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from calibrate.errors import CrosswattError
from calibrate.ingest import Log, read_log
from calibrate.logcheck.answer import Agreement, Answer, Correction, Rate
from calibrate.logcheck.chosen import Chosen, Meter, choose
from calibrate.logcheck.instants import end_ns, is_offset
from calibrate.logcheck.reason import BARS, FAILS, Code, Reason
from calibrate.logcheck.series import Form, can_join, joined, series_of
from calibrate.logcheck.windowed import Measured, measure
from calibrate.quantity import percent

if TYPE_CHECKING:
    from calibrate.calibration import Calibration

NEED = 0.05
#: The largest number of columns that are added up.
_MOST = 256


@dataclass(frozen=True)
class Question:
    """What is asked of a log.

    Parameters
    ----------
    begin, end : the window, as `calibrate.logcheck.instants` reads it; by default all of the log.
    per : how many units of work were done, by unit.
    need : the relative expanded uncertainty that is admitted.
    columns : those to add up; by default the widest, each part of the machine once.
    readings : how figures of power are made, where that is known: `sampled` or `averaged`.
    update_s : the update period of the meter, s, where that is known.
    calibration : a ``calibration.json`` to correct the energy by.
    probe : the meter's name in it, as ``probe`` or ``probe.column``.
    """

    begin: str | None = None
    end: str | None = None
    per: Mapping[str, float] | None = None
    need: float = NEED
    columns: Sequence[str] = ()
    readings: Form | None = None
    update_s: float | None = None
    calibration: Path | None = None
    probe: str | None = None


def check_log(
    paths: Sequence[Path],
    question: Question,
    form: str | None = None,
    *,
    zone: str | None = None,
    unit: str | None = None,
    scope: str | None = None,
    mapping: Path | None = None,
    max_rejected: int = 1000,
) -> Answer:
    """Return the energy of a window of a log, and what the log allows to say of it.

    Parameters
    ----------
    paths : files of one format.
    question : what is asked.
    form, zone, unit, scope, mapping, max_rejected : see `calibrate.ingest.read_log`.

    Raises
    ------
    CrosswattError : a file cannot be read, a time is none or lacks a zone, a column is not there.
    """
    ends = [each for each in (question.begin, question.end) if each is not None]
    # Offsets from the log's beginning are the same in every zone.
    assumed = zone is None and all(map(is_offset, ends))
    log = read_log(
        paths, form, zone="UTC" if assumed else zone, unit=unit, scope=scope, mapping=mapping,
        max_rejected=max_rejected,
    )  # fmt: skip
    chosen = choose(log, question.columns)
    if len(chosen.meters) > _MOST:
        raise CrosswattError(
            f"There are {len(chosen.meters)} columns to add up, more than {_MOST}. Name some with "
            "--column."
        )
    origin_ns = min(int(c.at_ns[0]) for probe in log.probes for c in probe.columns if c.at_ns.size)
    made = _Made(log, chosen, question, origin_ns)
    begin_s, end_s = made.window(zone)
    notes = list(log.notes)
    if log.rejected:
        notes.append(f"{log.rejected} lines could not be read; the first: {log.first_rejected}.")
    notes += [
        f"{text} is read as a time of the log's zone, {zone}."
        for text in ends
        if zone and _is_local(text)
    ]
    shown = [question.begin or f"+{begin_s:.3f}s", question.end or f"+{end_s:.3f}s"]
    if not assumed:
        shown = [_iso(origin_ns, each) for each in (begin_s, end_s)]
    return made.answer(tuple(map(str, paths)), shown, begin_s, end_s, notes)


def _is_local(text: str) -> bool:
    """Tell whether a time has no offset."""
    try:
        return datetime.fromisoformat(text.strip()).tzinfo is None
    except ValueError:
        return False


def _iso(origin_ns: int, at_s: float) -> str:
    at = datetime.fromtimestamp((origin_ns + round(at_s * 1e9)) / 1e9, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Made:
    """The series of the columns that are added up, and of those beside them."""

    def __init__(self, log: Log, chosen: Chosen, question: Question, origin_ns: int) -> None:
        self._log, self._chosen, self._question = log, chosen, question
        self._origin_ns = origin_ns
        form, update_s = question.readings, question.update_s
        self._series = [
            [series_of(column, origin_ns, form, update_s) for column in meter.columns]
            for meter in chosen.meters
        ]

    def window(self, zone: str | None) -> tuple[float, float]:
        """Return the window, s since the log began.

        Raises
        ------
        CrosswattError : an end is no time, or the window does not end after it begins.
        """
        asked = self._question
        first = max(0.0, *(float(each[0].at_s[0]) for each in self._series))
        last = min(float(each[0].at_s[-1]) for each in self._series)
        begin_s, end_s = (
            (end_ns(text, zone, self._origin_ns) - self._origin_ns) / 1e9 if text else default
            for text, default in ((asked.begin, first), (asked.end, last))
        )
        if not end_s > begin_s:
            raise CrosswattError(
                f"The window ends at +{end_s:.3f} s of the log, and begins at +{begin_s:.3f} s: "
                "--to has to be later than --from."
            )
        return begin_s, end_s

    def answer(
        self,
        files: tuple[str, ...],
        shown: Sequence[str],
        begin_s: float,
        end_s: float,
        notes: Sequence[str],
    ) -> Answer:
        """Return what is to be said of a window."""
        asked = self._question
        agreements, taken, reasons = [], [], []
        for meter, series in zip(self._chosen.meters, self._series, strict=True):
            each = [measure(one, begin_s, end_s, asked.need) for one in series]
            best = _best(each)
            taken.append(series[best])
            if best:
                barred = next(r for r in each[0].reasons if r.code in BARS)
                reasons.append(replace(barred, code=Code.REPLACED, text=(
                    f"{barred.text}; its power {each[best].name} is taken instead"
                )))  # fmt: skip
            agreements += _agreements(meter, each)
        together = [joined(taken)] if len(taken) > 1 and can_join(taken) else taken
        measured = tuple(measure(one, begin_s, end_s, asked.need) for one in together)
        reasons += [reason for each in measured for reason in each.reasons]
        reasons += self._clock()
        joules, u_j, expanded = _sum(measured)
        gain, share = self._gain()
        if joules is not None and share is not None and u_j is not None and expanded is not None:
            u_j = math.hypot(u_j, share * joules)
            expanded = math.hypot(expanded, 1.96 * share * joules)
        reasons += [_of_agreement(each, asked.need) for each in agreements if not each.agrees]
        if joules is not None and not joules > 0:
            reasons.append(Reason(Code.NO_ENERGY, f"the log has {joules:.4g} J in the window"))
        corrected = None
        if asked.calibration is not None and joules is not None and joules > 0:
            corrected = self._corrected(joules, expanded, end_s - begin_s, asked.calibration)
        made = Answer(
            files, self._log.form, shown[0], shown[1], begin_s, end_s, asked.need,
            self._chosen.meters[0].probe, measured, self._chosen.left, joules, u_j, expanded,
            gain, tuple(agreements), (), corrected, (), tuple(notes),
        )  # fmt: skip
        if made.share is not None and made.share > asked.need:
            reasons.append(_too_wide(made))
        return replace(
            made, rates=_rates(made, asked.per or {}), reasons=_in_order(reasons)
        )  # fmt: skip

    def _clock(self) -> list[Reason]:
        """Return that a clock went back, of the meter that is added up."""
        return [
            Reason(
                Code.NOT_INCREASING,
                f"the clock of {probe.name} goes back in the log, "
                f"{'once' if probe.steps_back == 1 else f'{probe.steps_back} times'}: readings of "
                "two times may lie over each other",
            )
            for probe in self._log.probes
            if probe.name == self._chosen.meters[0].probe and probe.steps_back
        ]

    def _gain(self) -> tuple[str, float | None]:
        """Return what is said of the meter's own error, and its share where it is known."""
        if self._question.calibration is not None:
            return "the meter's own error is corrected by the calibration", None
        known = [meter.columns[0].domain.u_relative for meter in self._chosen.meters]
        if all(each is not None for each in known):
            share = max(each for each in known if each is not None)
            return "the class of the meter is in U", share
        return (
            "U does not contain the meter's own error (gain, offset), which the log cannot show: "
            "calibrate it (crosswatt run, then --calibration FILE)"
        ), None

    def _calibrated(self, found: Calibration) -> tuple[str, str | None]:
        """Return the probe and the column whose correction applies, as the calibration has them."""
        probe = self._question.probe or self._chosen.meters[0].probe
        columns = [each.column for each in found.corrections if each.probe == probe]
        if not columns and "." in probe:
            named, _, column = probe.rpartition(".")
            return named, column
        names = {name for meter in self._chosen.meters for name in self._names(meter)}
        ours = [each for each in columns if each in names]
        return probe, ours[0] if len(self._chosen.meters) == 1 and ours else None

    @staticmethod
    def _names(meter: Meter) -> tuple[str, str]:
        return meter.columns[0].domain.name, meter.scope

    def _corrected(
        self, joules: float, expanded: float | None, seconds: float, path: Path
    ) -> Correction:
        """Return the energy after a calibration; U of the log and of the calibration together."""
        from calibrate.calibration import load_calibration

        corrector = load_calibration(path)
        probe, column = self._calibrated(corrector.calibration)
        on = datetime.fromtimestamp(self._origin_ns / 1e9, UTC).date()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is to be known is in the notes
            made = corrector.correct(joules, seconds=seconds, probe=probe, column=column, on=on)
        notes = tuple(made.notes)
        if made.low is None or made.high is None or expanded is None:
            return Correction(made.joules, None, notes)
        half = max(made.high - made.joules, made.joules - made.low)
        return Correction(
            made.joules, math.hypot(half, expanded * made.joules / joules), notes
        )  # fmt: skip


def _best(measured: Sequence[Measured]) -> int:
    """Return the place of the column that speaks for a scope: the first without a bar."""
    for place, each in enumerate(measured):
        if each.expanded_j is not None and not any(r.code in BARS for r in each.reasons):
            return place
    return 0


def _agreements(meter: Meter, measured: Sequence[Measured]) -> list[Agreement]:
    """Return the count of a scope against the integrals of its powers."""
    count = measured[0]
    if meter.columns[0].domain.kind == "power" or not _usable(count):
        return []
    found = []
    for column, power in zip(meter.columns[1:], measured[1:], strict=True):
        if column.domain.kind == "power" and _usable(power):
            count_j, power_j = count.joules or 0.0, power.joules or 0.0
            expanded = math.hypot(count.expanded_j or 0.0, power.expanded_j or 0.0) / count_j
            found.append(
                Agreement(count.name, power.name, count_j, power_j, power_j / count_j - 1, expanded)
            )
    return found


def _usable(each: Measured) -> bool:
    barred = any(reason.code in BARS for reason in each.reasons)
    return not barred and each.expanded_j is not None and (each.joules or 0) > 0


def _of_agreement(each: Agreement, need: float) -> Reason:
    beyond = abs(each.difference) - each.expanded > need
    code = Code.DISAGREE if beyond else Code.CLOSE
    return Reason(
        code,
        f"{each.power} makes {percent(each.difference, sign=True)} beside {each.count}, and both "
        f"together are uncertain by {percent(each.expanded)}",
        each.count,
    )


def _too_wide(made: Answer) -> Reason:
    largest = next(iter(made.parts), "")
    words = f"U is {percent(made.share)} of the energy, and {percent(made.need)} is needed"
    if largest:
        words += f"; most comes from {largest}"
    if made.least_s is not None and made.least_s > made.seconds:
        words += f"; at this load a window of {made.least_s:.3g} s would be long enough"
    return Reason(Code.U_ABOVE_NEED, words)


def _sum(measured: Sequence[Measured]) -> tuple[float | None, float | None, float | None]:
    """Return joules, u and U of several; the load changes for all at once, so that U adds up."""
    if any(each.joules is None for each in measured):
        return None, None, None
    joules = sum(each.joules or 0.0 for each in measured)
    if any(each.u_j is None or each.expanded_j is None for each in measured):
        return joules, None, None
    u_j = sum(each.u_j or 0.0 for each in measured)
    return joules, u_j, sum(each.expanded_j or 0.0 for each in measured)


def _rates(made: Answer, per: Mapping[str, float]) -> tuple[Rate, ...]:
    """Return the energy per unit of work."""
    best = made.corrected or made
    if best.joules is None:
        return ()
    return tuple(
        Rate(
            unit, count, best.joules / count,
            None if best.expanded_j is None else best.expanded_j / count,
        )
        for unit, count in per.items()
    )  # fmt: skip


def _in_order(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """Return each reason once, the gravest first."""

    def rank(reason: Reason) -> tuple[bool, bool, int]:
        return reason.code not in FAILS, reason.code not in BARS, list(Code).index(reason.code)

    return tuple(sorted(dict.fromkeys(reasons), key=rank))
