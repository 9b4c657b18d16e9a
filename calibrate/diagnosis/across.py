"""A meter of a part beside one of the whole: what lies outside, and whether units are right.

The whole is a line of the part: an offset for what does not follow the load (fans, idle GPUs, the
supply at no load), and a slope for what does (losses of supplies and regulators, fans that speed
up). A slip of unit in either meter would make a slope of a thousand or a thousandth.

Both have errors, so that the line is Deming's; least squares, as most publications have it, stands
beside it. Source: Linnet, Clinical Chemistry 39 (1993) 424-432; Jay, Ostapenco et al., CCGrid 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from calibrate.comparison import Pair, PairedRun
from calibrate.diagnosis.order import out_of_order
from calibrate.diagnosis.result import UNEXPLAINED, Diagnosis
from calibrate.stats import Line, deming, least_squares

NAME = "part of what the reference covers"
#: What follows the load outside a processor's packages is seldom half of it, and never as much.
_SLOPES = (0.8, 2.0)
_FEWEST_CLUSTERS = 4
_CAUSE = "what it does not cover: GPUs, fans, disks, the board, and losses of supplies"


def explain_across(pair: Pair) -> Diagnosis:
    """Return what the runs say of a part beside the whole."""
    rows = [row for row in pair.rows if row.probe_j > 0 and row.reference_j > 0]
    workloads = [row.workload for row in rows]
    return replace(
        _explained(pair, rows, workloads),
        n_runs=len(pair.rows),
        n_usable=len(rows),
        n_workloads=len(set(workloads)),
    )


def _explained(pair: Pair, rows: Sequence[PairedRun], workloads: Sequence[str]) -> Diagnosis:
    part, whole, u = pair.scope, pair.reference_scope, pair.u_reference or 0.0
    x = [row.probe_j / row.seconds for row in rows]
    y = [row.reference_j / row.seconds for row in rows]
    # A workload's runs share what is special about it; with few workloads each run is its own.
    clusters = workloads if len(set(workloads)) >= _FEWEST_CLUSTERS else None
    try:
        line, plain = deming(x, y, cluster=clusters), least_squares(x, y)
    except ValueError as error:
        said = f"No line of {whole} over {part} can be drawn: {error}."
        return out_of_order(part, whole, rows, None, u) or Diagnosis(UNEXPLAINED, None, False, said)
    broken = out_of_order(part, whole, rows, line, u)
    said = (
        f"{_equation(line, part, whole)}: {line.intercept.value:.0f} W lie outside its scope "
        f"whatever the load, and {line.slope.value - 1:+.2f} W for each watt that it sees."
    )
    reasons = (f"By least squares, as if {part} had no error: {_equation(plain, part, whole)}.",)
    if broken is not None:
        return replace(broken, reasons=(f"{_equation(line, part, whole)}.", *reasons))
    if not _SLOPES[0] <= line.slope.value <= _SLOPES[1]:
        said += f" A slope outside {_SLOPES[0]:g} to {_SLOPES[1]:g} is not that of a part."
        return Diagnosis(UNEXPLAINED, None, False, said, reasons)
    said += " No slip of unit: one would make the slope 1000 or 0.001."
    return Diagnosis(NAME, None, True, said, reasons, cause=_CAUSE)


def _equation(line: Line, part: str, whole: str) -> str:
    """Return a line with its 95 % intervals."""
    slope, offset = line.slope, line.intercept
    return (
        f"{whole} = {slope.value:.3f} ({slope.low:.3f} to {slope.high:.3f}) x {part} + "
        f"{offset.value:.0f} ({offset.low:.0f} to {offset.high:.0f}) W"
    )
