"""One long log as several runs: by its own labels and pauses, or by its gaps.

A log of differences says what was used in each interval. Where intervals are missing, what was used
is not known: a counter made of it stands still there, which is no measurement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from calibrate.ingest.feed import Window, slug

#: A step of this many usual ones is a gap, where so large a part of the steps is usual.
_GAP_STEPS, _REGULAR = 3.0, 0.8
_FEWEST = 5

Span = tuple[int, int]


@runtime_checkable
class Dividing(Protocol):
    """Chunks that say, once they have been read, which stretches of their time are runs."""

    def stretches(self) -> Sequence[tuple[str, int, int]]:
        """Return (label, begin, end), ns; nothing where the whole time is one run."""


def find_gaps(at_ns: Any) -> list[Span]:
    """Return where the instants of regular intervals leave some out, ns.

    Parameters
    ----------
    at_ns : instants in order, shape (n,). None is a gap where they are not regular.
    """
    steps = np.diff(at_ns)
    if steps.size < _FEWEST or (usual := float(np.median(steps))) <= 0:
        return []
    if np.mean(np.abs(steps - usual) < usual / 2) < _REGULAR:
        return []
    places = np.flatnonzero(steps > _GAP_STEPS * usual)
    return [(int(at_ns[place]), int(at_ns[place + 1])) for place in places]


def between(whole: Window, gaps: Iterable[Span]) -> list[Window]:
    """Return the stretches of a window that are in no gap."""
    found, begin_ns = [], whole.begin_ns
    for first, last in sorted(gaps):
        if begin_ns < min(first, whole.end_ns):
            found.append(Window(whole.workload, begin_ns, min(first, whole.end_ns)))
        begin_ns = max(begin_ns, last)
    if begin_ns < whole.end_ns:
        found.append(Window(whole.workload, begin_ns, whole.end_ns))
    return found


def labelled(whole: Window, stretches: Iterable[tuple[str, int, int]]) -> list[Window]:
    """Return the stretches of a window that have a label, each a run of that name."""
    cut = [
        (slug(label), max(begin, whole.begin_ns), min(end, whole.end_ns))
        for label, begin, end in stretches
    ]
    return [Window(name, begin, end) for name, begin, end in cut if end > begin]
