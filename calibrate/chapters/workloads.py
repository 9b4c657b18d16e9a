"""By workload: how far each probe is from the reference, as a ratio and in watts.

A ratio hides an offset, and a mean over workloads hides that two sockets differ: here each
workload, and each socket of a main column, stands by itself. The limits are of differences in
watts (Bland & Altman 1999), for meters that are off by watts and not by a share.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calibrate.analysis import Analysis
from calibrate.chapters.chapter import Chapter
from calibrate.compare import Pair
from calibrate.compare import Row as Run
from calibrate.digest import MISSING, Row, Table, figure
from calibrate.stats.agreement import limits_of_differences
from calibrate.verdict import rounded

#: Columns of a table that a reader can still follow.
_MOST = 8
_NOTE = (
    "Mean ratio, and mean difference probe minus reference in watts, of the runs of each workload. "
    "Limits: 95 % of single runs lie between them. Where a probe covers several sockets, each has "
    "a column of its own as far as there is room."
)


def chapter(analysis: Analysis) -> Chapter | None:
    """Return the table of workloads, where there is more than one."""
    pairs = _shown(analysis.comparison.pairs)
    workloads = [w for w in analysis.comparison.workloads if any(_runs(p, w) for p in pairs)]
    if len(workloads) < 2 or not pairs:
        return None
    reference = analysis.comparison.reference
    head = ("workload", *(f"{p.probe}: {p.column}, beside {reference}" for p in pairs))
    rows = [Row((name, *(_cell(_runs(pair, name)) for pair in pairs))) for name in workloads]
    rows.append(Row(("limits of agreement", *(_limits(pair) for pair in pairs)), main=False))
    places = frozenset(range(1, len(head)))
    return Chapter("By workload", (), Table(head, tuple(rows), places), _NOTE)


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


def _cell(rows: Sequence[Run]) -> str:
    if not rows:
        return MISSING
    watts = float(np.mean([_difference_w(row) for row in rows]))
    ratios = [row.ratio for row in rows if row.ratio is not None]
    ratio = figure(float(np.exp(np.mean(np.log(ratios))))) if ratios else "no ratio"
    form = "+,.0f" if abs(watts) >= 1000 else "+.3g"
    return f"{ratio} ({watts:{form}} W)".replace("-", "\u2212")


def _limits(pair: Pair) -> str:
    """Return between which watts a single run lies."""
    watts = [_difference_w(row) for row in pair.rows]
    found = limits_of_differences(watts, [row.workload for row in pair.rows])
    if found.lower is None or found.upper is None:
        return MISSING
    ends = found.lower.value, found.upper.value
    return f"{' to '.join(rounded(*ends, *ends))} W".replace("-", "\u2212")
