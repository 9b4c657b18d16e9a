"""Everything that follows from a campaign folder, in one object.

analysis    reads a folder and computes all of it
finding     what a campaign shows of one column of one probe
diagnosed   the diagnosis of a pair
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
    "analyze",
]
