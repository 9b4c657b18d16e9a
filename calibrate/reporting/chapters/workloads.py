"""By workload: how far each probe is from the reference, as a ratio and in watts.

A ratio hides an offset, and a mean over workloads hides that two sockets differ: here each
workload, and each socket of a main column, stands by itself. The limits are of differences in
watts (Bland & Altman 1999), for meters that are off by watts and not by a share.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from calibrate.analysis import Analysis
from calibrate.comparison import Pair
from calibrate.comparison import PairedRun as Run
from calibrate.diagnosis import IMMATERIAL
from calibrate.quantity import MISSING, figure, rounded
from calibrate.reporting.chapters.chapter import Chapter
from calibrate.reporting.chapters.table import Row, Table
from calibrate.stats.agreement import limits_of_differences

#: Columns of a table that a reader can still follow.
_MOST = 8
_NOTE = (
    "Mean ratio, and mean difference probe minus reference in watts, of the runs of each workload. "
    "Limits: 95 % of single runs lie between them. Where a probe covers several sockets, each has "
    "a column of its own as far as there is room."
)


def workload_chapter(analysis: Analysis) -> Chapter | None:
    """Return the table of workloads, where there is more than one."""
    pairs = _shown(analysis.comparison.pairs)
    found = (w for w in analysis.comparison.workloads if any(_runs(p, w) for p in pairs))
    workloads = sorted(found, key=_natural)
    if len(workloads) < 2 or not pairs:
        return None
    reference = analysis.comparison.reference
    head = ("workload", *(f"{p.probe}: {p.column}, beside {reference}" for p in pairs))
    rows = [Row((name, *(_cell(_runs(pair, name)) for pair in pairs))) for name in workloads]
    rows.append(Row(("limits of agreement", *(_limits(pair) for pair in pairs)), main=False))
    places = frozenset(range(1, len(head)))
    words = (_worst(pair, workloads) for pair in pairs if pair.headline)
    said = tuple(sentence for sentence in words if sentence)
    return Chapter("By workload", said, Table(head, tuple(rows), places), _NOTE)


def _natural(name: str) -> list[tuple[str, float]]:
    """Return a key that sorts 2.8 before 13.9."""
    return [
        (text, float(digits or 0)) for text, digits in re.findall(r"([^\d]+)(\d+\.?\d*)?", name)
    ]


def _worst(pair: Pair, workloads: Sequence[str]) -> str:
    """Say where a probe is farthest off, which a mean hides; nothing of one that is off nowhere."""
    watts = {w: _mean_w(_runs(pair, w)) for w in workloads if _runs(pair, w)}
    shares = {w: ratio for w in watts if (ratio := _mean_ratio(_runs(pair, w)))}
    most = max(watts, key=lambda w: abs(watts[w]))
    said = f"{pair.probe} is farthest off in watts in {most} ({_watts(watts[most])})"
    if not shares:
        return f"{said}."
    far = max(shares, key=lambda w: abs(math.log(shares[w])))
    if abs(math.log(shares[far])) < IMMATERIAL:
        return ""
    return f"{said}, and as a share in {far} ({figure(shares[far])} of the reference)."


def _shown(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the main columns, and each socket of those that add up several, if there is room."""
    main = [pair for pair in pairs if pair.headline and pair.rows]
    sockets = [
        pair
        for pair in pairs
        if pair.scope[-1:].isdigit()
        and any(whole.probe == pair.probe and _adds_up(whole, pair) for whole in main)
    ]
    return [*main, *sockets][: max(_MOST, len(main))]


def _adds_up(whole: Pair, part: Pair) -> bool:
    """Tell whether a column is one of several of its kind in another."""
    return whole.family == part.family and whole.scope == part.scope.rpartition("-")[0]


def _runs(pair: Pair, workload: str) -> list[Run]:
    return [row for row in pair.rows if row.workload == workload]


def _difference_w(row: Run) -> float:
    return (row.probe_j - row.reference_j) / row.seconds


def _mean_w(rows: Sequence[Run]) -> float:
    return float(np.mean([_difference_w(row) for row in rows]))


def _mean_ratio(rows: Sequence[Run]) -> float | None:
    ratios = [row.ratio for row in rows if row.ratio is not None]
    return float(np.exp(np.mean(np.log(ratios)))) if ratios else None


def _watts(watts: float) -> str:
    """Return a difference with its sign."""
    if abs(watts) < 5e-4:
        return "< 0.001 W"
    form = "+,.0f" if abs(watts) >= 1000 else "+.3g"
    return f"{watts:{form}} W".replace("-", "\u2212")


def _cell(rows: Sequence[Run]) -> str:
    if not rows:
        return MISSING
    ratio = _mean_ratio(rows)
    return f"{figure(ratio) if ratio else 'no ratio'} ({_watts(_mean_w(rows))})"


def _limits(pair: Pair) -> str:
    """Return between which watts a single run lies."""
    watts = [_difference_w(row) for row in pair.rows]
    found = limits_of_differences(watts, [row.workload for row in pair.rows])
    if found.lower is None or found.upper is None:
        return MISSING
    ends = found.lower.value, found.upper.value
    return f"{' to '.join(rounded(*ends, *ends))} W".replace("-", "\u2212")
