"""Parts of a report that only some campaigns have: one subject a file, each with a `chapter`.

workloads   ratio and watts of difference, workload by workload and socket by socket
learning    energy against quality, epoch by epoch
algorithms  learning algorithms: energy and accuracy, and a study's claims
phases      energy of the phases that a workload marks
lifecycle   after how many uses a model has cost more in use than in training
"""

from __future__ import annotations

from collections.abc import Callable

from calibrate.analysis import Analysis
from calibrate.chapters import algorithms, learning, lifecycle, phases, workloads
from calibrate.chapters.chapter import Chapter as Chapter

#: In the order of a report; each returns None where the campaign has nothing of the kind.
CHAPTERS: tuple[Callable[[Analysis], Chapter | None], ...] = (
    workloads.chapter,
    learning.chapter,
    algorithms.chapter,
    algorithms.claims,
    phases.chapter,
    lifecycle.chapter,
)


def chapters(analysis: Analysis) -> list[Chapter]:
    """Return what a campaign has beside the comparison of its probes."""
    found = (chapter(analysis) for chapter in CHAPTERS)
    return [each for each in found if each is not None]
