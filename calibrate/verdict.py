"""One sentence per probe: what the terminal and every report say of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calibrate.analysis import Analysis
from calibrate.compare import Pair
from calibrate.diagnose import NO_FAULT, UNEXPLAINED, Diagnosis
from calibrate.fit import Correction


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


def number(value: float) -> str:
    """Return four significant digits, without an exponent between 1e-4 and 1e6."""
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return f"{value:.3e}"


def _brief(value: float) -> str:
    """Return a number to three digits, and never in exponents."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def interval(value: float, low: float | None, high: float | None) -> str:
    """Return an estimate with its interval, in the digits that the interval leaves."""
    if low is None or high is None or high <= low:
        return number(value)
    middle, lower, upper = rounded(low, high, value, low, high)
    return f"{middle} ({lower} to {upper})"


def rounded(low: float, high: float, *values: float) -> list[str]:
    """Return values to the place of the second digit of half the range (JCGM 100, 7.2.6)."""
    places = 1 - math.floor(math.log10((high - low) / 2)) if high > low else -1
    if not 0 <= places <= 7:
        return [number(value) for value in values]
    return [f"{value:.{places}f}" for value in values]


def probability(value: float) -> str:
    """Return a probability that is never rounded to certainty."""
    return "> 0.99" if value > 0.99 else f"{value:.2f}"
