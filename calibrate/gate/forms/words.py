"""What all forms say of a ruling in the same words."""

from __future__ import annotations

from calibrate.gate.judgement import Judgement
from calibrate.gate.ruling import Kind, Ruling, Shown
from calibrate.quantity import number, rounded
from calibrate.simulated import before_figures

#: What each rule of a policy asks, by the name that rulings have.
RULES = {
    "agreement": "The mean ratio of a column to the reference is within the need.",
    "workload": "The mean ratio of one workload is within the need of its own rule.",
    "forbid": "The diagnosis names no fault of the kinds that the policy forbids.",
    "spread": "95 % of single runs lie within max_spread of what is expected.",
    "overhead": "The probe takes no more CPU time than max_overhead while it records.",
    "drift": "Readings corrected by the stored calibration are within max_drift.",
}


def headline(found: Judgement) -> str:
    """Return the state of all rules in one line."""
    return f"{before_figures(simulated=found.simulated)}Gate: {found.state} ({found.counts})"


def why(ruling: Ruling) -> str:
    """Return the reason of a ruling, and what to do about it."""
    return f"{ruling.sentence}. Next: {ruling.next_step}." if ruling.next_step else ruling.sentence


def figure_of(shown: Shown | None) -> str:
    """Return the figure of a ruling; empty where there is none."""
    return "" if shown is None else _digits(shown)[0]


def interval_of(shown: Shown | None) -> str:
    """Return the interval of a figure; empty where it was counted."""
    return "" if shown is None else " to ".join(_digits(shown)[1:])


def _digits(shown: Shown) -> list[str]:
    """Return a figure and the ends of its interval, in the digits that the interval leaves."""
    if shown.low is None or shown.high is None:
        return [number(shown.value)]
    return rounded(shown.low, shown.high, shown.value, shown.low, shown.high)


def admitted_of(shown: Shown | None) -> str:
    """Return what is admitted of a figure; empty where nothing is."""
    if shown is None or shown.most is None:
        return ""
    most = f"{shown.most:.4g}"
    return f"at most {most}" if shown.least is None else f"{shown.least:.4g} to {most}"


def rule_key(ruling: Ruling) -> str:
    """Return what a ruling is called in lists of rules: ``agreement/too-few``."""
    return f"{ruling.rule}/{kind_key(ruling.kind)}"


def kind_key(kind: Kind) -> str:
    """Return a kind of ruling without blanks."""
    return kind.value.replace(" ", "-")
