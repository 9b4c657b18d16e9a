"""How far each probe is from the reference.

pairs   one column of a probe beside the reference, run by run
until   measure until every factor is known well enough, and predict how long that takes
"""

from calibrate.comparison.pairs import (
    Comparison,
    NotCompared,
    Pair,
    PairedRun,
    ProbeSummary,
    compare,
    reference_of,
)
from calibrate.comparison.until import Goal, forecast, parse_goal, seconds_of_repeat

__all__ = [
    "Comparison",
    "Goal",
    "NotCompared",
    "Pair",
    "PairedRun",
    "ProbeSummary",
    "compare",
    "forecast",
    "parse_goal",
    "reference_of",
    "seconds_of_repeat",
]
