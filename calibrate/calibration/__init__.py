"""The correction of a probe, its uncertainty, and how to apply it.

fit      fit a correction and decide whether it may be used
budget   the uncertainty budget of a correction
apply    correct readings
tables   correct the files that meters write
"""

from calibrate.calibration.apply import (
    Corrected,
    CorrectionWarning,
    Corrector,
    load_calibration,
)
from calibrate.calibration.fit import Band, Calibration, Correction, fit_calibration
from calibrate.calibration.tables import (
    Columns,
    carbontracker_table,
    codecarbon_columns,
    correct_csv,
    read_table,
)

__all__ = [
    "Band",
    "Calibration",
    "Columns",
    "Corrected",
    "Correction",
    "CorrectionWarning",
    "Corrector",
    "carbontracker_table",
    "codecarbon_columns",
    "correct_csv",
    "fit_calibration",
    "load_calibration",
    "read_table",
]
