"""Rules that turn a campaign into pass, fail or inconclusive.

policy     the documents: what is expected of a column, on which machine
sessions   which runs were made in one go
scatter    how runs scatter: readings, runs, sessions
figure     the ratio of a column, or its change, with an expanded uncertainty
ruling     what a ruling can be, and which state each kind has
decision   compare a figure with the limits
judging    apply a policy to a campaign
proposal   write a policy from a campaign
"""

from calibrate.gate.judging import judge
from calibrate.gate.policy import Accepted, AcceptedWorkload, Policy, PolicyMachine, Rule, load
from calibrate.gate.proposal import policy_text, propose
from calibrate.gate.ruling import EXIT, STATES, Kind, Ruling, Shown, State, overall

__all__ = [
    "EXIT",
    "STATES",
    "Accepted",
    "AcceptedWorkload",
    "Kind",
    "Policy",
    "PolicyMachine",
    "Rule",
    "Ruling",
    "Shown",
    "State",
    "judge",
    "load",
    "overall",
    "policy_text",
    "propose",
]
