"""What energy buys: emissions, training, use, and claims about algorithms.

carbon      CO2e from energy and the intensity of a grid
learning    energy against quality, epoch by epoch
lifecycle   the energy of training beside the energy of use
claims      claims of a study about learning algorithms, tested on a campaign
"""

from calibrate.costs.carbon import Footprint, Intensity, find_intensity, footprint
from calibrate.costs.claims import (
    ALGORITHMS,
    COUNTED,
    DATA,
    FIT,
    FIT_AND_TEST,
    Board,
    Case,
    Claim,
    board,
    cases,
    judge_claims,
    order,
    place,
    ranked,
)
from calibrate.costs.learning import QUALITIES, Epoch, Learning, Learnings, Spent, learnings
from calibrate.costs.lifecycle import Bill, asked_stages, bills

__all__ = [
    "ALGORITHMS",
    "COUNTED",
    "DATA",
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
    "asked_stages",
    "bills",
    "board",
    "cases",
    "find_intensity",
    "footprint",
    "judge_claims",
    "learnings",
    "order",
    "place",
    "ranked",
]
