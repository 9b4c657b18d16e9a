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
judgement  a campaign that was judged, with what places it
forms      a judgement as text, Markdown, JUnit, SARIF, JSON, annotations, or a badge
"""

from calibrate.gate.forms import FORMS, write_form
from calibrate.gate.judgement import Judgement, judged
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
    "FORMS",
    "NEXT",
    "STATES",
    "Accepted",
    "AcceptedWorkload",
    "Judgement",
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
    "judged",
    "load",
    "overall",
    "policy_text",
    "propose",
    "write_form",
]
