"""What a check answers, as a document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from calibrate.logcheck.reason import BARS, FAILS, Code, Reason
from calibrate.logcheck.windowed import Measured

State = Literal["pass", "fail", "inconclusive"]
SCHEMA = 1


@dataclass(frozen=True)
class Agreement:
    """A count against the integral of a power of the same scope.

    Parameters
    ----------
    count, power : the columns.
    count_j, power_j : their energies, J.
    difference : power over count, less one.
    expanded : uncertainty of that (95 %), without the meter's gain, which both may share.
    """

    count: str
    power: str
    count_j: float
    power_j: float
    difference: float
    expanded: float

    @property
    def agrees(self) -> bool:
        """Whether they differ by no more than their uncertainties."""
        return abs(self.difference) <= self.expanded


@dataclass(frozen=True)
class Rate:
    """Energy per unit of work: J, and its expanded uncertainty where it is known."""

    unit: str
    count: float
    joules: float
    expanded_j: float | None


@dataclass(frozen=True)
class Correction:
    """The energy after a calibration: J, limits that hold it with 95 %, and what is to be known."""

    joules: float
    expanded_j: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """The energy of a window of a log, and what the log allows to say.

    Parameters
    ----------
    log, form : the files, and the format that they were read as.
    begin, end : the window, as it was asked for and as an instant.
    begin_s, end_s : s since the log's first reading.
    need : the relative expanded uncertainty that is admitted.
    probe : the meter.
    measured : each column that is in the sum.
    left : columns that are not, and why.
    joules, u_j, expanded_j : the sum, J; None where it is not known.
    gain : whether the uncertainty of the meter's gain is in U, and why not.
    agreements : counts against integrals.
    rates : per unit of work.
    corrected : after a calibration, where one was given.
    reasons : what the log does not allow, and what was noticed; the gravest first.
    notes : what the reader should know, a sentence each.
    """

    log: tuple[str, ...]
    form: str
    begin: str
    end: str
    begin_s: float
    end_s: float
    need: float
    probe: str
    measured: tuple[Measured, ...]
    left: tuple[tuple[str, str], ...]
    joules: float | None
    u_j: float | None
    expanded_j: float | None
    gain: str
    agreements: tuple[Agreement, ...]
    rates: tuple[Rate, ...]
    corrected: Correction | None
    reasons: tuple[Reason, ...]
    notes: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return self.end_s - self.begin_s

    @property
    def k(self) -> float | None:
        """The coverage factor of the sum."""
        if self.u_j is None or self.expanded_j is None:
            return None
        return self.expanded_j / self.u_j if self.u_j else 2.0

    @property
    def share(self) -> float | None:
        """U over the energy that is answered: the corrected one, where there is one."""
        best = self.corrected or self
        if best.joules is None or best.expanded_j is None or best.joules <= 0:
            return None
        return best.expanded_j / best.joules

    @property
    def state(self) -> State:
        """Pass, fail or inconclusive; see `calibrate.logcheck.reason`."""
        codes = {reason.code for reason in self.reasons}
        if codes & FAILS:
            return "fail"
        if codes & BARS or Code.U_ABOVE_NEED in codes or self.share is None:
            return "inconclusive"
        return "pass"

    @property
    def parts(self) -> dict[str, float]:
        """What the uncertainty of the sum is made of, J, the largest first."""
        names = dict.fromkeys(name for each in self.measured for name in each.parts)
        sums = {name: sum(each.parts.get(name, 0.0) for each in self.measured) for name in names}
        return dict(sorted(sums.items(), key=lambda each: -each[1]))

    @property
    def least_s(self) -> float | None:
        """The shortest window at the same load whose U is within the need, s."""
        known = [each.least_s for each in self.measured if each.least_s is not None]
        return max(known, default=None)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it; what is not known is null."""
        return {
            "kind": "check",
            "schema": SCHEMA,
            "state": self.state,
            "log": list(self.log),
            "format": self.form,
            "window": {
                "begin": self.begin, "end": self.end, "begin_s": self.begin_s,
                "end_s": self.end_s, "seconds": self.seconds,
            },
            "need": self.need,
            "probe": self.probe,
            "summed": [each.name for each in self.measured],
            "left_out": [{"column": name, "why": why} for name, why in self.left],
            "energy": {
                "joules": self.joules,
                "expanded_j": self.expanded_j,
                "u_j": self.u_j,
                "k": self.k,
                "level": 0.95,
                "share": self.share,
                "watts": None if self.joules is None else self.joules / self.seconds,
                "parts_u_j": self.parts,
                "gain": self.gain,
            },
            "corrected": self.corrected
            and {
                "joules": self.corrected.joules, "expanded_j": self.corrected.expanded_j,
                "notes": list(self.corrected.notes),
            },
            "per": [
                {
                    "unit": each.unit, "count": each.count, "joules": each.joules,
                    "expanded_j": each.expanded_j,
                }
                for each in self.rates
            ],
            "columns": [
                {
                    "name": each.name, "readings_are": each.form, "joules": each.joules,
                    "expanded_j": each.expanded_j, "readings": each.readings,
                    "step_s": each.step_s, "update_s": each.update_s,
                    "update_seen": each.seen, "gaps": each.gaps[0], "gaps_s": each.gaps[1],
                    "j_per_s_late": each.late_j, "least_s": each.least_s,
                }
                for each in self.measured
            ],
            "count_against_integral": [
                {
                    "count": each.count, "power": each.power, "count_j": each.count_j,
                    "power_j": each.power_j, "difference": each.difference,
                    "expanded": each.expanded, "agrees": each.agrees,
                }
                for each in self.agreements
            ],
            "least_s": self.least_s,
            "reasons": [
                {"code": each.code.value, "column": each.column, "text": each.text}
                for each in self.reasons
            ],
            "notes": list(self.notes),
        }  # fmt: skip
