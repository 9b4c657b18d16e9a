"""Why a probe differs from the reference: the fault that explains the runs best.

engine        chooses between the models, and refuses to where the runs do not decide
faults        the faults: titles, causes, exact factors, and what they are looked for in
case          the data of one probe, and what each model makes of them
models        faults of the level: wrong units, gains, constant power
structures    faults with a pattern: offsets, lags, missing or doubled parts
irregular     faults that change from run to run
late          power that follows the load late
losses        energy that is lost by chance
deciding      the run that would tell explanations apart
evidence      how well a model predicts the runs
sums          a sum, which takes its findings from its parts
resolution    runs too short for a probe's step
material      whether a fault would matter
single_runs   probes that are wrong only in single runs
across        a probe that covers a part of what the reference covers
order         a part that is above the whole that it is in
reported      faults that users reported, by release
severity      how bad a diagnosis is, in order
words         the sentences
result        the diagnosis
"""

from calibrate.diagnosis.across import explain_across
from calibrate.diagnosis.case import IMMATERIAL
from calibrate.diagnosis.engine import diagnose
from calibrate.diagnosis.faults import FAULTS, NO_FIGURE, Fault, Keys, fault
from calibrate.diagnosis.models import CONSTANT_POWER, NO_FAULT
from calibrate.diagnosis.order import ABOVE_WHOLE, part_above
from calibrate.diagnosis.reported import find_report, load_reports
from calibrate.diagnosis.result import UNEXPLAINED, Deciding, Diagnosis, Runs
from calibrate.diagnosis.severity import DEAD, Severity, severity_of
from calibrate.diagnosis.single_runs import NO_ENERGY, STRAY
from calibrate.diagnosis.sums import FAULTY_PART, of_sum

__all__ = [
    "ABOVE_WHOLE",
    "CONSTANT_POWER",
    "DEAD",
    "FAULTS",
    "FAULTY_PART",
    "IMMATERIAL",
    "NO_ENERGY",
    "NO_FAULT",
    "NO_FIGURE",
    "STRAY",
    "UNEXPLAINED",
    "Deciding",
    "Diagnosis",
    "Fault",
    "Keys",
    "Runs",
    "Severity",
    "diagnose",
    "explain_across",
    "fault",
    "find_report",
    "load_reports",
    "of_sum",
    "part_above",
    "severity_of",
]
