"""One line for each probe: what the terminal and every report say of its worst column."""

from __future__ import annotations

from dataclasses import dataclass

from calibrate.analysis import Analysis, Finding, ProbeVerdict
from calibrate.calibration import Correction
from calibrate.diagnosis import UNEXPLAINED, Severity
from calibrate.quantity import brief, estimated, number, probability, rounded
from calibrate.reporting.said import columns, lost
from calibrate.stats import Estimate


@dataclass(frozen=True)
class Verdict:
    """What is said of a probe that was compared.

    Parameters
    ----------
    finding : its worst.
    probe : the verdict on the probe.
    """

    finding: Finding
    probe: ProbeVerdict

    @property
    def good(self) -> bool:
        """Whether nothing is wrong with it, as far as could be seen."""
        return self.probe.sound

    @property
    def columns(self) -> str:
        """The worst column, and how many more have the same finding."""
        return columns(self.probe)

    @property
    def ratio(self) -> str:
        """The mean ratio with its interval, or why there is none."""
        ratio = self.finding.ratio
        return "no run has a ratio" if ratio is None else estimated(ratio)

    @property
    def named(self) -> str:
        """The diagnosis with its probability, and what was lost."""
        diagnosis = self.finding.diagnosis
        name = diagnosis.name
        # What was not named has no probability worth printing.
        if diagnosis.probability is not None and name != UNEXPLAINED:
            shown = probability(diagnosis.probability)
            name += f", p {shown if shown.startswith('>') else f'= {shown}'}"
        if not self.probe.lost_runs:
            return name
        if self.probe.severity is Severity.LOST_RUNS:
            return f"{lost(self.probe)}; in the others {name}"
        return f"{name}; {lost(self.probe)}"

    @property
    def correct(self) -> str:
        """The correction as something to do."""
        if self.probe.lost_runs and self.finding.correction.verdict == "not needed":
            return "find out first why runs were lost"
        return instruction(self.finding.correction)


def instruction(correction: Correction) -> str:
    """Return a correction as something to do, with its uncertainty and the powers it is for."""
    if correction.verdict == "not calibratable":
        return f"{correction.verdict}: {correction.reason}"
    if correction.verdict == "not needed":
        good = _good_for(correction)
        return f"not needed; a reading is good to{good}" if good else "not needed"
    between = ""
    if correction.valid:
        low_w, high_w = correction.valid.watts
        between = f", {brief(low_w)} to {brief(high_w)} W"
    if correction.conditions and correction.conditions.made:
        between += f", as on {correction.conditions.made}"
    return f"{_do(correction)}{_good_for(correction)}{between}"


def short_instruction(correction: Correction) -> str:
    """Return a correction as something to do, with its uncertainty and nothing else."""
    if correction.verdict == "not calibratable":
        return f"none: {correction.reason}"
    spread = correction.fitness.spread if correction.fitness else ""
    do = "not needed" if correction.verdict == "not needed" else _do(correction)
    return f"{do} {spread}".rstrip()


def _do(correction: Correction) -> str:
    """Return what to do with a reading."""
    if correction.verdict == "offset" and correction.offset_w:
        watts = correction.offset_w
        [size] = rounded(*_limits(watts), abs(watts.value))
        return f"{way(watts)} {size} W"
    if correction.line:
        gain, watts = correction.line.gain, correction.line.offset_w
        [size] = rounded(*_limits(watts), abs(watts.value))
        return f"{way(watts)} {size} W, then divide by {number(gain.value)}"
    if correction.bands:
        ends = (
            f"{number(band.factor.value)} "
            + (f"below {brief(band.below_w)} W" if band.below_w else "above")
            for band in correction.bands
        )
        return f"multiply by {', '.join(ends)} (by what the probe reports)"
    factor = correction.factor
    return "nothing" if factor is None else f"multiply by {number(factor.value)}"


def _good_for(correction: Correction) -> str:
    """Return the expanded uncertainty of one run, and what it is fit for, where it is known."""
    found = correction.fitness
    if found is None or found.expanded_u is None:
        return ""
    return f" {found.spread}" if found.met else f" {found.spread}, {found.words}"


def _limits(estimate: Estimate) -> tuple[float, float]:
    """Return the interval of an estimate; without one, the value twice."""
    if estimate.low is None or estimate.high is None:
        return estimate.value, estimate.value
    return estimate.low, estimate.high


def way(watts: Estimate) -> str:
    """Return what to do with an offset: what a probe reads too little is added."""
    return "subtract" if watts.value >= 0 else "add"


def verdicts(analysis: Analysis) -> list[Verdict]:
    """Return a verdict for every probe that was compared, the worst first."""
    return [Verdict(each.worst, each) for each in analysis.verdicts if each.worst]
