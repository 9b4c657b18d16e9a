"""By workload: how far each probe is from the reference, as a ratio and in watts.

A ratio hides an offset, and a mean over workloads hides that two sockets differ: here each
workload, and each socket of a main column, stands by itself. The limits are of differences in
watts (Bland & Altman 1999), for meters that are off by watts and not by a share.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from calibrate.analysis import Analysis
from calibrate.comparison import ColumnDifferences, Pair, WorkloadDifference
from calibrate.diagnosis import IMMATERIAL
from calibrate.quantity import MISSING, figure, rounded, share_in_brackets
from calibrate.reporting.chapters.chapter import Chapter
from calibrate.reporting.chapters.table import Row, Table

#: Columns of a table that a reader can still follow.
_MOST = 8
_NOTE = (
    "Mean ratio, and mean difference probe minus reference in watts, of the runs of each workload. "
    "Limits of agreement are estimates of the differences between which 95 % of single runs lie; "
    "in brackets, the share of new runs to expect between them. Where a probe covers several "
    "sockets, each has a column of its own as far as there is room."
)


def workload_chapter(analysis: Analysis) -> Chapter | None:
    """Return the table of workloads, where there is more than one."""
    pairs = _shown(analysis.comparison.pairs)
    columns = [analysis.differences[pair.probe, pair.column] for pair in pairs]
    present = (w for w in analysis.comparison.workloads if any(w in c.workloads for c in columns))
    workloads = sorted(present, key=_natural)
    if len(workloads) < 2 or not pairs:
        return None
    reference = analysis.comparison.reference
    head = ("workload", *(f"{c.probe}: {c.column}, beside {reference}" for c in columns))
    rows = [Row((name, *(_cell(c.workloads.get(name)) for c in columns))) for name in workloads]
    rows.append(Row(("limits of agreement", *map(_limits, columns)), main=False))
    places = frozenset(range(1, len(head)))
    words = (
        _worst(column, workloads)
        for pair, column in zip(pairs, columns, strict=True)
        if pair.headline
    )
    said = tuple(sentence for sentence in words if sentence)
    return Chapter("By workload", said, Table(head, tuple(rows), places), _NOTE)


def _natural(name: str) -> list[tuple[str, float]]:
    """Return a key that sorts 2.8 before 13.9."""
    return [
        (text, float(digits or 0)) for text, digits in re.findall(r"([^\d]+)(\d+\.?\d*)?", name)
    ]


def _worst(column: ColumnDifferences, workloads: Sequence[str]) -> str:
    """Say where a probe is farthest off, which a mean hides; nothing of one that is off nowhere."""
    mine = [column.workloads[name] for name in workloads if name in column.workloads]
    most = max(mine, key=lambda each: abs(each.difference_w))
    said = (
        f"{column.probe} is farthest off in watts in {most.workload} ({_watts(most.difference_w)})"
    )
    shares = {each.workload: each.ratio for each in mine if each.ratio}
    if not shares:
        return f"{said}."
    far = max(shares, key=lambda name: abs(math.log(shares[name])))
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


def _watts(watts: float) -> str:
    """Return a difference with its sign."""
    if abs(watts) < 5e-4:
        return "< 0.001 W"
    form = "+,.0f" if abs(watts) >= 1000 else "+.3g"
    return f"{watts:{form}} W".replace("-", "\u2212")


def _cell(difference: WorkloadDifference | None) -> str:
    if difference is None:
        return MISSING
    ratio = figure(difference.ratio) if difference.ratio else "no ratio"
    return f"{ratio} ({_watts(difference.difference_w)})"


def _limits(column: ColumnDifferences) -> str:
    """Return the limits of agreement with the share of new runs to expect between them."""
    limits = column.limits_w
    if limits.lower is None or limits.upper is None:
        return MISSING
    ends = limits.lower.value, limits.upper.value
    span = f"{' to '.join(rounded(*ends, *ends))} W".replace("-", "\u2212")
    return span + share_in_brackets(limits.expected_share)
