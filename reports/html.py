"""HTML: one file that needs no network, for people."""

from calibrate import reporting
from calibrate.analysis import Analysis

SUFFIX = "html"


def render(analysis: Analysis) -> str:
    """Return the report as one page with its charts inside."""
    said = reporting.digest(analysis)
    parts = reporting.page_parts(analysis, said)
    forest = reporting.forest_chart(analysis)
    return reporting.render(
        "report.html",
        live=forest is not None or any(part.charts for part in parts),
        said=said,
        scorecard=reporting.scorecard(analysis),
        forest=forest and reporting.draw(forest),
        parts=reporting.draw_parts(parts),
    )
