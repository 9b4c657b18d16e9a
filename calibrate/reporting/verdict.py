"""One sentence per probe: what the terminal and every report say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calibrate.analysis import Analysis
from calibrate.calibration import Correction
from calibrate.comparison import Pair
from calibrate.diagnosis import NO_FAULT, UNEXPLAINED, Diagnosis
from calibrate.quantity import _brief, interval, number, probability, rounded


@dataclass(frozen=True)
class Verdict:
    """What is said of one column of a probe."""

    pair: Pair
    diagnosis: Diagnosis
    correction: Correction

    @property
    def good(self) -> bool:
        """Whether nothing is wrong with it, as far as could be seen."""
        return self.diagnosis.name == NO_FAULT

    @property
    def ratio(self) -> str:
        """Return the mean ratio with its interval, or why there is none."""
        if not self.pair.ratio:
            return "no run has a ratio"
        found = self.pair.ratio["ratio"]
        return interval(found["value"], found["low"], found["high"])

    @property
    def named(self) -> str:
        """Return the diagnosis with its probability."""
        if self.diagnosis.probability is None or self.diagnosis.name == UNEXPLAINED:
            return self.diagnosis.name  # what was not named has no probability worth printing
        shown = probability(self.diagnosis.probability)
        return f"{self.diagnosis.name}, p {shown if shown.startswith('>') else f'= {shown}'}"

    @property
    def correct(self) -> str:
        """Return the correction as something to do."""
        found = self.correction
        if found.verdict == "not needed":
            return "not needed"
        between = (
            f", {_brief(found.valid.watts[0])} to {_brief(found.valid.watts[1])} W"
            if found.valid
            else ""
        )
        if found.verdict == "offset" and found.offset_w:
            watts = found.offset_w
            shown = rounded(watts["low"], watts["high"], abs(watts["value"]), watts["u"])
            return f"{way(watts)} {shown[0]} W ± {shown[1]} W{between}"
        if found.line:
            gain, watts = found.line.gain, found.line.offset_w
            [size] = rounded(watts["low"], watts["high"], abs(watts["value"]))
            return f"{way(watts)} {size} W, then divide by {number(gain['value'])}{between}"
        if found.bands:
            ends = (
                f"{number(band.factor['value'])} "
                + (f"below {_brief(band.below_w)} W" if band.below_w else "above")
                for band in found.bands
            )
            return f"multiply by {', '.join(ends)} (by what the probe reports){between}"
        if found.verdict != "factor" or not found.factor:
            return f"{found.verdict}: {found.reason}"
        u = "" if found.relative_u is None else f" ± {100 * found.relative_u:.2g} %"
        return f"multiply by {number(found.factor['value'])}{u}{between}"


def way(watts: Mapping[str, Any]) -> str:
    """Return what to do with an offset: what a probe sees too little is added."""
    return "subtract" if watts["value"] >= 0 else "add"


def verdicts(analysis: Analysis, headlines: bool = False) -> list[Verdict]:
    """Return a verdict for every pair, or for each probe's main column only."""
    corrections = {(c.probe, c.column): c for c in analysis.calibration.corrections}
    return [
        Verdict(pair, analysis.diagnoses[key], corrections[key])
        for pair in analysis.comparison.pairs
        if pair.headline or not headlines
        for key in [(pair.probe, pair.column)]
    ]
