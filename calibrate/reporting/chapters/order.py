"""The chapters of a report, in their order."""

from __future__ import annotations

from collections.abc import Callable

from calibrate.analysis import Analysis
from calibrate.reporting.chapters.algorithms import algorithm_chapter, claim_chapter
from calibrate.reporting.chapters.chapter import Chapter
from calibrate.reporting.chapters.learning import learning_chapter
from calibrate.reporting.chapters.lifecycle import lifecycle_chapter
from calibrate.reporting.chapters.phases import phase_chapter
from calibrate.reporting.chapters.program import program_chapter
from calibrate.reporting.chapters.workloads import workload_chapter

#: In the order of a report; each returns None where the campaign has nothing of the kind.
CHAPTERS: tuple[Callable[[Analysis], Chapter | None], ...] = (
    program_chapter,
    workload_chapter,
    learning_chapter,
    algorithm_chapter,
    claim_chapter,
    phase_chapter,
    lifecycle_chapter,
)


def campaign_chapters(analysis: Analysis) -> list[Chapter]:
    """Return the chapters that a campaign has beside the comparison of its probes."""
    made = (chapter(analysis) for chapter in CHAPTERS)
    return [chapter for chapter in made if chapter is not None]
