"""Everything that follows from a campaign folder, in one object.

analysis    reads a folder and computes all of it
finding     what a campaign shows of one column of one probe
diagnosed   the diagnoses of all pairs
verdict     the verdict on a probe: its worst column, what was lost, what is not covered
frames      the same as pandas data frames
"""

from calibrate.analysis.analysis import (
    CALIBRATION,
    COMPARISON,
    DIAGNOSIS,
    LEARNING,
    PHASES,
    Analysis,
    DiagnosisDocument,
    DiagnosisRecord,
    analyze,
)
from calibrate.analysis.finding import Finding
from calibrate.analysis.verdict import ProbeVerdict

__all__ = [
    "CALIBRATION",
    "COMPARISON",
    "DIAGNOSIS",
    "LEARNING",
    "PHASES",
    "Analysis",
    "DiagnosisDocument",
    "DiagnosisRecord",
    "Finding",
    "ProbeVerdict",
    "analyze",
]
