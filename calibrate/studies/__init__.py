"""Studies of one probe or one machine that need special runs or several campaigns.

datasheet      the properties of a probe: update period, resolution, lag, linearity
interference   what probes do to the machine and to each other
clock          lag and drift of the clocks of imported logs
differences    two campaigns beside each other, column by column
drift          how probes change over a folder of campaigns
conditions     what else may have changed between campaigns
power_lines    a column beside the reference as a line of power over power
foresight      which faults the runs of a plan can identify
"""

from calibrate.studies.clock import clock_offsets, clocks_document, write_aligned
from calibrate.studies.datasheet import Datasheet, Sheet, characterize
from calibrate.studies.differences import EXIT, Diff, Difference, diff
from calibrate.studies.drift import Course, Drift, detect_drift
from calibrate.studies.foresight import METERS, Told, foresee
from calibrate.studies.interference import Effect, Observation, observe

__all__ = [
    "EXIT",
    "METERS",
    "Course",
    "Datasheet",
    "Diff",
    "Difference",
    "Drift",
    "Effect",
    "Observation",
    "Sheet",
    "Told",
    "characterize",
    "clock_offsets",
    "clocks_document",
    "detect_drift",
    "diff",
    "foresee",
    "observe",
    "write_aligned",
]
