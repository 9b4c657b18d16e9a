"""How far each probe is from the reference.

pairs       one column of a probe beside the reference, run by run
workloads   the same by workload, and what each workload did
power       power over time of what was compared
until       measure until every factor is known well enough, and predict how long that takes
"""

from calibrate.comparison.pairs import (
    Comparison,
    NoReference,
    NotCompared,
    Pair,
    PairedRun,
    ProbeSummary,
    compare,
    pairs_in_wholes,
    reference_of,
)
from calibrate.comparison.power import PowerTrace, RunPower, power_traces
from calibrate.comparison.until import Goal, forecast, least_known, parse_goal, seconds_of_repeat
from calibrate.comparison.workloads import (
    ColumnDifferences,
    Rate,
    WorkloadDifference,
    WorkloadSummary,
    differences,
    summarize_workloads,
    widest_pair,
)

__all__ = [
    "ColumnDifferences",
    "Comparison",
    "Goal",
    "NoReference",
    "NotCompared",
    "Pair",
    "PairedRun",
    "PowerTrace",
    "ProbeSummary",
    "Rate",
    "RunPower",
    "WorkloadDifference",
    "WorkloadSummary",
    "compare",
    "differences",
    "forecast",
    "least_known",
    "pairs_in_wholes",
    "parse_goal",
    "power_traces",
    "reference_of",
    "seconds_of_repeat",
    "summarize_workloads",
    "widest_pair",
]
