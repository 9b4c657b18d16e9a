"""What energy buys: emissions, training, use, and claims about algorithms.

usage       joules of a mean run of a workload, by every probe
carbon      CO2e from energy and the intensity of a grid
learning    energy against quality, epoch by epoch
lifecycle   the energy of training beside the energy of use
algorithms  energy and accuracy of learning algorithms on data sets
claims      the claims of a publication about them, judged on a campaign
"""

from calibrate.costs.algorithms import (
    COUNTED,
    FIT,
    FIT_AND_TEST,
    Board,
    Case,
    board,
    cases,
    order,
    ranked,
)
from calibrate.costs.carbon import Footprint, Intensity, find_intensity, footprint, grams_of
from calibrate.costs.claims import Claim, asked_publication, judge_claims
from calibrate.costs.learning import QUALITIES, Epoch, Learning, Learnings, Spent, learnings
from calibrate.costs.lifecycle import Bill, asked_stages, bills
from calibrate.costs.usage import Usage, own_workloads, workload_usage

__all__ = [
    "COUNTED",
    "FIT",
    "FIT_AND_TEST",
    "QUALITIES",
    "Bill",
    "Board",
    "Case",
    "Claim",
    "Epoch",
    "Footprint",
    "Intensity",
    "Learning",
    "Learnings",
    "Spent",
    "Usage",
    "asked_publication",
    "asked_stages",
    "bills",
    "board",
    "cases",
    "find_intensity",
    "footprint",
    "grams_of",
    "judge_claims",
    "learnings",
    "order",
    "own_workloads",
    "ranked",
    "workload_usage",
]
