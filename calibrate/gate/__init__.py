"""Rules that turn a campaign into pass, fail or inconclusive.

policy     the documents: what is expected of a column, on which machine
sessions   which runs were made in one go
scatter    how runs scatter: readings, runs, sessions
figure     the ratio of a column, or its change, with an expanded uncertainty
ruling     what a ruling can be, which state each kind has, and what to do about it
forbidding faults that a policy forbids
limits     how far single runs lie, and what a probe takes itself
drift      whether a stored calibration still holds
decision   compare a figure with the limits
judging    apply a policy to a campaign
proposal   write a policy from a campaign
"""

from calibrate.gate.judging import judge
from calibrate.gate.policy import (
    Accepted,
    AcceptedWorkload,
    Limits,
    Policy,
    PolicyMachine,
    Rule,
    WorkloadRule,
    load,
)
from calibrate.gate.proposal import policy_text, propose
from calibrate.gate.ruling import EXIT, NEXT, STATES, Kind, Ruling, Shown, State, overall

__all__ = [
    "EXIT",
    "NEXT",
    "STATES",
    "Accepted",
    "AcceptedWorkload",
    "Kind",
    "Limits",
    "Policy",
    "PolicyMachine",
    "Rule",
    "Ruling",
    "Shown",
    "State",
    "WorkloadRule",
    "judge",
    "load",
    "overall",
    "policy_text",
    "propose",
]
