"""Studies of one probe or one machine that need special runs or several campaigns.

datasheet      the properties of a probe: update period, resolution, lag, linearity
interference   what probes do to the machine and to each other
clock          lag and drift of the clocks of imported logs
drift          how probes change from campaign to campaign
foresight      which faults the runs of a plan can identify
"""

from calibrate.studies.clock import clock_offsets, clocks_document, write_aligned
from calibrate.studies.datasheet import Datasheet, Sheet, characterize
from calibrate.studies.drift import EXIT, Course, detect_drift, diff
from calibrate.studies.foresight import METERS, Told, foresee
from calibrate.studies.interference import Effect, Observation, observe

__all__ = [
    "EXIT",
    "METERS",
    "Course",
    "Datasheet",
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
